//! A file of verdicts that are known and accepted for one host: a list that may only shrink.
//!
//! One line a case: `ID VERDICT`, where the verdict is `fail`, `crash`, `timeout` or `protocol`, or `chose NAME,NAME` to
//! lock what the host chose. `#` starts a comment.

use std::{collections::BTreeMap, path::Path};

use super::Problem;
use crate::run::verdict::{Outcome, Verdict};

#[derive(Debug, Default)]
pub(super) struct Expectations {
    lines: BTreeMap<String, Expected>,
}

#[derive(Debug)]
struct Expected {
    verdict: String,
    line: usize,
}

const VERDICTS: [&str; 4] = ["fail", "crash", "timeout", "protocol"];

impl Expectations {
    pub(super) fn read(path: &Path) -> Result<Expectations, Problem> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::usage(format!("can't read {}: {error}", path.display())))?;
        Expectations::parse(&text)
            .map_err(|message| Problem::usage(format!("{}:{message}", path.display())))
    }

    fn parse(text: &str) -> Result<Expectations, String> {
        let mut expectations = Expectations::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let (id, verdict) = line
                .split_once(char::is_whitespace)
                .ok_or(format!("{number}: expected `ID VERDICT`"))?;
            let verdict = match verdict.trim().split_once(char::is_whitespace) {
                Some(("chose", names)) => chose(names.split(',').map(str::trim)),
                _ => verdict.trim().to_owned(),
            };
            if !VERDICTS.contains(&verdict.as_str()) && !verdict.starts_with("chose ") {
                let known = VERDICTS.join("`, `");
                return Err(format!(
                    "{number}: no verdict `{verdict}`; expected `{known}` or `chose NAMES`"
                ));
            }
            if expectations
                .lines
                .insert(
                    id.to_owned(),
                    Expected {
                        verdict,
                        line: number,
                    },
                )
                .is_some()
            {
                return Err(format!("{number}: `{id}` stands twice"));
            }
        }
        Ok(expectations)
    }

    /// Whether a red verdict is one that the file expects.
    pub(super) fn expects(&self, outcome: &Outcome) -> bool {
        self.lines
            .get(&outcome.id)
            .is_some_and(|expected| expected.verdict == told(&outcome.verdict))
    }

    /// What the file says that is no longer so, of the cases that ran.
    pub(super) fn stale(&self, outcomes: &[Outcome]) -> Vec<String> {
        let mut stale = Vec::new();
        for (id, expected) in &self.lines {
            if let Some(outcome) = outcomes.iter().find(|outcome| outcome.id == *id) {
                let now = told(&outcome.verdict);
                if now != expected.verdict {
                    stale.push(format!(
                        "expectation of line {}: {id} {}, but it is: {now}",
                        expected.line, expected.verdict
                    ));
                }
            }
        }
        stale
    }

    /// Ids that no case has.
    pub(super) fn unknown(&self, known: &dyn Fn(&str) -> bool) -> Vec<String> {
        let strange = self.lines.iter().filter(|(id, _)| !known(id));
        strange
            .map(|(id, expected)| format!("expectation of line {}: no case `{id}`", expected.line))
            .collect()
    }
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Chose { outcomes } => chose(outcomes.iter().map(String::as_str)),
        other => other.name().to_owned(),
    }
}

fn chose<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("chose {}", names.collect::<Vec<_>>().join(","))
}
