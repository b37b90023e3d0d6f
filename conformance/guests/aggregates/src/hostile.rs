//! Aggregates that no law is needed to convict: they lie, trap, hang or swell.

use arrow::{array::ArrayRef, datatypes::DataType};

use super::{Aggregate, Failure, Memory, Rows, unlawful::binary};

/// All of them, with the promise each breaks in the words of `witgate guest`.
pub fn hostile() -> &'static [(&'static dyn Aggregate, &'static str)] {
    &[
        (&Hostile::Lies, "answer"),
        (&Hostile::NoStream, "answer"),
        (&Hostile::TrapsInMerge, "trap"),
        (&Hostile::NeverReturns, "limit"),
        (&Hostile::Swells, "state-size"),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hostile {
    /// Its value is of another type than it registered.
    Lies,
    /// Its value is no Arrow IPC stream.
    NoStream,
    TrapsInMerge,
    /// In an update.
    NeverReturns,
    /// Every update doubles the state.
    Swells,
}

impl Aggregate for Hostile {
    fn name(&self) -> &'static str {
        match self {
            Self::Lies => "lies",
            Self::NoStream => "no-stream",
            Self::TrapsInMerge => "traps-in-merge",
            Self::NeverReturns => "never-returns",
            Self::Swells => "swells",
        }
    }

    fn arguments(&self) -> &'static [DataType] {
        &[DataType::Int64]
    }

    fn returns(&self) -> DataType {
        DataType::Int64
    }

    fn new_state(&self, _: &mut Memory) -> Result<Vec<u8>, Failure> {
        Ok(vec![0])
    }

    fn update(&self, _: &mut Memory, state: &[u8], _: Rows<'_>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::NeverReturns => Err(Failure::Never),
            Self::Swells => Ok([state, state].concat()),
            _ => Ok(state.to_vec()),
        }
    }

    fn merge(&self, _: &mut Memory, state: &[u8], _: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::TrapsInMerge => Err(Failure::Trap),
            _ => Ok(state.to_vec()),
        }
    }

    fn evaluate(&self, _: &mut Memory, state: &[u8]) -> Result<ArrayRef, Failure> {
        match self {
            Self::NoStream => Err(Failure::Raw(b"not a stream".to_vec())),
            Self::Lies => Ok(binary(state)),
            _ => Ok(super::lawful::int(Some(0))),
        }
    }
}
