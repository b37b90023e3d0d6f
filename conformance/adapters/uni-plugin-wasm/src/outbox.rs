//! Standard output, shared by the threads of all calls. What a case's thread still has to say after `done` is dropped.

use std::{
    io::{self, Stdout, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value as Json;

use crate::protocol::Message;

#[derive(Debug)]
pub(crate) struct Outbox(Mutex<Line>);

#[derive(Debug)]
struct Line {
    out: Stdout,
    /// Number of the case that is in flight, or of the next one.
    case: u64,
}

impl Outbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Line {
            out: io::stdout(),
            case: 0,
        })))
    }

    /// Says something that belongs to no call.
    pub(crate) fn send(&self, message: &Message) {
        self.line().write(message);
    }

    /// Says that the case is over; its threads are not heard from then on.
    pub(crate) fn done(&self) {
        let mut line = self.line();
        line.case += 1;
        line.write(&Message::Done);
    }

    /// A way out for the threads of the case that now begins.
    pub(crate) fn channel(self: &Arc<Self>) -> Channel {
        Channel {
            outbox: Arc::clone(self),
            case: self.line().case,
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A suite that no longer listens closes standard input too, which ends this adapter; so errors are of no interest.
    fn write(&mut self, message: &Message) {
        let Ok(mut text) = serde_json::to_vec(message) else {
            return;
        };
        text.push(b'\n');
        let _ = self.out.write_all(&text).and_then(|()| self.out.flush());
    }
}

/// What the threads of one case speak through.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    outbox: Arc<Outbox>,
    case: u64,
}

impl Channel {
    pub(crate) fn event(&self, event: Json) {
        self.send(&Message::Event { event });
    }

    pub(crate) fn send(&self, message: &Message) {
        let mut line = self.outbox.line();
        if line.case == self.case {
            line.write(message);
        }
    }
}
