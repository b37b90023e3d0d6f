//! The duties of a host towards aggregates (laws L17 and L18 of `docs/laws.md`), as properties over generated plans: queries cut
//! into batches, dealt to partitions, merged in trees, spilled and taken up again, several at once. The aggregates of
//! `cases/uni/guests/plans.wat` write down what is done to them, so their values alone tell what the host did: no law of a plugin
//! is taken for granted.

mod check;
mod client;
mod judge;
mod perform;
mod plan;
mod step;
mod trace;

pub use check::{Counterexample, Trial, try_duty};
pub use client::{Caller, Client};
pub use plan::{Aggregate, Life, Move, Payload, Plan, Query, Work};

/// Functions of a driver that plans can't do without.
pub(crate) const FUNCTIONS: [&str; 5] = [
    "accumulator-new",
    "accumulator-update",
    "accumulator-merge",
    "accumulator-state",
    "accumulator-evaluate",
];

/// Something that a host owes every aggregate, whatever its plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Duty {
    /// Each row is updated exactly once, as it was given (L18).
    EachRowOnce,
    /// Each partial state is merged exactly once (L18).
    EachPartialOnce,
    /// Every state starts at `agg-new`, and only there (L18).
    RootedInNew,
    /// States are carried bit for bit (L17).
    StatesVerbatim,
    /// No state meets another group, aggregate, plugin or query than its own (L17).
    NoCrossGroup,
    /// Evaluating changes nothing: the state is what it was, a second value is the first.
    EvaluatePure,
    /// The rows of a partition come in their order. No promise of the contract: recorded only.
    OrderKept,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::EachRowOnce,
        Self::EachPartialOnce,
        Self::RootedInNew,
        Self::StatesVerbatim,
        Self::NoCrossGroup,
        Self::EvaluatePure,
        Self::OrderKept,
    ];

    /// The word that a case writes, as in `each-row-once`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EachRowOnce => "each-row-once",
            Self::EachPartialOnce => "each-partial-once",
            Self::RootedInNew => "rooted-in-new",
            Self::StatesVerbatim => "states-verbatim",
            Self::NoCrossGroup => "no-cross-group",
            Self::EvaluatePure => "evaluate-pure",
            Self::OrderKept => "order-kept",
        }
    }

    /// What it demands.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::EachRowOnce => "each row is updated exactly once, as it was given",
            Self::EachPartialOnce => "each partial state is merged exactly once",
            Self::RootedInNew => "every state starts at `agg-new`, and only there",
            Self::StatesVerbatim => "states are carried bit for bit",
            Self::NoCrossGroup => {
                "no state meets another group, aggregate, plugin or query than its own"
            }
            Self::EvaluatePure => "evaluating changes nothing",
            Self::OrderKept => "the rows of a partition come in their order",
        }
    }

    /// The duty of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.name() == name)
    }
}
