//! A node: the actors that live on it, what it tells them, and its connections.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::actor::{self, Actor};
use super::clock::{since_epoch, timestamp};
use super::entry::{Entry, Hook};
use super::error::{LoadError, NodeError, name};
use super::instance::{Instance, Program};
use super::link::{self, Dialled, Link, Opened, Peer};
use super::router::{NodeBridge, NodeHandler};
use super::transport::{PeerTransport, TransportSink};
use super::{
    ActorConfig, ActrError, ActrId, CredentialEvent, ErrorCategory, Limits, NodeConfig, PeerEvent,
    Timestamp,
};

/// A node with actors. Cheap to clone; when the last clone is dropped, its actors end and its connections close.
///
/// Needs a Tokio runtime with time and I/O enabled.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

pub(super) struct Inner {
    this: Weak<Inner>,
    pub(super) config: NodeConfig,
    pub(super) limits: Arc<Limits>,
    actors: Mutex<HashMap<ActrId, Arc<Actor>>>,
    connections: Mutex<Connections>,
    /// Counts changes of `connections`.
    changes: watch::Sender<u64>,
    url: OnceLock<String>,
    credential: Mutex<Option<Timestamp>>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Connections {
    peers: HashMap<ActrId, Arc<Link>>,
    /// Nodes that are being dialled.
    dialling: HashSet<ActrId>,
    signaling: Option<Arc<Link>>,
    /// Where actors of other nodes were found.
    places: HashMap<ActrId, ActrId>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Node").field(&self.0.config).finish()
    }
}

impl Node {
    /// A node without actors and connections.
    pub fn new(config: NodeConfig) -> Self {
        Self(Arc::new_cyclic(|this| Inner {
            this: this.clone(),
            limits: Arc::new(config.limits.clone()),
            config,
            actors: Mutex::default(),
            connections: Mutex::default(),
            changes: watch::Sender::new(0),
            url: OnceLock::new(),
            credential: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
        }))
    }

    /// The identity it presents to its peers.
    pub fn identity(&self) -> &ActrId {
        &self.0.config.identity
    }

    /// Makes an actor of a component: compiles and instantiates it, enters no export. It can be called once it is
    /// started, by [`Entry::Start`].
    ///
    /// # Errors
    /// [`LoadError`]; there is no actor then.
    pub async fn load(&self, bytes: &[u8], config: ActorConfig) -> Result<Arc<Actor>, LoadError> {
        let inner = &self.0;
        let bytes: Arc<[u8]> = bytes.into();
        let limits = inner.limits.clone();
        let program = tokio::task::spawn_blocking(move || Program::compile(&bytes, &limits))
            .await
            .map_err(|error| LoadError::Engine(error.to_string()))??;
        let actor = Arc::new(Actor::new(
            config,
            inner.limits.clone(),
            inner.config.clock.clone(),
            Arc::new(NodeBridge(inner.this.clone())),
        ));
        inner.admit(actor.identity(), &mut inner.actors())?;
        let instance = Instance::new(&program, &actor).await?;
        let mut actors = inner.actors();
        inner.admit(actor.identity(), &mut actors)?;
        actors.insert(actor.identity().clone(), actor.clone());
        drop(actors);
        inner.spawn(actor::serve(actor.clone(), program, instance));
        Ok(actor)
    }

    /// Enters `on-start`, then `on-ready`, whose failure is logged and ends nothing.
    ///
    /// # Errors
    /// The failure of `on-start`; the actor has ended then.
    pub async fn start(&self, actor: &Actor) -> Result<(), super::Failure> {
        actor.enter(Entry::Start).await?;
        if let Err(failure) = actor.enter(Entry::Ready).await {
            tracing::warn!(actor = ?actor.identity(), %failure, "on-ready failed");
        }
        Ok(())
    }

    /// Accepts connections of other nodes at this address; port 0 is any that is free. Returns the URL to dial.
    ///
    /// # Errors
    /// [`NodeError::Listen`], also when it listens already.
    pub async fn listen(&self, address: SocketAddr) -> Result<String, NodeError> {
        let weak = self.0.this.clone();
        let opened = move |opened: Opened| {
            let weak = weak.clone();
            let accepted = async move {
                let accepted = match weak.upgrade() {
                    Some(inner) => inner.accept(opened).await,
                    None => None,
                };
                if let Some(run) = accepted {
                    run.await;
                }
            };
            Box::pin(accepted) as super::clock::Pending<'static, ()>
        };
        let (url, accepting) = link::listen(address, self.0.limits.clone(), opened).await?;
        self.0
            .url
            .set(url.clone())
            .map_err(|_| NodeError::Listen("the node listens already".into()))?;
        self.0.spawn(accepting);
        Ok(url)
    }

