//! Makes the bytes of a literal with Arrow's own stream writer: metadata version 5, no compression.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
        FixedSizeListArray, GenericListArray, LargeBinaryArray, LargeStringArray, NullArray,
        OffsetSizeTrait, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
        StringViewArray, StructArray, make_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Date64Type, Field, FieldRef, Float32Type,
        Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    error::ArrowError,
    ipc::writer::StreamWriter,
};

use super::{known_type, type_name};
use crate::payload::{
    PayloadError,
    literal::{IpcField, IpcLiteral, IpcValue},
};

/// The stream of a literal: schema, batches, end-of-stream marker.
pub fn encode(literal: &IpcLiteral) -> Result<Vec<u8>, PayloadError> {
    let fields = literal
        .columns
        .iter()
        .map(field)
        .collect::<Result<Vec<Field>, _>>()?;
    let schema = Arc::new(Schema::new(fields));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(arrow)?;
    for (index, columns) in literal.batches.iter().enumerate() {
        let rows = literal
            .rows
            .as_ref()
            .and_then(|rows| rows.get(index).copied());
        writer
            .write(&batch(&schema, index, columns, rows)?)
            .map_err(arrow)?;
    }
    writer.into_inner().map_err(arrow)
}

fn field(field: &IpcField) -> Result<Field, PayloadError> {
    let metadata: HashMap<String, String> = field.metadata.iter().cloned().collect();
    Ok(Field::new(&field.name, known_type(&field.ty)?, field.nullable).with_metadata(metadata))
}

fn batch(
    schema: &Arc<Schema>,
    index: usize,
    columns: &[Vec<IpcValue>],
    rows: Option<usize>,
) -> Result<RecordBatch, PayloadError> {
    let fields = schema.fields();
    if columns.len() != fields.len() {
        return Err(PayloadError::ColumnCount {
            batch: index,
            expected: fields.len(),
            found: columns.len(),
        });
    }
    let rows = columns.first().map(Vec::len).or(rows).unwrap_or(0);
    let mut arrays = Vec::with_capacity(columns.len());
    for (field, values) in fields.iter().zip(columns) {
        if values.len() != rows {
            return Err(PayloadError::ColumnLength {
                batch: index,
                column: field.name().clone(),
                expected: rows,
                found: values.len(),
            });
        }
        let null = values.iter().position(|value| *value == IpcValue::Null);
        if let (false, Some(row)) = (field.is_nullable(), null) {
            return Err(PayloadError::NullInNonNull {
                column: field.name().clone(),
                row,
            });
        }
        arrays.push(array(field.name(), field.data_type(), values)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(arrow)
}

fn array(column: &str, ty: &DataType, values: &[IpcValue]) -> Result<ArrayRef, PayloadError> {
    let column = Column { name: column, ty };
    Ok(match ty {
        DataType::Null => {
            column.each(values, |_| None::<()>)?;
            Arc::new(NullArray::new(values.len()))
        }
        DataType::Boolean => Arc::new(BooleanArray::from(column.each(
            values,
            |value| match value {
                IpcValue::Bool(value) => Some(*value),
                _ => None,
            },
        )?)),
        DataType::Int8 => column.integers::<Int8Type>(values)?,
        DataType::Int16 => column.integers::<Int16Type>(values)?,
        DataType::Int32 => column.integers::<Int32Type>(values)?,
        DataType::Int64 => column.integers::<Int64Type>(values)?,
        DataType::UInt8 => column.integers::<UInt8Type>(values)?,
        DataType::UInt16 => column.integers::<UInt16Type>(values)?,
        DataType::UInt32 => column.integers::<UInt32Type>(values)?,
        DataType::UInt64 => column.integers::<UInt64Type>(values)?,
        DataType::Date32 => column.integers::<Date32Type>(values)?,
        DataType::Date64 => column.integers::<Date64Type>(values)?,
        DataType::Timestamp(TimeUnit::Second, None) => {
            column.integers::<TimestampSecondType>(values)?
        }
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            column.integers::<TimestampMillisecondType>(values)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            column.integers::<TimestampMicrosecondType>(values)?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            column.integers::<TimestampNanosecondType>(values)?
        }
        DataType::Float32 => {
            let floats = column.each(values, |value| float(value).map(|value| value as f32))?;
            Arc::new(PrimitiveArray::<Float32Type>::from(floats))
        }
        DataType::Float64 => Arc::new(PrimitiveArray::<Float64Type>::from(
            column.each(values, float)?,
        )),
        DataType::Utf8 => Arc::new(StringArray::from(column.each(values, text)?)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(column.each(values, text)?)),
        DataType::Utf8View => Arc::new(StringViewArray::from(column.each(values, text)?)),
        DataType::Binary => Arc::new(BinaryArray::from(column.each(values, bytes)?)),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from(column.each(values, bytes)?)),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(column.each(values, bytes)?)),
        DataType::FixedSizeBinary(size) => {
            let of_size =
                |value| bytes(value).filter(|bytes| i32::try_from(bytes.len()) == Ok(*size));
            let values = column.each(values, of_size)?;
            let array =
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), *size);
            Arc::new(array.map_err(arrow)?)
        }
        DataType::List(item) => column.list::<i32>(item, values)?,
        DataType::LargeList(item) => column.list::<i64>(item, values)?,
        DataType::FixedSizeList(item, size) => column.fixed_list(item, *size, values)?,
        DataType::Struct(fields) => {
            let rows = column.each(values, |value| {
                list(value).filter(|list| list.len() == fields.len())
            })?;
            let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
            let mut columns = Vec::with_capacity(fields.len());
            for (index, field) in fields.iter().enumerate() {
                let values: Vec<IpcValue> = rows
                    .iter()
                    .map(|row| row.map_or(IpcValue::Null, |row| row[index].clone()))
                    .collect();
                columns.push(array(column.name, field.data_type(), &values)?);
            }
            Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls)).map_err(arrow)?)
        }
        DataType::Dictionary(key, value) => column.dictionary(key, value, values)?,
        other => return Err(PayloadError::Unsupported(type_name(other))),
    })
}

