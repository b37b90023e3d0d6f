//! A page on one run: what the host breaks, what it chose, what it does not support.

use std::fmt::Write as _;

use super::{
    failure::{self, Command},
    summary::Summary,
};
use crate::{
    case::model::Case,
    host::protocol::Hello,
    run::verdict::{Outcome, Verdict},
};

/// Writes the page. Times are left out, so that two runs of one host give the same page.
pub fn page(
    hello: &Hello,
    results: &[(&Case, &Outcome)],
    summary: &Summary,
    command: &Command,
) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {} {}\n", hello.name, hello.version);
    let _ = writeln!(out, "{}.\n", summary.counts());
    let _ = writeln!(
        out,
        "| level | cases | pass | chose | red | unsupported |\n|---|---|---|---|---|---|"
    );
    for level in ["must", "should", "record", "robust"] {
        let of: Vec<&Outcome> = results
            .iter()
            .filter(|(case, _)| case.level.name() == level)
            .map(|(_, outcome)| *outcome)
            .collect();
        let count =
            |test: fn(&Verdict) -> bool| of.iter().filter(|outcome| test(&outcome.verdict)).count();
        let _ = writeln!(
            out,
            "| {level} | {} | {} | {} | {} | {} |",
            of.len(),
            count(|verdict| matches!(verdict, Verdict::Pass)),
            count(|verdict| matches!(verdict, Verdict::Chose { .. })),
            count(Verdict::is_red),
            count(|verdict| matches!(verdict, Verdict::Unsupported { .. })),
        );
    }
    let red: Vec<_> = results
        .iter()
        .filter(|(_, outcome)| outcome.verdict.is_red())
        .collect();
    if !red.is_empty() {
        let _ = writeln!(out, "\n## What is red\n");
        for (case, outcome) in red {
            let shown = failure::show(case, outcome, command);
            let _ = writeln!(out, "### `{}`\n\n```text\n{}```\n", case.id, shown);
        }
    }
    chosen(&mut out, results);
    unsupported(&mut out, results);
    out
}

fn chosen(out: &mut String, results: &[(&Case, &Outcome)]) {
    let mut rows = results
        .iter()
        .filter_map(|(case, outcome)| match &outcome.verdict {
            Verdict::Chose { outcomes } => {
                Some(format!("| `{}` | {} |", case.id, outcomes.join(", ")))
            }
            _ => None,
        });
    if let Some(first) = rows.next() {
        let _ = writeln!(
            out,
            "\n## What the contract leaves open, and what this host does\n\n| case | outcome |\n|---|---|\n{first}"
        );
        rows.for_each(|row| {
            let _ = writeln!(out, "{row}");
        });
    }
}

fn unsupported(out: &mut String, results: &[(&Case, &Outcome)]) {
    let mut rows = results
        .iter()
        .filter_map(|(case, outcome)| match &outcome.verdict {
            Verdict::Unsupported { capabilities } => {
                Some(format!("| `{}` | {} |", case.id, capabilities.join(", ")))
            }
            _ => None,
        });
    if let Some(first) = rows.next() {
        let _ = writeln!(
            out,
            "\n## What was not run, for want of a capability\n\n| case | capability |\n|---|---|\n{first}"
        );
        rows.for_each(|row| {
            let _ = writeln!(out, "{row}");
        });
    }
}
