//! Aggregates that keep every law. `append` and `rows` keep the order of what they take in, so the laws of order (L7, L12,
//! L13) don't bind them.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray},
    datatypes::{DataType, Float64Type, Int64Type},
};

use super::{
    Aggregate, Failure,
    bytes::{Reader, push_run},
    fold::Fold,
};

/// All of them.
pub fn lawful() -> &'static [&'static dyn Aggregate] {
    &[
        &Count, &Sum, &Min, &Max, &Mean, &Append, &Rows, &Top, &Distinct, &Median,
    ]
}

pub(super) fn int(value: Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value]))
}

pub(super) fn float(value: Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

pub(super) fn text(value: Option<String>) -> ArrayRef {
    Arc::new(StringArray::from(vec![value]))
}

/// The whole number in this row of the only column.
pub(super) fn number(columns: &[ArrayRef], row: usize) -> Option<i64> {
    let column = columns.first()?.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn real(columns: &[ArrayRef], row: usize) -> Option<f64> {
    let column = columns.first()?.as_primitive_opt::<Float64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Rows, nulls too; takes no argument.
pub(super) struct Count;

impl Fold for Count {
    type State = u64;
    const NAME: &'static str = "count";
    const ARGUMENTS: &'static [DataType] = &[];
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

    fn join(&self, state: &mut u64, other: u64) {
        *state = state.saturating_add(other);
    }

    fn value(&self, state: &u64) -> Result<ArrayRef, Failure> {
        Ok(count(*state))
    }
}

pub(super) fn read_count(bytes: &[u8]) -> Result<u64, Failure> {
    let mut reader = Reader(bytes);
    let count = reader.u64()?;
    reader.end()?;
    Ok(count)
}

pub(super) fn count(count: u64) -> ArrayRef {
    int(Some(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// The exact sum, in decimal digits; null over no value.
struct Sum;

impl Fold for Sum {
    type State = (i128, u64);
    const NAME: &'static str = "sum";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Utf8;

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
            *sum += i128::from(value);
            *count += 1;
        }
    }

    fn join(&self, (sum, count): &mut (i128, u64), other: (i128, u64)) {
        *sum = sum.wrapping_add(other.0);
        *count = count.wrapping_add(other.1);
    }

    fn value(&self, (sum, count): &(i128, u64)) -> Result<ArrayRef, Failure> {
        Ok(text((*count > 0).then(|| sum.to_string())))
    }
}

pub(super) fn read_sum(bytes: &[u8]) -> Result<(i128, u64), Failure> {
    let mut reader = Reader(bytes);
    let state = (reader.i128()?, reader.u64()?);
    reader.end()?;
    Ok(state)
}

pub(super) fn write_sum((sum, count): &(i128, u64)) -> Vec<u8> {
    [&sum.to_le_bytes()[..], &count.to_le_bytes()].concat()
}

/// The arithmetic mean, kept as sum and count; null over no value.
struct Mean;

impl Fold for Mean {
    type State = (i128, u64);
    const NAME: &'static str = "mean";
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
        Sum.row(state, columns, row);
    }

    fn join(&self, state: &mut (i128, u64), other: (i128, u64)) {
        Sum.join(state, other);
    }

    fn value(&self, (sum, count): &(i128, u64)) -> Result<ArrayRef, Failure> {
        Ok(float((*count > 0).then(|| *sum as f64 / *count as f64)))
    }
}

/// The least number by IEEE 754 `totalOrder`, so that NaN and -0.0 have their places; null over no value.
struct Min;

/// The greatest, likewise.
struct Max;

macro_rules! extreme {
    ($extreme:ident, $name:literal, $keep:pat) => {
        impl Fold for $extreme {
            type State = Option<f64>;
            const NAME: &'static str = $name;
            const ARGUMENTS: &'static [DataType] = &[DataType::Float64];
            const RETURNS: DataType = DataType::Float64;

            fn empty(&self) -> Option<f64> {
                None
            }

            fn read(&self, bytes: &[u8]) -> Result<Option<f64>, Failure> {
                if bytes.is_empty() {
                    return Ok(None);
                }
                let mut reader = Reader(bytes);
                let value = f64::from_le_bytes(reader.take()?);
                reader.end()?;
                Ok(Some(value))
            }

            fn write(&self, state: &Option<f64>) -> Vec<u8> {
                state.map_or(Vec::new(), |value| value.to_le_bytes().to_vec())
            }

            fn row(&self, state: &mut Option<f64>, columns: &[ArrayRef], row: usize) {
                self.join(state, real(columns, row));
            }

            fn join(&self, state: &mut Option<f64>, other: Option<f64>) {
                let Some(other) = other else { return };
                match state {
                    Some(value) if matches!(value.total_cmp(&other), $keep) => {}
                    _ => *state = Some(other),
                }
            }

            fn value(&self, state: &Option<f64>) -> Result<ArrayRef, Failure> {
                Ok(float(*state))
            }
        }
    };
}

extreme!(Min, "min", Ordering::Less | Ordering::Equal);
extreme!(Max, "max", Ordering::Greater | Ordering::Equal);

/// Every number in order, as a text: `1 2 null 3`. Keeps the order.
struct Append;

impl Fold for Append {
    type State = Vec<u8>;
    const NAME: &'static str = "append";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Utf8;

    fn empty(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(bytes.to_vec())
    }

    fn write(&self, state: &Vec<u8>) -> Vec<u8> {
        state.clone()
    }

    fn row(&self, state: &mut Vec<u8>, columns: &[ArrayRef], row: usize) {
        match number(columns, row) {
            Some(value) => {
                state.push(1);
                state.extend_from_slice(&value.to_le_bytes());
            }
            None => state.push(0),
        }
    }

    fn join(&self, state: &mut Vec<u8>, other: Vec<u8>) {
        state.extend_from_slice(&other);
    }

    fn value(&self, state: &Vec<u8>) -> Result<ArrayRef, Failure> {
        let mut reader = Reader(state);
        let mut words = Vec::new();
        while !reader.0.is_empty() {
            match reader.take()? {
                [0] => words.push("null".to_owned()),
                [_] => words.push(i64::from_le_bytes(reader.take()?).to_string()),
            }
        }
        Ok(text(Some(words.join(" "))))
    }
}

/// The free monoid over rows of five types: a row is a word, a state a sequence of words. It is equal to another exactly if
/// the same rows came in the same order, so it shows any row that is lost, doubled or changed. Keeps the order.
struct Rows;

impl Fold for Rows {
    type State = Vec<u8>;
    const NAME: &'static str = "rows";
    const ARGUMENTS: &'static [DataType] = &[
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Boolean,
        DataType::Binary,
    ];
    const RETURNS: DataType = DataType::Utf8;

    fn empty(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(bytes.to_vec())
    }

    fn write(&self, state: &Vec<u8>) -> Vec<u8> {
        state.clone()
    }

    fn row(&self, state: &mut Vec<u8>, columns: &[ArrayRef], row: usize) {
        for column in columns {
            push_run(state, word(column, row).as_bytes());
        }
    }

    fn join(&self, state: &mut Vec<u8>, other: Vec<u8>) {
        state.extend_from_slice(&other);
    }

    fn value(&self, state: &Vec<u8>) -> Result<ArrayRef, Failure> {
        let mut reader = Reader(state);
        let mut out = String::new();
        while !reader.0.is_empty() {
            out.push_str(&String::from_utf8_lossy(reader.run()?));
            out.push(';');
        }
        Ok(text(Some(out)))
    }
}

/// One cell, unlike that of any other value: floats by their bits.
fn word(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        "null".to_owned()
    } else if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        numbers.value(row).to_string()
    } else if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        format!("{:016x}", floats.value(row).to_bits())
    } else if let Some(texts) = column.as_string_opt::<i32>() {
        format!("{:?}", texts.value(row))
    } else if let Some(truths) = column.as_boolean_opt() {
        truths.value(row).to_string()
    } else if let Some(bytes) = column.as_binary_opt::<i32>() {
        format!("{:?}", bytes.value(row))
    } else {
        "?".to_owned()
    }
}

