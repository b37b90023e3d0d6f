//! The JSON that crosses the boundary as text: PluginStatus, ToolOutput, ingress events, ServiceOutput and the output
//! commands in it. What the imports take and give lies with the imports.

mod event;
mod object;
mod service;
mod status;
mod tool;

pub use event::{EventError, IngressEvent};
pub use object::Object;
pub use service::{
    CommandError, CommandPayload, OutputCommand, ServiceOutput, StatusUpdate, WebSocketSend,
};
pub use status::PluginStatus;
pub use tool::ToolOutput;

pub(super) use event::now;
pub(super) use service::Commands;

/// Why what an export returned is not what the contract says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Longer than the host reads.
    #[error("{what} exceeds {limit} bytes")]
    TooLong {
        /// The output, or a part of it.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// Nothing where something must be.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Not JSON, or not of the shape that is expected; the text tells the place and the expectation.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// Which envelope.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The plugin says itself that it failed: a member `error`, or the state `failed`.
    #[error("the plugin reports a failure: {0}")]
    Reported(String),
}

impl OutputError {
    fn malformed(what: &'static str) -> impl Fn(serde_json::Error) -> Self {
        move |error| Self::Malformed {
            what,
            reason: error.to_string(),
        }
    }
}

fn bounded(what: &'static str, text: &str, limit: usize) -> Result<(), OutputError> {
    if text.len() > limit {
        return Err(OutputError::TooLong { what, limit });
    }
    Ok(())
}
