//! Akshi: the WIT says `string` where its functions give JSON, and the manual says little more. These are the shapes that the
//! reference host documents; a host may have others, so cases that name these schemas are `record` cases or of a profile.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::schema;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("db-rows", schema::<Vec<Row>>()),
        ("journal-entries", schema::<Vec<JournalEntry>>()),
        ("http-response", schema::<HttpResponse>()),
        ("mcp-result", schema::<McpResult>()),
        ("mcp-tools", schema::<Vec<McpTool>>()),
        ("a2a-sent", schema::<A2aSent>()),
        ("a2a-message", schema::<A2aMessage>()),
    ]
}

/// A row of `db-query`: members in the order of the columns.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Row(pub BTreeMap<String, DbValue>);

/// A value, from which its storage class can be told.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub enum DbValue {
    /// `NULL`
    Null(()),
    /// `INTEGER` and `REAL`
    Number(f64),
    /// `TEXT`
    Text(String),
    /// An infinite `REAL`
    Infinite(Infinite),
    /// `TEXT` that is not UTF-8
    Spoilt(SpoiltText),
    /// `BLOB`
    Blob(Blob),
}

/// `{"real": "inf"}`
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Infinite {
    /// `inf` or `-inf`
    #[schemars(regex(pattern = "^-?inf$"))]
    pub real: String,
}

/// `{"text": "ff"}`
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpoiltText {
    /// Bytes in hex.
    #[schemars(regex(pattern = "^([0-9a-f]{2})*$"))]
    pub text: String,
}

/// `{"blob": "00ff"}`
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Bytes in hex.
    #[schemars(regex(pattern = "^([0-9a-f]{2})*$"))]
    pub blob: String,
}

/// An entry of `journal-read`.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// The cursor: what `since` takes.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub ts: u64,
    /// As it was appended.
    pub payload: String,
}

/// What `http-request` returns, whatever the status.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpResponse {
    /// Of HTTP.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// Where the answer came from, after redirects.
    #[schemars(regex(pattern = "^https?://"))]
    pub url: String,
    /// Values of each name, in order.
    pub headers: BTreeMap<String, Vec<String>>,
    /// How `body` is written.
    pub encoding: Encoding,
    /// All of it.
    pub body: String,
}

/// How a body is written.
#[derive(Debug, JsonSchema)]
pub enum Encoding {
    /// As it is.
    #[serde(rename = "utf-8")]
    Utf8,
    /// It is not UTF-8.
    #[serde(rename = "base64")]
    Base64,
}

/// What `mcp-call-tool` returns: the `CallToolResult` of MCP.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpResult {
    /// In order.
    #[serde(default)]
    pub content: Vec<McpContent>,
    /// The same for programs.
    #[serde(default)]
    pub structured_content: Option<Value>,
    /// Whether the tool failed.
    #[serde(default)]
    pub is_error: Option<bool>,
}

/// A block of content of MCP.
#[derive(Debug, JsonSchema)]
pub struct McpContent {
    /// `text`, `image`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a text.
    #[serde(default)]
    pub text: Option<String>,
}

/// A tool in what `mcp-list-tools` returns.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpTool {
    /// What `mcp-call-tool` takes.
    #[schemars(length(min = 1))]
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// A JSON Schema of the arguments.
    pub input_schema: Map<String, Value>,
}

/// What `a2a-send` returns.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct A2aSent {
    /// Of the message.
    #[schemars(length(min = 1))]
    pub id: String,
    /// `pending`: nothing in the interface completes it.
    pub status: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
}

/// What `a2a-receive` returns when a message waits; `null` when none does.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct A2aMessage {
    /// What the sender was told.
    #[schemars(length(min = 1))]
    pub id: String,
    /// The sender's name.
    pub from: String,
    /// The receiver's.
    pub to: String,
    /// As it was sent.
    pub payload: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
}
