//! `mcp-call-tool` and `mcp-list-tools`: one agent's MCP servers, started at the first call.

use super::error::CallError;
use super::{Limits, McpServer};

/// The MCP servers of one loaded agent.
#[derive(Debug)]
pub(super) struct Mcp {}

impl Mcp {
    /// Reads the servers; none is started.
    ///
    /// # Errors
    /// What is wrong with a server; the agent is refused then.
    pub(super) fn new(_servers: &[McpServer], _limits: &Limits) -> Result<Self, String> {
        Ok(Self {})
    }

    /// The function `mcp-call-tool`. May be dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn call_tool(
        &self,
        _server: &str,
        _tool: &str,
        _arguments: &str,
    ) -> Result<String, CallError> {
        Err(CallError::failed("no MCP client yet"))
    }

    /// The function `mcp-list-tools`. May be dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn list_tools(&self, _server: &str) -> Result<String, CallError> {
        Err(CallError::failed("no MCP client yet"))
    }

    /// Ends all servers that run, for good; returns when their processes are gone.
    pub(super) async fn stop(&self) {}
}
