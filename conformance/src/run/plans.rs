//! The step that tries a duty of hosts on generated plans, at the host of the case.

use std::time::Duration;

use fixtures::abi::Value;
use proptest::test_runner::{Config, RngSeed};
use serde_json::Value as Json;

use super::{
    scope::Scope,
    session::Session,
    steps::{Steps, Stop, broken},
    verdict::{Failure, Verdict},
};
use crate::{
    case::model::{Expectation, Span},
    judge::walk::Answer,
    law::{
        Fault,
        duty::{self, Caller, Duty, Trial},
    },
};

/// Set to a number, it is how many plans are tried where that is more than the case asks for.
const WIDER: &str = "PROPTEST_CASES";

/// Milliseconds that may go into making a plan smaller.
const SHRINKING: u32 = 8_000;

/// What one more plan may take than the case reckons with.
const PLAN: Duration = Duration::from_millis(200);

impl Steps<'_, '_> {
    /// Tries a duty on plans; the numbers are the seed and how many.
    pub(super) fn plans(
        &mut self,
        duty: Duty,
        (seed, cases): (u64, u32),
        expect: Option<&Expectation>,
        scope: &mut Scope<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let wider = std::env::var(WIDER).ok();
        let wider = wider.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        self.session
            .extend(PLAN * cases.max(wider).saturating_sub(cases));
        let config = Config {
            cases: cases.max(wider),
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(seed),
            max_shrink_time: SHRINKING,
            ..Config::default()
        };
        let mut through = Through {
            session: &mut *self.session,
            stopped: None,
        };
        let trial = match (duty::try_duty(&mut through, duty, &config), through.stopped) {
            (_, Some(verdict)) => return Err(verdict.into()),
            (Err(fault), None) => return Err(broken(span, fault.to_string())),
            (Ok(trial), None) => trial,
        };
        let what = format!("plans {}", duty.name());
        self.line(&what, format!("{} of seed {seed}", config.cases));
        match (trial, expect) {
            (Trial::Broken(found), None) => Err(Stop::Failed(Failure {
                span: Some(span),
                path: String::new(),
                expected: format!("{}, whatever the plan", duty.statement()),
                actual: found.finding,
                notes: vec![format!("the smallest plan found\n{}", found.plan)],
            })),
            (Trial::Kept, None) => Ok(()),
            (trial, Some(expect)) => {
                let value = Value::Result(match trial {
                    Trial::Kept => Ok(None),
                    Trial::Broken(found) => Err(Some(Box::new(Value::String(found.to_string())))),
                });
                self.judge(expect, Answer::Returned(Some(&value)), scope, span, "")
            }
        }
    }
}

/// The host of a case, and why it could not go on.
struct Through<'a, 's> {
    session: &'a mut Session<'s>,
    stopped: Option<Verdict>,
}

impl Caller for Through<'_, '_> {
    fn declares(&self, capability: &str) -> bool {
        self.session.declares(capability)
    }

    fn call(&mut self, function: &str, arguments: Vec<Json>) -> Result<Json, Fault> {
        self.session
            .raw_call(function, arguments)
            .map_err(|verdict| {
                let name = verdict.name();
                self.stopped = Some(verdict);
                Fault::Lost(name.to_owned())
            })
    }

    /// A case begins once.
    fn plan(&mut self, _anew: bool) -> Result<(), Fault> {
        Ok(())
    }
}
