//! Where operations go: to an actor of the node, to one of another node, to the shell.
//!
//! `local` is the actor itself, as is `actor` with its own identity. A `call` to itself is `unavailable` at once, for it
//! could only wait for itself; what it tells or streams to itself arrives when its turn has come. An actor of another
//! node is looked for at all connected nodes, then at the signaling service, which may lead to a new connection.

use std::sync::{Arc, Weak};

use tokio::time::timeout;
use uuid::Uuid;

use super::bridge::{Answer, Bridge, BridgeError, Message, Operation};
use super::clock::Pending;
use super::entry::Entry;
use super::error::name;
use super::link::{self, Handler, Link};
use super::node::Inner;
use super::wire::{Frame, Place};
use super::{
    ActrError, ActrId, ActrType, DataStream, DependencyNotFoundPayload, Dest, PayloadType,
    RpcEnvelope,
};

/// Answers the operations of a node's actors.
pub(super) struct NodeBridge(pub(super) Weak<Inner>);

impl Bridge for NodeBridge {
    fn operate(
        &self,
        origin: ActrId,
        operation: Operation,
    ) -> Pending<'_, Result<Answer, BridgeError>> {
        let node = self.0.upgrade();
        Box::pin(async move {
            let node = node.ok_or_else(|| ActrError::Unavailable("the node is gone".into()))?;
            Ok(node.operate(origin, operation).await?)
        })
    }
}

/// Whom a destination means.
enum To {
    Shell,
    Itself,
    Other(ActrId),
}

fn to(origin: &ActrId, target: Dest) -> To {
    match target {
        Dest::Shell => To::Shell,
        Dest::Local => To::Itself,
        Dest::Actor(id) if id == *origin => To::Itself,
        Dest::Actor(id) => To::Other(id),
    }
}

impl Inner {
    async fn operate(&self, origin: ActrId, operation: Operation) -> Result<Answer, ActrError> {
        match operation {
            Operation::Call(Message {
                target,
                route_key,
                payload,
            }) => {
                let target = to(&origin, target);
                self.call(origin, target, route_key, payload).await
            }
            Operation::CallRaw {
                target,
                route_key,
                payload,
            } => {
                let target = to(&origin, Dest::Actor(target));
                self.call(origin, target, route_key, payload).await
            }
            Operation::Tell(Message {
                target,
                route_key,
                payload,
            }) => {
                let target = to(&origin, target);
                self.tell(origin, target, route_key, payload).await
            }
            Operation::Discover(target_type) => self.discover(&origin, target_type).await,
            // Who listens to what is kept with the instance; chunks come with the actors they are sent to.
            Operation::RegisterStream(_) | Operation::UnregisterStream(_) => Ok(Answer::Done),
            Operation::SendDataStream {
                target,
                chunk,
                payload_type,
            } => {
                if !matches!(
                    payload_type,
                    PayloadType::StreamReliable | PayloadType::StreamLatencyFirst
                ) {
                    return Err(ActrError::InvalidArgument(
                        "a chunk goes by a stream lane only".into(),
                    ));
                }
                let target = to(&origin, target);
                self.stream(origin, target, chunk).await
            }
        }
    }

    async fn call(
        &self,
        origin: ActrId,
        target: To,
        route_key: String,
        payload: Vec<u8>,
    ) -> Result<Answer, ActrError> {
        let reply = async {
            match target {
                To::Shell => {
                    let shell = &self.config.shell;
                    shell.request(origin, route_key, payload).await
                }
                To::Itself => Err(ActrError::Unavailable(
                    "a call of an actor to itself would wait for itself".into(),
                )),
                To::Other(id) => match self.actor(&id) {
                    Some(actor) => {
                        let entry = request(fresh(), origin, route_key, payload);
                        let outcome = actor.enter(entry).await;
                        outcome.map_err(super::Failure::for_caller)
                    }
                    None => self.call_remote(origin, id, route_key, &payload).await,
                },
            }
        };
        let reply = timeout(self.limits.call_time, reply).await;
        reply.unwrap_or(Err(ActrError::TimedOut)).map(Answer::Bytes)
    }

    async fn call_remote(
        &self,
        caller: ActrId,
        target: ActrId,
        route_key: String,
        payload: &[u8],
    ) -> Result<Vec<u8>, ActrError> {
        let link = self.find(&target).await?;
        let frame = |id| Frame::Call {
            id,
            caller,
            target: target.clone(),
            request_id: fresh(),
            route_key,
        };
        match link.ask(frame, payload).await? {
            link::Answer::Reply(reply) => Ok(reply),
            link::Answer::Failure(error) => {
                if matches!(error, ActrError::NotFound(_)) {
                    // It may live elsewhere by now.
                    self.set_place(&target, None);
                }
                Err(error)
            }
            link::Answer::Found(_) => Err(nonsense()),
        }
    }

