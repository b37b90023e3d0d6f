//! `mcp-call-tool` and `mcp-list-tools`: one agent's MCP servers, started at the first call.
//!
//! A server is started by the first call that names it, and kept. One that has ended, or has let a call wait longer than
//! [`Limits::mcp_time`], is stopped with all its processes, and the next call starts it anew; a call under way is not
//! repeated, as its tool may have worked. What a program writes that is no message of the protocol is passed over, and so
//! is a message longer than [`Limits::mcp_bytes`].
//!
//! `mcp-list-tools` answers with a JSON array of tools as the server describes them, at least `name` and `inputSchema`;
//! it is asked anew each time. `mcp-call-tool` answers with a JSON object:
//!
//! ```json
//! {"content": [{"type": "text", "text": "…"}], "structuredContent": {"any": "value"}, "isError": false}
//! ```
//!
//! `structuredContent` is there when the server sent it. An error that the tool reports is `ok` with `isError`; one of
//! the protocol, such as an unknown tool, is an `err`.

mod arguments;
mod client;
mod process;

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, PaginatedRequestParams,
};
use rmcp::{Peer, RoleClient, ServiceError};
use serde::Serialize;
use tokio::sync::Mutex;

use self::client::Client;
use super::error::CallError;
use super::{Limits, McpServer, Transport};
use crate::outbound::url::parse_url;
use crate::outbound::with_causes;

/// Pages of one list of tools.
const PAGES: usize = 100;
/// Bytes of a server's URL.
const URL_BYTES: usize = 4 << 10;
/// Bytes of a server's error that are passed on.
const ERROR_BYTES: usize = 1 << 10;

/// The MCP servers of one loaded agent.
#[derive(Debug)]
pub(super) struct Mcp {
    servers: BTreeMap<String, Server>,
    time: Duration,
    bytes: usize,
}

#[derive(Debug)]
struct Server {
    transport: Transport,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    client: Option<Client>,
    stopped: bool,
}

impl Mcp {
    /// Reads the servers; none is started.
    ///
    /// # Errors
    /// What is wrong with a server; the agent is refused then.
    pub(super) fn new(servers: &[McpServer], limits: &Limits) -> Result<Self, String> {
        let read = |server: &McpServer| {
            let wrong = |why: String| format!("the MCP server {:?}: {why}", server.name);
            match &server.transport {
                Transport::Http(url) => {
                    parse_url(url, URL_BYTES).map_err(|error| wrong(error.to_string()))?;
                }
                Transport::Stdio { command, .. }
                    if command.first().is_none_or(String::is_empty) =>
                {
                    return Err(wrong("the command is empty".into()));
                }
                Transport::Stdio { .. } => {}
            }
            let transport = server.transport.clone();
            let state = Mutex::default();
            Ok((server.name.clone(), Server { transport, state }))
        };
        Ok(Self {
            servers: servers.iter().map(read).collect::<Result<_, _>>()?,
            time: limits.mcp_time,
            bytes: limits.mcp_bytes,
        })
    }

    /// The function `mcp-call-tool`. `arguments` is a JSON object, or `""` for an empty one. A number that cannot be sent
    /// as exactly as it is written is refused. May be dropped while it waits; the server is stopped then.
    ///
    /// # Errors
    /// [`CallError::Failed`]; the server is not asked when server or arguments are wrong.
    pub(super) async fn call_tool(
        &self,
        server: &str,
        tool: &str,
        arguments: &str,
    ) -> Result<String, CallError> {
        let found = self.server(server)?;
        let arguments = arguments::read(arguments, self.bytes).map_err(CallError::Failed)?;
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let called = self.with(found, async |peer| peer.call_tool_once(params).await);
        match called.await? {
            CallToolResponse::Complete(result) => self.json(&ToolResult::from(&result)),
            _ => Err(CallError::failed(
                "the tool asks back, which no agent can answer",
            )),
        }
    }

    /// The function `mcp-list-tools`. May be dropped while it waits; the server is stopped then.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn list_tools(&self, server: &str) -> Result<String, CallError> {
        let found = self.server(server)?;
        let listed = self.with(found, async |peer| {
            let (mut tools, mut cursor) = (Vec::new(), None);
            for _ in 0..PAGES {
                let params = PaginatedRequestParams::default().with_cursor(cursor);
                let page = peer.list_tools(Some(params)).await?;
                tools.extend(page.tools);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            Ok((tools, cursor))
        });
        match listed.await? {
            (tools, None) => self.json(&tools),
            _ => Err(CallError::failed(format!(
                "limit reached: more than {PAGES} pages of tools"
            ))),
        }
    }

    /// Ends all servers that run, for good; returns when their processes are gone.
    pub(super) async fn stop(&self) {
        let stopping = self.servers.values().map(async |server| {
            let mut state = server.state.lock().await;
            state.stopped = true;
            if let Some(client) = state.client.take() {
                client.stop().await;
            }
        });
        futures::future::join_all(stopping).await;
    }

    fn server(&self, name: &str) -> Result<&Server, CallError> {
        self.servers
            .get(name)
            .ok_or_else(|| CallError::failed(format!("no MCP server {name:?}")))
    }

    /// Asks a server, which is started if it does not run.
    async fn with<T>(
        &self,
        server: &Server,
        ask: impl AsyncFnOnce(&Peer<RoleClient>) -> Result<T, ServiceError>,
    ) -> Result<T, CallError> {
        let mut state = server.state.lock().await;
        if state.stopped {
            return Err(CallError::failed("the agent ends"));
        }
        // It comes back only after a call that has left it sound. A call that is late, or is dropped, ends it.
        let idle = state.client.take();
        let idle = idle.and_then(|mut client| client.is_running().then_some(client));
        let asked = async {
            let client = match idle {
                Some(client) => client,
                None => Client::start(&server.transport, self.bytes).await?,
            };
            let answer = ask(client.peer()).await;
            Ok::<_, CallError>((client, answer))
        };
        let time = self.time.as_millis();
        let (client, answer) = tokio::time::timeout(self.time, asked)
            .await
            .map_err(|_| CallError::failed(format!("timeout: no answer within {time} ms")))??;
        let sound = matches!(&answer, Ok(_) | Err(ServiceError::McpError(_)));
        if sound {
            state.client = Some(client);
        } else {
            client.stop().await;
        }
        answer.map_err(|error| failure(&error))
    }

    fn json(&self, value: &impl Serialize) -> Result<String, CallError> {
        let text = serde_json::to_string(value);
        let text = text.map_err(|error| CallError::failed(error.to_string()))?;
        if text.len() > self.bytes {
            return Err(CallError::failed(format!(
                "limit reached: an answer of {} bytes, allowed are {}",
                text.len(),
                self.bytes
            )));
        }
        Ok(text)
    }
}

/// What an agent gets of a call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult<'a> {
    content: &'a [ContentBlock],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a serde_json::Value>,
    is_error: bool,
}

impl<'a> From<&'a CallToolResult> for ToolResult<'a> {
    fn from(result: &'a CallToolResult) -> Self {
        Self {
            content: &result.content,
            structured_content: result.structured_content.as_ref(),
            is_error: result.is_error.unwrap_or(false),
        }
    }
}

fn failure(error: &ServiceError) -> CallError {
    let text = match error {
        ServiceError::McpError(error) => {
            format!("the server answered {}: {}", error.code.0, error.message)
        }
        ServiceError::TransportClosed => "the server has ended".to_owned(),
        other => with_causes(other),
    };
    CallError::failed(&text[..text.floor_char_boundary(ERROR_BYTES)])
}

#[cfg(test)]
mod tests;
