//! How a red verdict is shown: the case's line with a caret, what was expected and what was there, what happened up to
//! there, and the command that runs the case alone.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    case::model::{Case, Span},
    judge::walk::Line,
    run::verdict::{Outcome, Verdict},
};

/// Transcript lines that are shown: the last ones.
const LINES: usize = 12;

/// Shows a red verdict. `command` is how `witgate run` was called for this host, as in `witgate run -- ./adapter`.
pub fn show(case: &Case, outcome: &Outcome, command: &Command) -> String {
    let mut out = String::new();
    let name = outcome.verdict.name();
    let _ = writeln!(out, "{name}: {} ({})", case.id, case.binding());
    for quote in &case.quotes {
        let _ = writeln!(out, "  the contract says: \"{quote}\"");
    }
    match &outcome.verdict {
        Verdict::Fail(failure) => {
            source(&mut out, case, failure.span);
            field(&mut out, "expected", &failure.expected);
            field(&mut out, "actual", &failure.actual);
            if !failure.path.is_empty() {
                field(&mut out, "at", &failure.path);
            }
            for note in &failure.notes {
                field(&mut out, "note", note);
            }
        }
        Verdict::Timeout { phase, span } => {
            source(&mut out, case, *span);
            let text = format!("{phase} within the case's {:?}", case.limit);
            field(&mut out, "expected", &text);
            field(&mut out, "actual", "nothing");
        }
        Verdict::NotRun { message, span } => {
            source(&mut out, case, *span);
            field(&mut out, "problem", message);
        }
        Verdict::Crash { message } | Verdict::Protocol { message } => {
            source(&mut out, case, None);
            field(&mut out, "problem", message);
        }
        Verdict::Pass | Verdict::Chose { .. } | Verdict::Unsupported { .. } => {}
    }
    if !outcome.stderr.trim().is_empty() {
        let _ = writeln!(out, "  its standard error ended:");
        for line in outcome.stderr.trim_end().lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    transcript(&mut out, &outcome.transcript);
    let _ = writeln!(out, "  rerun: {}", command.alone(case));
    out
}

fn source(out: &mut String, case: &Case, span: Option<Span>) {
    let span = span.unwrap_or(Span {
        start: case.span.start,
        end: case.span.start,
    });
    let text = &case.source.text;
    let start = span.start.min(text.len());
    let before = &text.get(..start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    let from = column.max(indent);
    let to = line
        .len()
        .min(column + span.end.saturating_sub(span.start))
        .max(from + 1);
    let gutter = number.to_string();
    let _ = writeln!(out, "  --> {}:{number}:{}", case.source.name, column + 1);
    let _ = writeln!(out, "  {gutter} | {line}");
    let width = |range: &str| range.chars().count();
    let lead = width(line.get(..from).unwrap_or_default());
    let carets = width(line.get(from..to).unwrap_or_default()).max(1);
    let _ = writeln!(
        out,
        "  {} | {}{}",
        " ".repeat(gutter.len()),
        " ".repeat(lead),
        "^".repeat(carets)
    );
}

fn field(out: &mut String, name: &str, value: &str) {
    let mut lines = value.lines();
    let _ = writeln!(out, "  {name:>8}: {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(out, "            {line}");
    }
}

fn transcript(out: &mut String, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "  what happened:");
    if lines.len() > LINES {
        let _ = writeln!(out, "    ... {} lines before", lines.len() - LINES);
    }
    for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
        let arrow = if line.value.is_empty() {
            String::new()
        } else {
            format!(" => {}", line.value)
        };
        let _ = writeln!(out, "    {}: {}{arrow}", line.who, line.what);
    }
}

/// How `witgate run` was called.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The tree the cases were read from, where it is not witgate's own.
    pub root: Option<String>,
    /// Profiles that were demanded.
    pub profiles: BTreeSet<String>,
    /// The adapter's command line, if there is one.
    pub adapter: Vec<String>,
}

impl Command {
    /// The command that runs one case on the same host, for a shell.
    pub fn alone(&self, case: &Case) -> String {
        let mut text = "witgate".to_owned();
        if let Some(root) = &self.root {
            let _ = write!(text, " --root {}", quoted(root));
        }
        let _ = write!(text, " run '{}'", case.id);
        let profile = case.profile.as_ref();
        if let Some(profile) = profile.filter(|profile| self.profiles.contains(*profile)) {
            let _ = write!(text, " --profile {profile}");
        }
        if !self.adapter.is_empty() {
            text.push_str(" --");
        }
        for part in &self.adapter {
            let _ = write!(text, " {}", quoted(part));
        }
        text
    }
}

/// A word of a command line, for a shell.
pub(crate) fn quoted(part: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "-_./:=,@%+".contains(char);
    if !part.is_empty() && part.chars().all(plain) {
        return part.to_owned();
    }
    format!("'{}'", part.replace('\'', r"'\''"))
}
