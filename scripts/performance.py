#!/usr/bin/env python3
"""Writes docs/performance.md and its pictures from what the benchmarks left in target/. See scripts/performance.sh."""
import json
import math
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CRITERION = ROOT / "target" / "criterion"
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "performance"

# Readable on white and on black alike; the rest follows the reader's scheme.
COLOURS = ["#3b82f6", "#e8833a", "#2fa36b", "#b05fd0", "#d9536f", "#8a8f98"]
STYLE = """<style>
text { font: 13px ui-sans-serif, system-ui, sans-serif; fill: #24292f; }
.faint { stroke: #d0d7de; } .small { font-size: 11px; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .faint { stroke: #30363d; } }
</style>"""


def command(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


def records():
    """The records of every benchmark, by benchmark, each in the order in which it wrote them."""
    files = sorted((CRITERION / "witgate").glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def criterion():
    """What criterion measured: (group, side, size) -> (median ns, elements, bytes)."""
    found = {}
    for file in CRITERION.glob("**/new/benchmark.json"):
        about = json.loads(file.read_text())
        estimates = json.loads((file.parent / "estimates.json").read_text())
        throughput = about.get("throughput") or {}
        both = throughput.get("ElementsAndBytes", {})
        key = (about["group_id"], about["function_id"], about["value_str"])
        elements = both.get("elements", throughput.get("Elements"))
        found[key] = (estimates["median"]["point_estimate"], elements, both.get("bytes", throughput.get("Bytes")))
    return found


def scaled(value, unit):
    """A number as people write it."""
    if value is None:
        return ""
    if unit == "ns":
        for limit, divisor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if value < limit:
                return f"{digits(value / divisor)} {name}"
        return f"{digits(value / 1e9)} s"
    return f"{digits(value)} {unit}".strip()


def digits(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def ratio(value):
    return "" if value is None else f"{value:.2f}"


def table(head, rows):
    numeric = [i > 0 and all(re.match(r"^[\d<]|^$", row[i]) for row in rows) for i in range(len(head))]
    line = ["--:" if right else "---" for right in numeric]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, line, *rows])


def promises(files):
    rows = []
    for name, entries in files.items():
        for entry in entries:
            for at, promise in (("p50", entry.get("promise")), ("p99", entry.get("promise_p99"))):
                if promise is None:
                    continue
                measured = entry.get("ratio" if at == "p50" else "ratio_p99")
                least = entry.get("at_least", False)
                met = measured is not None and (measured >= promise if least else measured <= promise)
                bound = f"{'≥' if least else '≤'} {promise:g}"
                own, floor = scaled(entry.get(at), entry["unit"]), scaled(entry.get(f"floor_{at}"), entry["unit"])
                rows.append([
                    f"{entry['group']}: {entry['name']}", at, own, floor, ratio(measured), bound,
                    "met" if met else "**not met**",
                ])
    return table(["what", "of", "measured", "floor", "ratio", "promised", ""], rows)


def times(entries):
    rows = []
    for entry in entries:
        value = lambda key: scaled(entry.get(key), entry["unit"])
        rows.append([
            entry["name"], value("p50"), value("p90"), value("p99"), value("max"), value("floor_p50"),
            ratio(entry.get("ratio")), f"{entry['calls']:,}",
        ])
    head = ["", "p50", "p90", "p99", "max", "floor p50", "ratio", "calls"]
    empty = [i for i in range(len(head)) if i and all(not row[i] for row in rows)]
    keep = [i for i in range(len(head)) if i not in empty]
    return table([head[i] for i in keep], [[row[i] for i in keep] for row in rows])


def by_group(entries):
    groups = {}
    for entry in entries:
        groups.setdefault(entry["group"], []).append(entry)
    return groups


def throughput(measured, title):
    """One line for each size of each group whose name begins so."""
    groups = sorted({group for group, _, _ in measured if group.startswith(title)})
    rows = []
    for group in groups:
        sizes = sorted({size for g, _, size in measured if g == group}, key=int)
        for size in sizes:
            host = measured.get((group, "host", size))
            floor = measured.get((group, "floor", size))
            if not host:
                continue
            time, elements, size_bytes = host
            rows.append([
                group.removeprefix(title).strip(), f"{int(size):,}", scaled(time, "ns"),
                digits(elements / time * 1e3), digits(size_bytes / time) if size_bytes / time >= 0.001 else "<0.001",
                scaled(floor[0], "ns") if floor else "", ratio(time / floor[0]) if floor else "",
            ])
    return table(["call", "rows", "a call", "million rows/s", "GB/s", "floor", "ratio"], rows)


def svg(width, height, title, body):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f"<title>{escape(title)}</title>\n{STYLE}\n" + "\n".join(body) + "\n</svg>\n"
    )


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, words, anchor="start", small=False):
    kind = ' class="small"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(words)}</text>'


