//! What waits for one actor, in two lanes: hooks and lifecycle first, then requests and chunks, each in order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::BackpressureEvent;
use super::entry::{Entry, Hook, Queued};
use super::error::Refusal;

/// Hooks and lifecycle entries that may wait for one actor. Hooks come from few sources; who floods them has a bug.
const CONTROL_LENGTH: usize = 4_096;

/// The mailbox of one actor.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    changed: Notify,
    capacity: usize,
    threshold: u64,
}

#[derive(Debug)]
struct State {
    control: VecDeque<Queued>,
    requests: VecDeque<Queued>,
    /// Whether requests wait however free the actor is.
    held: bool,
    /// Whether a crossing of the threshold is to be told.
    armed: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// A `stop` waits: it is the last.
    Stopping,
    Closed,
}

impl Mailbox {
    /// A mailbox for so many requests that tells of back-pressure at this many.
    pub(super) fn new(capacity: usize, threshold: u64) -> Self {
        Self {
            state: Mutex::new(State {
                control: VecDeque::new(),
                requests: VecDeque::new(),
                held: false,
                armed: true,
                phase: Phase::Open,
            }),
            changed: Notify::new(),
            capacity,
            threshold: threshold.max(1),
        }
    }

    /// Puts an entry at the end of its lane; a `stop` behind everything. Who waits for one that is refused is told.
    pub(super) fn push(&self, queued: Queued) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Some(refusal) = self.refusal(&state, &queued.entry) {
            drop(state);
            queued.refuse(refusal.clone());
            return Err(refusal);
        }
        if queued.entry.is_request() {
            state.requests.push_back(queued);
            self.tell_pressure(&mut state);
        } else if queued.entry == Entry::Stop {
            state.phase = Phase::Stopping;
            state.held = false;
            state.requests.push_back(queued);
        } else {
            state.control.push_back(queued);
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Why there is no place for an entry.
    fn refusal(&self, state: &State, entry: &Entry) -> Option<Refusal> {
        let (waiting, capacity) = match entry {
            Entry::Stop => (0, 1),
            entry if entry.is_request() => (state.requests.len(), self.capacity),
            _ => (state.control.len(), CONTROL_LENGTH),
        };
        if state.phase != Phase::Open {
            Some(Refusal::Ended)
        } else if waiting >= capacity {
            Some(Refusal::MailboxFull(capacity))
        } else {
            None
        }
    }

    /// Tells on the rising edge only: once per crossing, again after the mailbox was below the threshold.
    fn tell_pressure(&self, state: &mut State) {
        let queue_len = state.requests.len() as u64;
        if queue_len >= self.threshold && std::mem::take(&mut state.armed) {
            let event = BackpressureEvent {
                queue_len,
                threshold: self.threshold,
            };
            let hook = Entry::Hook(Hook::MailboxBackpressure(event));
            state.control.push_back(Queued::detached(hook));
        }
    }

    /// The next entry; `None` when the mailbox is closed.
    pub(super) async fn next(&self) -> Option<Queued> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if state.phase == Phase::Closed {
                    return None;
                }
                if let Some(queued) = state.control.pop_front() {
                    return Some(queued);
                }
                if !state.held
                    && let Some(queued) = state.requests.pop_front()
                {
                    state.armed |= (state.requests.len() as u64) < self.threshold;
                    return Some(queued);
                }
            }
            changed.await;
        }
    }

    /// Lets requests wait, or serves them again. Without effect once a `stop` waits.
    pub(super) fn hold(&self, held: bool) {
        let mut state = self.state();
        state.held = held && state.phase == Phase::Open;
        drop(state);
        self.changed.notify_one();
    }

    /// How many requests and chunks wait.
    pub(super) fn len(&self) -> usize {
        let state = self.state();
        let requests = state.requests.iter();
        requests.filter(|queued| queued.entry.is_request()).count()
    }

    /// Takes nothing any more and refuses what waits.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        let left: Vec<_> = std::mem::take(&mut state.control)
            .into_iter()
            .chain(std::mem::take(&mut state.requests))
            .collect();
        drop(state);
        for queued in left {
            queued.refuse(Refusal::Ended);
        }
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actr::RpcEnvelope;

    fn request(number: u32) -> Queued {
        Queued::detached(Entry::Dispatch {
            envelope: RpcEnvelope {
                request_id: number.to_string(),
                route_key: String::new(),
                payload: Vec::new(),
            },
            caller: None,
        })
    }

    async fn next(mailbox: &Mailbox) -> String {
        match mailbox.next().await.map(|queued| queued.entry) {
            Some(Entry::Dispatch { envelope, .. }) => envelope.request_id,
            Some(Entry::Hook(Hook::MailboxBackpressure(event))) => {
                format!("pressure {} of {}", event.queue_len, event.threshold)
            }
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn pressure_is_told_on_the_rising_edge_and_before_the_requests() {
        let mailbox = Mailbox::new(10, 2);
        for number in 0..4 {
            mailbox.push(request(number)).expect("room");
        }
        assert_eq!(next(&mailbox).await, "pressure 2 of 2");
        for number in 0..3 {
            assert_eq!(next(&mailbox).await, number.to_string());
        }
        assert_eq!(mailbox.len(), 1);
        mailbox.push(request(4)).expect("room");
        assert_eq!(next(&mailbox).await, "pressure 2 of 2");
        assert_eq!(next(&mailbox).await, "3");
    }

    #[tokio::test]
    async fn it_is_bounded_and_stop_comes_last() {
        let mailbox = Mailbox::new(2, 100);
        mailbox.hold(true);
        mailbox.push(request(0)).expect("room");
        mailbox.push(request(1)).expect("room");
        let refusal = mailbox.push(request(2)).expect_err("full");
        assert_eq!(refusal, Refusal::MailboxFull(2));
        mailbox
            .push(Queued::detached(Entry::Ready))
            .expect("a lane of its own");
        assert_eq!(next(&mailbox).await, "Some(Ready)");
        assert!(futures::poll!(Box::pin(mailbox.next())).is_pending());
        mailbox
            .push(Queued::detached(Entry::Stop))
            .expect("room for that");
        let refusal = mailbox.push(request(3)).expect_err("stopping");
        assert_eq!(refusal, Refusal::Ended);
        for expected in ["0", "1", "Some(Stop)"] {
            assert_eq!(next(&mailbox).await, expected);
        }
        let (queued, ticket) = Queued::attended(Entry::Ready);
        drop(queued);
        assert_eq!(ticket.outcome().await, Err(Refusal::Ended.into()));
        mailbox.close();
        assert!(mailbox.next().await.is_none());
    }
}
