//! `inference-prompt` and `inference-prompt-with-model`: one agent's models.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::error::CallError;
use super::{Limits, Model};

/// The models of one loaded agent.
#[derive(Debug)]
pub(super) struct Inference {}

impl Inference {
    /// Reads the models; nothing is connected. While `killed` is set, no call with a cost is made.
    ///
    /// # Errors
    /// What is wrong with a model; the agent is refused then.
    pub(super) fn new(
        _models: &[Model],
        _budget: Option<u64>,
        _killed: Arc<AtomicBool>,
        _limits: &Limits,
    ) -> Result<Self, String> {
        Ok(Self {})
    }

    /// Both functions; `model` is the hint of the second. May be dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Denied`] when budget or kill switch forbid it, otherwise [`CallError::Failed`].
    pub(super) async fn prompt(
        &self,
        _model: Option<&str>,
        _prompt: &str,
    ) -> Result<String, CallError> {
        Err(CallError::failed("no model yet"))
    }
}
