//! Yoi: every export and import speaks JSON. The WIT shows the envelopes of the exports; what the imports take and give it
//! leaves open, and these are the shapes that are known. Members that are not named may be there, unless it says so.

use schemars::JsonSchema;
use serde_json::Value;

use super::{RFC3339, schema};

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("plugin-status", schema::<PluginStatus>()),
        ("tool-output", schema::<ToolOutput>()),
        ("ingress-event", schema::<IngressEvent>()),
        ("service-output", schema::<ServiceOutput>()),
        ("output-command", schema::<OutputCommand>()),
        ("request", schema::<Request>()),
        ("response", schema::<Response>()),
        ("websocket-open", schema::<WebSocketOpen>()),
        ("websocket-opened", schema::<WebSocketOpened>()),
        ("websocket-sent", schema::<WebSocketSent>()),
        ("websocket-received", schema::<WebSocketReceived>()),
        ("websocket-closed", schema::<WebSocketClosed>()),
        ("fs-path", schema::<FsPath>()),
        ("fs-content", schema::<FsContent>()),
        ("fs-listing", schema::<FsListing>()),
        ("fs-write", schema::<FsWrite>()),
        ("fs-written", schema::<FsWritten>()),
        ("import-error", schema::<ImportError>()),
    ]
}

/// What `start`, `status` and `stop` return: "PluginStatus JSON".
#[derive(Debug, JsonSchema)]
pub struct PluginStatus {
    /// "ready|running|stopped|...": any word.
    #[schemars(length(min = 1))]
    pub state: String,
    /// Whatever the plugin tells of itself.
    #[serde(default)]
    pub data: Option<Value>,
}

/// What `handle-tool` returns: "ToolOutput JSON". It has no other member.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolOutput {
    /// One line for people.
    #[schemars(length(min = 1))]
    pub summary: String,
    /// The result.
    #[serde(default)]
    pub content: Option<String>,
}

/// What `handle-ingress` is given: "an ingress event envelope with at least" these.
#[derive(Debug, JsonSchema)]
pub struct IngressEvent {
    /// "websocket_text|websocket_close|websocket_error|..."
    #[schemars(regex(pattern = r"\S"))]
    pub kind: String,
    /// Where it comes from: `websocket:wss://host/path`.
    #[schemars(regex(pattern = r"\S"))]
    pub source: String,
    /// The ingress of the manifest; the export's argument `name` is the same.
    #[schemars(length(min = 1))]
    pub ingress_name: String,
    /// What happened; of a text there is a member `text`.
    pub payload: Value,
    /// When.
    #[schemars(regex(pattern = RFC3339))]
    pub created_at: String,
    /// Which delivery this is, from 1.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub attempt: u32,
    /// "host event id"
    #[schemars(regex(pattern = r"\S"))]
    pub correlation_id: String,
}

/// What `handle-ingress` returns: "ServiceOutput JSON".
#[derive(Debug, JsonSchema)]
pub struct ServiceOutput {
    /// Whether the plugin takes the event.
    #[serde(default)]
    pub accepted: Option<bool>,
    /// Whatever the plugin tells.
    #[serde(default)]
    pub data: Option<Value>,
    /// "host-mediated side effects"
    #[serde(default)]
    pub output_commands: Vec<OutputCommand>,
}

/// "Output commands are parsed, bounded, grant-checked, and executed by the host." They have no other member.
#[derive(Debug, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OutputCommand {
    /// Sends a text on a connection that the host owns.
    WebsocketSend {
        /// "command correlation id"
        correlation_id: Id,
        /// "matching ingress correlation_id"
        source_event_id: Id,
        /// "guest command id"
        command_id: Id,
        /// Where to, and what.
        payload: WebSocketSend,
        /// "RFC3339 timestamp"
        requested_at: Time,
    },
    /// Sends a request as the import `request` would.
    HostRequestDispatch {
        /// As above.
        correlation_id: Id,
        /// As above.
        source_event_id: Id,
        /// As above.
        command_id: Id,
        /// The request.
        payload: Request,
        /// As above.
        requested_at: Time,
    },
    /// Tells something of the plugin's state.
    DiagnosticStatusUpdate {
        /// As above.
        correlation_id: Id,
        /// As above.
        source_event_id: Id,
        /// As above.
        command_id: Id,
        /// What.
        payload: StatusUpdate,
        /// As above.
        requested_at: Time,
    },
}

