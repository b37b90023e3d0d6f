//! Aggregates over a typed state: what most of them have in common.

use arrow::{array::ArrayRef, datatypes::DataType};

use super::{Aggregate, Failure, Memory, Rows};

/// An aggregate whose state is decoded, changed and encoded again in every call.
pub(super) trait Fold: Sync {
    type State;

    const NAME: &'static str;
    const ARGUMENTS: &'static [DataType];
    const RETURNS: DataType;

    /// The state of no rows.
    fn empty(&self) -> Self::State;

    fn read(&self, bytes: &[u8]) -> Result<Self::State, Failure>;

    fn write(&self, state: &Self::State) -> Vec<u8>;

    /// Takes in one row.
    fn row(&self, state: &mut Self::State, columns: &[ArrayRef], row: usize);

    /// Takes in another state.
    fn join(&self, state: &mut Self::State, other: Self::State);

    fn value(&self, state: &Self::State) -> Result<ArrayRef, Failure>;

    fn update_all(&self, _: &mut Memory, state: &mut Self::State, rows: Rows<'_>) {
        for row in 0..rows.rows {
            self.row(state, rows.columns, row);
        }
    }

    fn merge_all(&self, state: &mut Self::State, others: Vec<Self::State>) {
        for other in others {
            self.join(state, other);
        }
    }

    fn value_of(&self, _: &mut Memory, state: &Self::State) -> Result<ArrayRef, Failure> {
        self.value(state)
    }
}

impl<F: Fold> Aggregate for F {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn arguments(&self) -> &'static [DataType] {
        F::ARGUMENTS
    }

    fn returns(&self) -> DataType {
        F::RETURNS
    }

    fn new_state(&self, memory: &mut Memory) -> Result<Vec<u8>, Failure> {
        memory.calls += 1;
        Ok(self.write(&self.empty()))
    }

    fn update(
        &self,
        memory: &mut Memory,
        state: &[u8],
        rows: Rows<'_>,
    ) -> Result<Vec<u8>, Failure> {
        memory.calls += 1;
        let mut state = self.read(state)?;
        self.update_all(memory, &mut state, rows);
        Ok(self.write(&state))
    }

    fn merge(
        &self,
        memory: &mut Memory,
        state: &[u8],
        others: &[&[u8]],
    ) -> Result<Vec<u8>, Failure> {
        memory.calls += 1;
        let mut state = self.read(state)?;
        let others = others
            .iter()
            .map(|other| self.read(other))
            .collect::<Result<_, _>>()?;
        self.merge_all(&mut state, others);
        Ok(self.write(&state))
    }

    fn evaluate(&self, memory: &mut Memory, state: &[u8]) -> Result<ArrayRef, Failure> {
        memory.calls += 1;
        let state = self.read(state)?;
        self.value_of(memory, &state)
    }
}
