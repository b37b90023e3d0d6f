//! What an agent is made of: its name, its grants and what they reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// Everything one agent is loaded with. By default nothing is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentConfig {
    /// The agent's name: 1 to 64 of `a`–`z`, `0`–`9`, `-` and `_`, not `-` or `_` first. Other agents reach it by this
    /// name, and its data lies under it.
    pub name: String,
    /// What is granted. Everything else is denied.
    pub capabilities: BTreeSet<Capability>,
    /// What `http-request` may reach.
    pub endpoints: Vec<Endpoint>,
    /// The MCP servers, by distinct names.
    pub mcp_servers: Vec<McpServer>,
    /// The models, in the order of preference, by distinct names.
    pub models: Vec<Model>,
    /// What `config-get` finds, by distinct keys.
    pub config: Vec<ConfigEntry>,
    /// The WebSocket channels, by distinct names.
    pub channels: Vec<Channel>,
    /// What the agent may spend on models with a cost. `None`: no budget is configured, and each such call is refused.
    pub budget: Option<u64>,
    /// Functions whose calls wait for a decision.
    pub approvals: BTreeSet<Function>,
    /// Records below this level are not emitted.
    pub log_level: Level,
}

impl AgentConfig {
    /// Checks the name, and that names and keys are there once. What is behind them is checked when the agent is loaded.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let name = self.name.as_bytes();
        let fits = name.first().is_some_and(|&first| letter(first))
            && name.len() <= NAME_BYTES
            && name
                .iter()
                .all(|&byte| letter(byte) || byte == b'-' || byte == b'_');
        if !fits {
            return Err(format!("{:?} is no name of an agent", self.name));
        }
        distinct("MCP server", self.mcp_servers.iter().map(|it| &it.name))?;
        distinct("model", self.models.iter().map(|it| &it.name))?;
        distinct("channel", self.channels.iter().map(|it| &it.name))?;
        distinct("key", self.config.iter().map(|it| &it.key))
    }
}

/// Bytes of an agent's name.
const NAME_BYTES: usize = 64;

fn distinct<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || !seen.insert(name) {
            return Err(format!("the {what} {name:?} is empty or there twice"));
        }
    }
    Ok(())
}

/// A group of host functions that is granted or denied as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// `a2a-send`, `a2a-receive`.
    A2a,
    /// `config-get`, `config-set`.
    Config,
    /// `db-query`, `db-execute`.
    Database,
    /// `http-request`.
    HttpFetch,
    /// `inference-prompt`, `inference-prompt-with-model`.
    Inference,
    /// `journal-append`, `journal-read`.
    Journal,
    /// `mcp-call-tool`, `mcp-list-tools`.
    Mcp,
    /// `ws-send`, `ws-receive`.
    Websocket,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::A2a,
        Self::Config,
        Self::Database,
        Self::HttpFetch,
        Self::Inference,
        Self::Journal,
        Self::Mcp,
        Self::Websocket,
    ];

    /// Its name, as configurations and errors write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A2a => "a2a",
            Self::Config => "config",
            Self::Database => "database",
            Self::HttpFetch => "http-fetch",
            Self::Inference => "inference",
            Self::Journal => "journal",
            Self::Mcp => "mcp",
            Self::Websocket => "websocket",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {what}")]
pub struct UnknownWord {
    /// What was wanted.
    pub what: &'static str,
    /// What was given.
    pub word: String,
}

impl FromStr for Capability {
    type Err = UnknownWord;

    /// Reads a name; `db`, `infer` and `http_fetch` are taken too, as the two published lists differ.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let alias = match word {
            "db" => "database",
            "infer" => "inference",
            "http_fetch" => "http-fetch",
            other => other,
        };
        let found = Self::ALL.into_iter().find(|known| known.name() == alias);
        found.ok_or_else(|| UnknownWord {
            what: "capability",
            word: word.to_owned(),
        })
    }
}

