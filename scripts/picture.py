#!/usr/bin/env python3
"""Draws terminal text (standard input) as an SVG (standard output), readable on light and dark pages.

    cargo witgate run ... 2>&1 | python3 scripts/picture.py '$ cargo witgate run' > docs/run.svg
"""
import html
import sys

WIDTH = 118
LINE = 18
CHAR = 7.8


def colour(line: str) -> str:
    text = line.strip()
    if text.startswith(("fail:", "crash:", "timeout:", "protocol:")):
        return "#ff7b72"
    if text.startswith(("expected:", "$")):
        return "#7ee787"
    if text.startswith("actual:") or set(text) <= set("|^ ") and "^" in text:
        return "#ffa657"
    if text.startswith(("the contract says", "rerun:")):
        return "#79c0ff"
    return "#e6edf3"


def main() -> None:
    lines = sys.argv[1:] + [line.rstrip("\n") for line in sys.stdin]
    lines = [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines]
    height = LINE * (len(lines) + 2)
    width = int(CHAR * WIDTH) + 32
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">')
    print("<title>A run of witgate in a terminal</title>")
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#30363d"/>')
    print('<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">')
    for number, line in enumerate(lines):
        y = LINE * (number + 1) + 8
        print(f'<text x="16" y="{y}" fill="{colour(line)}">{html.escape(line)}</text>')
    print("</g></svg>")


main()
