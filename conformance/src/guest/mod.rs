//! Tries a plugin of `uni:plugin@0.1.0` on generated batches: whether a host may rely on it. Every aggregate is held to the
//! laws ([`crate::law`]), every scalar to row alignment, determinism and its word on nulls, every procedure to its schema.

mod aggregate;
mod procedure;
mod scalar;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed},
};
use reference_host::uni::{Function, FunctionKind};
use serde::Serialize;

use crate::law::{Fault, Plugin, smallest};

/// How a plugin is tried.
#[derive(Clone, Debug)]
pub struct Options {
    /// Samples per promise.
    pub cases: u32,
    /// Where the samples come from: the same seed gives the same samples.
    pub seed: u64,
    /// Full names of aggregates whose value keeps the order of rows on purpose.
    pub ordered: Vec<String>,
    /// Full names of the functions that are tried; all of them when there is none.
    pub functions: Vec<String>,
}

impl Options {
    fn config(&self) -> Config {
        Config {
            cases: self.cases,
            rng_seed: RngSeed::Fixed(self.seed),
            failure_persistence: None,
            max_shrink_iters: 500,
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
    #[serde(flatten)]
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
            Fault::Plugin { .. } | Fault::Spent | Fault::Lost(_) => None,
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

/// Tries the functions that the plugin registered, in its order, and tells of each finding as it is made.
///
/// # Errors
/// When the host is lost; nothing can be said of what was not told by then.
pub fn try_plugin(
    plugin: &mut Plugin,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    for function in plugin.functions().to_vec() {
        let asked = &options.functions;
        if asked.is_empty() || asked.contains(&function.qname) {
            plugin.refresh();
            try_function(plugin, &function, options, tell)?;
        }
    }
    Ok(())
}

fn try_function(
    plugin: &mut Plugin,
    function: &Function,
    options: &Options,
    tell: &mut dyn FnMut(Finding),
) -> Result<(), Fault> {
    // Calls of any promise may run into limits: that none did is known at the end.
    let mut within_limits = None;
    let mut tell_later = |finding: Finding| match finding.verdict {
        Verdict::Kept if finding.promise == Promise::Limit.name() => within_limits = Some(finding),
        _ => tell(finding),
    };
    match function.kind {
        FunctionKind::Aggregate { .. } => {
            aggregate::try_one(plugin, &function.qname, options, &mut tell_later)?;
        }
        FunctionKind::Scalar { .. } => {
            scalar::try_one(plugin, function, options, &mut tell_later)?;
        }
        FunctionKind::Procedure { .. } => {
            procedure::try_one(plugin, function, options, &mut tell_later)?;
        }
    }
    if let Some(mut finding) = within_limits {
        if let Some(hit) = plugin.limit_hit() {
            finding.verdict = Verdict::Broken {
                counterexample: format!("  {hit}"),
            };
        }
        tell(finding);
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
    smallest(&options.config(), strategy, |sample, found: Option<&_>| {
        // A smaller sample that breaks another promise is another finding.
        let same = |breach: &(Promise, String)| found.is_none_or(|(first, _)| *first == breach.0);
        attempt(sample).map(|breach| breach.filter(same))
    })
}

/// The findings on promises that were all tried at once: one may be broken, and what was not seen broken was kept. Whether all
/// of them were kept.
fn told(
    function: &str,
    tried: &[Promise],
    outcome: Result<Breach, Fault>,
    tell: &mut dyn FnMut(Finding),
) -> Result<bool, Fault> {
    let untried = |reason: String| Verdict::Untried { reason };
    let good = matches!(outcome, Ok(None));
    for promise in tried {
        let verdict = match &outcome {
            Ok(None) => Verdict::Kept,
            Ok(Some((broken, counterexample))) if broken == promise => Verdict::Broken {
                counterexample: counterexample.clone(),
            },
            Ok(Some((broken, _))) => untried(format!("`{}` is broken", broken.name())),
            Err(fault @ Fault::Spent) => untried(fault.to_string()),
            Err(fault) => return Err(fault.clone()),
        };
        tell(promise.finding(function, verdict));
    }
    Ok(good)
}
