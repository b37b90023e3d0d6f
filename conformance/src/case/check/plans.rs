//! The step that tries a duty of hosts on generated plans.

use fixtures::abi::Type;

use super::{
    Checker,
    pattern::Judged,
    syntax::{self, Name},
};
use crate::{
    case::{
        diagnostic::{Problem, closest_or_all},
        model::HostStepKind,
    },
    law::duty::{Duty, FUNCTIONS},
};

impl Checker<'_> {
    /// `plans DUTY seed N cases M`, the numbers as a pair.
    pub(super) fn plans(
        &mut self,
        duty: &Name,
        (seed, cases): (u64, u32),
        expect: Option<&syntax::Expectation>,
    ) -> Option<HostStepKind> {
        let missing = FUNCTIONS
            .iter()
            .find(|name| self.contract.driver_function(name).is_none());
        if let Some(missing) = missing {
            let problem = Problem::new(
                "unknown-step",
                duty.span,
                format!("plans need a driver with the function `{missing}`"),
                "not for this contract",
            );
            self.problems.push(problem);
            return None;
        }
        let Some(known) = Duty::of(&duty.text) else {
            let help = closest_or_all(&duty.text, "duties", Duty::ALL.map(Duty::name));
            let problem = Problem::new(
                "unknown-name",
                duty.span,
                format!("no duty of hosts is called `{}`", duty.text),
                "unknown duty",
            );
            self.problems.push(problem.maybe_help(help));
            return None;
        };
        if cases == 0 {
            let message = "no plan at all would tell nothing";
            let problem = Problem::new("number-range", duty.span, message, "needs a plan");
            self.problems.push(problem);
            return None;
        }
        let ty = Type::Result(None, Some(Type::String.into()));
        let judged = Judged {
            ty: Some(&ty),
            trap: false,
            timeout: false,
            returns: false,
            what: "plans",
        };
        let expect = match expect {
            Some(expect) => Some(self.expectation(expect, judged)?),
            None => None,
        };
        Some(HostStepKind::Plans {
            duty: known,
            seed,
            cases,
            expect,
        })
    }
}
