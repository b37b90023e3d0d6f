//! The shell: the program around a node, as workloads reach it by the destination `shell`.

use super::clock::Pending;
use super::{ActrError, ActrId, DataStream};

/// Takes what workloads send to `shell`.
pub trait Shell: Send + Sync {
    /// A request; the reply of a `tell` is dropped.
    fn request(
        &self,
        caller: ActrId,
        route_key: String,
        payload: Vec<u8>,
    ) -> Pending<'_, Result<Vec<u8>, ActrError>>;

    /// A chunk.
    fn chunk(&self, sender: ActrId, chunk: DataStream) -> Pending<'_, Result<(), ActrError>>;
}

/// A node without a shell: everything is `unavailable`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShell;

impl Shell for NoShell {
    fn request(
        &self,
        _caller: ActrId,
        _route_key: String,
        _payload: Vec<u8>,
    ) -> Pending<'_, Result<Vec<u8>, ActrError>> {
        Box::pin(async { Err(no_shell()) })
    }

    fn chunk(&self, _sender: ActrId, _chunk: DataStream) -> Pending<'_, Result<(), ActrError>> {
        Box::pin(async { Err(no_shell()) })
    }
}

fn no_shell() -> ActrError {
    ActrError::Unavailable("this node has no shell".into())
}
