//! What is fed to an aggregate: batches of cells, and terms that say how a state came about.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value as Json, json};

use crate::host::json::float_to_json;

/// A type that the contract's registrations can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the contract names them")]
pub enum Wire {
    Boolean,
    Int32,
    Int64,
    Float32,
    Float64,
    Utf8,
    Binary,
    LargeBinary,
    Date64,
    TimestampMs,
}

impl Wire {
    /// The type of this name in a registration: `{"kind": "primitive", "arrow": NAME}`, or `cypher_value`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "utf8" => Self::Utf8,
            "binary" => Self::Binary,
            "largebinary" | "cypher_value" => Self::LargeBinary,
            "date64" => Self::Date64,
            "timestamp_ms" => Self::TimestampMs,
            _ => return None,
        })
    }

    /// The case of the driver's variant `column`.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Utf8 => "utf8",
            Self::Binary => "binary",
            Self::LargeBinary => "large-binary",
            Self::Date64 => "date64",
            Self::TimestampMs => "timestamp-ms",
        }
    }
}

/// What an aggregate takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The full name.
    pub qname: String,
    /// One type per argument.
    pub arguments: Vec<Wire>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "as their types say")]
pub enum Cell {
    Null,
    Bool(bool),
    /// Of the integer and time types.
    Int(i64),
    /// Of both float types.
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// The JSON of this cell as an element of the driver's `column`.
    pub(super) fn to_json(&self, wire: Wire) -> Json {
        let value = match self {
            Self::Null => return Json::Null,
            Self::Bool(value) => json!(value),
            Self::Int(value) if value.unsigned_abs() > 1 << 53 => json!(value.to_string()),
            Self::Int(value) => json!(value),
            Self::Float(value) if wire == Wire::Float32 => float_to_json(f64::from(*value as f32)),
            Self::Float(value) => float_to_json(*value),
            Self::Text(value) => json!(value),
            Self::Bytes(bytes) => crate::host::json::bytes_to_json(bytes),
        };
        json!({ "some": value })
    }
}

impl Display for Cell {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// Rows of cells, one cell per argument; rows may have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch(pub Vec<Vec<Cell>>);

impl Batch {
    /// The rows of both.
    #[must_use]
    pub fn then(&self, other: &Self) -> Self {
        Self([&self.0[..], &other.0].concat())
    }

    /// The driver's columns.
    pub(crate) fn to_json(&self, arguments: &[Wire]) -> Json {
        let columns = arguments.iter().enumerate().map(|(index, wire)| {
            let cells = self.0.iter().map(|row| match row.get(index) {
                Some(cell) => cell.to_json(*wire),
                None => Json::Null,
            });
            json!({ wire.column(): cells.collect::<Vec<_>>() })
        });
        columns.collect()
    }
}

impl Display for Batch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("∅");
        }
        f.write_str("{")?;
        for (index, row) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            match &row[..] {
                [cell] => write!(f, "{cell}")?,
                cells => {
                    f.write_str("(")?;
                    for (index, cell) in cells.iter().enumerate() {
                        f.write_str(if index > 0 { ", " } else { "" })?;
                        write!(f, "{cell}")?;
                    }
                    f.write_str(")")?;
                }
            }
        }
        f.write_str("}")
    }
}

/// How a state came about.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// `agg-new`
    New,
    /// `agg-update`
    Update(Box<Term>, Batch),
    /// `agg-merge`
    Merge(Box<Term>, Vec<Term>),
}

impl Term {
    /// `U(self, batch)`
    #[must_use]
    pub fn update(self, batch: &Batch) -> Self {
        Self::Update(Box::new(self), batch.clone())
    }

    /// `M(self, others)`
    #[must_use]
    pub fn merge(self, others: impl IntoIterator<Item = Term>) -> Self {
        Self::Merge(Box::new(self), others.into_iter().collect())
    }

    /// With another step.
    #[must_use]
    pub fn step(self, step: &Step) -> Self {
        match step {
            Step::Update(batch) => self.update(batch),
            Step::Merge(others) => self.merge(others.iter().cloned()),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("N"),
            Self::Update(state, batch) => write!(f, "U({state}, {batch})"),
            Self::Merge(state, others) => {
                write!(f, "M({state}, [")?;
                for (index, other) in others.iter().enumerate() {
                    write!(f, "{}{other}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("])")
            }
        }
    }
}

/// What is done to both sides of a law before they are looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `agg-update`
    Update(Batch),
    /// `agg-merge`
    Merge(Vec<Term>),
}