/// The three greatest numbers, as a text: `9 8 8`.
struct Top;

const TOP: usize = 3;

impl Fold for Top {
    type State = Vec<i64>;
    const NAME: &'static str = "top";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Utf8;

    fn empty(&self) -> Vec<i64> {
        Vec::new()
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<i64>, Failure> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        if numbers.len() > TOP || !rest.is_empty() {
            return Err(Failure::state("not up to three numbers"));
        }
        Ok(numbers.iter().copied().map(i64::from_le_bytes).collect())
    }

    fn write(&self, state: &Vec<i64>) -> Vec<u8> {
        state
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    fn row(&self, state: &mut Vec<i64>, columns: &[ArrayRef], row: usize) {
        self.join(state, number(columns, row).into_iter().collect());
    }

    fn join(&self, state: &mut Vec<i64>, other: Vec<i64>) {
        state.extend(other);
        state.sort_unstable_by(|a, b| b.cmp(a));
        state.truncate(TOP);
    }

    fn value(&self, state: &Vec<i64>) -> Result<ArrayRef, Failure> {
        let words: Vec<_> = state.iter().map(i64::to_string).collect();
        Ok(text(Some(words.join(" "))))
    }
}

/// How many different texts there are, by HyperLogLog with 256 registers: the standard error is 1.04 / sqrt(256), 6.5 %.
struct Distinct;

const REGISTERS: usize = 256;

impl Fold for Distinct {
    type State = Vec<u8>;
    const NAME: &'static str = "distinct";
    const ARGUMENTS: &'static [DataType] = &[DataType::Utf8];
    const RETURNS: DataType = DataType::Float64;

