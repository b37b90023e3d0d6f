//! The reference host as a host under test: in this process ([`ReferenceLauncher`]) or behind the adapter protocol
//! ([`serve`], the program `witgate-reference`). Both speak the same messages; nothing here judges.

mod actr;
mod akshi;
mod conversation;
mod driver;
mod outbox;
mod pie;
mod serve;
mod uni;
mod wire;
mod yoi;

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Instant,
};

use tokio::sync::mpsc::UnboundedSender;

pub use self::serve::{ServeError, serve};

use super::{
    Host, HostFault, Launcher,
    protocol::{Hello, Message, Request, VERSION},
};

/// Starts reference hosts in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceLauncher;

impl Launcher for ReferenceLauncher {
    fn launch(&self) -> Result<Box<dyn Host>, HostFault> {
        let (requests, messages) = conversation::open().map_err(HostFault::Start)?;
        Ok(Box::new(ReferenceHost {
            hello: hello(),
            requests,
            messages,
        }))
    }
}

/// A reference host in this process. Dropping it ends its case.
#[derive(Debug)]
struct ReferenceHost {
    hello: Hello,
    requests: UnboundedSender<Request>,
    messages: Receiver<Message>,
}

impl Host for ReferenceHost {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn post(&mut self, request: Request) -> Result<(), HostFault> {
        self.requests.send(request).map_err(|_| gone())
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.messages.recv_timeout(wait) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

/// What the reference host says of itself.
fn hello() -> Hello {
    Hello {
        protocol: VERSION,
        name: "witgate-reference".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        contracts: driver::contracts(),
    }
}

fn gone() -> HostFault {
    HostFault::Gone {
        status: "the reference host in this process stopped".into(),
        stderr: String::new(),
    }
}
