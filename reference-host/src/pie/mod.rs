//! A host of `pie:inferlet`, world `inferlet`: real instances, store, topics, client sessions, models and queues.
//!
//! ```
//! # async fn example(component: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use reference_host::pie::{Config, Event, Launch, ModelConfig, PieHost};
//!
//! let host = PieHost::new(Config {
//!     models: vec![ModelConfig::deterministic("tiny")],
//!     ..Config::default()
//! })?;
//! let (events, mut client) = tokio::sync::mpsc::unbounded_channel();
//! let id = host.launch_bytes(component, Launch::new(events))?;
//! host.client_send(id, "hello")?;
//! while let Some(Event::Message { text, .. }) = client.recv().await {
//!     assert!(!text.is_empty());
//! }
//! host.shutdown().await?;
//! # Ok(()) }
//! ```
//!
//! What the contract leaves open, this host decides so:
//!
//! - **Results** (`receive-result`, `debug-query-result`, `synchronization-result`): `get` sees a value as soon as it
//!   has arrived, polled or not, and the same value every time. They may be dropped at any time, before or after
//!   their pollables; a pollable whose parent is gone is ready. `ready() = true` implies `some`.
//! - **Client messages** are lossless in both directions ([`session`]): consumed only by a `get` that returned them.
//! - **Topics** ([`pubsub`]) are shared by all instances of the host; the publisher hears itself; 64 messages are
//!   buffered for each subscription, the newest beyond are dropped; what arrived before `unsubscribe` stays readable,
//!   and a closed subscription is always ready.
//! - **The store** ([`store`]) keeps keys in byte order and is shared, per program or per user.
//! - **Queues** ([`scheduler`]): `synchronize` means *completed*; failed work answers `error: …` and makes the next
//!   synchronize of its queue `some(false)`; a priority applies to all that the backend has not been given.
//! - **Limits** ([`Limits`]): a guest that exceeds one is `Terminated`; its own faults are `Trapped`.
//! - `debug-query` of the runtime knows `ping` and `instance-count`, and what [`DebugQueries`] adds; it answers before it
//!   returns.

pub mod backend;
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code; the WIT documents it"
)]
mod bindings;
mod config;
mod host;
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export the resources"
)]
mod imports;
mod instance;
mod limits;
mod model;
mod program;
pub mod pubsub;
pub mod ready;
pub mod scheduler;
pub mod session;
pub mod store;

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::engine;

pub use self::config::{Config, ConfigError, DebugQueries, ModelConfig};
pub use self::host::{ControlError, Launch, LaunchError, PieHost};
pub use self::imports::EmptyPoll;
pub use self::limits::{LimitExceeded, Limits};
pub use self::program::Program;

/// The id of a running instance: a random UUID, as `get-instance-id` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Uuid);

impl InstanceId {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl FromStr for InstanceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::from_str(text).map(Self)
    }
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `run` returned `err` with this text.
    Failed(String),
    /// `run` returned `ok`.
    Finished,
    /// The host ended it: it was told to, or a limit was reached.
    Terminated(String),
    /// The guest trapped; what the engine says about it.
    Trapped(String),
}

/// What the client of an instance observes, in this order: any number of messages, one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The instance ended; its last event.
    Ended {
        /// Which instance.
        instance: InstanceId,
        /// How.
        outcome: Outcome,
    },
    /// The instance sent a message.
    Message {
        /// Which instance.
        instance: InstanceId,
        /// The message.
        text: String,
    },
}
