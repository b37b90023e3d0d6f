//! What workloads ask of their host, and who answers: the node they live on, or whoever stands in for it.

use super::clock::Pending;
use super::{ActrError, ActrId, ActrType, DataStream, Dest, PayloadType};

/// One call of an import that leaves the actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `call`
    Call(Message),
    /// `tell`
    Tell(Message),
    /// `call-raw`
    CallRaw {
        /// To whom.
        target: ActrId,
        /// Which route.
        route_key: String,
        /// The request.
        payload: Vec<u8>,
    },
    /// `discover`
    Discover(ActrType),
    /// `register-stream`
    RegisterStream(String),
    /// `unregister-stream`
    UnregisterStream(String),
    /// `send-data-stream`
    SendDataStream {
        /// To whom.
        target: Dest,
        /// The chunk.
        chunk: DataStream,
        /// The lane.
        payload_type: PayloadType,
    },
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// To whom.
    pub target: Dest,
    /// Which route.
    pub route_key: String,
    /// The request.
    pub payload: Vec<u8>,
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reply.
    Bytes(Vec<u8>),
    /// An actor that was found.
    Found(ActrId),
    /// Nothing to tell.
    Done,
}

/// Why an operation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// The workload gets this error.
    #[error("{0:?}")]
    Actr(ActrError),
    /// The import traps.
    #[error("{0}")]
    Trap(String),
}

impl From<ActrError> for BridgeError {
    fn from(error: ActrError) -> Self {
        Self::Actr(error)
    }
}

/// Carries out operations.
pub trait Bridge: Send + Sync {
    /// Carries out one operation of the actor `origin`. The actor waits meanwhile; when it is given up, so is the future.
    fn operate(
        &self,
        origin: ActrId,
        operation: Operation,
    ) -> Pending<'_, Result<Answer, BridgeError>>;
}
