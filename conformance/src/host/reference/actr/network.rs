//! The nodes of a case, and what connects them.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reference_host::actr::{
    ActrId, ActrType, Clock as _, Limits, ManualClock, Node, NodeConfig, PeerTransport, Realm,
    Signaling, SystemClock, Timestamp, TransportEvent, TransportSink,
};

use super::types::{self, Environment};

/// Any free port of loopback.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The nodes of a case by name, the first of which has none.
pub(super) struct Network {
    limits: Limits,
    dependencies: Option<Vec<ActrType>>,
    credential_lead: Option<Duration>,
    clock: Arc<ManualClock>,
    members: Mutex<BTreeMap<String, Member>>,
    signaling: tokio::sync::Mutex<Option<Signaling>>,
}

#[derive(Clone)]
struct Member {
    node: Node,
    /// Where it listens, once someone wanted to know.
    url: Arc<tokio::sync::OnceCell<String>>,
    transport: Arc<Injected>,
}

impl Network {
    pub(super) fn new(environment: Environment) -> Self {
        let limits = environment.limits.0.as_ref();
        let dependencies = environment.dependencies.0;
        let network = Self {
            limits: limits.map(types::Limits::apply).unwrap_or_default(),
            dependencies: dependencies.map(|all| all.into_iter().map(Into::into).collect()),
            credential_lead: environment
                .credential_lead
                .0
                .map(|seconds| Duration::from_secs(seconds.0)),
            clock: Arc::new(ManualClock::new(SystemClock.now())),
            members: Mutex::default(),
            signaling: tokio::sync::Mutex::default(),
        };
        network.add(String::new(), &mut network.members());
        network
    }

    /// Makes a node of this name.
    pub(super) fn open(&self, name: String) -> Result<ActrId, String> {
        let mut members = self.members();
        if members.contains_key(&name) {
            return Err(format!("there is a node {name:?} already"));
        }
        Ok(self.add(name, &mut members))
    }

    fn add(&self, name: String, members: &mut BTreeMap<String, Member>) -> ActrId {
        let identity = identity("node", members.len() as u64 + 1);
        let mut config = NodeConfig::new(identity.clone());
        config.limits = self.limits.clone();
        config.clock = self.clock.clone();
        config.dependencies = self.dependencies.clone();
        if let Some(lead) = self.credential_lead {
            config.credential_lead = lead;
        }
        let node = Node::new(config);
        let transport = Arc::new(Injected::default());
        node.attach(&*transport);
        let url = Arc::default();
        members.insert(
            name,
            Member {
                node,
                url,
                transport,
            },
        );
        identity
    }

    pub(super) fn node(&self, name: &str) -> Result<Node, String> {
        self.member(name).map(|member| member.node)
    }

    pub(super) async fn connect(&self, from: &str, to: &str) -> Result<(), String> {
        let (from, to) = (self.member(from)?, self.member(to)?);
        let url = to.url().await?;
        let connected = from.node.connect(&url, to.node.identity()).await;
        connected.map_err(|error| error.to_string())
    }

    pub(super) async fn disconnect(&self, from: &str, to: &str) -> Result<(), String> {
        let (from, to) = (self.node(from)?, self.node(to)?);
        let disconnected = from.disconnect(to.identity()).await;
        disconnected.map_err(|error| error.to_string())?;
        to.disconnected(from.identity()).await;
        Ok(())
    }

    pub(super) async fn signaling_up(&self, name: &str) -> Result<(), String> {
        let member = self.member(name)?;
        // Who is found through signaling must be there to be dialled.
        member.url().await?;
        let mut signaling = self.signaling.lock().await;
        let service = match &mut *signaling {
            Some(service) => service,
            none => {
                let listening =
                    Signaling::listen(ANYWHERE, identity("signaling", 0), self.limits.clone());
                none.insert(listening.await.map_err(|error| error.to_string())?)
            }
        };
        let connected = member.node.connect_signaling(service.url()).await;
        connected.map_err(|error| error.to_string())
    }

    pub(super) async fn signaling_down(&self, name: &str) -> Result<(), String> {
        let node = self.node(name)?;
        let signaling = self.signaling.lock().await;
        let service = signaling.as_ref();
        if !service.is_some_and(|service| service.disconnect(node.identity())) {
            return Err(format!("the node {name:?} is not connected to signaling"));
        }
        node.signaling_lost().await;
        Ok(())
    }

    pub(super) fn set_clock(&self, now: Timestamp) {
        self.clock.set(now);
    }

    pub(super) fn renew_credential(&self, name: &str, seconds: u64) -> Result<Timestamp, String> {
        let node = self.node(name)?;
        Ok(node.renew_credential(Duration::from_secs(seconds)))
    }

    pub(super) fn webrtc(&self, name: &str, event: TransportEvent) -> Result<(), String> {
        self.member(name)?.transport.report(event);
        Ok(())
    }

    /// Lets go of all nodes.
    pub(super) fn close(&self) {
        self.members().clear();
    }

    fn member(&self, name: &str) -> Result<Member, String> {
        let member = self.members().get(name).cloned();
        member.ok_or_else(|| format!("there is no node {name:?}"))
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Where the node listens, from now on.
    async fn url(&self) -> Result<String, String> {
        let listening = self.url.get_or_try_init(|| self.node.listen(ANYWHERE));
        let url = listening.await.map_err(|error| error.to_string())?;
        Ok(url.clone())
    }
}

/// A WebRTC transport that reports what the suite says.
#[derive(Default)]
struct Injected(Mutex<Option<TransportSink>>);

impl Injected {
    fn report(&self, event: TransportEvent) {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = &*sink {
            sink.report(event);
        }
    }
}

impl PeerTransport for Injected {
    fn attach(&self, sink: TransportSink) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }
}

/// The identity of an actor that asks for none; numbers are given once in a case.
pub(super) fn actor_identity(number: u64) -> ActrId {
    identity("actor", number)
}

fn identity(kind: &str, serial_number: u64) -> ActrId {
    ActrId {
        realm: Realm { realm_id: 1 },
        serial_number,
        type_: ActrType {
            manufacturer: "witgate".into(),
            name: kind.into(),
            version: "1.0.0".into(),
        },
    }
}
