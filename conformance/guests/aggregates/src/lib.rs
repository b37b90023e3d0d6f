//! Aggregates of `uni:plugin@0.1.0`, some lawful and some that break the laws of `docs/laws.md` on purpose. The same source
//! is compiled into guest components (`conformance/guests/real`) and called here natively, thousands of times a second.

mod bytes;
mod fold;
mod hostile;
mod lawful;
mod unlawful;

use arrow::{array::ArrayRef, datatypes::DataType};

pub use hostile::hostile;
pub use lawful::lawful;
pub use unlawful::unlawful;

/// What one instance of a component remembers between calls. A lawful aggregate neither reads nor writes it: everything is
/// in the state (law L14).
#[derive(Debug, Default)]
pub struct Memory {
    /// Calls that this instance has served.
    calls: u64,
    /// States kept back.
    kept: Vec<Vec<u8>>,
}

/// How a call ends without a state or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error of the plugin's own, `fn-error` of the contract.
    Error {
        /// From 0x100; lower codes are the framework's.
        code: u32,
        /// For people.
        message: String,
    },
    /// The component traps.
    Trap,
    /// The component answers with these bytes in place of what it should encode.
    Raw(Vec<u8>),
    /// The component never returns.
    Never,
}

impl Failure {
    /// A state that no call of this aggregate has made.
    fn state(what: &str) -> Self {
        Self::Error {
            code: 0x100,
            message: format!("the state is broken: {what}"),
        }
    }
}

/// Columns of one batch, and its number of rows: a batch may have no columns.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// One per argument, of the declared type.
    pub columns: &'a [ArrayRef],
    /// Number of rows.
    pub rows: usize,
}

/// One aggregate, by its four exports.
pub trait Aggregate: Sync {
    /// Local name: the part of the qualified name after the plugin's id.
    fn name(&self) -> &'static str;

    /// Types of the arguments.
    fn arguments(&self) -> &'static [DataType];

    /// Type of the value.
    fn returns(&self) -> DataType;

    /// `agg-new`
    ///
    /// # Errors
    /// What the plugin says.
    fn new_state(&self, memory: &mut Memory) -> Result<Vec<u8>, Failure>;

    /// `agg-update`
    ///
    /// # Errors
    /// What the plugin says.
    fn update(&self, memory: &mut Memory, state: &[u8], rows: Rows<'_>)
    -> Result<Vec<u8>, Failure>;

    /// `agg-merge`
    ///
    /// # Errors
    /// What the plugin says.
    fn merge(
        &self,
        memory: &mut Memory,
        state: &[u8],
        others: &[&[u8]],
    ) -> Result<Vec<u8>, Failure>;

    /// `agg-evaluate`: one row.
    ///
    /// # Errors
    /// What the plugin says.
    fn evaluate(&self, memory: &mut Memory, state: &[u8]) -> Result<ArrayRef, Failure>;
}

/// The contract's name of a type, as registrations write it.
pub fn type_name(ty: &DataType) -> &'static str {
    match ty {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        DataType::Utf8 => "utf8",
        DataType::LargeBinary => "largebinary",
        DataType::Date64 => "date64",
        DataType::Timestamp(..) => "timestamp_ms",
        _ => "binary",
    }
}