def curves(name, title, x_name, series):
    """Lines over two logarithmic axes; y is a time in ns. Series: (label, dashed, points)."""
    left, top, width, height = 70, 40, 560, 280
    xs = [x for _, _, points in series for x, _ in points]
    ys = [y for _, _, points in series for _, y in points]
    x_low, x_high = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))
    y_low, y_high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    place = lambda x, y: (
        left + width * (math.log10(x) - x_low) / max(x_high - x_low, 1),
        top + height * (y_high - math.log10(y)) / max(y_high - y_low, 1),
    )
    body = [text(left, 22, title)]
    for power in range(y_low, y_high + 1):
        y = place(10**x_low, 10**power)[1]
        body.append(f'<line class="faint" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(text(left - 8, y + 4, scaled(10.0**power, "ns"), "end", True))
    for power in range(x_low, x_high + 1):
        x = place(10**power, 10**y_low)[0]
        body.append(f'<line class="faint" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}"/>')
        body.append(text(x, top + height + 18, f"{10**power:,}", "middle", True))
    body.append(text(left + width / 2, top + height + 38, x_name, "middle", True))
    colours, colour = {}, ""
    for label, dashed, points in series:
        kind = label.removesuffix(" floor")
        colour = colours.setdefault(kind, COLOURS[len(colours) % len(COLOURS)])
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        body.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if not dashed:
            body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (place(*p) for p in points)]
    for i, (kind, colour) in enumerate(colours.items()):
        y = top + 14 + 20 * i
        body.append(f'<rect x="{left + width + 16}" y="{y - 9}" width="12" height="12" fill="{colour}"/>')
        body.append(text(left + width + 34, y + 1, kind))
    if any(dashed for _, dashed, _ in series):
        body.append(text(left + width + 16, top + 14 + 20 * len(colours), "dashed: its floor", small=True))
    picture(name, svg(left + width + 190, top + height + 50, title, body))


def stacks(name, title, rows):
    """Horizontal bars, each cut into shares. Rows: (label, total as text, [(part, value)])."""
    left, bar, gap, width = 130, 26, 18, 520
    parts = list(dict.fromkeys(part for _, _, values in rows for part, _ in values))
    body = [text(16, 22, title)]
    for i, (label, total, values) in enumerate(rows):
        y, x = 40 + i * (bar + gap), left
        whole = sum(value for _, value in values) or 1
        body.append(text(left - 10, y + 17, label, "end"))
        for part, value in values:
            wide = width * value / whole
            colour = COLOURS[parts.index(part) % len(COLOURS)]
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{bar}" fill="{colour}"/>')
            if wide > 34:
                body.append(f'<text x="{x + wide / 2:.1f}" y="{y + 17}" text-anchor="middle" style="fill:#fff">{100 * value / whole:.0f} %</text>')
            x += wide
        body.append(text(left + width + 10, y + 17, total))
    y = 40 + len(rows) * (bar + gap) + 8
    x = 16
    for part in parts:
        wide = 30 + 7 * len(part)
        if x + wide > left + width + 90:
            x, y = 16, y + 22
        body.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[parts.index(part) % len(COLOURS)]}"/>')
        body.append(text(x + 18, y, part))
        x += wide
    picture(name, svg(left + width + 110, y + 20, title, body))


def bars(name, title, histogram):
    """A histogram over powers of two of nanoseconds, counts on a logarithmic axis."""
    left, top, height, wide = 20, 40, 150, 34
    most = math.log10(max(bucket["count"] for bucket in histogram) + 1)
    body = [text(left, 22, title)]
    for i, bucket in enumerate(histogram):
        tall = height * math.log10(bucket["count"] + 1) / most
        x = left + i * (wide + 8)
        body.append(f'<rect x="{x}" y="{top + height - tall:.1f}" width="{wide}" height="{tall:.1f}" fill="{COLOURS[0]}"/>')
        body.append(text(x + wide / 2, top + height - tall - 4, f"{bucket['count']:,}", "middle", True))
        body.append(text(x + wide / 2, top + height + 16, scaled(bucket["from"], "ns").replace(" ", " "), "middle", True))
    body.append(text(left, top + height + 38, "from this time to twice it; counts, logarithmic", small=True))
    picture(name, svg(max(left + len(histogram) * (wide + 8) + 20, 420), top + height + 50, title, body))


