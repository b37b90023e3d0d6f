//! Arrow IPC streams across the boundary: written for plugins, and read back from them with suspicion.
//!
//! The reader takes the *stream* format, metadata version 4 or 5, little endian, of flat columns of declared types. It
//! refuses, as an [`AnswerError`]: the file format, the framing of before Arrow 0.15 (no continuation marker), big
//! endian, compressed bodies, dictionaries, view and nested types, bytes behind the end marker, and fields tagged as
//! secret handles. A stream may end without its end marker, at a message's end, as the format allows. Column names,
//! nullability and all other metadata are free.

mod frame;
mod read;
mod write;

pub use read::{Expected, read_stream};
pub use write::{append_stream, write_stream};

use arrow::datatypes::{DataType, Field};

/// Metadata key and value by which a field is tagged as a handle of a secret. Such a field crosses no boundary.
const SECRET: (&str, &str) = ("ARROW:extension:name", "uni-db.secret-handle");

/// What is wrong with an answer that should be an Arrow IPC stream of a declared shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No bytes at all; even a stream without batches has a schema.
    #[error("empty: not an Arrow IPC stream")]
    Empty,
    /// The Arrow file format.
    #[error("an Arrow IPC file, expected a stream")]
    FileFormat,
    /// The messages are not framed as the stream format says.
    #[error("byte {offset}: {problem}")]
    Framing {
        /// Offset in the stream.
        offset: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A message's metadata is no valid flatbuffer, or is of a kind that has no place in the stream.
    #[error("message at byte {offset}: {problem}")]
    Message {
        /// Offset of the message in the stream.
        offset: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The schema is not the declared one.
    #[error("{problem}")]
    Schema {
        /// How it differs.
        problem: String,
    },
    /// A field is tagged as a secret's handle.
    #[error("field {0:?} is a secret handle")]
    Secret(String),
    /// A record batch contradicts itself or its body.
    #[error("batch {batch}: {problem}")]
    Batch {
        /// 0-based number of the batch.
        batch: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Not as many batches as the function must return.
    #[error("{got} batches, expected {expected}")]
    Batches {
        /// Batches in the stream.
        got: usize,
        /// Batches asked for.
        expected: usize,
    },
    /// Not as many rows as the function must return.
    #[error("{got} rows, expected {expected}")]
    Rows {
        /// Rows in the batch.
        got: usize,
        /// Rows asked for.
        expected: usize,
    },
    /// More rows than the host collects; reported as a limit.
    #[error("more than {0} rows")]
    TooManyRows(u64),
    /// More batches than the host collects; reported as a limit.
    #[error("more than {0} batches")]
    TooManyBatches(usize),
}

/// The name of the first field, at any depth, that is tagged as a secret handle.
pub(super) fn secret_in(field: &Field) -> Option<&str> {
    if field
        .metadata()
        .get(SECRET.0)
        .is_some_and(|v| v == SECRET.1)
    {
        return Some(field.name());
    }
    secret_in_type(field.data_type())
}

/// As [`secret_in`], for the fields a type holds.
pub(super) fn secret_in_type(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::ListView(f)
        | DataType::LargeListView(f)
        | DataType::FixedSizeList(f, _)
        | DataType::Map(f, _) => secret_in(f),
        DataType::Struct(fields) => fields.iter().find_map(|f| secret_in(f)),
        DataType::Union(fields, _) => fields.iter().find_map(|(_, f)| secret_in(f)),
        DataType::RunEndEncoded(ends, values) => secret_in(ends).or_else(|| secret_in(values)),
        DataType::Dictionary(_, values) => secret_in_type(values),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