/// A column under construction: what its errors name.
struct Column<'a> {
    name: &'a str,
    ty: &'a DataType,
}

impl Column<'_> {
    /// Reads every value that is not null with `read`.
    fn each<'v, T>(
        &self,
        values: &'v [IpcValue],
        read: impl Fn(&'v IpcValue) -> Option<T>,
    ) -> Result<Vec<Option<T>>, PayloadError> {
        let one = |value: &'v IpcValue| match value {
            IpcValue::Null => Ok(None),
            value => read(value).map(Some).ok_or_else(|| PayloadError::Value {
                column: self.name.to_owned(),
                ty: type_name(self.ty),
                value: value.to_string(),
            }),
        };
        values.iter().map(one).collect()
    }

    fn integers<T>(&self, values: &[IpcValue]) -> Result<ArrayRef, PayloadError>
    where
        T: ArrowPrimitiveType,
        T::Native: TryFrom<i64>,
    {
        let integers = self.each(values, |value| match value {
            IpcValue::Integer(value) => T::Native::try_from(*value).ok(),
            _ => None,
        })?;
        Ok(Arc::new(
            integers.into_iter().collect::<PrimitiveArray<T>>(),
        ))
    }

    fn list<O: OffsetSizeTrait>(
        &self,
        item: &FieldRef,
        values: &[IpcValue],
    ) -> Result<ArrayRef, PayloadError> {
        let rows = self.each(values, list)?;
        let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
        let offsets =
            OffsetBuffer::<O>::from_lengths(rows.iter().map(|row| row.map_or(0, <[_]>::len)));
        let flat: Vec<IpcValue> = rows.into_iter().flatten().flatten().cloned().collect();
        let elements = array(self.name, item.data_type(), &flat)?;
        let list = GenericListArray::<O>::try_new(item.clone(), offsets, elements, Some(nulls))
            .map_err(arrow)?;
        Ok(Arc::new(list))
    }

    fn fixed_list(
        &self,
        item: &FieldRef,
        size: i32,
        values: &[IpcValue],
    ) -> Result<ArrayRef, PayloadError> {
        let length = usize::try_from(size).unwrap_or(0);
        let rows = self.each(values, |value| {
            list(value).filter(|list| list.len() == length)
        })?;
        let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
        let mut flat = Vec::with_capacity(rows.len().saturating_mul(length));
        for row in rows {
            match row {
                Some(row) => flat.extend(row.iter().cloned()),
                None => flat.extend(std::iter::repeat_n(IpcValue::Null, length)),
            }
        }
        let elements = array(self.name, item.data_type(), &flat)?;
        let list = FixedSizeListArray::try_new(item.clone(), size, elements, Some(nulls))
            .map_err(arrow)?;
        Ok(Arc::new(list))
    }

    fn dictionary(
        &self,
        key: &DataType,
        value: &DataType,
        values: &[IpcValue],
    ) -> Result<ArrayRef, PayloadError> {
        let mut distinct: Vec<IpcValue> = Vec::new();
        let mut keys: Vec<IpcValue> = Vec::with_capacity(values.len());
        for value in values {
            if *value == IpcValue::Null {
                keys.push(IpcValue::Null);
                continue;
            }
            let at = distinct
                .iter()
                .position(|known| identical(known, value))
                .unwrap_or_else(|| {
                    distinct.push(value.clone());
                    distinct.len() - 1
                });
            keys.push(i64::try_from(at).map_or(IpcValue::Null, IpcValue::Integer));
        }
        let keys = array(self.name, key, &keys)?;
        let values = array(self.name, value, &distinct)?;
        let data = keys
            .to_data()
            .into_builder()
            .data_type(self.ty.clone())
            .add_child_data(values.to_data());
        Ok(make_array(data.build().map_err(arrow)?))
    }
}

/// Equality by bits, so that a dictionary keeps `-0.0` and NaN apart from what they merely compare with.
fn identical(a: &IpcValue, b: &IpcValue) -> bool {
    match (a, b) {
        (IpcValue::Float(a), IpcValue::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

fn float(value: &IpcValue) -> Option<f64> {
    match value {
        IpcValue::Float(value) => Some(*value),
        IpcValue::Integer(value) => Some(*value as f64),
        _ => None,
    }
}

fn text(value: &IpcValue) -> Option<&str> {
    match value {
        IpcValue::Text(text) => Some(text),
        _ => None,
    }
}

fn bytes(value: &IpcValue) -> Option<&[u8]> {
    match value {
        IpcValue::Bytes(bytes) => Some(bytes),
        IpcValue::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

fn list(value: &IpcValue) -> Option<&[IpcValue]> {
    match value {
        IpcValue::List(values) => Some(values),
        _ => None,
    }
}

fn arrow(error: ArrowError) -> PayloadError {
    PayloadError::Arrow(error.to_string())
}