    fn empty(&self) -> Vec<u8> {
        vec![0; REGISTERS]
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        if bytes.len() == REGISTERS {
            Ok(bytes.to_vec())
        } else {
            Err(Failure::state("not 256 registers"))
        }
    }

    fn write(&self, state: &Vec<u8>) -> Vec<u8> {
        state.clone()
    }

    fn row(&self, state: &mut Vec<u8>, columns: &[ArrayRef], row: usize) {
        let Some(column) = columns
            .first()
            .and_then(|column| column.as_string_opt::<i32>())
        else {
            return;
        };
        if column.is_valid(row) {
            let hash = hash(column.value(row).as_bytes());
            let register = &mut state[(hash >> 56) as usize];
            let rank = ((hash << 8).leading_zeros().min(56) + 1) as u8;
            *register = (*register).max(rank);
        }
    }

    fn join(&self, state: &mut Vec<u8>, other: Vec<u8>) {
        for (register, other) in state.iter_mut().zip(other) {
            *register = (*register).max(other);
        }
    }

    fn value(&self, state: &Vec<u8>) -> Result<ArrayRef, Failure> {
        let m = REGISTERS as f64;
        let sum: f64 = state
            .iter()
            .map(|&rank| 0.5_f64.powi(i32::from(rank)))
            .sum();
        let estimate = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let zeros = state.iter().filter(|&&rank| rank == 0).count();
        // Linear counting, where the estimate is biased.
        let estimate = if estimate <= 2.5 * m && zeros > 0 {
            m * (m / zeros as f64).ln()
        } else {
            estimate
        };
        Ok(float(Some(estimate)))
    }
}

/// FNV-1a, with the bits mixed once more.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

/// A median within 2 % of the true one's size, from counts in buckets that grow by 4 % (a DDSketch); numbers below 1 in size
/// are 0. Null over no value.
struct Median;

const GROWTH: f64 = 1.04;

impl Fold for Median {
    type State = std::collections::BTreeMap<i32, u64>;
    const NAME: &'static str = "median";
    const ARGUMENTS: &'static [DataType] = &[DataType::Int64];
    const RETURNS: DataType = DataType::Float64;

