//! ServiceOutput: what `handle-ingress` returns, and the output commands in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Object, OutputError, bounded};
use crate::yoi::Limits;
use crate::yoi::request::RequestDescriptor;

/// `{"accepted": bool, "data"?: any, "output_commands"?: [command]}` is the shape that plugins should write. A host reads
/// nothing but `output_commands`; any JSON is taken, and JSON without them asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceOutput {
    /// Whether the plugin took the event; for its own use.
    pub accepted: bool,
    /// Whatever the plugin tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// What the host should do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_commands: Vec<Object<OutputCommand>>,
}

/// One output command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputCommand {
    /// The command's correlation id.
    pub correlation_id: String,
    /// The `correlation_id` of the event that the output answers.
    pub source_event_id: String,
    /// The plugin's own id of the command.
    pub command_id: String,
    /// `diagnostic_status_update`, `host_request_dispatch`, `websocket_send`.
    pub kind: String,
    /// An object of the kind's shape.
    pub payload: Value,
    /// RFC 3339.
    pub requested_at: String,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandPayload {
    /// `diagnostic_status_update`
    Status(StatusUpdate),
    /// `host_request_dispatch`
    Request(RequestDescriptor),
    /// `websocket_send`
    WebSocket(WebSocketSend),
}

/// The payload of `diagnostic_status_update`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusUpdate {
    /// Text for the command's result.
    #[serde(default)]
    pub message: Option<String>,
    /// Replaces the plugin's status, unless `null`.
    #[serde(default)]
    pub status: Value,
}

/// The payload of `websocket_send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSocketSend {
    /// A URL of the ingress's sources.
    pub url: String,
    /// What to send there.
    pub text: String,
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// `output_commands` is no list.
    #[error("service output_commands must be an array")]
    NotArray,
    /// More commands than the host takes at once.
    #[error("service output_commands exceeds {0} commands")]
    TooMany(usize),
    /// Not of the shape; the text tells the place and the expectation.
    #[error("malformed service output command {what}: {reason}")]
    Malformed {
        /// `envelope`, `payload`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An id that is empty, too long, or holds control characters.
    #[error("`{name}` must be 1 to {limit} bytes without control characters")]
    Id {
        /// Which.
        name: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The command answers another event.
    #[error("`source_event_id` is not the correlation id of the event")]
    SourceEvent,
    /// No time.
    #[error("`requested_at` is no RFC 3339 time")]
    RequestedAt,
    /// The payload is longer than the host reads.
    #[error("the payload exceeds {0} bytes")]
    PayloadTooLong(usize),
    /// The host knows no such command.
    #[error("unknown kind of service output command `{0}`")]
    Kind(String),
}

/// The commands of one output, before they are checked one by one.
#[derive(Debug)]
pub(in crate::yoi) struct Commands {
    /// The whole output, as the plugin gave it.
    pub(in crate::yoi) output: Value,
    /// In order.
    pub(in crate::yoi) commands: Result<Vec<Value>, CommandError>,
}

impl Commands {
    /// Reads what `handle-ingress` returned.
    ///
    /// # Errors
    /// Text over the limit, or not JSON.
    pub(in crate::yoi) fn parse(text: &str, limits: &Limits) -> Result<Self, OutputError> {
        const WHAT: &str = "ServiceOutput";
        bounded(WHAT, text, limits.output_bytes)?;
        let output: Value = serde_json::from_str(text).map_err(OutputError::malformed(WHAT))?;
        let commands = match output.get("output_commands") {
            None => Ok(Vec::new()),
            Some(Value::Array(commands)) if commands.len() > limits.commands => {
                Err(CommandError::TooMany(limits.commands))
            }
            Some(Value::Array(commands)) => Ok(commands.clone()),
            Some(_) => Err(CommandError::NotArray),
        };
        Ok(Self { output, commands })
    }
}

impl OutputCommand {
    /// Reads the envelope.
    ///
    /// # Errors
    /// [`CommandError::Malformed`]
    pub fn parse(command: &Value) -> Result<Self, CommandError> {
        Object::<Self>::deserialize(command)
            .map(|object| object.0)
            .map_err(malformed("envelope"))
    }

    /// Checks ids, times and sizes and reads the payload.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self, event: &str, limits: &Limits) -> Result<CommandPayload, CommandError> {
        let limit = limits.command_id_bytes;
        for (name, id) in [
            ("correlation_id", &self.correlation_id),
            ("source_event_id", &self.source_event_id),
            ("command_id", &self.command_id),
        ] {
            if id.is_empty() || id.len() > limit || id.chars().any(char::is_control) {
                return Err(CommandError::Id { name, limit });
            }
        }
        if self.source_event_id != event {
            return Err(CommandError::SourceEvent);
        }
        if OffsetDateTime::parse(&self.requested_at, &Rfc3339).is_err() {
            return Err(CommandError::RequestedAt);
        }
        if self.payload.to_string().len() > limits.command_payload_bytes {
            return Err(CommandError::PayloadTooLong(limits.command_payload_bytes));
        }
        match self.kind.as_str() {
            "diagnostic_status_update" => self.payload().map(CommandPayload::Status),
            "host_request_dispatch" => self.payload().map(CommandPayload::Request),
            "websocket_send" => self.payload().map(CommandPayload::WebSocket),
            other => Err(CommandError::Kind(other.to_owned())),
        }
    }

    fn payload<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CommandError> {
        Object::<T>::deserialize(&self.payload)
            .map(|object| object.0)
            .map_err(malformed("payload"))
    }
}

fn malformed(what: &'static str) -> impl Fn(serde_json::Error) -> CommandError {
    move |error| CommandError::Malformed {
        what,
        reason: error.to_string(),
    }
}
