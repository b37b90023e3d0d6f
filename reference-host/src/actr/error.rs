//! Why something did not happen.

use super::{ActrError, ActrId};

/// Why a component is no actor of this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not a component, of another world, importing what this host does not have, or a start function that traps.
    #[error("not a workload this host can run: {0}")]
    Refused(String),
    /// A ceiling of [`Limits`](super::Limits).
    #[error("beyond a limit: {0}")]
    Limit(String),
    /// An actor of this node has the identity already.
    #[error("the identity {} is taken", name(.0))]
    Taken(ActrId),
    /// The process has no engine.
    #[error("{0}")]
    Engine(String),
}

/// Why an entry into an actor gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The guest's own error.
    #[error("the workload answered with an error: {0:?}")]
    Guest(ActrError),
    /// The guest trapped, or a limit stopped it. Its instance is gone.
    #[error("the workload trapped: {0}")]
    Trapped(String),
    /// The host did not enter the guest, or gave up.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// Why the host did not enter a guest, or gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// `on-start` has not returned `ok`.
    #[error("the actor is not started")]
    NotStarted,
    /// It was started before.
    #[error("the actor was started before")]
    StartedBefore,
    /// It is stopped, or its start failed.
    #[error("the actor has ended")]
    Ended,
    /// As many as may wait do.
    #[error("the mailbox is full: {0} wait")]
    MailboxFull(usize),
    /// Larger than [`Limits::message_bytes`](super::Limits::message_bytes).
    #[error("{what} of {actual} bytes, allowed are {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The stream is not registered by the instance.
    #[error("the stream {0:?} is not registered")]
    Unregistered(String),
    /// Who began it gave it up.
    #[error("cancelled")]
    Cancelled,
    /// After a trap there was no fresh instance.
    #[error("no fresh instance after a trap: {0}")]
    Restart(String),
}

impl Failure {
    /// What a workload that called gets to see.
    pub(super) fn for_caller(self) -> ActrError {
        match self {
            Self::Guest(error) => error,
            Self::Trapped(text) => ActrError::Internal(format!("the workload trapped: {text}")),
            Self::Refused(refusal @ Refusal::TooLarge { .. }) => {
                ActrError::InvalidArgument(refusal.to_string())
            }
            Self::Refused(refusal) => ActrError::Unavailable(refusal.to_string()),
        }
    }
}

/// Why a node could not do something with another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No socket to listen on.
    #[error("failed to listen: {0}")]
    Listen(String),
    /// The other side is not there, does not answer in time, or is someone else.
    #[error("failed to connect: {0}")]
    Connect(String),
    /// There is no such connection.
    #[error("not connected to {}", name(.0))]
    NotConnected(ActrId),
}

/// An identity for people: `realm/manufacturer:name:version#serial`.
pub(super) fn name(id: &ActrId) -> String {
    let ty = &id.type_;
    format!(
        "{}/{}:{}:{}#{}",
        id.realm.realm_id, ty.manufacturer, ty.name, ty.version, id.serial_number
    )
}
