//! Tries a duty on generated plans, and shrinks what breaks it.

use std::{cell::RefCell, fmt};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::{Caller, Duty, Plan, judge, perform::perform, step::Steps};
use crate::law::Fault;

/// Numbers that the rows of one plan have to themselves.
const NUMBERS: i64 = 100_000;

/// How a duty fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It was kept in every plan.
    Kept,
    /// It was broken.
    Broken(Box<Counterexample>),
}

/// The smallest plan found that breaks a duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The duty.
    pub duty: Duty,
    /// The plan in plain words, a line a step.
    pub plan: String,
    /// What was wrong.
    pub finding: String,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.finding, self.plan)
    }
}

/// Tries a duty on as many plans as `config` says; what it fixes as seed gives the same plans on every host that declares the
/// same capabilities.
///
/// # Errors
/// When the host is lost.
pub fn try_duty(caller: &mut dyn Caller, duty: Duty, config: &Config) -> Result<Trial, Fault> {
    let strategy = Plan::any(duty, caller.declares("plans"));
    let state = RefCell::new(State {
        caller,
        base: 0,
        anew: false,
        found: None,
        after_others: None,
        lost: None,
    });
    // The runner wants a function that can be called again and again; what it found last is the smallest.
    let outcome = TestRunner::new(config.clone()).run(&strategy, |plan| {
        match state.borrow_mut().plan(duty, &plan) {
            true => Ok(()),
            false => Err(TestCaseError::fail("broken")),
        }
    });
    let state = state.into_inner();
    if let Some(fault) = state.lost {
        return Err(fault);
    }
    match (outcome, state.found.or(state.after_others)) {
        (Ok(()), None) => Ok(Trial::Kept),
        (Ok(()) | Err(TestError::Fail(..)), Some(found)) => Ok(Trial::Broken(Box::new(found))),
        (Err(error), _) => Err(Fault::Lost(format!("plans can't be made: {error}"))),
    }
}

struct State<'a> {
    caller: &'a mut dyn Caller,
    /// What rows are numbered from.
    base: i64,
    /// Whether every plan asks for a host that knows of no other.
    anew: bool,
    found: Option<Counterexample>,
    /// A plan that was broken only because of those before it.
    after_others: Option<Counterexample>,
    lost: Option<Fault>,
}

impl State<'_> {
    /// Whether the duty was kept.
    fn plan(&mut self, duty: Duty, plan: &Plan) -> bool {
        match self.trial(duty, plan) {
            Ok(None) => true,
            Ok(Some(found)) => {
                self.found = Some(found);
                false
            }
            Err(fault) => {
                self.lost = Some(fault);
                false
            }
        }
    }

    fn trial(&mut self, duty: Duty, plan: &Plan) -> Result<Option<Counterexample>, Fault> {
        let broken = self.once(duty, plan)?;
        let broken = match broken {
            Some(broken) if !self.anew => broken,
            other => return Ok(other),
        };
        // What is shrunk must be wrong by itself, not because of what came before.
        self.anew = true;
        let alone = self.once(duty, plan)?;
        if alone.is_none() {
            self.after_others = Some(Counterexample {
                finding: format!("{}, after other plans", broken.finding),
                ..broken
            });
        }
        Ok(alone)
    }

    fn once(&mut self, duty: Duty, plan: &Plan) -> Result<Option<Counterexample>, Fault> {
        self.base += NUMBERS;
        try_plan(&mut *self.caller, duty, plan, self.base, self.anew)
    }
}

fn try_plan(
    caller: &mut dyn Caller,
    duty: Duty,
    plan: &Plan,
    base: i64,
    anew: bool,
) -> Result<Option<Counterexample>, Fault> {
    caller.plan(anew)?;
    let steps = Steps::of(plan);
    let seen = perform(caller, &steps, base)?;
    let findings = judge::findings(&steps, &seen, base);
    let broken = findings
        .into_iter()
        .find(|(broken, _)| broken.is_none_or(|broken| broken == duty));
    Ok(broken.map(|(_, finding)| Counterexample {
        duty,
        plan: steps.to_string(),
        finding,
    }))
}
