//! One actor: its identity, its mailbox, and the task that serves it, one entry at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::bridge::Bridge;
use super::clock::Clock;
use super::entry::{Entry, Hook, Outcome, Queued, Ticket, Waiter};
use super::error::{Failure, Refusal};
use super::instance::{Instance, Program};
use super::log::LogSink;
use super::mailbox::Mailbox;
use super::{ActorConfig, ActrError, ActrId, ErrorCategory, ErrorEvent, Limits};

/// An actor of a [`Node`](super::Node). It lives until it is stopped, its start fails, or the node is dropped.
///
/// Entries have their turn one after the other; nothing enters an instance while another entry of it waits for the host.
/// Hooks and lifecycle entries go before the requests and chunks that wait, each lane is first in, first out.
pub struct Actor {
    config: ActorConfig,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
    mailbox: Mailbox,
    bridge: RwLock<Arc<dyn Bridge>>,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loaded,
    Started,
    Ended,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Actor").field(&self.config.identity).finish()
    }
}

impl Actor {
    pub(super) fn new(
        config: ActorConfig,
        limits: Arc<Limits>,
        clock: Arc<dyn Clock>,
        bridge: Arc<dyn Bridge>,
    ) -> Self {
        Self {
            mailbox: Mailbox::new(limits.mailbox_length, config.mailbox_threshold),
            config,
            limits,
            clock,
            bridge: RwLock::new(bridge),
            phase: Mutex::new(Phase::Loaded),
        }
    }

    /// Its identity.
    pub fn identity(&self) -> &ActrId {
        &self.config.identity
    }

    /// Whether `on-start` has returned `ok` and the actor has not ended: it can be called and discovered.
    pub fn is_started(&self) -> bool {
        *self.phase() == Phase::Started
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        *self.phase() == Phase::Ended
    }

    /// Queues an entry. Entries that are begun one after the other have their turns in this order within their lane.
    /// [`Entry::Stop`] closes the mailbox: what waits has its turn before it, what comes later is refused.
    pub fn begin(&self, entry: Entry) -> Ticket {
        let (queued, ticket) = Queued::attended(entry);
        // The ticket tells of a refusal.
        let _ = self.push(queued);
        ticket
    }

