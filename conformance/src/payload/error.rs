//! What can go wrong when a payload is written, spoiled or read.

use thiserror::Error;

/// Why a payload could not be written, spoiled or read.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum PayloadError {
    /// A library refused what our own checks let through.
    #[error("arrow says: {0}")]
    Arrow(String),
    /// A batch of a literal has another number of columns than its schema.
    #[error("batch {batch} has {found} columns where the schema has {expected}")]
    ColumnCount {
        /// Which batch, from 0.
        batch: usize,
        /// Columns of the schema.
        expected: usize,
        /// Columns of the batch.
        found: usize,
    },
    /// A column of a literal is longer or shorter than the first one of its batch.
    #[error("column `{column}` of batch {batch} has {found} rows where the batch has {expected}")]
    ColumnLength {
        /// Which batch, from 0.
        batch: usize,
        /// The column's name.
        column: String,
        /// Rows of the batch.
        expected: usize,
        /// Rows of the column.
        found: usize,
    },
    /// Bytes that are no Arrow IPC stream.
    #[error("no Arrow IPC stream: byte {offset}: {reason}")]
    Malformed {
        /// Where, in bytes from the start of the stream.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A literal has a null in a column that is not nullable.
    #[error("column `{column}` is not nullable, yet row {row} is null")]
    NullInNonNull {
        /// The column's name.
        column: String,
        /// The row, from 0.
        row: usize,
    },
    /// A fault has nothing to act on in this stream.
    #[error("`{fault}` does not apply: {reason}")]
    Spoil {
        /// The fault as a case file writes it.
        fault: String,
        /// Why not.
        reason: String,
    },
    /// Reading would take more memory than a judge gives.
    #[error("the stream unfolds to more than {limit} {what}")]
    TooLarge {
        /// The bound.
        limit: usize,
        /// What is counted: `values` or `bytes`.
        what: &'static str,
    },
    /// Bytes that are no trace.
    #[error("no trace: {place}: {reason}")]
    Trace {
        /// The way to the fault: `operation 2 (byte 11), state 0, operation 0 (byte 0)`.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A type name that means no column type.
    #[error("`{0}` is no column type")]
    UnknownType(String),
    /// A column type whose values are not read or written.
    #[error("values of type {0} are neither read nor written here")]
    Unsupported(String),
    /// A literal value does not fit its column's type.
    #[error("column `{column}`: {value} is no {ty}")]
    Value {
        /// The column's name.
        column: String,
        /// The type as written.
        ty: String,
        /// The value.
        value: String,
    },
}
