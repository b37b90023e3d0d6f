//! A host of `akshi:runtime`, world `agent`: supervised agents with a database, a journal, tools, models and mailboxes.
//!
//! ```
//! # async fn example(component: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use reference_host::akshi::{AgentConfig, AkshiHost, Capability, Config, Event};
//!
//! let (events, mut outside) = tokio::sync::mpsc::unbounded_channel();
//! let host = AkshiHost::new(Config::default(), Arc::new(events))?;
//! let program = host.compile(component)?;
//! let agent = host.load(&program, AgentConfig {
//!     name: "scribe".into(),
//!     capabilities: [Capability::Journal].into(),
//!     ..AgentConfig::default()
//! })?;
//! println!("{:?}", host.tick(agent).await?);
//! host.shutdown().await;
//! while let Ok(Event::Log(record)) = outside.try_recv() {
//!     println!("{record}");
//! }
//! # Ok(()) }
//! ```
//!
//! Where the published pages contradict each other or say nothing, this host decides so:
//!
//! - **Runs.** An agent runs once (`launch`), when it is told to (`tick`), or by a [`Plan`]. Its instance, and so its
//!   linear memory, is kept between runs and made anew after a trap. Imports can be called at any time the guest runs,
//!   its start function included.
//! - **Limits of a run** (C1): no fuel but time, [`Limits::tick`] of computing per run, the start function included;
//!   waiting in a host call costs nothing. At the limit the guest traps.
//! - **Tick periods and restarts** (C2, C12) are the [`Plan`]'s; there is no default. A run that returns `err` is recorded,
//!   and the next one comes as planned; a trap is followed by a fresh start after the back-off, until `max_restarts`
//!   are used up over the life of the agent.
//! - **Capabilities** (C3) have the names of the newer list, with `database`, `inference` and `http-fetch`; `db`, `infer` and
//!   `http_fetch` are read as well. All are off by default. `config` and `websocket` are capabilities as well; `log`,
//!   `sleep-ms` and `random-bytes` need none.
//! - **Denial** (C10) is an `err` at once that starts with `denied:` and names the capability. The agent goes on, the audit
//!   log has it ([`AkshiHost::audit`]), and no file, connection or process is made. A capability or endpoint that is
//!   revoked is denied from the next call on. Where an approval is asked for, the call waits until it is decided, at most
//!   [`Limits::approval`]; `err`s are `denied: approval_denied` and `denied: approval_timeout`.
//! - **Texts of `err`** are for people; only the words above, `limit reached:` and `budget_exceeded` are fixed.
//! - **The database** (C4) is SQLite, one file an agent (`database`). `db-execute` answers a row count (C11).
//! - **The journal** (C5, C6) takes the WIT's one payload; `since` is exclusive (`journal`).
//! - **Inference** (C7, C8): the circuit breaker opens after 3 failures for 30 s, and a model that is named is taken
//!   (`inference`).
//! - **Config** (C9) can be set, except for protected keys, and stays (`values`).
//! - **Endpoints** (C13) are hosts with an optional port, scheme, path prefix and secret (`http`).
//! - **Mailboxes** hold a message until its target takes it, once, in order (`mail`). An agent can be sent to when it
//!   is loaded or was loaded before on this data directory.
//! - **`sleep-ms`** waits at least as long as it says; beyond [`Limits::sleep`] it is an `err` at once. Stopping the agent ends it.
//! - **`random-bytes`** are the operating system's, up to [`Limits::random_bytes`] a call; beyond is an `err`.
//! - **The data directory** has `mail.db`, `lock`, and `agents/NAME/` with `database.db`, `journal.db` and `config.db`, each made by
//!   the first call that needs it. A runtime holds it alone; another one that is started on it finds everything that
//!   was committed. Texts are kept as given, with any character.

mod agent;
mod audit;
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated code; the WIT documents it"
)]
mod bindings;
mod clock;
mod config;
mod database;
mod directory;
mod error;
mod files;
mod host;
mod http;
mod imports;
mod inference;
mod journal;
mod limits;
mod log;
mod mail;
mod mcp;
mod program;
mod supervisor;
mod values;
mod websocket;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

pub use self::audit::AuditEntry;
pub use self::config::{
    AgentConfig, Capability, Channel, ConfigEntry, Endpoint, Function, Level, McpServer, Model,
    Secret, Transport, UnknownWord,
};
pub use self::directory::{DataDirectory, DirectoryError};
pub use self::host::{AkshiHost, Config, ConfigError, ControlError, LoadError};
pub use self::limits::Limits;
pub use self::log::LogRecord;
pub use self::program::Program;

/// The id of a loaded agent: a random UUID, another one each time it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(Uuid);

impl AgentId {
    fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

impl FromStr for AgentId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::from_str(text).map(Self)
    }
}

/// How a run, or the life of an agent, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `run` returned `err` with this text.
    Failed(String),
    /// `run` returned `ok`.
    Finished,
    /// The host ended it: it was stopped.
    Terminated(String),
    /// The guest trapped, or computed too long; what the engine says about it.
    Trapped(String),
}

/// How an agent runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From the end of one run to the start of the next.
    pub interval: Duration,
    /// Runs after which the agent ends; 0 is never.
    pub ticks: u32,
    /// Fresh starts after traps, before it is given up.
    pub max_restarts: u32,
    /// From a trap to the fresh start.
    pub backoff: Duration,
}

/// What the outside of a runtime observes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call waits for [`AkshiHost::decide`].
    Approval {
        /// Whose.
        agent: AgentId,
        /// What was called.
        function: Function,
        /// What it is to reach, as in [`AuditEntry::target`], whole.
        target: String,
    },
    /// The agent is gone; its last event.
    Ended {
        /// Which.
        agent: AgentId,
        /// The outcome of its last run, or that it was stopped.
        outcome: Outcome,
    },
    /// A record of the log.
    Log(LogRecord),
    /// A run of a [`Plan`] ended.
    Ticked {
        /// Whose.
        agent: AgentId,
        /// How.
        outcome: Outcome,
    },
}

/// Takes events, in order for each agent, on the thread on which they happen; must not wait.
pub trait EventSink: fmt::Debug + Send + Sync {
    /// It happened.
    fn event(&self, event: Event);
}

impl EventSink for UnboundedSender<Event> {
    /// Nobody misses the event when the receiver is gone.
    fn event(&self, event: Event) {
        let _ = self.send(event);
    }
}
