//! Hosts under test, as the runner knows them: something that takes requests and gives messages. The in-process
//! reference host and a child process in any language are the same to it.

pub mod json;
pub mod process;
pub mod protocol;
pub mod reference;
mod turns;

use std::time::Instant;

use protocol::{Hello, Message, Request};

/// A host under test. One case is in flight at a time; more at once means more hosts.
pub trait Host: Send {
    /// What the host said of itself.
    fn hello(&self) -> &Hello;

    /// Sends a request.
    ///
    /// # Errors
    /// When the host is gone.
    fn post(&mut self, request: Request) -> Result<(), HostFault>;

    /// The next message, or `None` when `deadline` passed first.
    ///
    /// # Errors
    /// When the host is gone or talks nonsense; it is of no use afterwards.
    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault>;

    /// The end of what it wrote to its standard error so far; empty for a host that has none.
    fn stderr(&self) -> String {
        String::new()
    }
}

/// Starts hosts: one per worker, and a new one after a fault.
pub trait Launcher: Send + Sync {
    /// Starts a host and waits for its `hello`.
    ///
    /// # Errors
    /// When it can't be started or does not answer.
    fn launch(&self) -> Result<Box<dyn Host>, HostFault>;
}

/// Why a host can't go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostFault {
    /// The process could not be started.
    #[error("the adapter could not be started: {0}")]
    Start(String),
    /// The process ended.
    #[error("the host ended: {status}{}", tail(.stderr))]
    Gone {
        /// How, as in `exit status: 1`.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// It broke the protocol.
    #[error("the host broke the protocol: {what}{}", tail(.stderr))]
    Breach {
        /// What was wrong, where, and what was expected.
        what: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// It did not answer `hello` in time.
    #[error("no hello within {0:?}")]
    Silent(std::time::Duration),
}

fn tail(stderr: &str) -> String {
    if stderr.trim().is_empty() {
        String::new()
    } else {
        format!("\nits standard error ended:\n{}", stderr.trim_end())
    }
}
