//! Reads a stream of known column types. Types are compared before any body is looked at, so only flat arrays of ten
//! kinds are ever decoded; every count and every buffer is checked against the bytes there before Arrow sees it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::{self, MessageHeader, MetadataVersion};

use super::frame::Frames;
use super::{AnswerError, SECRET};

/// What a stream must hold.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Column types, in order.
    pub columns: &'a [DataType],
    /// Rows over all batches.
    pub max_rows: u64,
    /// Batches.
    pub max_batches: usize,
}

/// Decodes a whole stream.
///
/// # Errors
/// Whatever deviates from `expected` or from the format; see [`AnswerError`]. Never panics: should the decoder, the
/// panic is caught and reported as a bad batch.
pub fn read_stream(
    bytes: Vec<u8>,
    expected: Expected<'_>,
) -> Result<Vec<RecordBatch>, AnswerError> {
    let buffer = Buffer::from_vec(bytes);
    let mut frames = Frames::new(buffer.as_slice())?;
    let mut schema: Option<SchemaRef> = None;
    let mut batches = Vec::new();
    let mut rows = 0_u64;
    while let Some(frame) = frames.next()? {
        let bad = |problem: String| AnswerError::Message {
            offset: frame.offset,
            problem,
        };
        // A copy starts aligned, whatever the padding of the messages before.
        let metadata = frame.metadata.to_vec();
        let message =
            ipc::root_as_message(&metadata).map_err(|e| bad(format!("broken metadata: {e}")))?;
        if !matches!(message.version(), MetadataVersion::V4 | MetadataVersion::V5) {
            return Err(bad(format!("metadata version {:?}", message.version())));
        }
        let body_len = frames.skip_body(&frame, message.bodyLength())?;
        match (message.header_type(), &schema) {
            (MessageHeader::Schema, None) => {
                let header = message
                    .header_as_schema()
                    .ok_or_else(|| bad("no schema in it".into()))?;
                if body_len != 0 {
                    return Err(bad("a schema with a body".into()));
                }
                schema = Some(Arc::new(read_schema(header, expected.columns)?));
            }
            (MessageHeader::RecordBatch, Some(schema)) => {
                if batches.len() == expected.max_batches {
                    return Err(AnswerError::TooManyBatches(expected.max_batches));
                }
                let number = batches.len();
                let bad_batch = |problem| AnswerError::Batch {
                    batch: number,
                    problem,
                };
                let header = message
                    .header_as_record_batch()
                    .ok_or_else(|| bad("no batch in it".into()))?;
                let body = buffer.slice_with_length(frame.body, body_len);
                let length = u64::try_from(header.length())
                    .map_err(|_| bad_batch(format!("row count {}", header.length())))?;
                rows = rows.saturating_add(length);
                if rows > expected.max_rows {
                    return Err(AnswerError::TooManyRows(expected.max_rows));
                }
                check_batch(header, &body, schema).map_err(bad_batch)?;
                let version = message.version();
                let decode = || {
                    ipc::reader::read_record_batch(
                        &body,
                        header,
                        schema.clone(),
                        &HashMap::new(),
                        None,
                        &version,
                    )
                };
                let batch = catch_unwind(AssertUnwindSafe(decode))
                    .map_err(|_| bad_batch("the decoder gave up".into()))?
                    .map_err(|e| bad_batch(e.to_string()))?;
                batches.push(batch);
            }
            (other, None) => return Err(bad(format!("{other:?} where the schema must be"))),
            (other, Some(_)) => {
                return Err(bad(format!("{other:?} where only record batches may be")));
            }
        }
    }
    match schema {
        Some(_) => Ok(batches),
        None => Err(AnswerError::Schema {
            problem: "a stream without a schema".into(),
        }),
    }
}

fn read_schema(schema: ipc::Schema<'_>, columns: &[DataType]) -> Result<Schema, AnswerError> {
    let wrong = |problem| AnswerError::Schema { problem };
    if schema.endianness() != ipc::Endianness::Little {
        return Err(wrong("big-endian data".into()));
    }
    let fields: Vec<ipc::Field<'_>> = schema
        .fields()
        .into_iter()
        .flatten()
        .take(columns.len() + 1)
        .collect();
    for field in &fields {
        check_secret(*field)?;
    }
    let count = schema.fields().map_or(0, |f| f.len());
    if count != columns.len() {
        return Err(wrong(format!(
            "{count} columns, expected {}",
            columns.len()
        )));
    }
    let mut read = Vec::with_capacity(columns.len());
    for (i, (field, expected)) in fields.iter().zip(columns).enumerate() {
        let type_name = match flat_type(*field) {
            Ok(found) if found == *expected => {
                read.push(Field::new(
                    field.name().unwrap_or_default(),
                    found,
                    field.nullable(),
                ));
                continue;
            }
            Ok(found) => found.to_string(),
            Err(name) => name,
        };
        return Err(wrong(format!(
            "column {i} is {type_name}, expected {expected}"
        )));
    }
    Ok(Schema::new(read))
}

