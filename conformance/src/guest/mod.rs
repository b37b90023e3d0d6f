//! Tries a plugin of `uni:plugin@0.1.0` on generated batches: whether a host may rely on it. Every aggregate is held to the
//! laws ([`crate::law`]), every scalar to row alignment, determinism and its word on nulls, every procedure to its schema.

mod aggregate;
mod procedure;
mod scalar;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use proptest::{strategy::Strategy, test_runner::RngSeed};
use reference_host::uni::FunctionKind;
use serde::Serialize;

use crate::law::{Fault, Plugin};

/// How a plugin is tried.
#[derive(Clone, Debug)]
pub struct Options {
    /// Samples per promise.
    pub cases: u32,
    /// Where the samples come from: the same seed gives the same samples.
    pub seed: u64,
    /// Full names of aggregates whose value keeps the order of rows on purpose.
    pub ordered: Vec<String>,
}

impl Options {
    fn config(&self) -> Config {
        Config {
            cases: self.cases,
            rng_seed: RngSeed::Fixed(self.seed),
            failure_persistence: None,
            max_shrink_iters: 1_000,
            max_shrink_time: 10_000,
            ..Config::default()
        }
    }
}

/// What came of one promise of one function.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Full name of the function.
    pub function: String,
    /// The promise: `L1` to `L16`, or a word of [`Promise`].
    pub promise: String,
    /// What the promise is.
    pub statement: String,
    /// How the plugin fared.
    pub verdict: Verdict,
}

/// How a plugin fared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It kept the promise on every sample.
    Kept,
    /// The smallest sample found on which it did not.
    Broken {
        /// The sample, and what came of it; several lines.
        counterexample: String,
    },
    /// It could not be tried.
    Untried {
        /// Why.
        reason: String,
    },
}

/// Promises besides the laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every call returns a value or an fn-error.
    Trap,
    /// Every call ends within the host's limits of time, memory and size.
    Limit,
    /// Every answer is an Arrow IPC stream of the registered types and of as many rows as it should have.
    Answer,
    /// A state does not grow without bound.
    StateSize,
    /// A row's value depends on that row alone.
    RowAlignment,
    /// The same arguments give the same value, on any instance.
    Determinism,
    /// Nulls are taken as registered.
    Nulls,
}

impl Promise {
    /// As it is reported.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Limit => "limit",
            Self::Answer => "answer",
            Self::StateSize => "state-size",
            Self::RowAlignment => "row-alignment",
            Self::Determinism => "determinism",
            Self::Nulls => "nulls",
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Self::Trap => "a call returns a value or an fn-error",
            Self::Limit => "a call ends within the limits of time, memory and size",
            Self::Answer => {
                "an answer is an Arrow IPC stream of the registered types, with as many rows as it should have"
            }
            Self::StateSize => "a state does not grow without bound",
            Self::RowAlignment => "the value of a row depends on that row alone",
            Self::Determinism => "the same arguments give the same value, on any instance",
            Self::Nulls => "nulls are taken as registered",
        }
    }

    /// The promise whose breach a host reports so.
    fn of(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::Host { kind, .. } => Some(match kind.as_str() {
                "limit" => Self::Limit,
                "answer" => Self::Answer,
                _ => Self::Trap,
            }),
            Fault::Plugin { .. } | Fault::Lost(_) => None,
        }
    }

    fn finding(self, function: &str, verdict: Verdict) -> Finding {
        Finding {
            function: function.to_owned(),
            promise: self.name().to_owned(),
            statement: self.statement().to_owned(),
            verdict,
        }
    }
}

/// Tries every function that the plugin registered, in its order, and tells of each finding as it is made.
///
/// # Errors
/// When the host is lost; nothing can be said of what was not told by then.
pub fn try_plugin(
    plugin: &mut Plugin,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    for function in plugin.functions().to_vec() {
        match &function.kind {
            FunctionKind::Aggregate { .. } => {
                aggregate::try_one(plugin, &function.qname, options, tell)?;
            }
            FunctionKind::Scalar { .. } => scalar::try_one(plugin, &function, options, tell)?,
            FunctionKind::Procedure { .. } => procedure::try_one(plugin, &function, options, tell)?,
        }
    }
    Ok(())
}

/// What breaks a promise, or nothing.
type Breach = Option<(Promise, String)>;

/// Tries samples until one breaks a promise, and shrinks that.
fn search<S: Strategy>(
    options: &Options,
    strategy: &S,
    mut attempt: impl FnMut(S::Value) -> Result<Breach, Fault>,
) -> Result<Breach, Fault> {
    let attempt = std::cell::RefCell::new(&mut attempt);
    let found = std::cell::RefCell::new(None);
    let lost = std::cell::RefCell::new(None);
    let outcome = TestRunner::new(options.config()).run(strategy, |sample| {
        match (attempt.borrow_mut())(sample) {
            Ok(None) => Ok(()),
            Ok(Some((promise, shown))) => {
                let mut found = found.borrow_mut();
                // A smaller sample that breaks another promise is another finding.
                match &*found {
                    Some((first, _)) if *first != promise => Ok(()),
                    _ => {
                        *found = Some((promise, shown));
                        Err(TestCaseError::fail("broken"))
                    }
                }
            }
            Err(fault) => {
                *lost.borrow_mut() = Some(fault);
                Err(TestCaseError::fail("lost"))
            }
        }
    });
    match (outcome, lost.into_inner()) {
        (_, Some(fault)) => Err(fault),
        (Err(TestError::Abort(reason)), None) => {
            Err(Fault::Lost(format!("samples can't be made: {reason}")))
        }
        _ => Ok(found.into_inner()),
    }
}

/// The findings on promises that were all tried at once: one may be broken, and what was not seen broken was kept.
fn told(function: &str, tried: &[Promise], breach: Breach, tell: &mut dyn FnMut(Finding)) {
    for promise in tried {
        let verdict = match &breach {
            None => Verdict::Kept,
            Some((broken, counterexample)) if broken == promise => Verdict::Broken {
                counterexample: counterexample.clone(),
            },
            Some((broken, _)) => Verdict::Untried {
                reason: format!("`{}` is broken", broken.name()),
            },
        };
        tell(promise.finding(function, verdict));
    }
}
