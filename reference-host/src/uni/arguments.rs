//! Makes a caller's columns fit a registration, or says why they do not. The plugin is not asked in that case.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeBinaryArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema};
use serde_json::Value;

use super::error::CallError;
use super::ipc::{secret_in, secret_in_type};
use super::registration::{Function, FunctionKind, WireType};

/// Puts columns of `rows` rows each into a batch, for the functions that take one. There may be no columns.
///
/// # Errors
/// [`CallError::Arguments`] when a column has another length.
pub fn columns(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, CallError> {
    batch(columns, rows).map_err(|problem| CallError::Arguments {
        qname: "arguments".into(),
        problem,
    })
}

fn batch(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, String> {
    let field =
        |(i, c): (usize, &ArrayRef)| Field::new(format!("arg{i}"), c.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)
        .map_err(|e| e.to_string())
}

/// The batch a plugin receives: columns `arg0`, `arg1`, … of the declared types, nullable, without metadata.
///
/// Types must be exact, with two exceptions that lose nothing: a column of Arrow `Null` becomes nulls of the declared
/// type, and a procedure's `cypher_value` argument of another type becomes its JSON text.
///
/// # Errors
/// [`CallError::Arguments`] for another number of columns, other types, or a secret handle.
pub(super) fn fit(function: &Function, given: &RecordBatch) -> Result<RecordBatch, CallError> {
    let refuse = |problem: String| CallError::Arguments {
        qname: function.qname.clone(),
        problem,
    };
    let schema = given.schema();
    let secret = schema
        .fields()
        .iter()
        .find_map(|f| secret_in(f).or_else(|| secret_in_type(f.data_type())));
    if let Some(name) = secret {
        return Err(refuse(format!("field {name:?} is a secret handle")));
    }
    if given.num_columns() != function.args.len() {
        return Err(refuse(format!(
            "takes {} arguments, {} given",
            function.args.len(),
            given.num_columns()
        )));
    }
    let procedure = matches!(function.kind, FunctionKind::Procedure { .. });
    let mut fitted = Vec::with_capacity(function.args.len());
    for (i, (column, declared)) in given.columns().iter().zip(&function.args).enumerate() {
        let wanted = declared.arrow();
        fitted.push(match column.data_type() {
            found if *found == wanted => column.clone(),
            DataType::Null => new_null_array(&wanted, column.len()),
            _ if procedure && *declared == WireType::CypherValue => {
                as_json(column).map_err(|problem| refuse(format!("argument {i}: {problem}")))?
            }
            found => {
                return Err(refuse(format!(
                    "argument {i} is {found}, expected {wanted}"
                )));
            }
        });
    }
    batch(fitted, given.num_rows()).map_err(refuse)
}

fn as_json(column: &ArrayRef) -> Result<ArrayRef, String> {
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        texts.push(if column.is_null(row) {
            None
        } else {
            Some(json(column, row)?.to_string().into_bytes())
        });
    }
    Ok(Arc::new(LargeBinaryArray::from_iter(texts)))
}

fn json(column: &ArrayRef, row: usize) -> Result<Value, String> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let float = |x: f64| {
        serde_json::Number::from_f64(x)
            .map(Value::Number)
            .ok_or_else(|| format!("{x} has no JSON text"))
    };
    let list = |items: ArrayRef| {
        (0..items.len())
            .map(|i| json(&items, i))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array)
    };
    match column.data_type() {
        DataType::Boolean => Ok(column.as_boolean().value(row).into()),
        DataType::Int32 => Ok(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Ok(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Ok(column.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Ok(column.as_string::<i64>().value(row).into()),
        DataType::List(_) => list(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(column.as_list::<i64>().value(row)),
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let entry = |(f, c): (&Arc<Field>, &ArrayRef)| Ok((f.name().clone(), json(c, row)?));
            fields
                .iter()
                .zip(columns)
                .map(entry)
                .collect::<Result<_, String>>()
                .map(Value::Object)
        }
        other => Err(format!("{other} cannot be a Cypher value")),
    }
}