def picture(name, content):
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.svg").write_text(content)


def arrow(files, measured):
    section = []
    kinds = ["int64", "float64", "utf8", "dictionary"]
    series = []
    for kind in kinds:
        for side in ("host", "floor"):
            points = sorted(
                (int(size), time)
                for (group, s, size), (time, _, _) in measured.items()
                if group == f"arrow scalar {kind}" and s == side
            )
            if points:
                series.append((kind if side == "host" else f"{kind} floor", side == "floor", points))
    if series:
        curves("arrow-scalar", "One scalar call: time by number of rows", "rows", series)
        section += ["![One scalar call: time by number of rows](performance/arrow-scalar.svg)", ""]
    section += [throughput(measured, "arrow"), ""]
    stages = by_group(files.get("arrow_path", [])).get("arrow stages", [])
    if stages:
        rows = {}
        for entry in stages:
            size, part = entry["name"].split(" rows, ", 1)
            rows.setdefault(size, []).append((part, entry["p50"]))
        parts = list(dict.fromkeys(part for values in rows.values() for part, _ in values))
        cells = [[f"{int(size):,}", *(scaled(dict(values)[part], "ns") for part in parts)] for size, values in rows.items()]
        bars_of = [(f"{int(size):,} row{'' if size == '1' else 's'}", scaled(sum(v for _, v in values), "ns"), values) for size, values in rows.items()]
        stacks("arrow-stages", "Where a scalar call of int64 spends its time", bars_of)
        section += [
            "Where a call spends its time (medians of each stage, `int64`). The clock is read by the sink of the log, at lines that the",
            "plugin logs; writing and reading the streams is timed apart and taken from the stage that holds it.", "",
            "![Where a scalar call spends its time](performance/arrow-stages.svg)", "",
            table(["rows", *parts], cells), "",
        ]
    own = by_group(files.get("arrow_path", [])).get("arrow", [])
    if own:
        section += ["Call by call, the floor and the host in turn:", "", times(own), ""]
    return "\n".join(section)


def slug_of(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def by_count(entries):
    """Percentiles of the times in a group whose names begin with a number, as lines over that number."""
    points = {"p50": [], "p99": []}
    for entry in entries:
        count = re.match(r"(\d+): ", entry["name"])
        if count and entry["unit"] == "ns":
            for percentile, line in points.items():
                if entry.get(percentile):
                    line.append((int(count.group(1)), entry[percentile]))
    return [(percentile, False, line) for percentile, line in points.items() if len(line) > 2]


def own_sections(files, only):
    """The records of one benchmark, group by group, with histograms drawn."""
    section = []
    for group, entries in by_group(files.get(only, [])).items():
        section += [f"**{group}**", "", times(entries), ""]
        series = by_count(entries)
        if series:
            slug = slug_of(group)
            curves(slug, f"{group}: time of a call by how many there are", "how many", series)
            section += [f"![{group}](performance/{slug}.svg)", ""]
        for entry in entries:
            # One picture a kind of call; the others of a series are in the table.
            if entry.get("histogram") and not re.search(r"\d", entry["name"]):
                slug = slug_of(f"{group} {entry['name']}")
                bars(slug, entry["name"], entry["histogram"])
                section += [f"![{entry['name']}](performance/{slug}.svg)", ""]
                if entry.get("note"):
                    section += [f"{entry['name']}: {entry['note']}.", ""]
    return "\n".join(section) or "Not measured."


def instructions():
    counts = TARGET / "instructions" / "head.txt"
    if not counts.is_file():
        return "Not counted: valgrind was not there."
    rows = [line.split() for line in counts.read_text().splitlines()]
    return table(["path", "instructions"], [[name, f"{int(count):,}"] for name, count in rows])


def main():
    files, measured = records(), criterion()
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} processors ({model.group(1).strip() if model else platform.processor()})"
    page = TEMPLATE.format(
        machine=machine, system=f"{platform.system()} {platform.machine()}", rust=command("rustc", "--version"),
        promises=promises(files), host_calls=own_sections(files, "host_calls"), queue=own_sections(files, "queue"),
        arrow=arrow(files, measured), suite=own_sections(files, "suite"), instructions=instructions(),
    )
    PAGE.write_text(page)


TEMPLATE = (Path(__file__).with_name("performance.template.md")).read_text()

main()