    /// Connects to the node that listens at `url` and is `peer`. Without effect when the two are connected. Started
    /// actors are told: connecting, then connected, or disconnected when it fails.
    ///
    /// A connection that is lost is not made again by itself, but when an operation needs it.
    ///
    /// # Errors
    /// [`NodeError::Connect`]; at the latest after [`Limits::connect_time`].
    pub async fn connect(&self, url: &str, peer: &ActrId) -> Result<(), NodeError> {
        self.0.connect(url, peer).await.map(drop)
    }

    /// Closes the connection to a node and waits until started actors have been told.
    ///
    /// # Errors
    /// [`NodeError::NotConnected`].
    pub async fn disconnect(&self, peer: &ActrId) -> Result<(), NodeError> {
        let link = self.0.connections().peers.get(peer).cloned();
        link.ok_or_else(|| NodeError::NotConnected(peer.clone()))?
            .close();
        self.disconnected(peer).await;
        Ok(())
    }

    /// Ready when the node is not connected to `peer` and its actors have been told.
    pub async fn disconnected(&self, peer: &ActrId) {
        self.0
            .until(|connections| !connections.peers.contains_key(peer))
            .await;
    }

    /// Ready when the node is connected to `peer`.
    pub async fn connected(&self, peer: &ActrId) {
        self.0
            .until(|connections| connections.peers.contains_key(peer))
            .await;
    }

    /// Connects to a [`Signaling`](super::Signaling) service. Without effect when it is connected to one. Started actors
    /// are told as by [`Node::connect`], through the `signaling` hooks; the same holds for losing it.
    ///
    /// # Errors
    /// [`NodeError::Connect`].
    pub async fn connect_signaling(&self, url: &str) -> Result<(), NodeError> {
        self.0.connect_signaling(url).await
    }

    /// Ready when the node has no signaling and its actors have been told.
    pub async fn signaling_lost(&self) {
        self.0
            .until(|connections| connections.signaling.is_none())
            .await;
    }

    /// Gives the node a credential that is valid for so long, and returns its expiry. Started actors are told now, and
    /// [`NodeConfig::credential_lead`] before the expiry if it is not renewed by then. Once it has expired, operations
    /// beyond the node are `permission-denied`. A node that never had a credential needs none.
    pub fn renew_credential(&self, lifetime: Duration) -> Timestamp {
        self.0.renew_credential(lifetime)
    }

    /// Lets a WebRTC transport report to this node.
    pub fn attach(&self, transport: &dyn PeerTransport) {
        transport.attach(TransportSink(self.0.this.clone()));
    }
}

impl Inner {
    fn admit(
        &self,
        identity: &ActrId,
        actors: &mut HashMap<ActrId, Arc<Actor>>,
    ) -> Result<(), LoadError> {
        actors.retain(|_, actor| !actor.is_ended());
        if actors.contains_key(identity) {
            return Err(LoadError::Taken(identity.clone()));
        }
        let limit = self.limits.instances;
        if actors.len() >= limit {
            return Err(LoadError::Limit(format!(
                "{limit} actors are loaded, no more are allowed"
            )));
        }
        Ok(())
    }

    /// The started actor of this identity.
    pub(super) fn actor(&self, identity: &ActrId) -> Option<Arc<Actor>> {
        let actors = self.actors();
        actors
            .get(identity)
            .filter(|actor| actor.is_started())
            .cloned()
    }

    /// All started actors.
    pub(super) fn started(&self) -> Vec<Arc<Actor>> {
        let actors = self.actors();
        let started = actors.values().filter(|actor| actor.is_started());
        started.cloned().collect()
    }

    pub(super) fn tell_all(&self, hook: &Hook) {
        for actor in self.started() {
            if let Err(refusal) = actor.post(Entry::Hook(hook.clone())) {
                tracing::warn!(actor = ?actor.identity(), %refusal, "a hook was not delivered");
            }
        }
    }

