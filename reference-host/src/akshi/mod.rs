//! A host of `akshi:runtime`, world `agent`: supervised agents with a database, a journal, tools, models and mailboxes.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code; the WIT documents it"
)]
mod bindings;
mod config;
mod error;
mod http;
mod inference;
mod limits;
mod mcp;
mod websocket;

pub use self::config::{
    AgentConfig, Capability, Channel, ConfigEntry, Endpoint, Function, Level, McpServer, Model,
    Secret, Transport,
};
pub use self::limits::Limits;
