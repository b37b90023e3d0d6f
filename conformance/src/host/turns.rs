//! Whose turn it is: which messages the protocol allows after what was sent. A host that answers no call, answers
//! twice, or speaks outside of a case is caught here, whatever it runs on.

use std::collections::BTreeSet;

use super::protocol::{Message, Request};

/// The state of one conversation after `hello`.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// `begin` was sent and not yet answered.
    beginning: bool,
    /// Between `ready` and `done`.
    open: bool,
    /// `end` was sent and not yet answered.
    ending: bool,
    in_flight: BTreeSet<u64>,
    answered: BTreeSet<u64>,
}

impl Turns {
    /// Notes what is sent.
    pub(super) fn sent(&mut self, request: &Request) {
        match request {
            Request::Begin(_) => {
                *self = Self {
                    beginning: true,
                    ..Self::default()
                }
            }
            Request::Call { id, .. } => {
                self.in_flight.insert(*id);
            }
            Request::End => self.ending = true,
            Request::Hello { .. } | Request::Bye => {}
        }
    }

    /// Checks what is received.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn received(&mut self, message: &Message) -> Result<(), String> {
        match message {
            Message::Hello(_) => Err("a second `hello`".into()),
            Message::Ready | Message::Unready { .. } if !std::mem::take(&mut self.beginning) => {
                Err("`ready` or `unready` that answers no `begin`".into())
            }
            Message::Ready => {
                self.open = true;
                Ok(())
            }
            Message::Unready { .. } => Ok(()),
            Message::Return { id, .. } | Message::Fault { id, .. } => self.answer(*id),
            Message::Event { .. } if !self.open => Err("an event outside of a case".into()),
            Message::Event { .. } => Ok(()),
            Message::Done if !self.ending => Err("`done` that answers no `end`".into()),
            Message::Done => {
                *self = Self::default();
                Ok(())
            }
        }
    }

    fn answer(&mut self, id: u64) -> Result<(), String> {
        if self.in_flight.remove(&id) {
            self.answered.insert(id);
            Ok(())
        } else if self.answered.contains(&id) {
            Err(format!("a second answer to call {id}"))
        } else {
            Err(format!("an answer to call {id}, which was not made"))
        }
    }
}
