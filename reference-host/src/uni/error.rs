//! What can go wrong: a load that is refused, a call that gives no value. Framework codes are here too.

use super::ipc::AnswerError;
use super::json::JsonError;

/// Codes of errors that the host makes, in the range 0..=0xFF that `fn-error` reserves for the framework.
///
/// 0x01 to 0x05 are the contract's; the others are this host's additions.
pub mod code {
    /// No function of this name and kind is registered.
    pub const UNKNOWN_FUNCTION: u32 = 0x01;
    /// Arguments do not have the declared types.
    pub const TYPE_COERCION: u32 = 0x02;
    /// A null where none may be.
    pub const UNEXPECTED_NULL: u32 = 0x03;
    /// A limit was hit: time, fuel, memory, size, instances.
    pub const RESOURCE_LIMIT: u32 = 0x04;
    /// Not allowed: a URL outside the allow-list.
    pub const FORBIDDEN: u32 = 0x05;
    /// The plugin trapped.
    pub const TRAP: u32 = 0x06;
    /// The plugin's answer breaks the contract.
    pub const BAD_ANSWER: u32 = 0x07;
    /// An outbound request failed before a response came.
    pub const EGRESS: u32 = 0x08;
    /// An outbound request took longer than it may.
    pub const EGRESS_TIMEOUT: u32 = 0x09;
    /// A plugin asked for something that is no http(s) URL.
    pub const BAD_URL: u32 = 0x0A;
    /// The host itself failed.
    pub const HOST: u32 = 0x0B;
}

/// A plugin's own `fn-error`, exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin error {code:#x}: {message}")]
pub struct PluginError {
    /// The plugin's code. Nothing keeps a plugin from using the framework's range; only the type tells them apart.
    pub code: u32,
    /// The plugin's words.
    pub message: String,
    /// The plugin's hint to the caller. The host itself never repeats a call.
    pub retryable: bool,
}

/// Why a call gave no value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The plugin said so.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The plugin trapped, or its answer broke the canonical ABI.
    #[error("`{export}` trapped: {message}")]
    Trap {
        /// The export that was called.
        export: &'static str,
        /// The engine's words.
        message: String,
    },
    /// A limit was hit.
    #[error("`{export}`: {limit}")]
    Limit {
        /// The export that was called.
        export: &'static str,
        /// Which limit.
        limit: LimitHit,
    },
    /// The plugin's answer breaks the contract.
    #[error("`{export}` gave a bad answer: {source}")]
    Answer {
        /// The export that was called.
        export: &'static str,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// Nothing of this name and kind is registered.
    #[error("no {kind} {qname:?} is registered")]
    Unknown {
        /// `scalar`, `aggregate` or `procedure`.
        kind: &'static str,
        /// The name asked for.
        qname: String,
    },
    /// A null partial state; a state is always bytes. The plugin was not asked.
    #[error("{qname}: partial state {row} is null")]
    NullState {
        /// The aggregate.
        qname: String,
        /// 0-based row of the null.
        row: usize,
    },
    /// The caller's arguments do not fit the registration. The plugin was not asked.
    #[error("{qname}: {problem}")]
    Arguments {
        /// The function.
        qname: String,
        /// What does not fit.
        problem: String,
    },
    /// The host itself failed.
    #[error("the host failed: {0}")]
    Host(String),
}

/// Which limit a call hit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitHit {
    /// Wall clock of one call.
    #[error("took longer than {0} ms")]
    Time(u64),
    /// No instance became free in time.
    #[error("no instance became free within {0} ms")]
    Instances(u64),
    /// Fuel of one call.
    #[error("used up its fuel of {0}")]
    Fuel(u64),
    /// A list or string is longer than the host copies.
    #[error("handed over more than {0} bytes")]
    Payload(u64),
    /// The answer of a control export is longer than the host reads.
    #[error("returned {got} bytes of JSON, more than {limit}")]
    Json {
        /// Bytes returned.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The instance does not fit: initial memory or tables over the ceiling, or no room left in the host.
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    /// More rows than the host collects.
    #[error("returned more than {0} rows")]
    Rows(u64),
    /// More batches than the host collects.
    #[error("returned more than {0} batches")]
    Batches(usize),
}

impl CallError {
    /// The code a caller sees: the plugin's own, or the framework's ([`code`]).
    pub fn code(&self) -> u32 {
        match self {
            Self::Plugin(e) => e.code,
            Self::Trap { .. } => code::TRAP,
            Self::Limit { .. } => code::RESOURCE_LIMIT,
            Self::Answer { .. } => code::BAD_ANSWER,
            Self::Unknown { .. } => code::UNKNOWN_FUNCTION,
            Self::Arguments { .. } => code::TYPE_COERCION,
            Self::NullState { .. } => code::UNEXPECTED_NULL,
            Self::Host(_) => code::HOST,
        }
    }

    /// Whether the same call may succeed later: the plugin's hint, or that only the moment was wrong (no free instance).
    pub fn retryable(&self) -> bool {
        match self {
            Self::Plugin(e) => e.retryable,
            Self::Limit { limit, .. } => matches!(limit, LimitHit::Instances(_)),
            _ => false,
        }
    }

    /// Whether the host made the error, not the plugin.
    pub fn is_host_made(&self) -> bool {
        !matches!(self, Self::Plugin(_))
    }
}

/// Why a component was not loaded. Nothing of it is registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not a component this engine can run.
    #[error("not a component: {0}")]
    Component(String),
    /// The bytes are more than the host compiles.
    #[error("a component of {got} bytes, more than {limit}")]
    TooLarge {
        /// Bytes given.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The component imports what this host does not have, or not for this plugin.
    #[error("import `{name}`: {reason}")]
    Import {
        /// The import's full name.
        name: String,
        /// Why it is not there.
        reason: String,
    },
    /// An export is missing or has another type.
    #[error("export `{name}`: {reason}")]
    Export {
        /// The export's name.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// `manifest` or `register` gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer of `manifest` is not a manifest.
    #[error("manifest: {0}")]
    Manifest(#[source] JsonError),
    /// The answer of `register` is not a registration.
    #[error("register: {0}")]
    Register(#[source] JsonError),
    /// The host did not grant what a registered function needs.
    #[error("{qname} needs the capability `{capability}`, which is not granted")]
    Capability {
        /// The function.
        qname: String,
        /// The capability.
        capability: &'static str,
    },
    /// A plugin of this id is loaded.
    #[error("a plugin `{0}` is already loaded")]
    Duplicate(String),
    /// The host itself failed.
    #[error("the host failed: {0}")]
    Host(String),
}