/// A function of the interface `host` that a capability guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the WIT documents them")]
pub enum Function {
    A2aReceive,
    A2aSend,
    ConfigGet,
    ConfigSet,
    DbExecute,
    DbQuery,
    HttpRequest,
    InferencePrompt,
    InferencePromptWithModel,
    JournalAppend,
    JournalRead,
    McpCallTool,
    McpListTools,
    WsReceive,
    WsSend,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::A2aReceive,
        Self::A2aSend,
        Self::ConfigGet,
        Self::ConfigSet,
        Self::DbExecute,
        Self::DbQuery,
        Self::HttpRequest,
        Self::InferencePrompt,
        Self::InferencePromptWithModel,
        Self::JournalAppend,
        Self::JournalRead,
        Self::McpCallTool,
        Self::McpListTools,
        Self::WsReceive,
        Self::WsSend,
    ];

    /// Its WIT name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A2aReceive => "a2a-receive",
            Self::A2aSend => "a2a-send",
            Self::ConfigGet => "config-get",
            Self::ConfigSet => "config-set",
            Self::DbExecute => "db-execute",
            Self::DbQuery => "db-query",
            Self::HttpRequest => "http-request",
            Self::InferencePrompt => "inference-prompt",
            Self::InferencePromptWithModel => "inference-prompt-with-model",
            Self::JournalAppend => "journal-append",
            Self::JournalRead => "journal-read",
            Self::McpCallTool => "mcp-call-tool",
            Self::McpListTools => "mcp-list-tools",
            Self::WsReceive => "ws-receive",
            Self::WsSend => "ws-send",
        }
    }

    /// The capability it needs.
    pub const fn capability(self) -> Capability {
        match self {
            Self::A2aReceive | Self::A2aSend => Capability::A2a,
            Self::ConfigGet | Self::ConfigSet => Capability::Config,
            Self::DbExecute | Self::DbQuery => Capability::Database,
            Self::HttpRequest => Capability::HttpFetch,
            Self::InferencePrompt | Self::InferencePromptWithModel => Capability::Inference,
            Self::JournalAppend | Self::JournalRead => Capability::Journal,
            Self::McpCallTool | Self::McpListTools => Capability::Mcp,
            Self::WsReceive | Self::WsSend => Capability::Websocket,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Function {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|known| known.name() == word);
        found.ok_or_else(|| UnknownWord {
            what: "guarded function of the host",
            word: word.to_owned(),
        })
    }
}

/// How important a log record is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the usual five, from the least to the most important"
)]
pub enum Level {
    #[default]
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// All of them, ascending.
    pub const ALL: [Self; 5] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
    ];

    /// Its name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    /// Reads a name in any mix of ASCII cases.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(word));
        found.ok_or_else(|| UnknownWord {
            what: "log level; there are trace, debug, info, warn and error",
            word: word.to_owned(),
        })
    }
}

/// An endpoint that `http-request` may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A host (any port, http and https), `host:port` (http and https), or an origin such as `http://127.0.0.1:8080`.
    pub host: String,
    /// The path must be this or lie below it.
    pub path_prefix: Option<String>,
    /// A header the host adds and the agent never sees.
    pub secret: Option<Secret>,
}

/// A header with a secret value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The header's name.
    pub header: String,
    /// Its value.
    pub value: String,
}

// The value must not reach a log by way of a `{:?}`.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// An MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// What agents call it.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// A streamable HTTP server at this URL.
    Http(String),
    /// A program with its arguments, not empty, that speaks on its standard input and output.
    Stdio {
        /// The program and its arguments.
        command: Vec<String>,
        /// Variables of its environment; it inherits nothing but `PATH`.
        environment: BTreeMap<String, String>,
    },
}

/// A model behind an OpenAI-compatible endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Model {
    /// What agents call it, and what the endpoint is asked for.
    pub name: String,
    /// The base URL, to which `/chat/completions` is added.
    pub url: String,
    /// Sent as a bearer token.
    pub key: Option<String>,
    /// Whether it runs on this machine. Local models are preferred.
    pub local: bool,
    /// What one call costs; 0 is free.
    pub cost: u64,
}

// As for `Secret`.
impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Model")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("local", &self.local)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// A value for `config-get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its key, not empty.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether `config-set` refuses it.
    pub protected: bool,
}

/// A WebSocket that is held open for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What the agent calls it.
    pub name: String,
    /// `ws://…` or `wss://…`
    pub url: String,
}
