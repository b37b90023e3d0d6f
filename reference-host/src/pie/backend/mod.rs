//! What serves a model's commands: one trait, a deterministic backend for tests, and one for OpenAI-compatible servers.

mod deterministic;
mod later;
mod openai;

pub use deterministic::{Deterministic, Served};
pub use later::{Answerer, Later};
pub use openai::{OpenAi, OpenAiConfig};

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Serves the commands of one model.
///
/// The scheduler calls [`Backend::serve`] in the order in which commands are handed over, never more of them
/// unfinished than the model's capacity, and drops a future to cancel its command. `serve` itself must return at
/// once and not call back into the host; work that takes time belongs into the future.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Accepts one command.
    fn serve(&self, query: String) -> Service;

    /// The controls of a backend that lets itself be held and made to fail; `None` for any other.
    fn deterministic(&self) -> Option<&Deterministic> {
        None
    }
}

/// How a backend answers a command.
pub enum Service {
    /// It has. Nobody is woken for it, and nobody has to wait.
    Done(Result<String, BackendError>),
    /// Whoever holds the [`Answerer`] will, and the next command follows on its thread. No task waits for it.
    Later(Later),
    /// The future is the answer; a task of its own runs it.
    Pending(BoxFuture<'static, Result<String, BackendError>>),
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(answer) => formatter.debug_tuple("Done").field(answer).finish(),
            Self::Later(later) => later.fmt(formatter),
            Self::Pending(_) => formatter.write_str("Pending"),
        }
    }
}

impl IntoFuture for Service {
    type Output = Result<String, BackendError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Self::Done(answer) => std::future::ready(answer).boxed(),
            Self::Later(later) => {
                let (sender, answer) = oneshot::channel();
                later.then(move |answer| {
                    // Nobody waits any more.
                    let _ = sender.send(answer);
                });
                // Dropped before the answer came, it is not wanted.
                let abandoned = Abandoned(later);
                async move {
                    let answer = answer.await;
                    drop(abandoned);
                    answer.unwrap_or(Err(BackendError::Cancelled))
                }
                .boxed()
            }
            Self::Pending(work) => work,
        }
    }
}

struct Abandoned(Later);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
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
