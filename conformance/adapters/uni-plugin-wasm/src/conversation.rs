//! The loop over the suite's messages. Each call runs on a thread of its own, because calls of the host block.
//!
//! A panic of the host ends the adapter, as it would end a program that embeds the host and does not expect one; the
//! suite reads that as `crash`.

use std::{
    io::{self, BufRead},
    panic::{self, AssertUnwindSafe},
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::Value as Json;

use crate::{
    case::Case,
    outbox::{Channel, Outbox},
    protocol::{Message, Request, VERSION},
    telemetry,
};

/// Calls that may be in flight at once.
const CALLS: usize = 256;
/// As much as a main thread has; the host sets its own, smaller limit on a guest's stack.
const STACK: usize = 8 << 20;
/// What a Rust program ends with after a panic.
const PANICKED: i32 = 101;

/// Serves the suite until `bye` or the end of its input.
///
/// # Errors
/// When the suite says what this protocol does not know.
pub(crate) fn serve(mut input: impl BufRead) -> io::Result<()> {
    let outbox = Outbox::new();
    let mut current: Option<Running> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match serde_json::from_slice(&line)? {
            Request::Hello { protocol: VERSION } => outbox.send(&Message::hello()),
            Request::Hello { protocol } => {
                return Err(io::Error::other(format!(
                    "protocol {protocol} is not spoken here, only {VERSION}"
                )));
            }
            Request::Begin(setup) => {
                let channel = outbox.channel();
                let name = setup.case.clone();
                match Case::begin(setup) {
                    Ok(case) => {
                        current = Some(Running {
                            name,
                            case: Arc::new(case),
                            channel,
                            calls: Arc::default(),
                        });
                        outbox.send(&Message::Ready);
                    }
                    Err(message) => {
                        current = None;
                        outbox.send(&Message::Unready { message });
                    }
                }
            }
            Request::Call {
                id,
                function,
                arguments,
            } => match &current {
                Some(running) => running.call(id, function, arguments),
                None => outbox.send(&Message::Fault {
                    id,
                    message: "no case has begun".into(),
                }),
            },
            Request::End => {
                current = None;
                outbox.done();
            }
            Request::Bye => return Ok(()),
        }
    }
}

/// A case in flight.
struct Running {
    name: String,
    case: Arc<Case>,
    channel: Channel,
    calls: Arc<AtomicUsize>,
}

impl Running {
    fn call(&self, id: u64, function: String, arguments: Vec<Json>) {
        let fault = |message| self.channel.send(&Message::Fault { id, message });
        if self.calls.fetch_add(1, Ordering::Relaxed) >= CALLS {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            return fault(format!("{CALLS} calls are in flight already"));
        }
        let (name, case, channel) = (
            self.name.clone(),
            Arc::clone(&self.case),
            self.channel.clone(),
        );
        let calls = Arc::clone(&self.calls);
        let work = move || {
            let call = || {
                let _heard = telemetry::hear(&channel);
                case.call(&function, arguments)
            };
            let message = match panic::catch_unwind(AssertUnwindSafe(call)) {
                Ok(Ok(value)) => Message::Return { id, value },
                Ok(Err(refusal)) => Message::Fault {
                    id,
                    message: refusal.0,
                },
                Err(_) => {
                    eprintln!("the host panicked in `{function}` of the case {name}");
                    process::exit(PANICKED);
                }
            };
            calls.fetch_sub(1, Ordering::Relaxed);
            channel.send(&message);
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(work) {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            fault(format!("failed to start a thread: {error}"));
        }
    }
}
