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
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Instant,
};

use etcetera::{BaseStrategy as _, choose_base_strategy};
use reference_host::engine::{self, EngineError};
use tokio::sync::mpsc::UnboundedSender;

pub use self::serve::{ServeError, serve};

use super::{
    Host, HostFault, Launcher,
    protocol::{Hello, Message, Request, VERSION},
};

/// Keeps compiled guests between runs: in the folder that the environment variable `WITGATE_CACHE` names, or else in `witgate` in
/// the user's cache folder; nowhere when the variable is empty. For programs, before they start the first host.
///
/// # Errors
/// The folder that the variable names can't be used. That the user has none, or one that can't be written, is no error.
pub fn keep_compiled() -> Result<(), EngineError> {
    let named = std::env::var_os("WITGATE_CACHE");
    let usual = || Some(choose_base_strategy().ok()?.cache_dir().join("witgate"));
    match named {
        Some(folder) if folder.is_empty() => Ok(()),
        Some(folder) => engine::keep_compiled(Path::new(&folder)),
        None => {
            let _ = usual().map(|folder| engine::keep_compiled(&folder));
            Ok(())
        }
    }
}

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
