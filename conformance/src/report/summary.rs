//! What a run came to, in numbers.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::run::{
    Floor,
    verdict::{Outcome, Verdict},
};

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
    /// The floor of the wall time, if it was measured.
    pub floor: Option<FloorSummary>,
}

/// The run beside the same guests with nothing judged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FloorSummary {
    /// Wall time of the floor, waits that cases demand left out, in microseconds.
    pub wall_us: u64,
    /// Wall time of the run, waits that cases demand left out, in microseconds.
    pub run_us: u64,
    /// How many times the floor the run took.
    pub ratio: f64,
}

impl Summary {
    /// Counts the outcomes of a run on `jobs` hosts; waits that cases demand are taken to spread evenly over them.
    pub fn new(outcomes: &[Outcome], wall: Duration, jobs: usize, floor: Option<Floor>) -> Summary {
        let mut summary = Summary {
            wall_us: micros(wall),
            ..Summary::default()
        };
        for outcome in outcomes {
            *summary.verdicts.entry(outcome.verdict.name()).or_default() += 1;
            if !matches!(
                outcome.verdict,
                Verdict::Unsupported { .. } | Verdict::NotRun { .. }
            ) {
                summary.executed += 1;
            }
            summary.wait_us += micros(outcome.timing.wait);
        }
        let jobs = u64::try_from(jobs.max(1)).unwrap_or(1);
        summary.floor = floor.map(|floor| {
            let wall_us = micros(floor.wall).saturating_sub(micros(floor.wait) / jobs);
            let run_us = summary.wall_us.saturating_sub(summary.wait_us / jobs);
            FloorSummary {
                wall_us,
                run_us,
                ratio: run_us as f64 / wall_us.max(1) as f64,
            }
        });
        let mut times: Vec<(String, u64)> = outcomes
            .iter()
            .map(|outcome| {
                let timing = &outcome.timing;
                (
                    outcome.id.clone(),
                    micros(timing.plan + timing.host + timing.judge),
                )
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
        let parts: Vec<String> = self
            .verdicts
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let cases = if total == 1 { "case" } else { "cases" };
        if parts.is_empty() {
            "0 cases".to_owned()
        } else {
            format!("{total} {cases}: {}", parts.join(", "))
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
