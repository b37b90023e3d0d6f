//! A plugin of `uni:plugin@0.1.0`, world `scalar-plugin`: decodes Arrow IPC, computes a column, encodes it.

use std::{cell::Cell, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    },
    datatypes::{Field, Float64Type, Int64Type, Schema},
};

wit_bindgen::generate!({
    path: "../../../../wit/uni",
    world: "scalar-plugin",
});

struct Plugin;

export!(Plugin);

thread_local! {
    /// Rows that this instance has seen.
    static SEEN: Cell<i64> = const { Cell::new(0) };
}

#[cfg(not(feature = "unlawful"))]
const ID: &str = "sums.honest";
#[cfg(feature = "unlawful")]
const ID: &str = "sums.dishonest";

/// Name, types of the arguments, type of the result, who deals with nulls.
type Entry = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

#[cfg(not(feature = "unlawful"))]
const FUNCTIONS: &[Entry] = &[
    // The sum of two whole numbers; null where it does not fit.
    ("add", &["int64", "int64"], "int64", "propagate"),
    // The first of two texts that is there.
    ("either", &["utf8", "utf8"], "utf8", "user_handled"),
    // Half of a number.
    ("half", &["float64"], "float64", "propagate"),
    // Unicode characters of a text.
    ("length", &["utf8"], "int64", "propagate"),
    // A text in upper case, by Unicode.
    ("upper", &["utf8"], "utf8", "propagate"),
    // The answer.
    ("answer", &[], "int64", "user_handled"),
];

#[cfg(feature = "unlawful")]
const FUNCTIONS: &[Entry] = &[
    // Gives one row less than it took.
    ("loses-a-row", &["int64"], "int64", "user_handled"),
    // Gives another type than it registered.
    ("lies", &["int64"], "int64", "user_handled"),
    // Not the same twice.
    ("counts-on", &["int64"], "int64", "user_handled"),
    // The value of a row depends on the rows before it.
    ("runs-on", &["int64"], "int64", "user_handled"),
    // Takes a null for a zero, and traps on it.
    ("fears-null", &["int64"], "int64", "user_handled"),
    // Gives no stream.
    ("no-stream", &["int64"], "int64", "user_handled"),
    // Never returns.
    ("never-returns", &["int64"], "int64", "user_handled"),
    // Answers with all the memory it can get.
    ("swells", &["int64"], "int64", "user_handled"),
];

impl Guest for Plugin {
    fn manifest() -> String {
        format!(r#"{{"id": "{ID}", "version": "1.0.0", "capabilities": ["scalar-fn"]}}"#)
    }

    fn register() -> String {
        let primitive = |name: &&str| format!(r#"{{"kind": "primitive", "arrow": "{name}"}}"#);
        let entry = |(name, arguments, returns, nulls): &Entry| {
            let arguments: Vec<_> = arguments.iter().map(primitive).collect();
            format!(
                r#"{{"kind": "scalar", "qname": "{ID}.{name}", "signature": {{"args": [{}], "returns": {},
                "volatility": "immutable", "null_handling": "{nulls}"}}}}"#,
                arguments.join(","),
                primitive(returns),
            )
        };
        let entries: Vec<_> = FUNCTIONS.iter().map(entry).collect();
        format!(r#"{{"entries": [{}]}}"#, entries.join(","))
    }

    fn invoke_scalar(qname: String, ipc_bytes: Vec<u8>) -> Result<Vec<u8>, FnError> {
        let name = qname
            .strip_prefix(ID)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or_default();
        let batches = stream::read(&ipc_bytes)
            .map_err(|problem| error(0x103, format!("no Arrow IPC stream: {problem}")))?;
        let [batch] = &batches[..] else {
            return Err(error(
                0x103,
                format!("{} batches in place of one", batches.len()),
            ));
        };
        match name {
            "no-stream" => return Ok(b"not a stream".to_vec()),
            "swells" => return Ok(swollen()),
            _ => {}
        }
        let column = compute(name, batch)
            .ok_or_else(|| error(0x102, format!("no function {qname:?} of these columns")))?;
        write(column)
    }
}

fn compute(name: &str, batch: &RecordBatch) -> Option<ArrayRef> {
    let rows = batch.num_rows();
    let ints = |column: usize| batch.columns().get(column)?.as_primitive_opt::<Int64Type>();
    let texts = |column: usize| batch.columns().get(column)?.as_string_opt::<i32>();
    Some(match name {
        "add" => {
            let (a, b) = (ints(0)?, ints(1)?);
            let sum = |(a, b): (Option<i64>, Option<i64>)| a?.checked_add(b?);
            Arc::new(a.iter().zip(b).map(sum).collect::<Int64Array>())
        }
        "either" => {
            let (a, b) = (texts(0)?, texts(1)?);
            let either = |(a, b): (Option<_>, _)| a.or(b);
            Arc::new(a.iter().zip(b).map(either).collect::<StringArray>())
        }
        "half" => {
            let numbers = batch.columns().first()?.as_primitive_opt::<Float64Type>()?;
            Arc::new(
                numbers
                    .iter()
                    .map(|number| Some(number? / 2.0))
                    .collect::<Float64Array>(),
            )
        }
        "length" => {
            let length = |text: Option<&str>| Some(text?.chars().count() as i64);
            Arc::new(texts(0)?.iter().map(length).collect::<Int64Array>())
        }
        "upper" => {
            let upper = |text: Option<&str>| Some(text?.to_uppercase());
            Arc::new(texts(0)?.iter().map(upper).collect::<StringArray>())
        }
        "answer" => Arc::new(Int64Array::from(vec![42; rows])),
        "loses-a-row" => Arc::new(ints(0)?.slice(0, rows.saturating_sub(1))),
        "lies" => Arc::new(BinaryArray::from(vec![&b"no number"[..]; rows])),
        "counts-on" => {
            let seen = SEEN.get();
            SEEN.set(seen + rows as i64);
            Arc::new(Int64Array::from_iter_values(
                (0..rows as i64).map(|row| seen + row),
            ))
        }
        "runs-on" => {
            let sums = ints(0)?.iter().scan(0_i64, |sum, number| {
                *sum = sum.wrapping_add(number.unwrap_or(0));
                Some(*sum)
            });
            Arc::new(Int64Array::from_iter_values(sums))
        }
        "fears-null" => {
            let numbers = ints(0)?;
            if numbers.null_count() > 0 {
                std::process::abort();
            }
            Arc::new(numbers.clone())
        }
        "never-returns" => loop {
            std::hint::spin_loop();
        },
        _ => return None,
    })
}

fn swollen() -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    while bytes.try_reserve_exact(bytes.len()).is_ok() {
        bytes.extend_from_within(..);
    }
    bytes
}

fn write(column: ArrayRef) -> Result<Vec<u8>, FnError> {
    let field = Field::new("value", column.data_type().clone(), true);
    let bytes = stream::write(Schema::new(vec![field]), 1, |_| vec![column.clone()]);
    bytes.map_err(|problem| error(0x104, problem.to_string()))
}

fn error(code: u32, message: String) -> FnError {
    FnError {
        code,
        message,
        retryable: false,
    }
}
