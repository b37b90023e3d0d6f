//! The columns that are sent, by kind and number of rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow::datatypes::{Int32Type, Int64Type};
use reference_host::uni::columns;

use crate::floor::stream;

/// One column of this kind: `int64`, `float64`, `utf8` or `dictionary`, the last of 100 texts.
///
/// # Panics
/// For another kind.
pub(crate) fn column(kind: &str, rows: usize) -> ArrayRef {
    let numbers = 0..i64::try_from(rows).expect("a few million");
    #[expect(clippy::cast_precision_loss, reason = "any float will do")]
    let float = |n: i64| n as f64 * 0.5;
    match kind {
        "int64" => Arc::new(Int64Array::from_iter_values(numbers)),
        "float64" => Arc::new(Float64Array::from_iter_values(numbers.map(float))),
        "utf8" => Arc::new(StringArray::from_iter_values(
            numbers.map(|n| format!("row {n:>8}")),
        )),
        "dictionary" => {
            let texts: Vec<String> = (0..100).map(|n| format!("row {n:>8}")).collect();
            let texts =
                numbers.map(|n| texts[usize::try_from(n % 100).expect("below 100")].as_str());
            Arc::new(texts.collect::<DictionaryArray<Int32Type>>())
        }
        other => panic!("no column of {other}"),
    }
}

/// A batch of one column.
pub(crate) fn batch(column: ArrayRef) -> RecordBatch {
    let rows = column.len();
    columns(vec![column], rows).expect("one column")
}

/// One row: a list of so many numbers.
pub(crate) fn nested(items: usize) -> RecordBatch {
    let items = (0..i64::try_from(items).expect("a few million")).map(Some);
    batch(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
        [Some(items)],
    )))
}

/// One row: the stream of `rows` numbers, as bytes.
pub(crate) fn wrapped(rows: usize) -> RecordBatch {
    let stream = stream(&batch(column("int64", rows)));
    batch(Arc::new(BinaryArray::from_iter_values([stream])))
}

/// So many partial states of `bytes` bytes each.
pub(crate) fn states(count: usize, bytes: usize) -> ArrayRef {
    let state = vec![0_u8; bytes];
    Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n(
        state.as_slice(),
        count,
    )))
}
