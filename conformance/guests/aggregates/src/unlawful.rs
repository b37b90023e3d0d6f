//! Aggregates that break laws, each by one mistake of a kind that plugins really make. Which laws each breaks stands beside it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BinaryArray},
    datatypes::DataType,
};

use super::{
    Aggregate, Failure, Memory, Rows,
    bytes::Reader,
    fold::Fold,
    lawful::{Count, count, float, int, number, read_count, read_sum, write_sum},
};

/// All of them, with the laws that each breaks (`docs/laws.md`), and no others.
pub fn unlawful() -> &'static [(&'static dyn Aggregate, &'static [&'static str])] {
    &[
        (&Wobbles, &["L1"]),
        (&LosesFirst, &["L2", "L5", "L6", "L7", "L9", "L10", "L13"]),
        (&CountsPartials, &["L2", "L3", "L6", "L9"]),
        (&ForgetsOnNothing, &["L4"]),
        (&TakesFirst, &["L5", "L7", "L10"]),
        (&MeanOfMeans, &["L6", "L7", "L9", "L10", "L13"]),
        (&Last, &["L7", "L12", "L13"]),
        (&CountsBatches, &["L8", "L9", "L10", "L11"]),
        (&GreaterCount, &["L9", "L10", "L13"]),
        (&DropsSingles, &["L2", "L6", "L9", "L10"]),
        (&CountsNothing, &["L8", "L9", "L10", "L11"]),
        (&Alternates, &["L7", "L12", "L13"]),
        (&Sealed, &["L2", "L3", "L4", "L9", "L10", "L13"]),
        (&Remembers, &["L1", "L14"]),
        (&Drains, &["L15"]),
        (&Divides, &["L16"]),
    ]
}

