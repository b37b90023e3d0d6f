//! Output commands: checked all together, then carried out in order, or not at all.

use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::authority::shown;
use super::envelope::{
    CommandError, CommandPayload, OutputCommand, StatusUpdate, WebSocketSend, now,
};
use super::failure::{ImportError, within};
use super::plugin::{Shared, keep};
use super::request::{self, Checked};
use super::{text, websocket};

/// What became of an output command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// As in the command, where it could be read.
    pub correlation_id: Option<String>,
    /// As in the command, where it could be read.
    pub source_event_id: Option<String>,
    /// As in the command, where it could be read.
    pub command_id: Option<String>,
    /// As in the command, where it could be read.
    pub kind: Option<String>,
    /// Whether it was carried out.
    pub status: CommandStatus,
    /// What was done, or why not.
    pub message: String,
    /// When, RFC 3339.
    pub recorded_at: String,
}

/// Whether a command was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// It was.
    Recorded,
    /// It was not.
    Rejected,
    /// This host never does. None of the commands it knows is so: `host_request_dispatch` is carried out, as the contract
    /// says that output commands are executed by the host.
    Unsupported,
}

/// A command that may be carried out.
enum Action {
    Status(StatusUpdate),
    Request(Box<Checked>),
    WebSocket { url: Url, text: String },
}

/// Carries the commands of one output out. When one of them is refused, none is carried out and the refused ones have
/// results.
pub(super) async fn carry_out(
    shared: &Shared,
    ingress: &str,
    event: &str,
    commands: Result<Vec<Value>, CommandError>,
) {
    let commands = match commands {
        Ok(commands) => commands,
        Err(error) => return record(shared, None, CommandStatus::Rejected, &error.to_string()),
    };
    let mut actions = Vec::new();
    let mut refused = Vec::new();
    for command in &commands {
        match OutputCommand::parse(command) {
            Err(error) => refused.push((None, error.to_string())),
            Ok(command) => match check(shared, event, &command) {
                Ok(action) => actions.push((command, action)),
                Err(error) => refused.push((Some(command), error)),
            },
        }
    }
    if !refused.is_empty() {
        for (command, error) in refused {
            record(shared, command.as_ref(), CommandStatus::Rejected, &error);
        }
        return;
    }
    for (command, action) in actions {
        match perform(shared, ingress, action).await {
            Ok(message) => record(shared, Some(&command), CommandStatus::Recorded, &message),
            Err(error) => record(
                shared,
                Some(&command),
                CommandStatus::Rejected,
                &error.message,
            ),
        }
    }
}

fn check(shared: &Shared, event: &str, command: &OutputCommand) -> Result<Action, String> {
    let context = &shared.context;
    let payload = command
        .check(event, &context.limits)
        .map_err(|error| error.to_string())?;
    let action = match payload {
        CommandPayload::Status(update) => Ok(Action::Status(update)),
        CommandPayload::Request(descriptor) => descriptor
            .check(&context.authority, &context.limits.request)
            .map(|checked| Action::Request(Box::new(checked))),
        CommandPayload::WebSocket(send) => check_send(shared, send),
    };
    action.map_err(|error| error.message)
}

fn check_send(shared: &Shared, send: WebSocketSend) -> Result<Action, ImportError> {
    let context = &shared.context;
    within(
        "WebSocket text",
        &send.text,
        context.limits.websocket.text_bytes,
    )?;
    let url = websocket::parse(&send.url)?;
    context.authority.websocket(&url)?;
    Ok(Action::WebSocket {
        url,
        text: send.text,
    })
}

async fn perform(shared: &Shared, ingress: &str, action: Action) -> Result<String, ImportError> {
    match action {
        Action::Status(StatusUpdate { message, status }) => {
            if !status.is_null() {
                shared.status().component_status = Some(status);
            }
            Ok(message.unwrap_or_else(|| "plugin service status update recorded".to_owned()))
        }
        Action::Request(checked) => {
            let response = request::send(*checked, &shared.context.limits.request).await?;
            Ok(format!(
                "host_request_dispatch answered {} with {} bytes",
                response.status,
                response.body.len()
            ))
        }
        Action::WebSocket { url, text } => {
            let (bytes, time) = (text.len(), shared.context.limits.websocket.send_time);
            timeout(time, shared.services.send(ingress, &url, text))
                .await
                .unwrap_or_else(|_| Err(ImportError::timeout("WebSocket send timed out")))?;
            Ok(format!(
                "websocket_send sent {bytes} bytes to {}",
                shown(&url)
            ))
        }
    }
}

fn record(shared: &Shared, command: Option<&OutputCommand>, status: CommandStatus, message: &str) {
    let limits = &shared.context.limits;
    // An id that was refused for its length is no id to keep.
    let short = |text: &String| text::safe(text, limits.command_id_bytes);
    let result = CommandResult {
        correlation_id: command.map(|command| short(&command.correlation_id)),
        source_event_id: command.map(|command| short(&command.source_event_id)),
        command_id: command.map(|command| short(&command.command_id)),
        kind: command.map(|command| short(&command.kind)),
        status,
        message: text::safe(message, limits.message_bytes),
        recorded_at: now(),
    };
    keep(&mut shared.status().results, result, limits.command_results);
}
