//! What a run came to, in numbers.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::run::verdict::{Outcome, Verdict};

/// A run in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Cases by verdict name.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Cases that ran: all but `unsupported` and `not-run`.
    pub executed: usize,
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// Time that cases demand to be waited, added up, in microseconds.
    pub wait_us: u64,
    /// Ids and times of the slowest ten, in microseconds.
    pub slowest: Vec<(String, u64)>,
}

impl Summary {
    /// Counts the outcomes of a run.
    pub fn new(outcomes: &[Outcome], wall: Duration) -> Summary {
        let mut summary = Summary { wall_us: micros(wall), ..Summary::default() };
        for outcome in outcomes {
            *summary.verdicts.entry(outcome.verdict.name()).or_default() += 1;
            if !matches!(outcome.verdict, Verdict::Unsupported { .. } | Verdict::NotRun { .. }) {
                summary.executed += 1;
            }
            summary.wait_us += micros(outcome.timing.wait);
        }
        let mut times: Vec<(String, u64)> = outcomes
            .iter()
            .map(|outcome| {
                let timing = &outcome.timing;
                (outcome.id.clone(), micros(timing.plan + timing.host + timing.judge))
            })
            .collect();
        times.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        times.truncate(10);
        summary.slowest = times;
        summary
    }

    /// `340 cases: 300 pass, 40 chose`
    pub fn counts(&self) -> String {
        let total: usize = self.verdicts.values().sum();
        let parts: Vec<String> = self.verdicts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let cases = if total == 1 { "case" } else { "cases" };
        if parts.is_empty() { "0 cases".to_owned() } else { format!("{total} {cases}: {}", parts.join(", ")) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