/// An id: text without control characters.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Id(#[schemars(regex(pattern = r"^[^\x00-\x1f\x7f]+$"))] pub String);

/// "RFC3339 timestamp"
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Time(#[schemars(regex(pattern = RFC3339))] pub String);

/// The payload of `websocket_send`.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSocketSend {
    /// Of the connection.
    #[schemars(regex(pattern = r"^wss?://"))]
    pub url: String,
    /// The message.
    pub text: String,
}

/// The payload of `diagnostic_status_update`.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusUpdate {
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
    /// The new status.
    #[serde(default)]
    pub status: Option<Value>,
}

/// What `request` is given. It has no other member.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// In capitals.
    pub method: Method,
    /// Where to.
    #[schemars(regex(pattern = r"^https?://"))]
    pub url: String,
    /// In order.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// None for most.
    #[serde(default)]
    pub body: Option<String>,
}

/// A method.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are HTTP's")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// A header.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What `request` returns, whatever the status.
#[derive(Debug, JsonSchema)]
pub struct Response {
    /// Of HTTP.
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// In order; none that would give a secret away.
    pub headers: Vec<Header>,
    /// The body, or the beginning of it.
    pub body: String,
    /// Whether there was more.
    pub truncated: bool,
}

/// What `open` is given. It has no other member.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSocketOpen {
    /// Where to.
    #[schemars(regex(pattern = r"^wss?://"))]
    pub url: String,
    /// Subprotocols.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Headers of the handshake.
    #[serde(default)]
    pub headers: Vec<Header>,
}

/// What `open` returns.
#[derive(Debug, JsonSchema)]
pub struct WebSocketOpened {
    /// For the other functions.
    #[schemars(range(max = 4_294_967_295_u32))]
    pub handle: u32,
    /// The URL, or the part of it that is no secret.
    pub url: String,
}

/// What `send-text` returns.
#[derive(Debug, JsonSchema)]
pub struct WebSocketSent {
    /// That it was sent.
    pub sent: bool,
    /// Bytes of the text in UTF-8.
    pub bytes: u64,
}

/// What `recv` returns.
#[derive(Debug, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum WebSocketReceived {
    /// A message.
    Text {
        /// The message.
        text: String,
    },
    /// The peer has closed.
    Closed,
}

/// What `close` returns.
#[derive(Debug, JsonSchema)]
pub struct WebSocketClosed {
    /// Whether it was open.
    pub closed: bool,
}

/// What `read` and `list` are given. It has no other member.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FsPath {
    /// Relative to a granted folder.
    #[schemars(length(min = 1))]
    pub path: String,
}

/// What `read` returns.
#[derive(Debug, JsonSchema)]
pub struct FsContent {
    /// What was asked for, or the part of it that is no secret.
    pub path: String,
    /// The content, or the beginning of it.
    pub content: String,
    /// Whether there was more.
    pub truncated: bool,
}

/// What `list` returns.
#[derive(Debug, JsonSchema)]
pub struct FsListing {
    /// What was asked for, or the part of it that is no secret.
    pub path: String,
    /// What lies in the folder.
    pub entries: Vec<FsEntry>,
    /// Whether there was more.
    pub truncated: bool,
}

/// Something in a folder.
#[derive(Debug, JsonSchema)]
pub struct FsEntry {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What it is.
    pub kind: FsKind,
}

/// What something in a folder is.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum FsKind {
    File,
    Dir,
    Symlink,
    Other,
}

/// What `write` is given. It has no other member.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FsWrite {
    /// Relative to a granted folder.
    #[schemars(length(min = 1))]
    pub path: String,
    /// All of the file.
    pub content: String,
}

/// What `write` returns.
#[derive(Debug, JsonSchema)]
pub struct FsWritten {
    /// What was asked for, or the part of it that is no secret.
    pub path: String,
    /// Bytes in the file.
    pub bytes_written: u64,
}

/// What an import returns that fails without a trap.
#[derive(Debug, JsonSchema)]
pub struct ImportError {
    /// Why.
    pub error: Value,
}
