//! What serves a model's commands: one trait, a deterministic backend for tests, and one for OpenAI-compatible servers.

mod deterministic;
mod openai;

pub use deterministic::{Deterministic, Served};
pub use openai::{OpenAi, OpenAiConfig};

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

/// Serves the commands of one model.
///
/// The scheduler calls [`Backend::serve`] in the order in which commands are handed over, never more of them
/// unfinished than the model's capacity, and drops a future to cancel its command. `serve` itself must return at
/// once and not call back into the host; the work belongs into the future.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Accepts one command; the future is its answer.
    fn serve(&self, query: String) -> BoxFuture<'static, Result<String, BackendError>>;

    /// The controls of a backend that lets itself be held and made to fail; `None` for any other.
    fn deterministic(&self) -> Option<&Deterministic> {
        None
    }
}

/// Why a command failed. A guest sees it as the answer `error: …` and as `some(false)` of the next synchronize.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The instance ended, or the backend broke off.
    #[error("cancelled")]
    Cancelled,
    /// The backend was told to fail.
    #[error("the command was made to fail")]
    Injected,
    /// The server answered with a status other than 2xx; the start of its body.
    #[error("the model server answered {status}: {body}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// At most 512 bytes of the body.
        body: String,
    },
    /// The server sent an error, or something that is not the protocol.
    #[error("the model server broke the protocol: {0}")]
    Protocol(String),
    /// The connection failed or ended early.
    #[error("the model server could not be reached: {0}")]
    Transport(String),
    /// No answer, or no further part of it, within this time.
    #[error("the model server did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
}
