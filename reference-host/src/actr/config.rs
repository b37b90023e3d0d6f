//! What nodes and actors are made with, and every ceiling this host enforces.

use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::log::{LogSink, TracingSink};
use super::shell::{NoShell, Shell};
use super::{ActrId, ActrType};

/// Ceilings of one node. Each is a clean error for who runs into it, never a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance, over all its memories. `memory.grow` beyond it answers -1.
    pub memory_bytes: u64,
    /// Elements of the tables of one instance. `table.grow` beyond it answers -1.
    pub table_elements: u32,
    /// How long an instance may compute without waiting for the host; beyond it the entry traps. Precision: one
    /// [`TICK`](crate::engine::TICK).
    pub compute: Duration,
    /// Bytes of one request, reply or chunk with its texts, in any direction. A workload that sends more gets
    /// `invalid-argument`; a request or chunk that is larger is refused; so is a reply.
    pub message_bytes: usize,
    /// Requests and chunks that may wait for one actor; one more is refused (`unavailable` for a workload).
    pub mailbox_length: usize,
    /// Actors that may be loaded at once.
    pub instances: usize,
    /// How long a routed call may take, the wait in the mailbox included; then it is `timed-out`.
    pub call_time: Duration,
    /// How long connecting to a peer, agreeing with it, or asking it where an actor is may take.
    pub connect_time: Duration,
    /// Silence after which a connection is given up. A third of it without traffic is answered by a ping.
    pub idle_time: Duration,
    /// Connections that peers may have opened to the node at once; more wait.
    pub connections: usize,
    /// Streams one instance may have registered.
    pub streams: usize,
    /// Bytes of a component.
    pub component_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            table_elements: 1 << 17,
            compute: Duration::from_secs(5),
            message_bytes: 64 << 20,
            mailbox_length: 16_384,
            instances: 1_024,
            call_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(30),
            connections: 256,
            streams: 4_096,
            component_bytes: 64 << 20,
        }
    }
}

/// What a [`Node`](super::Node) is made with.
#[derive(Clone)]
pub struct NodeConfig {
    /// The identity the node presents to its peers.
    pub identity: ActrId,
    /// Ceilings.
    pub limits: Limits,
    /// What the node tells time by: credentials and the time of error events.
    pub clock: Arc<dyn Clock>,
    /// The actor types that workloads may discover; `None` allows all. Another type is `dependency-not-found`.
    pub dependencies: Option<Vec<ActrType>>,
    /// How long before its expiry a credential is said to expire.
    pub credential_lead: Duration,
    /// Takes what workloads send to `shell`.
    pub shell: Arc<dyn Shell>,
}

impl NodeConfig {
    /// A node of this identity with the system's clock and no shell.
    pub fn new(identity: ActrId) -> Self {
        Self {
            identity,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            dependencies: None,
            credential_lead: Duration::from_secs(300),
            shell: Arc::new(NoShell),
        }
    }
}

impl std::fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeConfig")
            .field("identity", &self.identity)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How one actor is set up.
#[derive(Clone)]
pub struct ActorConfig {
    /// Its identity; unique on its node.
    pub identity: ActrId,
    /// Waiting requests at which `on-mailbox-backpressure` is due, at least 1.
    pub mailbox_threshold: u64,
    /// Whether what fails is reported to the actor through `on-error`.
    pub error_reports: bool,
    /// Takes its log lines.
    pub log: Arc<dyn LogSink>,
}

impl ActorConfig {
    /// An actor of this identity that logs to `tracing`.
    pub fn new(identity: ActrId) -> Self {
        Self {
            identity,
            mailbox_threshold: 1_024,
            error_reports: false,
            log: Arc::new(TracingSink),
        }
    }
}

impl std::fmt::Debug for ActorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorConfig")
            .field("identity", &self.identity)
            .field("mailbox_threshold", &self.mailbox_threshold)
            .field("error_reports", &self.error_reports)
            .finish_non_exhaustive()
    }
}
