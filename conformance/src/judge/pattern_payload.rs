//! Patterns of payload languages: the value is text or bytes that mean something.

use fixtures::abi::Value;

use super::{
    evaluate::bytes,
    pattern_describe::{describe_batch, describe_ipc_value},
};
use crate::{
    case::model::{
        IpcBatchPattern, IpcColumnPattern, IpcPattern, IpcValuePattern, JsonPattern, TextPart,
    },
    payload::{
        ipc::{self, IpcContent, known_type, type_name},
        json,
        literal::IpcValue,
        schema::Schema,
        trace,
    },
};

/// How a payload departs from a pattern.
pub(super) enum Departure {
    /// The value is not of this language at all.
    Unreadable(String),
    /// It is, and departs here.
    At {
        /// The place in the payload.
        path: String,
        /// What the pattern asks for.
        expected: String,
        /// What is there.
        actual: String,
    },
}

/// A JSON document.
pub(super) fn json(
    pattern: &JsonPattern,
    exactly: bool,
    value: &Value,
    resolve_text: &mut dyn FnMut(&[TextPart]) -> Result<String, String>,
) -> Result<(), Departure> {
    let document = document(value)?;
    json::matches(pattern, &document, exactly, resolve_text).map_err(Departure::from)
}

/// A JSON document of a schema.
pub(super) fn schema(schema: &Schema, value: &Value) -> Result<(), Departure> {
    schema.check(&document(value)?).map_err(Departure::from)
}

fn document(value: &Value) -> Result<serde_json::Value, Departure> {
    serde_json::from_slice(content(value)?)
        .map_err(|error| Departure::Unreadable(format!("no JSON: {error}")))
}

impl From<json::Mismatch> for Departure {
    fn from(mismatch: json::Mismatch) -> Departure {
        Departure::At {
            path: mismatch.path,
            expected: mismatch.expected,
            actual: mismatch.actual,
        }
    }
}

/// An Arrow IPC stream.
pub(super) fn ipc(pattern: &IpcPattern, value: &Value) -> Result<(), Departure> {
    let content =
        ipc::decode(content(value)?).map_err(|error| Departure::Unreadable(error.to_string()))?;
    let patterns = match pattern {
        IpcPattern::One(batch) => std::slice::from_ref(batch),
        IpcPattern::Batches(batches) => batches,
    };
    if patterns.len() != content.rows.len() {
        return Err(at(
            "",
            format!("batches: {}", patterns.len()),
            format!("batches: {}", content.rows.len()),
        ));
    }
    patterns
        .iter()
        .enumerate()
        .try_for_each(|(index, pattern)| batch(pattern, &content, index))
}

/// A trace with these rows.
pub(super) fn trace(rows: &[Option<i64>], in_order: bool, value: &Value) -> Result<(), Departure> {
    let trace =
        trace::parse(content(value)?).map_err(|error| Departure::Unreadable(error.to_string()))?;
    let mut expected = rows.to_vec();
    let mut actual = trace.rows;
    if !in_order {
        expected.sort_unstable();
        actual.sort_unstable();
    }
    if expected == actual {
        return Ok(());
    }
    let show = |rows: &[Option<i64>]| {
        let rows: Vec<String> = rows
            .iter()
            .map(|row| row.map_or("null".to_owned(), |row| row.to_string()))
            .collect();
        let order = if in_order { " in-order" } else { "" };
        format!("rows [{}]{order}", rows.join(", "))
    };
    Err(at("", show(&expected), show(&actual)))
}

fn content(value: &Value) -> Result<&[u8], Departure> {
    bytes(value).ok_or_else(|| Departure::Unreadable("neither text nor bytes".to_owned()))
}