    fn report_all(&self, source: &ActrError, category: ErrorCategory, context: &str) {
        for actor in self.started() {
            actor.report(source.clone(), category, context.to_owned());
        }
    }

    /// Runs something as long as the node is there.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn own(&self) -> Peer {
        Peer {
            node: self.config.identity.clone(),
            url: self.url.get().cloned(),
        }
    }

    /// Where it listens, if it does.
    pub(super) fn url(&self) -> Option<String> {
        self.url.get().cloned()
    }

    pub(super) async fn connect(&self, url: &str, peer: &ActrId) -> Result<Arc<Link>, NodeError> {
        {
            let mut connections = self.connections();
            if let Some(link) = connections.peers.get(peer) {
                return Ok(link.clone());
            }
            connections.dialling.insert(peer.clone());
        }
        let dialling = Dialling { node: self, peer };
        self.tell_all(&Hook::WebsocketConnecting(about(peer)));
        let failed = |error: NodeError| {
            self.tell_all(&Hook::WebsocketDisconnected(about(peer)));
            let source = ActrError::Unavailable(error.to_string());
            let context = format!("peer={}", name(peer));
            self.report_all(&source, ErrorCategory::TransportFailure, &context);
            error
        };
        match link::dial(url, &self.own(), &self.limits).await {
            Ok(Dialled::Opened(opened)) if opened.peer.node == *peer => {
                let (link, run) = self.adopt(*opened);
                self.spawn(run);
                Ok(link)
            }
            Ok(Dialled::Opened(opened)) => Err(failed(NodeError::Connect(format!(
                "at {url} is {}, not {}",
                name(&opened.peer.node),
                name(peer)
            )))),
            Ok(Dialled::Busy) => {
                // The other side has one for us, or will have in a moment.
                let there = self.until(|connections| connections.peers.contains_key(peer));
                let _ = timeout(self.limits.connect_time, there).await;
                let link = self.peer(peer);
                drop(dialling);
                link.ok_or_else(|| {
                    failed(NodeError::Connect("the peer declined to connect".into()))
                })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Takes in a connection that another node dialled; what is returned keeps it alive.
    async fn accept(&self, opened: Opened) -> Option<impl Future<Output = ()> + Send + use<>> {
        let peer = opened.peer.node.clone();
        let crossing = self.connections().dialling.contains(&peer);
        // When two nodes dial each other, the connection of the lesser one wins.
        let own = &self.config.identity;
        if peer == *own || (crossing && rank(own) < rank(&peer)) {
            opened.decline(&self.limits).await;
            return None;
        }
        if !crossing {
            self.tell_all(&Hook::WebsocketConnecting(about(&peer)));
        }
        let (link, run) = self.adopt(opened);
        link.greet(&self.own()).await;
        Some(run)
    }

    /// Makes a connection one of the node's, and tells its actors.
    fn adopt(&self, opened: Opened) -> (Arc<Link>, impl Future<Output = ()> + Send + use<>) {
        let handler = Arc::new(NodeHandler(self.this.clone()));
        let (link, run) = opened.link(&self.limits, handler);
        let peer = link.peer.node.clone();
        let replaced = self.connections().peers.insert(peer.clone(), link.clone());
        if let Some(replaced) = replaced {
            // The peer has lost it, or it would not have dialled.
            replaced.close();
            self.tell_all(&Hook::WebsocketDisconnected(about(&peer)));
        }
        self.tell_all(&Hook::WebsocketConnected(about(&peer)));
        self.changed();
        (link, run)
    }

    async fn connect_signaling(&self, url: &str) -> Result<(), NodeError> {
        if self.signaling().is_some() {
            return Ok(());
        }
        self.tell_all(&Hook::SignalingConnecting);
        let dialled = link::dial(url, &self.own(), &self.limits).await;
        let opened = match dialled {
            Ok(Dialled::Opened(opened)) => opened,
            Ok(Dialled::Busy) => return Err(self.no_signaling(NodeError::Connect("busy".into()))),
            Err(error) => return Err(self.no_signaling(error)),
        };
        let handler = Arc::new(NodeHandler(self.this.clone()));
        let (link, run) = opened.link(&self.limits, handler);
        self.connections().signaling = Some(link);
        self.tell_all(&Hook::SignalingConnected);
        self.changed();
        self.spawn(run);
        Ok(())
    }

    fn no_signaling(&self, error: NodeError) -> NodeError {
        self.tell_all(&Hook::SignalingDisconnected);
        let source = ActrError::Unavailable(error.to_string());
        self.report_all(&source, ErrorCategory::SignalingFailure, "signaling");
        error
    }

    /// A connection is over.
    pub(super) fn lost(&self, link: &Arc<Link>) {
        let mut connections = self.connections();
        let is_it = |other: &Arc<Link>| Arc::ptr_eq(other, link);
        let peer = &link.peer.node;
        let source = ActrError::Unavailable("the connection was lost".into());
        if connections.signaling.as_ref().is_some_and(is_it) {
            connections.signaling = None;
            drop(connections);
            self.tell_all(&Hook::SignalingDisconnected);
            if !link.was_closed() {
                self.report_all(&source, ErrorCategory::SignalingFailure, "signaling");
            }
        } else if connections.peers.get(peer).is_some_and(is_it) {
            connections.peers.remove(peer);
            connections.places.retain(|_, node| node != peer);
            drop(connections);
            self.tell_all(&Hook::WebsocketDisconnected(about(peer)));
            if !link.was_closed() {
                let context = format!("peer={}", name(peer));
                self.report_all(&source, ErrorCategory::TransportFailure, &context);
            }
        } else {
            return;
        }
        self.changed();
    }

    /// The connection to this node.
    pub(super) fn peer(&self, node: &ActrId) -> Option<Arc<Link>> {
        self.connections().peers.get(node).cloned()
    }

    /// All connections to nodes.
    pub(super) fn peers(&self) -> Vec<Arc<Link>> {
        self.connections().peers.values().cloned().collect()
    }

    pub(super) fn signaling(&self) -> Option<Arc<Link>> {
        self.connections().signaling.clone()
    }

    /// The connection to the node where this actor was found before.
    pub(super) fn place(&self, actor: &ActrId) -> Option<Arc<Link>> {
        let connections = self.connections();
        connections
            .peers
            .get(connections.places.get(actor)?)
            .cloned()
    }

    /// Remembers, or forgets, where an actor was found.
    pub(super) fn set_place(&self, actor: &ActrId, node: Option<&ActrId>) {
        let places = &mut self.connections().places;
        match node {
            Some(node) => places.insert(actor.clone(), node.clone()),
            None => places.remove(actor),
        };
    }

    fn renew_credential(&self, lifetime: Duration) -> Timestamp {
        let clock = self.config.clock.clone();
        let expiry = since_epoch(&clock.now()).saturating_add(lifetime);
        let warning = timestamp(expiry.saturating_sub(self.config.credential_lead));
        let expiry = timestamp(expiry);
        *self.credential() = Some(expiry);
        let event = CredentialEvent { new_expiry: expiry };
        self.tell_all(&Hook::CredentialRenewed(event));
        let weak = self.this.clone();
        self.spawn(async move {
            clock.reaches(warning).await;
            // One that was renewed meanwhile has a task of its own.
            if let Some(node) = weak.upgrade()
                && *node.credential() == Some(expiry)
            {
                node.tell_all(&Hook::CredentialExpiring(event));
            }
        });
        expiry
    }

    /// Whether the node may speak to others.
    pub(super) fn is_valid(&self) -> bool {
        let now = since_epoch(&self.config.clock.now());
        self.credential()
            .is_none_or(|expiry| now < since_epoch(&expiry))
    }

    async fn until(&self, holds: impl Fn(&Connections) -> bool) {
        let mut changes = self.changes.subscribe();
        while !holds(&self.connections()) {
            // The sender is a field of `self`: it is not gone.
            let _ = changes.changed().await;
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn actors(&self) -> MutexGuard<'_, HashMap<ActrId, Arc<Actor>>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn credential(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.credential
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a node is no longer being dialled, however that ended.
struct Dialling<'a> {
    node: &'a Inner,
    peer: &'a ActrId,
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        self.node.connections().dialling.remove(self.peer);
    }
}

fn about(peer: &ActrId) -> PeerEvent {
    PeerEvent {
        peer: peer.clone(),
        relayed: None,
    }
}

/// An order of identities that both sides of a connection agree on.
fn rank(id: &ActrId) -> (u32, u64, &str, &str, &str) {
    let ty = &id.type_;
    (
        id.realm.realm_id,
        id.serial_number,
        &ty.manufacturer,
        &ty.name,
        &ty.version,
    )
}