    async fn tell(
        &self,
        origin: ActrId,
        target: To,
        route_key: String,
        payload: Vec<u8>,
    ) -> Result<Answer, ActrError> {
        let id = match target {
            To::Shell => {
                let shell = self.config.shell.clone();
                self.spawn(async move {
                    // A tell has no reply.
                    let _ = shell.request(origin, route_key, payload).await;
                });
                return Ok(Answer::Done);
            }
            To::Itself => origin.clone(),
            To::Other(id) => id,
        };
        match self.actor(&id) {
            Some(actor) => actor
                .post(request(fresh(), origin, route_key, payload))
                .map_err(|refusal| super::Failure::from(refusal).for_caller())?,
            None => {
                let link = self.find(&id).await?;
                let frame = Frame::Tell {
                    caller: origin,
                    target: id,
                    request_id: fresh(),
                    route_key,
                };
                link.send(&frame, &payload).await?;
            }
        }
        Ok(Answer::Done)
    }

    async fn stream(
        &self,
        origin: ActrId,
        target: To,
        chunk: DataStream,
    ) -> Result<Answer, ActrError> {
        let id = match target {
            To::Shell => {
                self.config.shell.chunk(origin, chunk).await?;
                return Ok(Answer::Done);
            }
            To::Itself => origin.clone(),
            To::Other(id) => id,
        };
        match self.actor(&id) {
            Some(actor) => {
                let sender = origin;
                actor
                    .post(Entry::Chunk { chunk, sender })
                    .map_err(|refusal| super::Failure::from(refusal).for_caller())?;
            }
            None => {
                let link = self.find(&id).await?;
                let DataStream {
                    stream_id,
                    sequence,
                    payload,
                    metadata,
                    timestamp_ms,
                } = chunk;
                let frame = Frame::Chunk {
                    sender: origin,
                    target: id,
                    stream_id,
                    sequence,
                    metadata,
                    timestamp_ms,
                };
                link.send(&frame, &payload).await?;
            }
        }
        Ok(Answer::Done)
    }

    /// The connection to the node of this actor.
    async fn find(&self, actor: &ActrId) -> Result<Arc<Link>, ActrError> {
        self.check_credential()?;
        if let Some(link) = self.place(actor) {
            return Ok(link);
        }
        for link in self.peers() {
            let target = actor.clone();
            let locate = |id| Frame::Locate { id, target };
            if self.ask(&link, locate).await.is_some() {
                self.set_place(actor, Some(&link.peer.node));
                return Ok(link);
            }
        }
        if let Some(signaling) = self.signaling() {
            let target = actor.clone();
            let locate = |id| Frame::Locate { id, target };
            if let Some(Place {
                node,
                url: Some(url),
                ..
            }) = self.ask(&signaling, locate).await
            {
                let link = self.connect(&url, &node).await;
                let link = link.map_err(|error| ActrError::Unavailable(error.to_string()))?;
                self.set_place(actor, Some(&node));
                return Ok(link);
            }
        }
        Err(ActrError::NotFound(format!("no actor {}", name(actor))))
    }

    /// Finds an actor of a type: on this node, on a connected one, through signaling, and at last the asking actor itself.
    async fn discover(&self, origin: &ActrId, wanted: ActrType) -> Result<Answer, ActrError> {
        if let Some(dependencies) = &self.config.dependencies
            && !dependencies.iter().any(|declared| fits(&wanted, declared))
        {
            return Err(ActrError::DependencyNotFound(DependencyNotFoundPayload {
                message: format!(
                    "{}:{}:{} is not among the dependencies of this node",
                    wanted.manufacturer, wanted.name, wanted.version
                ),
                service_name: wanted.name,
            }));
        }
        if let Some(place) = self.candidate(&wanted, Some(origin)) {
            return Ok(Answer::Found(place.actor));
        }
        if self.is_valid() {
            for link in self.peers().into_iter().chain(self.signaling()) {
                let target_type = wanted.clone();
                let discover = |id| Frame::Discover { id, target_type };
                if let Some(place) = self.ask(&link, discover).await {
                    return Ok(Answer::Found(place.actor));
                }
            }
        }
        if fits(&wanted, &origin.type_) {
            return Ok(Answer::Found(origin.clone()));
        }
        self.check_credential()?;
        Err(ActrError::NotFound(format!(
            "no actor of type {}:{}:{}",
            wanted.manufacturer, wanted.name, wanted.version
        )))
    }

    /// The started actor of this type with the least serial number.
    fn candidate(&self, wanted: &ActrType, but: Option<&ActrId>) -> Option<Place> {
        let started = self.started();
        let fitting = started.iter().map(|actor| actor.identity());
        fitting
            .filter(|id| fits(wanted, &id.type_) && Some(*id) != but)
            .min_by_key(|id| id.serial_number)
            .map(|id| self.here(id.clone()))
    }

