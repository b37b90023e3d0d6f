//! Why a registration or a call gave nothing. Texts are bounded and free of secrets; those of guests are cut.

use std::time::Duration;

use super::authority::Denial;
use super::envelope::{EventError, OutputError};
use super::manifest::ManifestError;
use super::plugin::Lifecycle;

/// Why a plugin is not registered. Nothing of it is left then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The manifest is none.
    #[error("manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// The component is larger than the host takes.
    #[error("the component has {got} bytes, allowed are {limit}")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// Not a component, or not one this engine runs.
    #[error("component: {0}")]
    Component(String),
    /// The component imports what this host does not have, or not for this plugin.
    #[error("import `{name}`: {reason}")]
    Import {
        /// As the component names it.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The component lacks an export of the world, or has it with another type.
    #[error("export `{name}` {reason}")]
    Export {
        /// Of the world.
        name: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The grants are for another plugin.
    #[error("plugin permission denied: {0}")]
    Grants(#[from] Denial),
    /// A plugin of this id is registered with another version or another component.
    #[error("a plugin `{0}` of another version or with another component is registered")]
    Duplicate(String),
    /// The component could not be instantiated.
    #[error("instantiation: {0}")]
    Instantiate(String),
    /// `start` failed, or says so.
    #[error("plugin instance startup failed closed: {0}")]
    Start(Box<CallError>),
    /// The host has no engine.
    #[error("host: {0}")]
    Host(String),
}

/// Why a call of a plugin gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A tool's input is too long or no JSON; the guest was not entered.
    #[error("invalid input: {0}")]
    Input(String),
    /// The plugin may not be called so; the guest was not entered.
    #[error("plugin permission denied: {0}")]
    Denied(#[from] Denial),
    /// The plugin is in no state to be called so; the guest was not entered.
    #[error("the plugin is {0}")]
    State(Lifecycle),
    /// The event is none; the guest was not entered.
    #[error("invalid event: {0}")]
    Event(#[from] EventError),
    /// Too many events wait already; the guest was not entered.
    #[error("{0} events wait already")]
    QueueFull(usize),
    /// The guest trapped, now or before.
    #[error("execution error: {0}")]
    Trap(String),
    /// The guest's answer breaks the contract or reports a failure.
    #[error("output error: {0}")]
    Output(#[from] OutputError),
    /// The call took too long.
    #[error("timed out after {} ms{}", .limit.as_millis(), if *.computing { " of computing" } else { "" })]
    Timeout {
        /// The limit it ran into.
        limit: Duration,
        /// Whether it computed all the time, rather than waited.
        computing: bool,
    },
    /// The host itself failed or is being shut down.
    #[error("host: {0}")]
    Host(String),
}

impl CallError {
    /// Whether the guest was entered.
    pub fn entered(&self) -> bool {
        matches!(self, Self::Trap(_) | Self::Output(_) | Self::Timeout { .. })
    }
}
