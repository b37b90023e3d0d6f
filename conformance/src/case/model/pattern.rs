//! Patterns, typed: what a value may look like.

use fixtures::abi::Type;

use super::{Expr, Span, TextPart};
use crate::payload::schema::Schema;

/// A pattern, typed.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The type of the values it is matched with.
    pub ty: Type,
    /// The test.
    pub kind: PatternKind,
    /// Where it is written.
    pub span: Span,
}

/// The test of a pattern.
#[derive(Clone, Debug)]
pub enum PatternKind {
    /// `_`
    Any,
    /// Equality with a value.
    Equal(Expr),
    /// `let NAME`
    Bind(String),
    /// A case of a variant, option, result or enum, by index; without a pattern the payload is free.
    Case(u32, Option<Box<Pattern>>),
    /// Record fields in declaration order, `None` where `..` leaves one free.
    Record(Vec<Option<Pattern>>),
    /// Tuple elements.
    Tuple(Vec<Pattern>),
    /// List elements, exactly these.
    List(Vec<Pattern>),
    /// `contains P [once | N times]`
    Contains(Box<Pattern>, Option<u32>),
    /// `contains "text"` on a string.
    ContainsText(Expr),
    /// `contains-bytes`
    ContainsBytes(Vec<u8>),
    /// `each P`
    Each(Box<Pattern>),
    /// `unordered [..]`
    Unordered(Vec<Pattern>),
    /// `length`: of a list in elements, of a string in bytes.
    Length(Comparison, u64),
    /// Comparison of a number.
    Compare(Comparison, Expr),
    /// `A..B`, both included.
    Range(Expr, Expr),
    /// `starts-with`
    StartsWith(Expr),
    /// `ends-with`
    EndsWith(Expr),
    /// `matches "regex"`, checked to be a regular expression.
    Matches(String),
    /// `schema "NAME"` on a string or `list<u8>`.
    Schema(Schema),
    /// `P and P`
    And(Vec<Pattern>),
    /// `one-of(..)`
    OneOf(Vec<Pattern>),
    /// `not P`
    Not(Box<Pattern>),
    /// `distinct NAME`
    Distinct(String),
    /// `same NAME`
    Same(String),
    /// `json ...` on a string or `list<u8>`.
    Json {
        /// Whether other members are refused.
        exactly: bool,
        /// What is asked.
        pattern: JsonPattern,
    },
    /// `ipc ...` on a `list<u8>`.
    Ipc(IpcPattern),
    /// `trace(rows [..] [in-order])` on a `list<u8>`.
    Trace {
        /// Values of the one int64 column over all updates; `None` is a null.
        rows: Vec<Option<i64>>,
        /// Whether they must come in this order.
        in_order: bool,
    },
    /// `transcript`: somewhere in the value is text that carries a transcript.
    Transcript,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// A JSON pattern.
#[derive(Clone, Debug)]
pub enum JsonPattern {
    /// `_`
    Any,
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, by value.
    Number(serde_json::Number),
    /// A text.
    Text(Vec<TextPart>),
    /// An array, exactly these elements.
    Array(Vec<JsonPattern>),
    /// An object with at least these members (exactly, if asked).
    Object(Vec<(String, JsonPattern)>),
}

/// What an Arrow IPC stream must hold.
#[derive(Clone, Debug)]
pub enum IpcPattern {
    /// Exactly one batch like this.
    One(IpcBatchPattern),
    /// Exactly these batches.
    Batches(Vec<IpcBatchPattern>),
}

/// What one batch must hold.
#[derive(Clone, Debug, Default)]
pub struct IpcBatchPattern {
    /// Number of rows, if asked.
    pub rows: Option<u64>,
    /// Number of columns, if asked apart from `columns`.
    pub column_count: Option<u64>,
    /// Exactly these columns, in order, if asked.
    pub columns: Option<Vec<IpcColumnPattern>>,
}

/// What one column must be.
#[derive(Clone, Debug)]
pub struct IpcColumnPattern {
    /// Name, `None` for any.
    pub name: Option<String>,
    /// Type as written (`int64`, `dictionary(utf8)`), `None` for any.
    pub ty: Option<String>,
    /// Values, `None` for any.
    pub values: Option<Vec<IpcValuePattern>>,
}

/// What one value of a column must be.
#[derive(Clone, Debug)]
pub enum IpcValuePattern {
    /// `_`
    Any,
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A float; NaN equals NaN, `-0.0` does not equal `0.0`.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<IpcValuePattern>),
}
