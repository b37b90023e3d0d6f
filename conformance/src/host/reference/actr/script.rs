//! The other side of a bridged actor: answers what the suite says, and keeps what the actor asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reference_host::actr::{ActrError, ActrId, Answer, Bridge, BridgeError, Operation, Pending};
use tokio::sync::{Notify, oneshot};

use super::types::{self, Event, Reply};
use crate::host::reference::{outbox::Outbox, wire::value};

/// How long [`Script::answer`] waits for an operation that is held.
const HELD: Duration = Duration::from_secs(10);

/// Plays the other side of one actor.
pub(super) struct Script {
    instance: String,
    outbox: Arc<Outbox>,
    state: Mutex<State>,
    holds: Notify,
}

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    operations: Vec<types::Operation>,
    held: VecDeque<oneshot::Sender<Reply>>,
}

impl Script {
    pub(super) fn new(instance: String, outbox: Arc<Outbox>) -> Self {
        Self {
            instance,
            outbox,
            state: Mutex::default(),
            holds: Notify::new(),
        }
    }

    /// Adds replies for operations to come.
    pub(super) fn add(&self, replies: Vec<Reply>) {
        self.state().replies.extend(replies);
    }

    /// What the actor asked so far.
    pub(super) fn operations(&self) -> Vec<types::Operation> {
        self.state().operations.clone()
    }

    /// Answers the oldest operation that is held.
    pub(super) async fn answer(&self, reply: Reply) -> Result<(), String> {
        let answering = async {
            let mut reply = reply;
            loop {
                let held = self.holds.notified();
                while let Some(waiting) = self.next_held() {
                    match waiting.send(reply) {
                        Ok(()) => return,
                        // Its actor was given up meanwhile.
                        Err(back) => reply = back,
                    }
                }
                held.await;
            }
        };
        tokio::time::timeout(HELD, answering)
            .await
            .map_err(|_| "no operation of this actor is held".to_owned())
    }

    fn next_held(&self) -> Option<oneshot::Sender<Reply>> {
        self.state().held.pop_front()
    }

    /// Keeps an operation and takes its reply.
    fn note(&self, operation: types::Operation) -> Option<Reply> {
        let mut state = self.state();
        state.operations.push(operation.clone());
        let event = Event::Operation {
            instance: self.instance.clone(),
            operation,
        };
        // There is always a JSON of it; under the lock, so that events come in the order of the list.
        if let Ok(event) = value(&event) {
            self.outbox.event(event);
        }
        state.replies.pop_front()
    }

    async fn held(&self) -> Reply {
        let (sender, reply) = oneshot::channel();
        self.state().held.push_back(sender);
        self.holds.notify_one();
        match reply.await {
            Ok(reply) => reply,
            // Only when the script itself is gone.
            Err(_) => Reply::Trap(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bridge for Script {
    fn operate(
        &self,
        _origin: ActrId,
        operation: Operation,
    ) -> Pending<'_, Result<Answer, BridgeError>> {
        Box::pin(async move {
            let yields = matches!(
                operation,
                Operation::Call(_) | Operation::CallRaw { .. } | Operation::Discover(_)
            );
            let mut reply = self.note(operation.into());
            loop {
                return match reply {
                    None if yields => {
                        Err(ActrError::Unavailable("no reply is scripted".into()).into())
                    }
                    None | Some(Reply::Done(())) => Ok(Answer::Done),
                    Some(Reply::Value(bytes)) => Ok(Answer::Bytes(bytes.0)),
                    Some(Reply::Slow(slow)) => {
                        tokio::time::sleep(Duration::from_millis(slow.ms.into())).await;
                        Ok(Answer::Bytes(slow.value.0))
                    }
                    Some(Reply::Found(id)) => Ok(Answer::Found(id.into())),
                    Some(Reply::Error(error)) => Err(BridgeError::Actr(error.into())),
                    Some(Reply::Trap(())) => Err(BridgeError::Trap("as it was scripted".into())),
                    Some(Reply::Held(())) => {
                        reply = Some(self.held().await);
                        continue;
                    }
                };
            }
        })
    }
}
