//! `wit/driver/uni.wit` as serde types, and what they are in the words of `reference_host::uni`.

use std::time::Duration;

use reference_host::uni::{self, CallError, Function, FunctionKind, GrantError};
use serde::{Deserialize, Serialize};

use super::column::Column;
use crate::host::reference::wire::{Long, Opt, Res};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    pub(super) traceparent: Opt<String>,
    pub(super) limits: Opt<Limits>,
    pub(super) instances: Opt<Instances>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Instances {
    Fresh,
    Kept,
}

impl From<Instances> for uni::Instances {
    fn from(instances: Instances) -> Self {
        match instances {
            Instances::Fresh => Self::Fresh,
            Instances::Kept => Self::Kept,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    call_ms: Long<u64>,
    memory_bytes: Long<u64>,
    table_elements: u32,
    payload_bytes: Long<u64>,
    instances: u32,
}

impl Limits {
    /// These limits, the host's own where they are zero.
    pub(super) fn apply(&self) -> uni::Limits {
        let mut limits = uni::Limits::default();
        if self.call_ms.0 != 0 {
            limits.call_time = Duration::from_millis(self.call_ms.0);
        }
        if self.memory_bytes.0 != 0 {
            limits.memory_bytes = self.memory_bytes.0;
        }
        if self.table_elements != 0 {
            limits.table_elements = self.table_elements;
        }
        if self.payload_bytes.0 != 0 {
            limits.payload_bytes = self.payload_bytes.0;
        }
        if self.instances != 0 {
            limits.instances = self.instances;
        }
        limits
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Grants {
    capabilities: Vec<String>,
    network: Opt<Vec<String>>,
    network_timeout_ms: Long<u64>,
    network_max_bytes: u32,
}

impl Grants {
    pub(super) fn grant(self) -> Result<uni::Grants, GrantError> {
        let grants = uni::Grants::new(self.capabilities)?;
        match self.network.0 {
            None => Ok(grants),
            Some(allow) => {
                grants.with_network(allow, self.network_timeout_ms.0, self.network_max_bytes)
            }
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    Plugin(FnError),
    Host(HostError),
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct FnError {
    code: u32,
    message: String,
    retryable: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct HostError {
    code: Opt<u32>,
    kind: ErrorKind,
    message: String,
    retryable: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ErrorKind {
    Trap,
    Limit,
    Answer,
    Call,
    Other,
}

impl Failure {
    /// A mistake of the caller that the host's own interface can't even express.
    pub(super) fn call(message: String) -> Self {
        Self::Host(HostError {
            code: Opt(None),
            kind: ErrorKind::Call,
            message,
            retryable: false,
        })
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::Plugin(error) => {
                let (code, message, retryable) =
                    (error.code, error.message.clone(), error.retryable);
                return Self::Plugin(FnError {
                    code,
                    message,
                    retryable,
                });
            }
            CallError::Trap { .. } => ErrorKind::Trap,
            CallError::Limit { .. } => ErrorKind::Limit,
            CallError::Answer { .. } => ErrorKind::Answer,
            CallError::Unknown { .. }
            | CallError::NullState { .. }
            | CallError::Arguments { .. } => ErrorKind::Call,
            _ => ErrorKind::Other,
        };
        let (code, message, retryable) = (error.code(), error.to_string(), error.retryable());
        Self::Host(HostError {
            code: Opt(Some(code)),
            kind,
            message,
            retryable,
        })
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Loaded {
    id: String,
    version: String,
    functions: Vec<Registered>,
    denied: Vec<String>,
}

impl From<uni::Loaded> for Loaded {
    fn from(loaded: uni::Loaded) -> Self {
        Self {
            id: loaded.id,
            version: loaded.version.to_string(),
            functions: loaded.functions.into_iter().map(Registered::from).collect(),
            denied: loaded.denied,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Registered {
    qname: String,
    kind: &'static str,
    arity: usize,
    volatility: &'static str,
    null_handling: &'static str,
    mode: &'static str,
}

impl From<Function> for Registered {
    fn from(function: Function) -> Self {
        let (volatility, null_handling, mode) = match &function.kind {
            FunctionKind::Scalar {
                volatility,
                null_handling,
                ..
            } => (volatility.name(), null_handling.name(), ""),
            FunctionKind::Aggregate { volatility, .. } => (volatility.name(), "", ""),
            FunctionKind::Procedure { mode, .. } => ("", "", mode.name()),
        };
        let (kind, arity) = (function.kind.name(), function.args.len());
        Self {
            qname: function.qname,
            kind,
            arity,
            volatility,
            null_handling,
            mode,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) arguments: Vec<Column>,
    pub(super) rows: u32,
    pub(super) groups: Vec<u32>,
    pub(super) batch_rows: u32,
    pub(super) partitions: u32,
    pub(super) reverse: bool,
    pub(super) merge_width: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupResult {
    pub(super) group: u32,
    pub(super) value: Res<Column, Failure>,
}
