//! What laws are tried on.

use serde_json::Value as Json;

use super::term::{Batch, Signature, Term};

/// How long an instance of the plugin lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// For one call.
    Fresh,
    /// As long as it can.
    Kept,
}

/// An aggregate on trial, by its accumulators.
pub trait Subject {
    /// What it takes.
    fn signature(&self) -> &Signature;

    /// Forgets all accumulators, and begins anew with instances of this kind.
    ///
    /// # Errors
    /// When the plugin can't be loaded, or its host can't keep instances.
    fn begin(&mut self, instances: Instances) -> Result<(), Fault>;

    /// Whether there can be instances that are kept.
    fn keeps(&self) -> bool;

    /// `agg-new`
    ///
    /// # Errors
    /// See [`Fault`].
    fn open(&mut self) -> Result<u32, Fault>;

    /// `agg-update`
    ///
    /// # Errors
    /// See [`Fault`].
    fn update(&mut self, accumulator: u32, batch: &Batch) -> Result<(), Fault>;

    /// `agg-merge`
    ///
    /// # Errors
    /// See [`Fault`].
    fn merge(&mut self, accumulator: u32, states: &[Vec<u8>]) -> Result<(), Fault>;

    /// The state's bytes.
    ///
    /// # Errors
    /// See [`Fault`].
    fn state(&mut self, accumulator: u32) -> Result<Vec<u8>, Fault>;

    /// `agg-evaluate`: the driver's `column`, as JSON.
    ///
    /// # Errors
    /// See [`Fault`].
    fn evaluate(&mut self, accumulator: u32) -> Result<Json, Fault>;
}

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The plugin's own error.
    #[error("fn-error {code:#x}: {message}")]
    Plugin {
        /// As the plugin gave it.
        code: u32,
        /// The plugin's words.
        message: String,
    },
    /// The plugin broke a promise, and the host noticed: `trap`, `limit`, `answer`, `call`, `other` (`error-kind` of the
    /// driver interface).
    #[error("{kind}: {message}")]
    Host {
        /// The class.
        kind: String,
        /// The host's words.
        message: String,
    },
    /// The plugin ran into limits so often that no more is asked of it: each time costs as long as a call may take.
    #[error("its calls ran into limits again and again")]
    Spent,
    /// The host itself is lost: nothing can be said of the plugin.
    #[error("the host is lost: {0}")]
    Lost(String),
}

impl Fault {
    /// Whether it ends the trial, as nothing more can be learned from the plugin.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self, Self::Spent | Self::Lost(_))
    }
}

/// Makes the state of a term, in an accumulator of its own.
///
/// # Errors
/// See [`Fault`]; an error of an inner term is an error of the whole.
pub fn make(subject: &mut dyn Subject, term: &Term) -> Result<u32, Fault> {
    match term {
        Term::New => subject.open(),
        Term::Update(state, batch) => {
            let accumulator = make(subject, state)?;
            subject.update(accumulator, batch)?;
            Ok(accumulator)
        }
        Term::Merge(state, others) => {
            let accumulator = make(subject, state)?;
            let mut states = Vec::with_capacity(others.len());
            for other in others {
                let other = make(subject, other)?;
                states.push(subject.state(other)?);
            }
            subject.merge(accumulator, &states)?;
            Ok(accumulator)
        }
    }
}
