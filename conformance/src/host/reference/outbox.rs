//! The messages of one case on their way out, in an order that the suite can follow: nothing of an instance before the
//! return that told its id, nothing of a case after its `done`.

use std::sync::{Mutex, MutexGuard, PoisonError, mpsc::Sender};

use serde_json::Value as Json;

use crate::host::protocol::Message;

/// Where a case's messages go.
#[derive(Debug)]
pub(super) struct Outbox(Mutex<State>);

#[derive(Debug)]
struct State {
    /// `None` when the case is over.
    sender: Option<Sender<Message>>,
    /// Answers that have to come before any event.
    announcements: usize,
    /// Events that wait for them.
    held: Vec<Json>,
}

impl Outbox {
    pub(super) fn new(sender: Sender<Message>) -> Self {
        Self(Mutex::new(State {
            sender: Some(sender),
            announcements: 0,
            held: Vec::new(),
        }))
    }

    /// Events wait from now on until the answer that is announced has gone.
    pub(super) fn announce(&self) {
        self.state().announcements += 1;
    }

    /// Sends an answer.
    pub(super) fn answer(&self, message: Message, announced: bool) {
        let mut state = self.state();
        state.send(message);
        if announced {
            state.announcements = state.announcements.saturating_sub(1);
        }
        if state.announcements == 0 {
            for event in std::mem::take(&mut state.held) {
                state.send(Message::Event { event });
            }
        }
    }

    /// Sends an event.
    pub(super) fn event(&self, event: Json) {
        let mut state = self.state();
        if state.announcements > 0 {
            state.held.push(event);
        } else {
            state.send(Message::Event { event });
        }
    }

    /// The case is over: what comes now is dropped.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.sender = None;
        state.held.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send(&self, message: Message) {
        // Nobody listens any more when the host was dropped; then nobody misses it either.
        if let Some(sender) = &self.sender {
            let _ = sender.send(message);
        }
    }
}