/// An aggregate that counts rows in a `u64`, but for one mistake.
macro_rules! counting {
    ($(#[$doc:meta])* $aggregate:ident $name:literal { $($item:item)* }) => {
        $(#[$doc])*
        struct $aggregate;

        impl Fold for $aggregate {
            type State = u64;
            const NAME: &'static str = $name;
            const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
            const RETURNS: DataType = DataType::Int64;

            fn empty(&self) -> u64 {
                0
            }

            fn read(&self, bytes: &[u8]) -> Result<u64, Failure> {
                read_count(bytes)
            }

            fn write(&self, state: &u64) -> Vec<u8> {
                state.to_le_bytes().to_vec()
            }

            fn row(&self, state: &mut u64, _: &[ArrayRef], _: usize) {
                *state += 1;
            }

            $($item)*
        }
    };
}

/// Leaves the number of calls that its instance has served in the state.
struct Wobbles;

impl Fold for Wobbles {
    type State = (u64, u8);
    const NAME: &'static str = "wobbles";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Int64;

    fn empty(&self) -> (u64, u8) {
        (0, 0)
    }

    fn read(&self, bytes: &[u8]) -> Result<(u64, u8), Failure> {
        let mut reader = Reader(bytes);
        let count = reader.u64()?;
        let [trace] = reader.take()?;
        reader.end()?;
        Ok((count, trace))
    }

    fn write(&self, (count, trace): &(u64, u8)) -> Vec<u8> {
        [&count.to_le_bytes()[..], &[*trace]].concat()
    }

    fn row(&self, (count, _): &mut (u64, u8), _: &[ArrayRef], _: usize) {
        *count += 1;
    }

    fn join(&self, (count, _): &mut (u64, u8), other: (u64, u8)) {
        *count += other.0;
    }

    fn value(&self, (total, _): &(u64, u8)) -> Result<ArrayRef, Failure> {
        Ok(count(*total))
    }

    fn update_all(&self, memory: &mut Memory, state: &mut (u64, u8), rows: Rows<'_>) {
        state.0 += rows.rows as u64;
        state.1 = memory.calls as u8;
    }
}

counting! {
    /// Takes the first state that is merged into a fresh one for the fresh one itself.
    LosesFirst "loses-first" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn merge_all(&self, state: &mut u64, others: Vec<u64>) {
            let skip = usize::from(*state == 0);
            *state += others.into_iter().skip(skip).sum::<u64>();
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Takes an empty partial for one of one row.
    CountsPartials "counts-partials" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other.max(1);
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Starts afresh when there is nothing to merge.
    ForgetsOnNothing "forgets-on-nothing" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn merge_all(&self, state: &mut u64, others: Vec<u64>) {
            *state = if others.is_empty() { 0 } else { *state + others.into_iter().sum::<u64>() };
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Merges only the first of several states.
    TakesFirst "takes-first" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn merge_all(&self, state: &mut u64, others: Vec<u64>) {
            *state += others.first().copied().unwrap_or(0);
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

/// Merges two means into the mean of the two.
struct MeanOfMeans;

impl Fold for MeanOfMeans {
    type State = (i128, u64);
    const NAME: &'static str = "mean-of-means";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Float64;

    fn empty(&self) -> (i128, u64) {
        (0, 0)
    }

    fn read(&self, bytes: &[u8]) -> Result<(i128, u64), Failure> {
        read_sum(bytes)
    }

    fn write(&self, state: &(i128, u64)) -> Vec<u8> {
        write_sum(state)
    }

    fn row(&self, (sum, count): &mut (i128, u64), columns: &[ArrayRef], row: usize) {
        if let Some(value) = number(columns, row) {
            *sum = sum.wrapping_add(i128::from(value));
            *count = count.wrapping_add(1);
        }
    }

    fn join(&self, (sum, count): &mut (i128, u64), other: (i128, u64)) {
        if other.1 == 0 {
            return;
        }
        if *count == 0 {
            (*sum, *count) = other;
            return;
        }
        let whole = |count: u64| i128::from(count);
        *sum = (*sum)
            .wrapping_mul(whole(other.1))
            .wrapping_add(other.0.wrapping_mul(whole(*count)));
        *count = count.wrapping_mul(other.1).wrapping_mul(2);
    }

    fn value(&self, (sum, count): &(i128, u64)) -> Result<ArrayRef, Failure> {
        Ok(float((*count > 0).then(|| *sum as f64 / *count as f64)))
    }
}

/// The number that came last: depends on an order that no one promised.
struct Last;

impl Fold for Last {
    type State = Option<i64>;
    const NAME: &'static str = "last";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Int64;

    fn empty(&self) -> Option<i64> {
        None
    }

    fn read(&self, bytes: &[u8]) -> Result<Option<i64>, Failure> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader(bytes);
        let value = i64::from_le_bytes(reader.take()?);
        reader.end()?;
        Ok(Some(value))
    }

    fn write(&self, state: &Option<i64>) -> Vec<u8> {
        state.map_or(Vec::new(), |value| value.to_le_bytes().to_vec())
    }

    fn row(&self, state: &mut Option<i64>, columns: &[ArrayRef], row: usize) {
        self.join(state, number(columns, row));
    }

    fn join(&self, state: &mut Option<i64>, other: Option<i64>) {
        *state = other.or(*state);
    }

    fn value(&self, state: &Option<i64>) -> Result<ArrayRef, Failure> {
        Ok(int(*state))
    }
}

counting! {
    /// Counts batches for rows.
    CountsBatches "counts-batches" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn update_all(&self, _: &mut Memory, state: &mut u64, _: Rows<'_>) {
            *state += 1;
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Merges counts as if they were maxima.
    GreaterCount "greater-count" {
        fn join(&self, state: &mut u64, other: u64) {
            *state = (*state).max(other);
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Takes a partial of one row for one that has nothing to tell yet.
    DropsSingles "drops-singles" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += if other == 1 { 0 } else { other };
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

counting! {
    /// Counts one for a batch without rows.
    CountsNothing "counts-nothing" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn update_all(&self, _: &mut Memory, state: &mut u64, rows: Rows<'_>) {
            *state += rows.rows.max(1) as u64;
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }
    }
}

/// Adds and subtracts in turn.
struct Alternates;

impl Fold for Alternates {
    type State = (i128, u64);
    const NAME: &'static str = "alternates";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Float64;

    fn empty(&self) -> (i128, u64) {
        (0, 0)
    }

    fn read(&self, bytes: &[u8]) -> Result<(i128, u64), Failure> {
        read_sum(bytes)
    }

    fn write(&self, state: &(i128, u64)) -> Vec<u8> {
        write_sum(state)
    }

    fn row(&self, state: &mut (i128, u64), columns: &[ArrayRef], row: usize) {
        if let Some(value) = number(columns, row) {
            self.join(state, (i128::from(value), 1));
        }
    }

    fn join(&self, (sum, count): &mut (i128, u64), other: (i128, u64)) {
        *sum += if *count % 2 == 0 { other.0 } else { -other.0 };
        *count += other.1;
    }

    fn value(&self, (sum, _): &(i128, u64)) -> Result<ArrayRef, Failure> {
        Ok(float(Some(*sum as f64)))
    }
}

/// Takes in no rows once it has merged.
struct Sealed;

impl Fold for Sealed {
    type State = (u64, bool);
    const NAME: &'static str = "sealed";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Int64;

    fn empty(&self) -> (u64, bool) {
        (0, false)
    }

    fn read(&self, bytes: &[u8]) -> Result<(u64, bool), Failure> {
        let mut reader = Reader(bytes);
        let count = reader.u64()?;
        let [sealed] = reader.take()?;
        reader.end()?;
        Ok((count, sealed != 0))
    }

    fn write(&self, (count, sealed): &(u64, bool)) -> Vec<u8> {
        [&count.to_le_bytes()[..], &[u8::from(*sealed)]].concat()
    }

    fn row(&self, (count, sealed): &mut (u64, bool), _: &[ArrayRef], _: usize) {
        *count += u64::from(!*sealed);
    }

    fn join(&self, (count, _): &mut (u64, bool), other: (u64, bool)) {
        *count += other.0;
    }

    fn merge_all(&self, state: &mut (u64, bool), others: Vec<(u64, bool)>) {
        for other in others {
            self.join(state, other);
        }
        state.1 = true;
    }

    fn value(&self, (total, _): &(u64, bool)) -> Result<ArrayRef, Failure> {
        Ok(count(*total))
    }
}

/// Keeps the state in the instance and hands out its number.
struct Remembers;

impl Remembers {
    fn recall<'a>(memory: &'a Memory, state: &[u8]) -> Option<&'a Vec<u8>> {
        let index = read_count(state).ok()?;
        memory.kept.get(usize::try_from(index).ok()?)
    }

    fn keep(memory: &mut Memory, count: u64) -> Vec<u8> {
        memory.kept.push(count.to_le_bytes().to_vec());
        (memory.kept.len() as u64 - 1).to_le_bytes().to_vec()
    }

    fn count(memory: &Memory, state: &[u8]) -> u64 {
        Self::recall(memory, state)
            .and_then(|bytes| read_count(bytes).ok())
            .unwrap_or(0)
    }
}

impl Aggregate for Remembers {
    fn name(&self) -> &'static str {
        "remembers"
    }

    fn arguments(&self) -> &'static [DataType] {
        &[DataType::Int64]
    }

    fn returns(&self) -> DataType {
        DataType::Int64
    }

    fn new_state(&self, memory: &mut Memory) -> Result<Vec<u8>, Failure> {
        Ok(Self::keep(memory, 0))
    }

    fn update(
        &self,
        memory: &mut Memory,
        state: &[u8],
        rows: Rows<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let count = Self::count(memory, state) + rows.rows as u64;
        Ok(Self::keep(memory, count))
    }

    fn merge(
        &self,
        memory: &mut Memory,
        state: &[u8],
        others: &[&[u8]],
    ) -> Result<Vec<u8>, Failure> {
        let all = [state].into_iter().chain(others.iter().copied());
        let count = all.map(|state| Self::count(memory, state)).sum();
        Ok(Self::keep(memory, count))
    }

    fn evaluate(&self, memory: &mut Memory, state: &[u8]) -> Result<ArrayRef, Failure> {
        Ok(count(Self::count(memory, state)))
    }
}

counting! {
    /// Gives a value only once.
    Drains "drains" {
        fn join(&self, state: &mut u64, other: u64) {
            *state += other;
        }

        fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
            Ok(count(*state))
        }

        fn value_of(&self, memory: &mut Memory, state: &u64) -> Result<ArrayRef, Failure> {
            let bytes = self.write(state);
            let given = memory.kept.contains(&bytes);
            memory.kept.push(bytes);
            Ok(count(if given { 0 } else { *state }))
        }
    }
}

/// Divides by the number of rows, whatever that is.
struct Divides;

impl Fold for Divides {
    type State = u64;
    const NAME: &'static str = "divides";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Int64;

    fn empty(&self) -> u64 {
        Count.empty()
    }

    fn read(&self, bytes: &[u8]) -> Result<u64, Failure> {
        Count.read(bytes)
    }

    fn write(&self, state: &u64) -> Vec<u8> {
        Count.write(state)
    }

    fn row(&self, state: &mut u64, columns: &[ArrayRef], row: usize) {
        Count.row(state, columns, row);
    }

    fn join(&self, state: &mut u64, other: u64) {
        Count.join(state, other);
    }

    fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
        match 840_u64.checked_div(*state) {
            Some(value) => Ok(count(value)),
            None => Err(Failure::Trap),
        }
    }
}

/// The value of an aggregate that says `int64` and means something else.
pub(super) fn binary(bytes: &[u8]) -> ArrayRef {
    Arc::new(BinaryArray::from(vec![bytes]))
}