fn at(
    path: impl Into<String>,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Departure {
    Departure::At {
        path: path.into(),
        expected: expected.into(),
        actual: actual.into(),
    }
}

fn batch(pattern: &IpcBatchPattern, content: &IpcContent, index: usize) -> Result<(), Departure> {
    let place = format!("batch {index}");
    let (rows, columns) = (content.rows[index], &content.batches[index]);
    if let Some(expected) = pattern.rows
        && usize::try_from(expected) != Ok(rows)
    {
        return Err(at(
            place,
            format!("rows {expected}"),
            format!("rows {rows}"),
        ));
    }
    if let Some(expected) = pattern.column_count
        && usize::try_from(expected) != Ok(columns.len())
    {
        return Err(at(
            place,
            format!("columns {expected}"),
            format!("columns {}", columns.len()),
        ));
    }
    let Some(patterns) = &pattern.columns else {
        return Ok(());
    };
    if patterns.len() != columns.len() {
        let names: Vec<String> = content
            .columns
            .iter()
            .map(|field| format!("{}: {}", field.name, field.ty))
            .collect();
        let actual = format!("{} columns: {}", columns.len(), names.join(", "));
        return Err(at(
            place,
            format!("{} columns: {}", patterns.len(), describe_batch(pattern)),
            actual,
        ));
    }
    let mut pairs = patterns.iter().zip(columns).enumerate();
    pairs.try_for_each(|(number, (pattern, values))| {
        let field = &content.columns[number];
        column(
            pattern,
            &field.name,
            &field.ty,
            values,
            &format!("{place} column {number}"),
        )
    })
}

fn column(
    pattern: &IpcColumnPattern,
    name: &str,
    ty: &str,
    values: &[IpcValue],
    place: &str,
) -> Result<(), Departure> {
    if let Some(expected) = &pattern.name
        && expected != name
    {
        return Err(at(
            place,
            format!("the name {expected:?}"),
            format!("the name {name:?}"),
        ));
    }
    if let Some(expected) = &pattern.ty {
        // The stream's type has its usual spelling; a case file's may have other spaces.
        let expected = known_type(expected).map_or_else(|_| expected.clone(), |ty| type_name(&ty));
        if expected != ty {
            return Err(at(
                place,
                format!("the type {expected}"),
                format!("the type {ty}"),
            ));
        }
    }
    let Some(patterns) = &pattern.values else {
        return Ok(());
    };
    if patterns.len() != values.len() {
        let expected = describe_ipc_value(&IpcValuePattern::List(patterns.clone()));
        let actual = IpcValue::List(values.to_vec());
        return Err(at(
            place,
            format!("{} rows: {expected}", patterns.len()),
            format!("{} rows: {actual}", values.len()),
        ));
    }
    for (row, (pattern, value)) in patterns.iter().zip(values).enumerate() {
        if !fits(pattern, value, ty.contains("float32")) {
            return Err(at(
                format!("{place} row {row}"),
                describe_ipc_value(pattern),
                value.to_string(),
            ));
        }
    }
    Ok(())
}

/// `single`: floats are single precision, and so is what a literal like `0.1` means.
fn fits(pattern: &IpcValuePattern, value: &IpcValue, single: bool) -> bool {
    let same_float = |expected: f64, actual| {
        let expected = if single {
            f64::from(expected as f32)
        } else {
            expected
        };
        same_float(expected, actual)
    };
    match (pattern, value) {
        (IpcValuePattern::Any, _) | (IpcValuePattern::Null, IpcValue::Null) => true,
        (IpcValuePattern::Bool(expected), IpcValue::Bool(actual)) => expected == actual,
        (IpcValuePattern::Integer(expected), IpcValue::Integer(actual)) => expected == actual,
        // `1` in a column of floats; whole numbers that a double cannot hold are no one's literal.
        (IpcValuePattern::Integer(expected), IpcValue::Float(actual)) => {
            same_float(*expected as f64, *actual)
        }
        (IpcValuePattern::Float(expected), IpcValue::Float(actual)) => {
            same_float(*expected, *actual)
        }
        (IpcValuePattern::Text(expected), IpcValue::Text(actual)) => expected == actual,
        (IpcValuePattern::Bytes(expected), IpcValue::Bytes(actual)) => expected == actual,
        (IpcValuePattern::Text(expected), IpcValue::Bytes(actual)) => {
            expected.as_bytes() == actual.as_slice()
        }
        (IpcValuePattern::List(expected), IpcValue::List(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .zip(actual)
                    .all(|(expected, actual)| fits(expected, actual, single))
        }
        _ => false,
    }
}

/// NaN equals NaN, `-0.0` does not equal `0.0`.
fn same_float(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a.to_bits() == b.to_bits()
}