    fn here(&self, actor: ActrId) -> Place {
        Place {
            actor,
            node: self.config.identity.clone(),
            url: self.url(),
        }
    }

    /// Asks where an actor is. Who does not answer in time does not know.
    async fn ask(&self, link: &Link, question: impl FnOnce(u64) -> Frame) -> Option<Place> {
        match timeout(self.limits.connect_time, link.ask(question, &[])).await {
            Ok(Ok(link::Answer::Found(place))) => place,
            _ => None,
        }
    }

    fn check_credential(&self) -> Result<(), ActrError> {
        if self.is_valid() {
            return Ok(());
        }
        Err(ActrError::PermissionDenied(
            "the credential of this node has expired".into(),
        ))
    }
}

/// Takes what other nodes ask of this one. Peers are trusted to name their actors truly.
pub(super) struct NodeHandler(pub(super) Weak<Inner>);

impl Handler for NodeHandler {
    fn frame(&self, link: &Arc<Link>, frame: Frame, payload: Vec<u8>) {
        let Some(node) = self.0.upgrade() else {
            return;
        };
        match frame {
            Frame::Call {
                id,
                caller,
                target,
                request_id,
                route_key,
            } => {
                let ticket = node.actor(&target).map(|actor| {
                    // Queued before the next frame is read: what comes in order is served in order.
                    actor.begin(request(request_id, caller, route_key, payload))
                });
                let link = link.clone();
                node.spawn(async move {
                    let outcome = match ticket {
                        Some(ticket) => ticket.outcome().await.map_err(|f| f.for_caller()),
                        None => Err(ActrError::NotFound(format!("no actor {}", name(&target)))),
                    };
                    respond(&link, id, outcome).await;
                });
            }
            Frame::Tell {
                caller,
                target,
                request_id,
                route_key,
            } => node.post(&target, request(request_id, caller, route_key, payload)),
            Frame::Chunk {
                sender,
                target,
                stream_id,
                sequence,
                metadata,
                timestamp_ms,
            } => {
                let chunk = DataStream {
                    stream_id,
                    sequence,
                    payload,
                    metadata,
                    timestamp_ms,
                };
                node.post(&target, Entry::Chunk { chunk, sender });
            }
            Frame::Locate { id, target } => {
                let actor = node.actor(&target).map(|_| node.here(target));
                found(&node, link, id, actor);
            }
            Frame::Discover { id, target_type } => {
                let actor = node.candidate(&target_type, None);
                found(&node, link, id, actor);
            }
            Frame::Hello { .. }
            | Frame::Busy
            | Frame::Reply { .. }
            | Frame::Failure { .. }
            | Frame::Found { .. } => {
                tracing::warn!("a peer sent a frame out of turn");
                link.close();
            }
        }
    }

    fn lost(&self, link: &Arc<Link>) {
        if let Some(node) = self.0.upgrade() {
            node.lost(link);
        }
    }
}

impl Inner {
    fn post(&self, target: &ActrId, entry: Entry) {
        match self.actor(target) {
            Some(actor) => {
                if let Err(refusal) = actor.post(entry) {
                    tracing::warn!(?target, %refusal, "a message of a peer was dropped");
                }
            }
            None => tracing::warn!(?target, "a message of a peer for no actor was dropped"),
        }
    }
}

fn found(node: &Inner, link: &Arc<Link>, id: u64, actor: Option<Place>) {
    let link = link.clone();
    node.spawn(async move {
        // A connection that is over needs no answer.
        let _ = link.send(&Frame::Found { id, actor }, &[]).await;
    });
}

async fn respond(link: &Link, id: u64, outcome: Result<Vec<u8>, ActrError>) {
    let sent = match outcome {
        Ok(reply) => link.send(&Frame::Reply { id }, &reply).await,
        Err(error) => link.send(&Frame::Failure { id, error }, &[]).await,
    };
    // What is too large for the connection is told as such; a connection that is over needs no answer.
    if let Err(error) = sent {
        let _ = link.send(&Frame::Failure { id, error }, &[]).await;
    }
}

fn request(request_id: String, caller: ActrId, route_key: String, payload: Vec<u8>) -> Entry {
    Entry::Dispatch {
        envelope: RpcEnvelope {
            request_id,
            route_key,
            payload,
        },
        caller: Some(caller),
    }
}

/// Whether an actor of type `offered` serves who looks for `wanted`: an empty version fits any.
fn fits(wanted: &ActrType, offered: &ActrType) -> bool {
    wanted.manufacturer == offered.manufacturer
        && wanted.name == offered.name
        && (wanted.version == offered.version || wanted.version.is_empty())
}

fn fresh() -> String {
    Uuid::new_v4().to_string()
}

fn nonsense() -> ActrError {
    ActrError::DecodeFailure("the peer answered something else".into())
}
