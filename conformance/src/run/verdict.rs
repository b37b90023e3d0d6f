//! What the suite says of a host, case by case.

use serde::Serialize;
use std::time::Duration;

use crate::{
    case::model::{Case, Span},
    judge::walk::Line,
};

/// The verdict on one case.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was as expected.
    Pass,
    /// Everything was as expected, and where the contract leaves it open the host chose these outcomes.
    Chose {
        /// Names of the outcomes, in order.
        outcomes: Vec<String>,
    },
    /// Something was not as expected.
    Fail(Failure),
    /// The case needs what the host does not declare.
    Unsupported {
        /// The capabilities that are missing; a profile that the host is not held to stands as `profile NAME`.
        capabilities: Vec<String>,
    },
    /// The host ended by itself.
    Crash {
        /// How, and whether the case alone is the reason.
        message: String,
    },
    /// Something did not come within the case's limit.
    Timeout {
        /// What was waited for.
        phase: String,
        /// Where, if at a step.
        span: Option<Span>,
    },
    /// The host broke the adapter protocol.
    Protocol {
        /// What was wrong.
        message: String,
    },
    /// The case could not be run at all; a mistake of the suite.
    NotRun {
        /// Why.
        message: String,
        /// Where, if known.
        span: Option<Span>,
    },
}

/// The first thing that was not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The step.
    pub span: Option<Span>,
    /// Where in the value, as in `[3].message`; empty for the whole.
    pub path: String,
    /// What the case expects.
    pub expected: String,
    /// What was there.
    pub actual: String,
    /// What else is known: how the guest ended, what the host said.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether the host is at fault.
    pub fn is_red(&self) -> bool {
        !matches!(
            self,
            Verdict::Pass | Verdict::Chose { .. } | Verdict::Unsupported { .. }
        )
    }

    /// The verdict's name, as reports write it.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Chose { .. } => "chose",
            Verdict::Fail(_) => "fail",
            Verdict::Unsupported { .. } => "unsupported",
            Verdict::Crash { .. } => "crash",
            Verdict::Timeout { .. } => "timeout",
            Verdict::Protocol { .. } => "protocol",
            Verdict::NotRun { .. } => "not-run",
        }
    }

    /// Whether the host that gave it can't be used for another case.
    pub fn spoils_host(&self) -> bool {
        matches!(
            self,
            Verdict::Crash { .. } | Verdict::Timeout { .. } | Verdict::Protocol { .. }
        )
    }
}

/// A case and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The case's id.
    pub id: String,
    /// What the suite says.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The end of the host's standard error, when the host was lost.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// What happened, in order, as far as it was seen.
    pub transcript: Vec<Line>,
    /// Where the time went.
    pub timing: Timing,
}

impl Outcome {
    /// Only a verdict, for a case of which nothing else is known.
    pub(crate) fn new(case: &Case, verdict: Verdict) -> Self {
        Outcome {
            id: case.id.clone(),
            verdict,
            stderr: String::new(),
            transcript: Vec::new(),
            timing: Timing::default(),
        }
    }
}

/// Where the time of a case went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timing {
    /// Generating and encoding the guests.
    #[serde(serialize_with = "micros", rename = "plan_us")]
    pub plan: Duration,
    /// From `begin` to `done`.
    #[serde(serialize_with = "micros", rename = "host_us")]
    pub host: Duration,
    /// Of it, waits that the case demands (`never ... for`, limits that must be hit).
    #[serde(serialize_with = "micros", rename = "wait_us")]
    pub wait: Duration,
    /// Decoding and judging.
    #[serde(serialize_with = "micros", rename = "judge_us")]
    pub judge: Duration,
}

fn micros<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
