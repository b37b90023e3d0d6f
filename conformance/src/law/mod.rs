//! The laws of aggregate states (`docs/laws.md`), as properties that are tried on generated terms. What is on trial is a
//! [`Subject`]: an aggregate of a plugin that a host runs, or a native twin of one.

mod check;
pub mod duty;
mod plugin;
mod sample;
mod search;
mod subject;
mod term;

pub use check::{Counterexample, Trial, try_all, try_law};
pub(crate) use plugin::wire;
pub use plugin::{Plugin, PluginError, Tried};
pub(crate) use sample::row;
pub use sample::{Sample, batches};
pub(crate) use search::smallest;
pub use subject::{Fault, Instances, Subject, make};
pub use term::{Batch, Cell, Signature, Step, Term, Wire};

/// A law that binds an aggregate. L17 (a state is carried bit for bit) and L18 (each row and each partial exactly once) bind
/// the host: see [`duty::Duty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Law::words` says what each means")]
pub enum Law {
    L1,
    L2,
    L3,
    L4,
    L5,
    L6,
    L7,
    L8,
    L9,
    L10,
    L11,
    L12,
    L13,
    L14,
    L15,
    L16,
}

impl Law {
    /// All of them, in order.
    pub const ALL: [Self; 16] = [
        Self::L1,
        Self::L2,
        Self::L3,
        Self::L4,
        Self::L5,
        Self::L6,
        Self::L7,
        Self::L8,
        Self::L9,
        Self::L10,
        Self::L11,
        Self::L12,
        Self::L13,
        Self::L14,
        Self::L15,
        Self::L16,
    ];

    /// `L1` to `L16`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.words().0
    }

    /// Its name, as in `left identity`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().1
    }

    /// What it demands, in symbols.
    #[must_use]
    pub fn statement(self) -> &'static str {
        self.words().2
    }

    /// Whether it binds only aggregates whose value does not depend on the order of rows and partials.
    #[must_use]
    pub fn is_of_order(self) -> bool {
        matches!(self, Self::L7 | Self::L12 | Self::L13)
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::L1 => (
                "L1",
                "determinism",
                "the same call gives the same bytes, on any instance",
            ),
            Self::L2 => ("L2", "left identity", "M(N, [s]) ≈ s"),
            Self::L3 => ("L3", "right identity", "M(s, [N]) ≈ s"),
            Self::L4 => ("L4", "empty merge", "M(s, []) ≈ s"),
            Self::L5 => (
                "L5",
                "n-ary is iterated",
                "M(s, [a, b]) ≈ M(M(s, [a]), [b])",
            ),
            Self::L6 => (
                "L6",
                "associativity",
                "M(s, [M(a, [b])]) ≈ M(M(s, [a]), [b])",
            ),
            Self::L7 => ("L7", "commutativity", "M(s, [a, b]) ≈ M(s, [b, a])"),
            Self::L8 => ("L8", "chunking", "U(U(s, B1), B2) ≈ U(s, B1·B2)"),
            Self::L9 => (
                "L9",
                "partition homomorphism",
                "M(U(N, B1), [U(N, B2)]) ≈ U(N, B1·B2)",
            ),
            Self::L10 => (
                "L10",
                "singletons",
                "M(N, [U(N, {r1}), …, U(N, {rn})]) ≈ U(N, {r1 … rn})",
            ),
            Self::L11 => ("L11", "empty update", "U(s, ∅) ≈ s"),
            Self::L12 => ("L12", "row permutation", "U(s, π(B)) ≈ U(s, B)"),
            Self::L13 => ("L13", "interchange", "U(M(s, [t]), B) ≈ M(U(s, B), [t])"),
            Self::L14 => (
                "L14",
                "self-contained state",
                "nothing is needed besides the bytes of the state",
            ),
            Self::L15 => (
                "L15",
                "pure evaluation",
                "E(s) = E(s), and E changes nothing that a later call sees",
            ),
            Self::L16 => (
                "L16",
                "total evaluation",
                "E(N) is a value or a clean fn-error",
            ),
        }
    }
}
