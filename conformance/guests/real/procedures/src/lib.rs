//! A plugin of `uni:plugin@0.1.0`, world `procedure-plugin`: `range(from, to)` yields whole numbers, three to a batch. With the
//! feature `unlawful`, procedures that break promises instead.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
    error::ArrowError,
};

wit_bindgen::generate!({
    path: "../../../../wit/uni",
    world: "procedure-plugin",
});

struct Plugin;

export!(Plugin);

#[cfg(not(feature = "unlawful"))]
const ID: &str = "series.honest";
#[cfg(feature = "unlawful")]
const ID: &str = "series.dishonest";

/// All of two whole numbers, and yield one column of whole numbers.
#[cfg(not(feature = "unlawful"))]
const PROCEDURES: &[&str] = &[
    // The numbers from the first to the second, without that; an error for nulls.
    "range",
];

#[cfg(feature = "unlawful")]
const PROCEDURES: &[&str] = &[
    // Yields texts.
    "lies",
    // Yields a column too many.
    "doubles",
    // The first batch is as registered, the second has no end.
    "breaks-off",
    // Gives no stream.
    "no-stream",
    // Traps where both numbers are the same, and on nulls.
    "traps",
    // Never returns.
    "never-returns",
    // Answers with all the memory it can get.
    "swells",
];

impl Guest for Plugin {
    fn manifest() -> String {
        format!(r#"{{"id": "{ID}", "version": "1.0.0", "capabilities": ["procedure"]}}"#)
    }

    fn register() -> String {
        const INT: &str = r#"{"kind": "primitive", "arrow": "int64"}"#;
        let entry = |name: &&str| {
            format!(
                r#"{{"kind": "procedure", "qname": "{ID}.{name}", "args": [{INT}, {INT}], "yields": [{INT}], "mode": "read"}}"#
            )
        };
        let entries: Vec<_> = PROCEDURES.iter().map(entry).collect();
        format!(r#"{{"entries": [{}]}}"#, entries.join(","))
    }

    fn invoke_procedure(qname: String, args_ipc: Vec<u8>) -> Result<Vec<u8>, FnError> {
        let name = qname
            .strip_prefix(ID)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or_default();
        let error = |code, message| FnError {
            code,
            message,
            retryable: false,
        };
        if !PROCEDURES.contains(&name) {
            return Err(error(0x102, format!("no procedure {qname:?}")));
        }
        invoke(name, &args_ipc).map_err(|problem| error(0x103, problem.to_string()))
    }
}

fn invoke(name: &str, arguments: &[u8]) -> Result<Vec<u8>, ArrowError> {
    let wrong = || ArrowError::InvalidArgumentError("expected two whole numbers".to_owned());
    let batches = stream::read(arguments)?;
    let batch = batches.first().ok_or_else(wrong)?;
    let number = |index: usize| {
        let column = batch
            .columns()
            .get(index)?
            .as_primitive_opt::<Int64Type>()?;
        column.iter().next().flatten()
    };
    let bounds = number(0).zip(number(1));
    match name {
        "no-stream" => Ok(b"not a stream".to_vec()),
        "lies" => stream(&[DataType::Utf8], 1, |_| {
            vec![Arc::new(StringArray::from(vec!["one"]))]
        }),
        "doubles" => stream(&[DataType::Int64, DataType::Int64], 1, |_| {
            vec![
                Arc::new(Int64Array::from(vec![1])),
                Arc::new(Int64Array::from(vec![2])),
            ]
        }),
        "breaks-off" => {
            let mut answer = range(0, 6)?;
            answer.truncate(answer.len() - 40);
            Ok(answer)
        }
        "traps" => match bounds {
            Some((from, to)) if from != to => range(from, to),
            _ => std::process::abort(),
        },
        "never-returns" => loop {
            std::hint::spin_loop();
        },
        "swells" => Ok(swollen()),
        _ => {
            let (from, to) = bounds.ok_or_else(wrong)?;
            range(from, to)
        }
    }
}

fn swollen() -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    while bytes.try_reserve_exact(bytes.len()).is_ok() {
        bytes.extend_from_within(..);
    }
    bytes
}

fn range(from: i64, to: i64) -> Result<Vec<u8>, ArrowError> {
    const WIDTH: usize = 3;
    let to = to.min(from.saturating_add(10_000));
    let numbers: Vec<_> = (from..to).collect();
    let batches = numbers.len().div_ceil(WIDTH);
    stream(&[DataType::Int64], batches, |batch| {
        let rest = &numbers[batch * WIDTH..];
        let column = Int64Array::from(rest[..rest.len().min(WIDTH)].to_vec());
        vec![Arc::new(column)]
    })
}

fn stream(
    types: &[DataType],
    batches: usize,
    columns: impl Fn(usize) -> Vec<ArrayRef>,
) -> Result<Vec<u8>, ArrowError> {
    let field =
        |(index, ty): (usize, &DataType)| Field::new(format!("yield{index}"), ty.clone(), true);
    let fields: Vec<_> = types.iter().enumerate().map(field).collect();
    stream::write(Schema::new(fields), batches, columns)
}
