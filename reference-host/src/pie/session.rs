//! The session between an instance and its remote client: an inbox towards the guest, an outbox towards the client.
//!
//! Both are first in, first out and lose nothing. A message to the guest counts as consumed only when `get` has
//! returned it: dropping a `receive-result` that was never read puts the message back in its place. A client that
//! does not read fills its own outbox and then makes its own guest wait in `send`; nobody else notices.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::mpsc::UnboundedSender;

use super::ready::{Pollable, Reply, Waiters, wake};
use super::{Event, InstanceId, Limits, Outcome};

/// Messages from the client, and the receives that wait for them.
#[derive(Debug)]
pub struct Inbox {
    state: Mutex<InboxState>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct InboxState {
    /// Ordered by number: a message that is put back finds its old place.
    buffered: VecDeque<Received>,
    bytes: usize,
    /// In call order.
    waiting: VecDeque<Arc<Reply<Received>>>,
    arrived: u64,
}

#[derive(Debug, Clone)]
struct Received {
    number: u64,
    text: Arc<str>,
}

/// The inbox holds as much as it may; the client has to wait for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the instance does not receive: {messages} messages ({bytes} bytes) wait already")]
pub struct InboxFull {
    /// Messages that wait.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Inbox {
    /// An empty inbox with the bounds of these limits.
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(InboxState::default()),
            max_messages: limits.inbox_messages,
            max_bytes: limits.inbox_bytes,
        })
    }

    /// A message from the client: for the oldest waiting receive, or buffered.
    ///
    /// # Errors
    /// [`InboxFull`] when nobody waits and the buffer is at its bound.
    pub fn deliver(&self, text: &str) -> Result<(), InboxFull> {
        let mut state = self.state();
        if state.waiting.is_empty()
            && (state.buffered.len() >= self.max_messages
                || state.bytes.saturating_add(text.len()) > self.max_bytes)
        {
            return Err(InboxFull {
                messages: state.buffered.len(),
                bytes: state.bytes,
            });
        }
        let number = state.arrived;
        state.arrived += 1;
        state.accept(Received {
            number,
            text: text.into(),
        });
        Ok(())
    }

    /// The function `receive`: one claim on one message; claims are filled in call order.
    pub fn receive(self: &Arc<Self>) -> ReceiveResult {
        let reply = Reply::new();
        let mut state = self.state();
        match state.buffered.pop_front() {
            Some(message) => {
                state.bytes -= message.text.len();
                reply.resolve(message);
            }
            None => state.waiting.push_back(reply.clone()),
        }
        drop(state);
        ReceiveResult {
            inbox: self.clone(),
            reply,
            read: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InboxState {
    fn accept(&mut self, message: Received) {
        if let Some(reply) = self.waiting.pop_front() {
            reply.resolve(message);
            return;
        }
        self.bytes += message.text.len();
        let place = self
            .buffered
            .partition_point(|other| other.number < message.number);
        self.buffered.insert(place, message);
    }
}

/// The resource `receive-result`.
#[derive(Debug)]
pub struct ReceiveResult {
    inbox: Arc<Inbox>,
    reply: Arc<Reply<Received>>,
    read: bool,
}

impl ReceiveResult {
    /// The message as soon as it has arrived, whether or not anything was polled; the same one every time.
    pub fn get(&mut self) -> Option<Arc<str>> {
        let message = self.reply.value()?;
        self.read = true;
        Some(message.text)
    }

    /// Ready once the message has arrived, and once the result is dropped.
    pub fn pollable(&self) -> Pollable {
        Pollable::new(self.reply.clone())
    }
}

impl Drop for ReceiveResult {
    fn drop(&mut self) {
        let mut state = self.inbox.state();
        match self.reply.value() {
            None => state
                .waiting
                .retain(|reply| !Arc::ptr_eq(reply, &self.reply)),
            Some(message) if !self.read => state.accept(message),
            Some(_) => {}
        }
        drop(state);
        self.reply.abandon();
    }
}

/// Messages to the client, and the end of the instance behind them.
#[derive(Debug)]
pub struct Outbox {
    instance: InstanceId,
    events: UnboundedSender<Event>,
    state: Mutex<OutboxState>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct OutboxState {
    paused: bool,
    buffered: VecDeque<String>,
    bytes: usize,
    end: Option<Outcome>,
    waiters: Waiters,
}

impl Outbox {
    /// An outbox that passes on at once until it is paused.
    pub fn new(instance: InstanceId, events: UnboundedSender<Event>, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            instance,
            events,
            state: Mutex::new(OutboxState::default()),
            max_messages: limits.outbox_messages,
            max_bytes: limits.outbox_bytes,
        })
    }

    /// Sends; waits only while the client does not read and the buffer is full. A client that has gone (its event
    /// receiver is dropped) loses the message silently.
    pub async fn send(&self, text: String) {
        let mut text = Some(text);
        poll_fn(|context| {
            let mut state = self.state();
            let bytes = text.as_ref().map_or(0, String::len);
            // An empty buffer takes any one message, so that a long one cannot wait for ever.
            let full = state.buffered.len() >= self.max_messages
                || (!state.buffered.is_empty()
                    && state.bytes.saturating_add(bytes) > self.max_bytes);
            if state.paused && full {
                state.waiters.register(context);
                return Poll::Pending;
            }
            if let Some(text) = text.take() {
                if state.paused {
                    state.bytes += bytes;
                    state.buffered.push_back(text);
                } else {
                    self.emit(text);
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// The client stops reading.
    pub fn pause(&self) {
        self.state().paused = true;
    }

    /// The client reads on: everything buffered goes out, then the end if there was one.
    pub fn resume(&self) {
        let mut state = self.state();
        state.paused = false;
        state.bytes = 0;
        for text in std::mem::take(&mut state.buffered) {
            self.emit(text);
        }
        if let Some(outcome) = state.end.take() {
            self.emit_end(outcome);
        }
        let wakers = state.waiters.take();
        drop(state);
        wake(wakers);
    }

    /// The instance ended. Its event comes behind every message; `false` when a paused client has yet to read it.
    pub fn end(&self, outcome: Outcome) -> bool {
        let mut state = self.state();
        if state.paused {
            state.end = Some(outcome);
            return false;
        }
        self.emit_end(outcome);
        true
    }

    fn emit(&self, text: String) {
        let instance = self.instance;
        // No receiver: the client has gone, and nobody else wants its messages.
        let _ = self.events.send(Event::Message { instance, text });
    }

    fn emit_end(&self, outcome: Outcome) {
        let instance = self.instance;
        let _ = self.events.send(Event::Ended { instance, outcome });
    }

    fn state(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn inbox() -> Arc<Inbox> {
        Inbox::new(&Limits::default())
    }

    fn text(result: &mut ReceiveResult) -> Option<String> {
        result.get().map(|text| text.to_string())
    }

    #[test]
    fn receives_are_filled_in_call_order() {
        let inbox = inbox();
        inbox.deliver("0").expect("room");
        let mut results: Vec<_> = (0..5).map(|_| inbox.receive()).collect();
        for number in 1..7 {
            inbox.deliver(&number.to_string()).expect("room");
        }
        results.extend((5..7).map(|_| inbox.receive()));
        for (number, result) in results.iter_mut().enumerate() {
            assert_eq!(text(result), Some(number.to_string()));
            assert_eq!(text(result), Some(number.to_string()), "the same again");
        }
        assert_eq!(text(&mut inbox.receive()), None);
    }

    #[test]
    fn dropping_an_unread_result_consumes_nothing() {
        let inbox = inbox();
        drop(inbox.receive());
        inbox.deliver("m").expect("room");
        drop(inbox.receive());
        let (early, mut late) = (inbox.receive(), inbox.receive());
        assert_eq!(text(&mut late), None);
        inbox.deliver("n").expect("room");
        drop(early);
        assert_eq!(text(&mut late), Some("n".into()), "late was filled before");
        let mut next = inbox.receive();
        assert_eq!(text(&mut next), Some("m".into()));
        drop(next);
        assert_eq!(
            text(&mut inbox.receive()),
            None,
            "a read message is consumed"
        );
    }

    #[test]
    fn a_message_put_back_keeps_its_place_or_goes_to_who_waits() {
        let inbox = inbox();
        for message in ["a", "b", "c"] {
            inbox.deliver(message).expect("room");
        }
        let (first, second) = (inbox.receive(), inbox.receive());
        drop(second);
        drop(first);
        let order: Vec<_> = (0..3).map(|_| text(&mut inbox.receive())).collect();
        assert_eq!(order, ["a", "b", "c"].map(|text| Some(text.to_owned())));
        inbox.deliver("d").expect("room");
        let (holder, mut waiter) = (inbox.receive(), inbox.receive());
        let pollable = waiter.pollable();
        assert!(!pollable.is_ready());
        drop(holder);
        assert!(pollable.is_ready());
        assert_eq!(text(&mut waiter), Some("d".into()));
    }

    #[test]
    fn pollables_outlive_their_result_and_empty_strings_arrive() {
        let inbox = inbox();
        let result = inbox.receive();
        let (pollable, twin) = (result.pollable(), result.pollable());
        drop(result);
        assert!(pollable.is_ready() && twin.is_ready());
        let mut result = inbox.receive();
        inbox.deliver("").expect("room");
        assert_eq!(text(&mut result), Some(String::new()));
    }

    #[test]
    fn the_inbox_is_bounded() {
        let limits = Limits {
            inbox_messages: 2,
            inbox_bytes: 10,
            ..Limits::default()
        };
        let inbox = Inbox::new(&limits);
        assert!(inbox.deliver("12345678901").is_err());
        assert!(inbox.deliver("a").is_ok() && inbox.deliver("b").is_ok());
        assert_eq!(
            inbox.deliver("c"),
            Err(InboxFull {
                messages: 2,
                bytes: 2
            })
        );
        let mut result = inbox.receive();
        assert!(result.get().is_some());
        assert!(inbox.deliver("c").is_ok());
    }

    fn outbox(messages: usize) -> (Arc<Outbox>, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        let limits = Limits {
            outbox_messages: messages,
            ..Limits::default()
        };
        (Outbox::new(InstanceId::new(), events, &limits), receiver)
    }

    fn drain(receiver: &mut UnboundedReceiver<Event>) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|event| match event {
                Event::Message { text, .. } => text,
                Event::Ended { outcome, .. } => format!("{outcome:?}"),
            })
            .collect()
    }

    #[tokio::test]
    async fn the_end_comes_behind_every_message() {
        let (outbox, mut receiver) = outbox(10);
        outbox.send("first".into()).await;
        outbox.pause();
        outbox.send(String::new()).await;
        assert!(!outbox.end(Outcome::Finished));
        assert_eq!(drain(&mut receiver), ["first"]);
        outbox.resume();
        assert_eq!(drain(&mut receiver), ["", "Finished"]);
    }

    #[tokio::test]
    async fn a_full_outbox_makes_its_own_guest_wait() {
        let (outbox, mut receiver) = outbox(2);
        outbox.pause();
        let sender = tokio::spawn({
            let outbox = outbox.clone();
            async move {
                for number in 0..5 {
                    outbox.send(number.to_string()).await;
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        assert!(!sender.is_finished());
        outbox.resume();
        sender.await.expect("no panic");
        assert_eq!(drain(&mut receiver), ["0", "1", "2", "3", "4"]);
    }

    #[tokio::test]
    async fn a_client_that_left_stops_nobody() {
        let (outbox, receiver) = outbox(2);
        drop(receiver);
        outbox.send("lost".into()).await;
        assert!(outbox.end(Outcome::Finished));
    }
}
