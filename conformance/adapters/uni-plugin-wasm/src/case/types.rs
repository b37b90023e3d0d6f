//! `wit/driver/uni.wit` as serde types, and what they are in the words of the crates `uni_plugin` and `uni_plugin_wasm`.

use datafusion::{logical_expr::Volatility, scalar::ScalarValue};
use serde::{Deserialize, Serialize};
use uni_plugin::{
    Capability, CapabilitySet, FnError, ManifestCapability, PluginError,
    traits::{
        aggregate::AggSignature,
        procedure::{ProcedureMode, ProcedureSignature},
        scalar::{FnSignature, NullHandling},
    },
};

use super::column::Column;
use crate::wire::{Long, Opt, Res};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    pub(super) traceparent: Opt<String>,
    /// Never `some`, because `limits` is not declared.
    pub(super) limits: Opt<serde_json::Value>,
    /// Never `some`, because `instances` is not declared.
    pub(super) instances: Opt<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Grants {
    capabilities: Vec<String>,
    network: Opt<Vec<String>>,
    network_timeout_ms: Long<u64>,
    /// The host knows no such grant: its ceiling of a response body is a constant.
    #[serde(rename = "network-max-bytes")]
    _network_max_bytes: u32,
}

impl Grants {
    /// The host's own set. Names are read as the host reads them in a manifest.
    pub(super) fn set(self) -> Result<CapabilitySet, String> {
        let mut set = CapabilitySet::new();
        for name in self.capabilities {
            let capability: ManifestCapability =
                serde_json::from_value(name.into()).map_err(|error| error.to_string())?;
            set.insert(capability.0);
        }
        if let Some(allow) = self.network.0 {
            set.insert(Capability::Network {
                allow: allow.into_iter().map(Into::into).collect(),
            });
            // Where the host looks for the ceiling of a request's time.
            if self.network_timeout_ms.0 != 0 {
                set.insert(Capability::WallClockMillisPerCall(
                    self.network_timeout_ms.0,
                ));
            }
        }
        Ok(set)
    }
}

/// The host tells a plugin's `fn-error` from its own errors in the text only, so `failure` is never `plugin`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    Host(HostError),
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
    Limit,
    Call,
    Other,
}

impl Failure {
    /// The registry's "there is none".
    pub(super) fn unknown(what: &str, qname: &str) -> Self {
        Self::without_code(
            ErrorKind::Call,
            format!("no {what} `{qname}` is registered"),
        )
    }

    /// An id that this adapter never gave out.
    pub(super) fn no_accumulator(id: u32) -> Self {
        Self::without_code(ErrorKind::Call, format!("no accumulator {id} is open"))
    }

    /// An error of the host, or of DataFusion under it, that carries no code.
    pub(super) fn other(error: &impl ToString) -> Self {
        Self::without_code(ErrorKind::Other, error.to_string())
    }

    fn without_code(kind: ErrorKind, message: String) -> Self {
        Self::Host(HostError {
            code: Opt(None),
            kind,
            message,
            retryable: false,
        })
    }
}

impl From<FnError> for Failure {
    /// Two of the host's codes tell a class. `CODE_TYPE_COERCION` stands for a caller's argument as well as for a
    /// plugin's answer, and `CODE_UNEXPECTED_NULL` for a plugin's `fn-error`, a trap, a timeout or a missing batch.
    fn from(error: FnError) -> Self {
        let kind = match error.code {
            FnError::CODE_UNKNOWN_FUNCTION => ErrorKind::Call,
            FnError::CODE_RESOURCE_LIMIT => ErrorKind::Limit,
            _ => ErrorKind::Other,
        };
        let FnError {
            code,
            message,
            retryable,
        } = error;
        Self::Host(HostError {
            code: Opt(Some(code)),
            kind,
            message,
            retryable,
        })
    }
}

impl From<PluginError> for Failure {
    fn from(error: PluginError) -> Self {
        let kind = match error {
            PluginError::InvalidQName(_) => ErrorKind::Call,
            _ => ErrorKind::Other,
        };
        Self::without_code(kind, error.to_string())
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Loaded {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) functions: Vec<Registered>,
    pub(super) denied: Vec<String>,
}

/// The manifest's name of a capability that the host prints as Rust does: `Network { allow: [] }` is `network`.
pub(super) fn capability_name(printed: &str) -> String {
    let mut name = String::new();
    for letter in printed.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Registered {
    pub(super) qname: String,
    kind: FunctionKind,
    arity: usize,
    volatility: &'static str,
    null_handling: &'static str,
    mode: &'static str,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
enum FunctionKind {
    Scalar,
    Aggregate,
    Procedure,
}

impl Registered {
    pub(super) fn scalar(qname: String, signature: &FnSignature) -> Self {
        let null_handling = match signature.null_handling {
            NullHandling::PropagateNulls => "propagate",
            NullHandling::UserHandled => "user_handled",
        };
        let volatility = volatility(signature.volatility);
        Self {
            qname,
            kind: FunctionKind::Scalar,
            arity: signature.args.len(),
            volatility,
            null_handling,
            mode: "",
        }
    }

    pub(super) fn aggregate(qname: String, signature: &AggSignature) -> Self {
        let (kind, volatility) = (FunctionKind::Aggregate, volatility(signature.volatility));
        Self {
            qname,
            kind,
            arity: signature.args.len(),
            volatility,
            null_handling: "",
            mode: "",
        }
    }

    pub(super) fn procedure(qname: String, signature: &ProcedureSignature) -> Self {
        let mode = match signature.mode {
            ProcedureMode::Read => "read",
            ProcedureMode::Write => "write",
            ProcedureMode::Schema => "schema",
            ProcedureMode::Dbms => "dbms",
            _ => "unknown",
        };
        let (kind, arity) = (FunctionKind::Procedure, signature.args.len());
        Self {
            qname,
            kind,
            arity,
            volatility: "",
            null_handling: "",
            mode,
        }
    }
}

fn volatility(volatility: Volatility) -> &'static str {
    match volatility {
        Volatility::Immutable => "immutable",
        Volatility::Stable => "stable",
        Volatility::Volatile => "volatile",
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

/// The bytes of a partial state, which the host hands out as the one scalar of `state()`.
pub(super) fn state_bytes(state: Vec<ScalarValue>) -> Result<Vec<u8>, Failure> {
    match <[ScalarValue; 1]>::try_from(state) {
        Ok([ScalarValue::Binary(Some(bytes)) | ScalarValue::LargeBinary(Some(bytes))]) => Ok(bytes),
        Ok([other]) => Err(Failure::other(&format!(
            "the state is {}",
            other.data_type()
        ))),
        Err(state) => Err(Failure::other(&format!(
            "the state has {} fields",
            state.len()
        ))),
    }
}
