//! `http-request`: one agent's way to the endpoints it is granted.

use super::error::CallError;
use super::{Endpoint, Limits};

/// The endpoints of one loaded agent.
#[derive(Debug)]
pub(super) struct Http {}

impl Http {
    /// Reads the endpoints; nothing is connected.
    ///
    /// # Errors
    /// What is wrong with an endpoint; the agent is refused then.
    pub(super) fn new(_endpoints: &[Endpoint], _limits: &Limits) -> Result<Self, String> {
        Ok(Self {})
    }

    /// The function `http-request`. May be dropped while it waits; then nothing of it goes on.
    ///
    /// # Errors
    /// [`CallError::Denied`] when no endpoint allows it, before any connection.
    pub(super) async fn request(
        &self,
        _method: &str,
        _url: &str,
        _headers: &str,
        _body: &str,
    ) -> Result<String, CallError> {
        Err(CallError::failed("no HTTP client yet"))
    }

    /// Takes away the endpoints with this `host`, as it was written; whether there were any. A request under way ends.
    pub(super) fn revoke(&self, _host: &str) -> bool {
        false
    }
}
