//! The answer of `register`: the functions a plugin offers, and their signatures.

use arrow::datatypes::{DataType, TimeUnit};

use super::json::{self, JsonError, Value};
use super::limits::Limits;

/// One function that a plugin registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The full name: the plugin's id, a dot, a local name. The local name is any text without dots and control
    /// characters; names are compared as they are, upper and lower case apart.
    pub qname: String,
    /// Argument types, in order.
    pub args: Vec<WireType>,
    /// What kind of function it is, and what only that kind has.
    pub kind: FunctionKind,
}

/// The kinds of functions of `uni:plugin@0.1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// Row by row, through `invoke-scalar`.
    Scalar {
        /// Result type.
        returns: WireType,
        /// What a query planner may assume.
        volatility: Volatility,
        /// Who deals with nulls.
        null_handling: NullHandling,
    },
    /// Many rows to one value, through `agg-*`. Nulls reach the plugin whatever its signature's `null_handling` says: the
    /// contract ties that field to scalars.
    Aggregate {
        /// Result type.
        returns: WireType,
        /// What a query planner may assume.
        volatility: Volatility,
    },
    /// One row to many, through `invoke-procedure`. Procedures may share a name if their arity differs.
    Procedure {
        /// Types of the yielded columns, in order.
        yields: Vec<WireType>,
        /// What the procedure does to the database.
        mode: Mode,
    },
}

impl FunctionKind {
    /// `scalar`, `aggregate` or `procedure`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "scalar",
            Self::Aggregate { .. } => "aggregate",
            Self::Procedure { .. } => "procedure",
        }
    }

    /// The capabilities the host must have granted. Whether the manifest declares them does not matter.
    pub fn capabilities(&self) -> &'static [&'static str] {
        match self {
            Self::Scalar { .. } => &["scalar-fn"],
            Self::Aggregate { .. } => &["aggregate-fn"],
            Self::Procedure {
                mode: Mode::Read, ..
            } => &["procedure"],
            Self::Procedure {
                mode: Mode::Write, ..
            } => &["procedure", "procedure-writes"],
            Self::Procedure {
                mode: Mode::Schema, ..
            } => &["procedure", "procedure-schema"],
            Self::Procedure {
                mode: Mode::Dbms, ..
            } => &["procedure", "procedure-dbms"],
        }
    }

    /// The exports that carry the calls.
    pub(super) fn exports(&self) -> &'static [&'static str] {
        match self {
            Self::Scalar { .. } => &["invoke-scalar"],
            Self::Aggregate { .. } => &["agg-new", "agg-update", "agg-merge", "agg-evaluate"],
            Self::Procedure { .. } => &["invoke-procedure"],
        }
    }
}

/// What a planner may assume about repeated calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    /// Same arguments, same result: may be folded.
    #[default]
    Immutable,
    /// Same within one query.
    Stable,
    /// Every call may differ.
    Volatile,
}

impl Volatility {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::Stable => "stable",
            Self::Volatile => "volatile",
        }
    }
}

/// Who deals with nulls in a scalar's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullHandling {
    /// The host: a row with a null in any argument gives null, and the plugin is not asked for it.
    #[default]
    Propagate,
    /// The plugin sees them.
    UserHandled,
}

impl NullHandling {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Propagate => "propagate",
            Self::UserHandled => "user_handled",
        }
    }
}

/// What a procedure does to the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reads.
    #[default]
    Read,
    /// Writes data.
    Write,
    /// Changes the schema.
    Schema,
    /// Administers the database.
    Dbms,
}

impl Mode {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Schema => "schema",
            Self::Dbms => "dbms",
        }
    }
}

/// A column type of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// An Arrow type.
    Primitive(Primitive),
    /// Any Cypher value, encoded by the caller; `LargeBinary` on the wire.
    CypherValue,
}

/// The Arrow types a signature can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Arrow's")]
pub enum Primitive {
    Binary,
    Boolean,
    Date64,
    Float32,
    Float64,
    Int32,
    Int64,
    LargeBinary,
    TimestampMs,
    Utf8,
}

const PRIMITIVES: [(&str, Primitive); 10] = [
    ("int32", Primitive::Int32),
    ("int64", Primitive::Int64),
    ("float32", Primitive::Float32),
    ("float64", Primitive::Float64),
    ("boolean", Primitive::Boolean),
    ("utf8", Primitive::Utf8),
    ("binary", Primitive::Binary),
    ("largebinary", Primitive::LargeBinary),
    ("date64", Primitive::Date64),
    ("timestamp_ms", Primitive::TimestampMs),
];

impl WireType {
    /// The Arrow type on the wire.
    pub fn arrow(self) -> DataType {
        match self {
            Self::CypherValue => DataType::LargeBinary,
            Self::Primitive(primitive) => match primitive {
                Primitive::Binary => DataType::Binary,
                Primitive::Boolean => DataType::Boolean,
                Primitive::Date64 => DataType::Date64,
                Primitive::Float32 => DataType::Float32,
                Primitive::Float64 => DataType::Float64,
                Primitive::Int32 => DataType::Int32,
                Primitive::Int64 => DataType::Int64,
                Primitive::LargeBinary => DataType::LargeBinary,
                Primitive::TimestampMs => DataType::Timestamp(TimeUnit::Millisecond, None),
                Primitive::Utf8 => DataType::Utf8,
            },
        }
    }