/// The flatbuffer's verifier has bounded the number of tables, counting each visit, so the walk is bounded too.
fn check_secret(field: ipc::Field<'_>) -> Result<(), AnswerError> {
    let tagged = field
        .custom_metadata()
        .into_iter()
        .flatten()
        .any(|kv| kv.key() == Some(SECRET.0) && kv.value() == Some(SECRET.1));
    if tagged {
        return Err(AnswerError::Secret(
            field.name().unwrap_or_default().to_owned(),
        ));
    }
    field
        .children()
        .into_iter()
        .flatten()
        .try_for_each(check_secret)
}

/// The type of a flat field, or the name of what it is instead.
fn flat_type(field: ipc::Field<'_>) -> Result<DataType, String> {
    let tag = field.type_type();
    let name = || format!("{tag:?}");
    if field.dictionary().is_some() {
        return Err(format!("Dictionary of {tag:?}"));
    }
    match tag {
        ipc::Type::Binary => Ok(DataType::Binary),
        ipc::Type::LargeBinary => Ok(DataType::LargeBinary),
        ipc::Type::Utf8 => Ok(DataType::Utf8),
        ipc::Type::Bool => Ok(DataType::Boolean),
        ipc::Type::Int => {
            let int = field.type_as_int().ok_or_else(name)?;
            match (int.bitWidth(), int.is_signed()) {
                (32, true) => Ok(DataType::Int32),
                (64, true) => Ok(DataType::Int64),
                (bits, signed) => Err(format!("{}{bits}", if signed { "Int" } else { "UInt" })),
            }
        }
        ipc::Type::FloatingPoint => {
            match field.type_as_floating_point().ok_or_else(name)?.precision() {
                ipc::Precision::SINGLE => Ok(DataType::Float32),
                ipc::Precision::DOUBLE => Ok(DataType::Float64),
                other => Err(format!("FloatingPoint {other:?}")),
            }
        }
        ipc::Type::Date => match field.type_as_date().ok_or_else(name)?.unit() {
            ipc::DateUnit::MILLISECOND => Ok(DataType::Date64),
            other => Err(format!("Date {other:?}")),
        },
        ipc::Type::Timestamp => {
            let timestamp = field.type_as_timestamp().ok_or_else(name)?;
            match (timestamp.unit(), timestamp.timezone()) {
                (ipc::TimeUnit::MILLISECOND, None) => {
                    Ok(DataType::Timestamp(TimeUnit::Millisecond, None))
                }
                (unit, None) => Err(format!("Timestamp {unit:?}")),
                (unit, Some(_)) => Err(format!("Timestamp {unit:?} with a time zone")),
            }
        }
        _ => Err(name()),
    }
}