    /// Queues an entry and waits for its end.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn enter(&self, entry: Entry) -> Outcome {
        self.begin(entry).outcome().await
    }

    /// Queues an entry whose end nobody waits for.
    ///
    /// # Errors
    /// [`Refusal`] when it can't be queued.
    pub fn post(&self, entry: Entry) -> Result<(), Refusal> {
        self.push(Queued::detached(entry))
    }

    fn push(&self, queued: Queued) -> Result<(), Refusal> {
        let limit = self.limits.message_bytes;
        let (what, actual) = queued.entry.size();
        if actual > limit {
            let refusal = Refusal::TooLarge {
                what,
                actual,
                limit,
            };
            queued.refuse(refusal.clone());
            return Err(refusal);
        }
        self.mailbox.push(queued)
    }

    /// Lets requests and chunks wait from now on, or serves them again. Hooks are served all the same.
    pub fn hold(&self, held: bool) {
        self.mailbox.hold(held);
    }

    /// How many requests and chunks wait.
    pub fn queued(&self) -> usize {
        self.mailbox.len()
    }

    /// Who answers its operations from now on, in place of its node.
    pub fn set_bridge(&self, bridge: Arc<dyn Bridge>) {
        *self.bridge.write().unwrap_or_else(PoisonError::into_inner) = bridge;
    }

    pub(super) fn bridge(&self) -> Arc<dyn Bridge> {
        self.bridge
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn log(&self) -> &dyn LogSink {
        &*self.config.log
    }

    /// Tells the actor of a failure through `on-error`, if it wants to know.
    pub(super) fn report(&self, source: ActrError, category: ErrorCategory, context: String) {
        if !self.config.error_reports {
            return;
        }
        let event = ErrorEvent {
            source,
            category,
            context,
            timestamp: self.clock.now(),
        };
        if let Err(refusal) = self.post(Entry::Hook(Hook::Error(event))) {
            tracing::warn!(actor = ?self.identity(), %refusal, "an error was not reported");
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        *self.phase() = Phase::Ended;
        self.mailbox.close();
    }
}

/// Serves an actor until it ends.
pub(super) async fn serve(actor: Arc<Actor>, program: Program, instance: Instance) {
    let closing = Closing(actor.clone());
    let mut server = Server {
        actor: actor.clone(),
        program,
        instance: Some(instance),
    };
    while let Some(queued) = actor.mailbox.next().await {
        let (entry, mut waiter) = queued.split();
        let outcome = server.serve(entry, &mut waiter).await;
        // Who waits for a stop finds the actor gone.
        let ended = actor.is_ended();
        if ended {
            server.instance = None;
            actor.end();
        }
        waiter.tell(outcome);
        if ended {
            break;
        }
    }
    drop(closing);
}

/// Ends the actor when it is dropped: also when its task is aborted, or a host function panics.
struct Closing(Arc<Actor>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Server {
    actor: Arc<Actor>,
    program: Program,
    /// `None` after a trap, until the next entry.
    instance: Option<Instance>,
}

/// What has to be known of an entry after it has gone into the guest.
enum Kind {
    Start,
    Stop,
    /// Its words for an error report.
    Dispatch(String),
    Other,
}

impl Server {
    async fn serve(&mut self, entry: Entry, waiter: &mut Waiter) -> Outcome {
        let phase = *self.actor.phase();
        match (&entry, phase) {
            (_, Phase::Ended) => return Err(Refusal::Ended.into()),
            (Entry::Start, Phase::Started) => return Err(Refusal::StartedBefore.into()),
            (Entry::Ready | Entry::Dispatch { .. } | Entry::Chunk { .. }, Phase::Loaded) => {
                return Err(Refusal::NotStarted.into());
            }
            (Entry::Stop, Phase::Loaded) => {
                self.actor.end();
                return Ok(Vec::new());
            }
            _ => {}
        }
        let kind = match &entry {
            Entry::Start => Kind::Start,
            Entry::Stop => Kind::Stop,
            Entry::Dispatch { envelope, .. } => Kind::Dispatch(format!(
                "request_id={}; route_key={}",
                envelope.request_id, envelope.route_key
            )),
            _ => Kind::Other,
        };
        // Who dropped the ticket of a hook, a start or a stop wants it all the same.
        let gone = waiter.is_cancelled() || (entry.is_request() && waiter.is_gone());
        if gone && entry != Entry::Stop {
            return Err(Refusal::Cancelled.into());
        }
        let outcome = if gone {
            Err(Refusal::Cancelled.into())
        } else {
            tokio::select! {
                biased;
                () = waiter.cancelled() => {
                    self.instance = None;
                    Err(Refusal::Cancelled.into())
                }
                outcome = self.enter(entry, phase) => outcome,
            }
        };
        match (kind, &outcome) {
            (Kind::Start, Ok(_)) => *self.actor.phase() = Phase::Started,
            (Kind::Start, Err(_)) | (Kind::Stop, _) => *self.actor.phase() = Phase::Ended,
            (Kind::Dispatch(context), Err(failure)) => self.report(failure, context),
            _ => {}
        }
        outcome
    }

    async fn enter(&mut self, entry: Entry, phase: Phase) -> Outcome {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            none => {
                let fresh = revive(&self.actor, &self.program, phase).await;
                none.insert(fresh.map_err(Refusal::Restart)?)
            }
        };
        if let Entry::Chunk { chunk, .. } = &entry
            && !instance.listens_to(&chunk.stream_id)
        {
            return Err(Refusal::Unregistered(chunk.stream_id.clone()).into());
        }
        match instance.enter(entry).await {
            Ok(Ok(reply)) => {
                let limit = self.actor.limits.message_bytes;
                if reply.len() > limit {
                    return Err(Failure::Refused(Refusal::TooLarge {
                        what: "a reply",
                        actual: reply.len(),
                        limit,
                    }));
                }
                Ok(reply)
            }
            Ok(Err(error)) => Err(Failure::Guest(error)),
            Err(trap) => {
                self.instance = None;
                let text = format!("{trap:#}");
                tracing::warn!(actor = ?self.actor.identity(), trap = %text, "a workload trapped");
                Err(Failure::Trapped(text))
            }
        }
    }

    fn report(&self, failure: &Failure, context: String) {
        match failure {
            Failure::Guest(error) => {
                self.actor
                    .report(error.clone(), ErrorCategory::HandlerError, context);
            }
            Failure::Trapped(text) => {
                let source = ActrError::Internal(text.clone());
                self.actor
                    .report(source, ErrorCategory::HandlerPanic, context);
            }
            Failure::Refused(_) => {}
        }
    }
}

/// A fresh instance in place of one that trapped: memory and streams are gone, `on-start` runs again if it had run.
async fn revive(actor: &Arc<Actor>, program: &Program, phase: Phase) -> Result<Instance, String> {
    let mut fresh = Instance::new(program, actor)
        .await
        .map_err(|error| error.to_string())?;
    if phase == Phase::Started {
        match fresh.enter(Entry::Start).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(format!("on-start: {error:?}")),
            Err(trap) => return Err(format!("on-start: {trap:#}")),
        }
    }
    Ok(fresh)
}