    fn read(value: &Value<'_>) -> Result<Self, JsonError> {
        match value.tag("kind")?.as_str() {
            "primitive" => {
                let object = value.object(&["kind", "arrow"])?;
                Ok(Self::Primitive(
                    object.required("arrow", "a string")?.choice(&PRIMITIVES)?,
                ))
            }
            "cypher_value" => value.object(&["kind"]).map(|_| Self::CypherValue),
            other => Err(value.error(
                format!("unknown type kind {}", json::quoted(other)),
                "`primitive` or `cypher_value`",
            )),
        }
    }
}

/// Reads and checks the JSON text of `register` for the plugin `id`.
///
/// # Errors
/// The first mistake, with its place and what was expected: unknown or duplicate fields, wrong types, a name outside the
/// plugin's namespace, a name registered twice (for procedures: with the same arity).
pub fn parse_registration(
    text: &str,
    id: &str,
    limits: &Limits,
) -> Result<Vec<Function>, JsonError> {
    let node = json::parse(text)?;
    let root = Value::root(&node);
    let entries = root.object(&["entries"])?.required("entries", "an array")?;
    let items = entries.array()?;
    if items.len() > limits.entries {
        return Err(entries.error(
            format!("{} entries", items.len()),
            format!("at most {}", limits.entries),
        ));
    }
    let mut functions: Vec<Function> = Vec::with_capacity(items.len());
    // Names seen so far; the value is the arity for procedures, which may be overloaded by it.
    let mut seen = std::collections::HashMap::<String, Vec<Option<usize>>>::new();
    for item in &items {
        let function = entry(item, id, limits)?;
        let arity =
            matches!(function.kind, FunctionKind::Procedure { .. }).then_some(function.args.len());
        let others = seen.entry(function.qname.clone()).or_default();
        if others
            .iter()
            .any(|other| other.is_none() || arity.is_none() || *other == arity)
        {
            return Err(item.error(
                format!(
                    "{} is registered for the second time",
                    json::quoted(&function.qname)
                ),
                "each name once, or procedures of different arity",
            ));
        }
        others.push(arity);
        functions.push(function);
    }
    Ok(functions)
}

fn entry(item: &Value<'_>, id: &str, limits: &Limits) -> Result<Function, JsonError> {
    let kind = item.tag("kind")?;
    match kind.as_str() {
        "scalar" | "aggregate" => {
            let aggregate = kind == "aggregate";
            let fields: &[&str] = if aggregate {
                &["kind", "qname", "signature", "state"]
            } else {
                &["kind", "qname", "signature"]
            };
            let object = item.object(fields)?;
            let qname = qname(&object.required("qname", "a string")?, id)?;
            let signature = object.required("signature", "an object")?;
            let signature =
                signature.object(&["args", "returns", "volatility", "null_handling"])?;
            let args = types(&signature.required("args", "an array")?, limits)?;
            let returns = WireType::read(&signature.required("returns", "a type object")?)?;
            let volatility =
                signature
                    .find("volatility")
                    .map_or(Ok(Volatility::default()), |v| {
                        v.choice(
                            &[
                                Volatility::Immutable,
                                Volatility::Stable,
                                Volatility::Volatile,
                            ]
                            .map(|x| (x.name(), x)),
                        )
                    })?;
            let null_handling =
                signature
                    .find("null_handling")
                    .map_or(Ok(NullHandling::default()), |v| {
                        v.choice(
                            &[NullHandling::Propagate, NullHandling::UserHandled]
                                .map(|x| (x.name(), x)),
                        )
                    })?;
            if !aggregate {
                let kind = FunctionKind::Scalar {
                    returns,
                    volatility,
                    null_handling,
                };
                return Ok(Function { qname, args, kind });
            }
            let state = object.required("state", "a type object")?;
            if WireType::read(&state)? != WireType::Primitive(Primitive::Binary) {
                return Err(state.error(
                    "a state that is not Arrow `Binary`",
                    "{\"kind\": \"primitive\", \"arrow\": \"binary\"}",
                ));
            }
            Ok(Function {
                qname,
                args,
                kind: FunctionKind::Aggregate {
                    returns,
                    volatility,
                },
            })
        }
        "procedure" => {
            let object = item.object(&["kind", "qname", "args", "yields", "mode"])?;
            let qname = qname(&object.required("qname", "a string")?, id)?;
            let args = types(&object.required("args", "an array")?, limits)?;
            let yields = types(&object.required("yields", "an array")?, limits)?;
            let mode = object.find("mode").map_or(Ok(Mode::default()), |v| {
                v.choice(
                    &[Mode::Read, Mode::Write, Mode::Schema, Mode::Dbms].map(|x| (x.name(), x)),
                )
            })?;
            Ok(Function {
                qname,
                args,
                kind: FunctionKind::Procedure { yields, mode },
            })
        }
        other => Err(item.error(
            format!("unknown entry kind {}", json::quoted(other)),
            "`scalar`, `aggregate` or `procedure`",
        )),
    }
}

fn types(value: &Value<'_>, limits: &Limits) -> Result<Vec<WireType>, JsonError> {
    let items = value.array()?;
    if items.len() > limits.columns {
        return Err(value.error(
            format!("{} types", items.len()),
            format!("at most {}", limits.columns),
        ));
    }
    items.iter().map(WireType::read).collect()
}

fn qname(value: &Value<'_>, id: &str) -> Result<String, JsonError> {
    let text = value.string()?;
    let wrong = || {
        value.error(
            format!("name {}", json::quoted(text)),
            format!("`{id}.` and a local name without dots or control characters"),
        )
    };
    let (namespace, local) = text.rsplit_once('.').ok_or_else(wrong)?;
    if namespace != id
        || local.is_empty()
        || local.chars().any(char::is_control)
        || local.len() > super::manifest::ID_BYTES
    {
        return Err(wrong());
    }
    Ok(text.to_owned())
}
