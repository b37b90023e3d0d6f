//! `ws-send` and `ws-receive`: one agent's WebSocket channels.

use super::error::CallError;
use super::{Channel, Limits};

/// The channels of one loaded agent.
#[derive(Debug)]
pub(super) struct Channels {}

impl Channels {
    /// Reads the channels; nothing is connected.
    ///
    /// # Errors
    /// What is wrong with a channel; the agent is refused then.
    pub(super) fn new(_channels: &[Channel], _limits: &Limits) -> Result<Self, String> {
        Ok(Self {})
    }

    /// The function `ws-send`. May be dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn send(&self, _channel: &str, _message: &str) -> Result<(), CallError> {
        Err(CallError::failed("no channel yet"))
    }

    /// The function `ws-receive`. May be dropped while it waits; then no message is lost.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn receive(&self, _channel: &str) -> Result<String, CallError> {
        Err(CallError::failed("no channel yet"))
    }

    /// Closes all channels, for good.
    pub(super) async fn stop(&self) {}
}