    fn empty(&self) -> Self::State {
        Self::State::new()
    }

    fn read(&self, bytes: &[u8]) -> Result<Self::State, Failure> {
        let mut reader = Reader(bytes);
        let mut state = Self::State::new();
        while !reader.0.is_empty() {
            state.insert(i32::from_le_bytes(reader.take()?), reader.u64()?);
        }
        Ok(state)
    }

    fn write(&self, state: &Self::State) -> Vec<u8> {
        let pair = |(bucket, count): (&i32, &u64)| {
            [&bucket.to_le_bytes()[..], &count.to_le_bytes()].concat()
        };
        state.iter().flat_map(pair).collect()
    }

    fn row(&self, state: &mut Self::State, columns: &[ArrayRef], row: usize) {
        if let Some(value) = number(columns, row) {
            let size = (value.unsigned_abs() as f64).ln() / GROWTH.ln();
            let bucket = match value {
                0 => 0,
                1.. => size.ceil() as i32 + 1,
                _ => -(size.ceil() as i32) - 1,
            };
            *state.entry(bucket).or_default() += 1;
        }
    }

    fn join(&self, state: &mut Self::State, other: Self::State) {
        for (bucket, count) in other {
            let own = state.entry(bucket).or_default();
            *own = own.saturating_add(count);
        }
    }

    fn value(&self, state: &Self::State) -> Result<ArrayRef, Failure> {
        let total = state
            .values()
            .fold(0_u64, |sum, count| sum.saturating_add(*count));
        let mut before = 0_u64;
        let bucket = state.iter().find(|(_, count)| {
            before = before.saturating_add(**count);
            before > total.saturating_sub(1) / 2
        });
        let middle = |size: i32| 2.0 * GROWTH.powi(size) / (1.0 + GROWTH);
        Ok(float(bucket.map(|(bucket, _)| match *bucket {
            0 => 0.0,
            bucket @ 1.. => middle(bucket - 1),
            bucket => -middle(-bucket - 1),
        })))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::{Memory, Rows as Batch};

    fn over(aggregate: &dyn Aggregate, column: ArrayRef) -> ArrayRef {
        let memory = &mut Memory::default();
        let state = aggregate.new_state(memory).unwrap();
        let rows = Batch {
            rows: column.len(),
            columns: &[column],
        };
        let state = aggregate.update(memory, &state, rows).unwrap();
        aggregate.evaluate(memory, &state).unwrap()
    }

    #[test]
    fn a_sum_is_exact_beyond_64_bits() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX, 2]));
        let sum = over(&Sum, column);
        assert_eq!(sum.as_string::<i32>().value(0), "18446744073709551616");
    }

    #[test]
    fn a_minimum_orders_zeros_and_nan() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN]));
        let min = over(&Min, column.clone());
        assert!(
            min.as_primitive::<Float64Type>()
                .value(0)
                .is_sign_negative()
        );
        let max = over(&Max, column);
        assert!(max.as_primitive::<Float64Type>().value(0).is_nan());
    }

    #[test]
    fn sketches_stay_within_their_tolerance() {
        let texts: Vec<_> = (0..10_000).map(|number| format!("text {number}")).collect();
        let distinct = over(&Distinct, Arc::new(StringArray::from(texts)));
        let distinct = distinct.as_primitive::<Float64Type>().value(0);
        assert!(
            (distinct / 10_000.0 - 1.0).abs() < 3.0 * 0.065,
            "{distinct}"
        );
        for (low, high) in [(-3000, 9001), (-10_001, -200), (1, 2)] {
            let numbers: Vec<i64> = (low..high).collect();
            let exact = numbers[(numbers.len() - 1) / 2] as f64;
            let median = over(&Median, Arc::new(Int64Array::from(numbers)));
            let median = median.as_primitive::<Float64Type>().value(0);
            assert!(
                (median - exact).abs() <= 0.02 * exact.abs() + 1e-9,
                "{median} for {exact}"
            );
        }
    }
}