/// Checks the counts of a batch and every buffer against the body: nothing that Arrow would trust is left unseen.
fn check_batch(batch: ipc::RecordBatch<'_>, body: &Buffer, schema: &Schema) -> Result<(), String> {
    if batch.compression().is_some() {
        return Err("a compressed body".into());
    }
    if batch.variadicBufferCounts().is_some_and(|v| !v.is_empty()) {
        return Err("variadic buffers without a view type".into());
    }
    let rows =
        usize::try_from(batch.length()).map_err(|_| format!("row count {}", batch.length()))?;
    let nodes = batch.nodes().ok_or("no field nodes")?;
    let buffers = batch.buffers().ok_or("no buffers")?;
    if nodes.len() != schema.fields().len() {
        return Err(format!(
            "{} field nodes for {} columns",
            nodes.len(),
            schema.fields().len()
        ));
    }
    let needed: usize = schema
        .fields()
        .iter()
        .map(|f| buffers_of(f.data_type()))
        .sum();
    if buffers.len() != needed {
        return Err(format!("{} buffers, expected {needed}", buffers.len()));
    }
    let mut buffers = buffers.iter();
    for (i, (node, field)) in nodes.iter().zip(schema.fields()).enumerate() {
        let at = |problem: String| format!("column {i}: {problem}");
        if usize::try_from(node.length()) != Ok(rows) {
            return Err(at(format!("{} rows in a batch of {rows}", node.length())));
        }
        let nulls = usize::try_from(node.null_count())
            .ok()
            .filter(|n| *n <= rows)
            .ok_or_else(|| at(format!("null count {} of {rows} rows", node.null_count())))?;
        let mut next = || -> Result<Buffer, String> {
            let buffer = buffers.next().ok_or_else(|| at("too few buffers".into()))?;
            slice(body, buffer.offset(), buffer.length()).ok_or_else(|| {
                at(format!(
                    "buffer at {} of {} bytes in a body of {}",
                    buffer.offset(),
                    buffer.length(),
                    body.len()
                ))
            })
        };
        let validity = next()?;
        if nulls > 0 || !validity.is_empty() {
            if validity.len() < rows.div_ceil(8) {
                return Err(at(format!(
                    "{} bytes of validity for {rows} rows",
                    validity.len()
                )));
            }
            let found = rows - BooleanBuffer::new(validity, 0, rows).count_set_bits();
            if found != nulls {
                return Err(at(format!("null count {nulls}, but {found} nulls")));
            }
        }
        let first = next()?;
        let least = match field.data_type() {
            DataType::Boolean => rows.div_ceil(8),
            DataType::Int32 | DataType::Float32 => rows.saturating_mul(4),
            // Without rows the format allows an empty buffer of offsets.
            DataType::Utf8 | DataType::Binary if rows > 0 => {
                rows.saturating_add(1).saturating_mul(4)
            }
            DataType::LargeBinary if rows > 0 => rows.saturating_add(1).saturating_mul(8),
            DataType::Utf8 | DataType::Binary | DataType::LargeBinary => 0,
            _ => rows.saturating_mul(8),
        };
        if first.len() < least {
            return Err(at(format!(
                "{} bytes where {rows} rows need {least}",
                first.len()
            )));
        }
        if buffers_of(field.data_type()) == 3 {
            let data = next()?;
            let wide = *field.data_type() == DataType::LargeBinary;
            // arrow 60 panics at a part of an offset behind the last one.
            if !first.len().is_multiple_of(if wide { 8 } else { 4 }) {
                return Err(at(format!("{} bytes of offsets", first.len())));
            }
            if rows > 0 {
                check_offsets(first.as_slice(), rows, wide, data.len()).map_err(at)?;
            }
        }
    }
    Ok(())
}

/// `rows + 1` offsets that begin at 0 or later, never fall, and end within the data.
fn check_offsets(bytes: &[u8], rows: usize, wide: bool, data: usize) -> Result<(), String> {
    if wide {
        let offsets = bytes.as_chunks::<8>().0.iter().take(rows + 1);
        check_rising(offsets.map(|b| i64::from_le_bytes(*b)), data)
    } else {
        let offsets = bytes.as_chunks::<4>().0.iter().take(rows + 1);
        check_rising(offsets.map(|b| i32::from_le_bytes(*b).into()), data)
    }
}

fn check_rising(offsets: impl Iterator<Item = i64> + Clone, data: usize) -> Result<(), String> {
    // Without a branch for each offset; which one falls is asked only when one does.
    let (last, falls) = offsets.clone().fold((0, false), |(last, falls), next| {
        (next, falls | (next < last))
    });
    if falls {
        let before = std::iter::once(0).chain(offsets.clone());
        let place = offsets
            .zip(before)
            .enumerate()
            .find(|(_, (next, last))| next < last);
        if let Some((i, (next, last))) = place {
            return Err(format!("offset {i} is {next}, after {last}"));
        }
    }
    match usize::try_from(last) {
        Ok(end) if end <= data => Ok(()),
        _ => Err(format!("offsets end at {last}, the data at {data}")),
    }
}

fn buffers_of(data_type: &DataType) -> usize {
    match data_type {
        DataType::Utf8 | DataType::Binary | DataType::LargeBinary => 3,
        _ => 2,
    }
}

fn slice(body: &Buffer, offset: i64, length: i64) -> Option<Buffer> {
    let offset = usize::try_from(offset).ok()?;
    let length = usize::try_from(length).ok()?;
    let end = offset.checked_add(length)?;
    (end <= body.len()).then(|| body.slice_with_length(offset, length))
}
