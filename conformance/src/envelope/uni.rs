//! uni-db: what the control exports `manifest` and `register` return. Log lines are plain text, and columns Arrow.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

use super::schema;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("manifest", schema::<Manifest>()),
        ("registration", schema::<Registration>()),
    ]
}

/// What `manifest` returns: "the plugin's canonical JSON manifest (id, version, declared capabilities)".
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plugin's name, in front of the names of all it registers.
    #[schemars(length(min = 1))]
    pub id: String,
    /// The plugin's own version, semver.
    pub version: String,
    /// Which versions of the ABI it is made for, a semver requirement.
    #[serde(default)]
    pub abi: Option<String>,
    /// What it asks the host for.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// `pure`, `session-scoped` or another word.
    #[serde(default)]
    pub determinism: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Fuel of one call.
    #[serde(default)]
    pub fuel_per_call: Option<u64>,
    /// Pages of 64 KiB that its memory may have.
    #[serde(default)]
    #[schemars(range(max = 4_294_967_295_u32))]
    pub memory_max_pages: Option<u32>,
    /// Milliseconds of one call.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// A capability, bare or with what it is bounded to.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub enum Capability {
    /// Its name: `scalar-fn`.
    Name(#[schemars(length(min = 1))] String),
    /// `{"kind": "network", "allow": [...]}`
    Bounded {
        /// Its name.
        #[schemars(length(min = 1))]
        kind: String,
        /// What belongs to it.
        #[serde(flatten)]
        bounds: BTreeMap<String, Value>,
    },
}

/// What `register` returns: "every qname the plugin provides plus its wire-level signature".
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// In any order.
    pub entries: Vec<Entry>,
}

/// One registered function.
#[derive(Debug, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// Called by `invoke-scalar`.
    Scalar {
        /// The manifest's id, a dot, a name.
        qname: Qname,
        /// Arguments and result.
        signature: Signature,
    },
    /// Called by `agg-new` and its like.
    Aggregate {
        /// The manifest's id, a dot, a name.
        qname: Qname,
        /// Arguments and result.
        signature: Signature,
        /// How the host carries a state.
        state: WireType,
    },
    /// Called by `invoke-procedure`.
    Procedure {
        /// The manifest's id, a dot, a name.
        qname: Qname,
        /// Types of the arguments.
        args: Vec<WireType>,
        /// Types of the columns it yields.
        yields: Vec<WireType>,
        /// What it may do.
        #[serde(default)]
        mode: Option<Mode>,
    },
}

/// A qualified name: what stands before the last dot is the manifest's id.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Qname(#[schemars(regex(pattern = r"^.+\.[^.]+$"))] pub String);

/// Arguments and result of a scalar or an aggregate.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// In order.
    pub args: Vec<WireType>,
    /// Of the result.
    pub returns: WireType,
    /// `immutable` when absent.
    #[serde(default)]
    pub volatility: Option<Volatility>,
    /// `propagate` when absent.
    #[serde(default)]
    pub null_handling: Option<NullHandling>,
}

/// How often a planner may call a function.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Volatility {
    /// Once for equal arguments, for ever.
    Immutable,
    /// Once for equal arguments within a query.
    Stable,
    /// For every row.
    Volatile,
}

/// Who sees nulls.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullHandling {
    /// A null among the arguments is a null result.
    Propagate,
    /// The plugin.
    UserHandled,
}

/// What a procedure may do.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Change the schema.
    Schema,
    /// Change the database.
    Dbms,
}

/// A type on the wire.
#[derive(Debug, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WireType {
    /// An Arrow type.
    Primitive {
        /// Its name.
        arrow: Arrow,
    },
    /// Any value of the query language, in bytes.
    CypherValue,
    /// A list of fixed length; newer hosts only.
    Vector {
        /// Elements.
        len: u32,
        /// Their type.
        element: Arrow,
    },
    /// Any number of further arguments; newer hosts only.
    Variadic {
        /// Their type.
        inner: Box<WireType>,
    },
}

/// An Arrow type that may be registered.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are Arrow's")]
pub enum Arrow {
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    Utf8,
    Binary,
    LargeBinary,
    Date64,
    #[serde(rename = "timestamp_ms")]
    TimestampMs,
}
