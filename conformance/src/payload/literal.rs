//! Arrow IPC streams as a case file writes them, and the ways to spoil their bytes. Plain data: `super::ipc` and
//! `super::spoil` make bytes of it.

use std::fmt;

/// An `ipc …` literal: one schema, any number of batches.
#[derive(Clone, Debug, PartialEq)]
pub struct IpcLiteral {
    /// The schema, in order.
    pub columns: Vec<IpcField>,
    /// batch -> column -> values
    pub batches: Vec<Vec<Vec<IpcValue>>>,
    /// Rows of each batch, needed only where there are no columns to count.
    pub rows: Option<Vec<usize>>,
}

/// A field of the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct IpcField {
    /// Its name; `arg0`, `arg1`, … where the literal gives none.
    pub name: String,
    /// Its type as written: `int64`, `dictionary(utf8)`, `fixed_size_list(float32, 4)`.
    pub ty: String,
    /// Whether the schema says that values may be null.
    pub nullable: bool,
    /// Key and value metadata of the field.
    pub metadata: Vec<(String, String)>,
}

/// One value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum IpcValue {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer, also for `date64` and `timestamp_ms` (milliseconds since 1970-01-01).
    Integer(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list; the fields of a struct, in order.
    List(Vec<IpcValue>),
}

/// A fault put into a valid stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Spoil {
    /// `cut N`: the first N bytes only.
    Cut(usize),
    /// `drop N`: without the last N bytes.
    DropLast(usize),
    /// `append hex "…"`
    Append(Vec<u8>),
    /// `flip BIT`: bit `BIT % 8` of byte `BIT / 8`.
    Flip(usize),
    /// `metadata-length N`: the length prefix of the last record batch says N.
    MetadataLength(i32),
    /// `body-length N`: the last record batch says that its body has N bytes.
    BodyLength(i64),
    /// `no-eos`: the end-of-stream marker is missing.
    NoEos,
    /// `file-format`: the same content in the IPC file format.
    FileFormat,
    /// `metadata-v4`: every message says metadata version 4.
    MetadataV4,
    /// `big-endian`: the schema says that buffers are big-endian.
    BigEndian,
    /// `offsets`: the offsets of a variable-size column of the last record batch fall.
    Offsets,
    /// `utf8`: a text column of the last record batch holds a byte that is not UTF-8.
    Utf8,
    /// `null-count N`: the first column of the last record batch says N nulls.
    NullCount(i64),
    /// `row-count N`: the last record batch says N rows.
    RowCount(i64),
    /// `twice`: the whole stream, two times.
    Twice,
}

impl fmt::Display for IpcValue {
    /// As a case file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IpcValue::Null => f.write_str("null"),
            IpcValue::Bool(value) => write!(f, "{value}"),
            IpcValue::Integer(value) => write!(f, "{value}"),
            IpcValue::Float(value) if value.is_nan() => f.write_str("nan"),
            IpcValue::Float(value) if value.is_infinite() => {
                f.write_str(if *value > 0.0 { "inf" } else { "-inf" })
            }
            IpcValue::Float(value) => write!(f, "{value:?}"),
            IpcValue::Text(text) => write!(f, "{text:?}"),
            IpcValue::Bytes(bytes) => {
                f.write_str("hex \"")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("\"")
            }
            IpcValue::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Spoil {
    /// As a case file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spoil::Cut(size) => write!(f, "cut {size}"),
            Spoil::DropLast(size) => write!(f, "drop {size}"),
            Spoil::Append(bytes) => write!(f, "append {}", IpcValue::Bytes(bytes.clone())),
            Spoil::Flip(bit) => write!(f, "flip {bit}"),
            Spoil::MetadataLength(length) => write!(f, "metadata-length {length}"),
            Spoil::BodyLength(length) => write!(f, "body-length {length}"),
            Spoil::NoEos => f.write_str("no-eos"),
            Spoil::FileFormat => f.write_str("file-format"),
            Spoil::MetadataV4 => f.write_str("metadata-v4"),
            Spoil::BigEndian => f.write_str("big-endian"),
            Spoil::Offsets => f.write_str("offsets"),
            Spoil::Utf8 => f.write_str("utf8"),
            Spoil::NullCount(count) => write!(f, "null-count {count}"),
            Spoil::RowCount(count) => write!(f, "row-count {count}"),
            Spoil::Twice => f.write_str("twice"),
        }
    }
}
