//! Reads a stream that a stranger made. Frames, counts and buffer places are checked here first, so that Arrow's reader
//! neither panics nor allocates by a number it was told; what slips through is caught and is an error all the same.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Date64Type, Float32Type, Float64Type, Int8Type,
        Int16Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
    ipc::{Endianness, MessageHeader, MetadataVersion, reader::StreamReader},
};

use super::{
    frame::{Frame, Frames, malformed},
    layout::{self, Node},
    type_name,
};
use crate::payload::{
    PayloadError,
    literal::{IpcField, IpcValue},
};

/// Values that one stream may unfold to.
pub const MAX_VALUES: usize = 1 << 23;
/// Bytes of text and binary values that one stream may unfold to.
pub const MAX_BYTES: usize = 1 << 29;

/// What a stream holds.
#[derive(Clone, Debug, PartialEq)]
pub struct IpcContent {
    /// The schema; types by the names that [`super::known_type`] knows.
    pub columns: Vec<IpcField>,
    /// batch -> column -> values. An unsigned integer above `i64::MAX` is its decimal text.
    pub batches: Vec<Vec<Vec<IpcValue>>>,
    /// Rows of each batch.
    pub rows: Vec<usize>,
    /// Whether the end-of-stream marker is there.
    pub eos: bool,
    /// Bytes behind the end-of-stream marker.
    pub trailing: usize,
}

/// Reads a whole stream: the stream format with continuation markers, a schema first, little-endian, not compressed, null
/// counts true. Never panics; memory is bounded by the length of `bytes`, [`MAX_VALUES`] and [`MAX_BYTES`].
pub fn decode(bytes: &[u8]) -> Result<IpcContent, PayloadError> {
    let stream = read(bytes)?;
    let mut budget = Budget {
        values: MAX_VALUES,
        bytes: MAX_BYTES,
    };
    let mut columns = Vec::new();
    for field in stream.schema.fields() {
        let mut metadata: Vec<_> = field
            .metadata()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        metadata.sort();
        columns.push(IpcField {
            name: field.name().clone(),
            ty: type_name(field.data_type()),
            nullable: field.is_nullable(),
            metadata,
        });
    }
    let batches = guarded(|| {
        let unfold = |batch: &RecordBatch| {
            batch
                .columns()
                .iter()
                .map(|column| budget.column(column))
                .collect()
        };
        stream
            .batches
            .iter()
            .map(unfold)
            .collect::<Result<Vec<Vec<_>>, _>>()
    })?;
    Ok(IpcContent {
        columns,
        batches,
        rows: stream.batches.iter().map(RecordBatch::num_rows).collect(),
        eos: stream.frames.eos.is_some(),
        trailing: bytes.len() - stream.frames.end,
    })
}

/// A stream as Arrow reads it.
pub(super) struct Stream {
    pub(super) frames: Frames,
    pub(super) schema: Arc<Schema>,
    pub(super) batches: Vec<RecordBatch>,
}

/// Checks the frames, then has Arrow read them.
pub(super) fn read(bytes: &[u8]) -> Result<Stream, PayloadError> {
    let frames = Frames::read(bytes)?;
    let Some((first, rest)) = frames.frames.split_first() else {
        return Err(malformed(0, "it ends before a schema"));
    };
    check_schema(bytes, first)?;
    for frame in rest {
        check_batch(bytes, frame)?;
    }
    let input = &bytes[..frames.end];
    let mut reader = guarded(|| StreamReader::try_new(Cursor::new(input), None).map_err(arrow))?;
    let schema = reader.schema();
    let nodes = layout::nodes(&schema);
    for frame in rest
        .iter()
        .filter(|frame| frame.kind == MessageHeader::RecordBatch)
    {
        check_columns(bytes, frame, &schema, nodes.as_deref())?;
    }
    let mut batches = Vec::new();
    while let Some(batch) = guarded(|| reader.next().transpose().map_err(arrow))? {
        batches.push(batch);
    }
    Ok(Stream {
        frames,
        schema,
        batches,
    })
}

fn check_schema(bytes: &[u8], frame: &Frame) -> Result<(), PayloadError> {
    let at = frame.metadata.start;
    let message = frame.message(bytes)?;
    let schema = message
        .header_as_schema()
        .ok_or_else(|| malformed(at, "the first message is no schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(malformed(at, "the schema says that buffers are big-endian"));
    }
    check_version(at, message.version())
}

fn check_version(at: usize, version: MetadataVersion) -> Result<(), PayloadError> {
    match version {
        MetadataVersion::V4 | MetadataVersion::V5 => Ok(()),
        MetadataVersion(other) => Err(malformed(
            at,
            format!("the metadata version is V{}", i32::from(other) + 1),
        )),
    }
}

fn check_batch(bytes: &[u8], frame: &Frame) -> Result<(), PayloadError> {
    let at = frame.metadata.start;
    check_version(at, frame.message(bytes)?.version())?;
    if !matches!(
        frame.kind,
        MessageHeader::RecordBatch | MessageHeader::DictionaryBatch
    ) {
        let kind = frame.kind.variant_name().unwrap_or("of no known kind");
        return Err(malformed(
            at,
            format!("this message is {kind}, not a batch"),
        ));
    }
    let batch = frame
        .batch(bytes)?
        .ok_or_else(|| malformed(at, "the batch is missing"))?;
    if batch.compression().is_some() {
        return Err(malformed(at, "the body is compressed"));
    }
    if batch.length() < 0 {
        return Err(malformed(
            at,
            format!("the batch has {} rows", batch.length()),
        ));
    }
    for (index, node) in batch.nodes().iter().flatten().enumerate() {
        if node.length() < 0 || node.null_count() < 0 || node.null_count() > node.length() {
            let (rows, nulls) = (node.length(), node.null_count());
            return Err(malformed(
                at,
                format!("node {index} has {rows} rows and {nulls} nulls"),
            ));
        }
    }
    for index in 0..batch.buffers().map_or(0, |buffers| buffers.len()) {
        buffer(bytes, frame, index)?;
    }
    Ok(())
}

/// What the schema adds: every column has the batch's rows, and null counts are what the bitmaps say.
fn check_columns(
    bytes: &[u8],
    frame: &Frame,
    schema: &Schema,
    layout: Option<&[Node]>,
) -> Result<(), PayloadError> {
    let at = frame.metadata.start;
    let Some(batch) = frame.batch(bytes)? else {
        return Ok(());
    };
    let rows = batch.length();
    if !schema.fields().is_empty() && usize::try_from(rows).map_or(true, |rows| rows > MAX_VALUES) {
        return Err(PayloadError::TooLarge {
            limit: MAX_VALUES,
            what: "values",
        });
    }
    let Some(layout) = layout else { return Ok(()) };
    let nodes = batch.nodes().map_or(0, |nodes| nodes.len());
    if nodes != layout.len() {
        return Err(malformed(
            at,
            format!(
                "the batch has {nodes} nodes, its schema asks for {}",
                layout.len()
            ),
        ));
    }
    for (node, place) in batch.nodes().iter().flatten().zip(layout) {
        if place.depth == 0 && node.length() != rows {
            let found = node.length();
            return Err(malformed(
                at,
                format!("node {} has {found} rows, its batch {rows}", place.index),
            ));
        }
        let Some(validity) = place.validity else {
            continue;
        };
        let bitmap = buffer(bytes, frame, validity)?;
        if bitmap.is_empty() && node.null_count() == 0 {
            continue;
        }
        let length = usize::try_from(node.length()).unwrap_or(usize::MAX);
        let Some(valid) = ones(bitmap, length) else {
            return Err(malformed(
                at,
                format!(
                    "node {} has {length} rows, its bitmap is shorter",
                    place.index
                ),
            ));
        };
        let (said, found) = (node.null_count(), length - valid);
        if usize::try_from(said) != Ok(found) {
            return Err(malformed(
                at,
                format!("node {} says {said} nulls, its bitmap {found}", place.index),
            ));
        }
    }
    Ok(())
}

/// A buffer's bytes, if it lies inside of the body.
fn buffer<'a>(bytes: &'a [u8], frame: &Frame, index: usize) -> Result<&'a [u8], PayloadError> {
    let outside = || {
        malformed(
            frame.metadata.start,
            format!("buffer {index} lies outside of the body"),
        )
    };
    let batch = frame.batch(bytes)?;
    let buffers = batch
        .and_then(|batch| batch.buffers())
        .filter(|buffers| index < buffers.len());
    let buffer = buffers.ok_or_else(outside)?.get(index);
    let body = &bytes[frame.body.clone()];
    let start = usize::try_from(buffer.offset()).map_err(|_| outside())?;
    let length = usize::try_from(buffer.length()).map_err(|_| outside())?;
    let end = start.checked_add(length).ok_or_else(outside)?;
    body.get(start..end).ok_or_else(outside)
}

/// How many of the first `length` bits are set; `None` if there are not so many.
fn ones(bitmap: &[u8], length: usize) -> Option<usize> {
    let (whole, rest) = (length / 8, length % 8);
    let full = bitmap.get(..whole)?.iter().map(|byte| byte.count_ones());
    let last = match rest {
        0 => 0,
        rest => (bitmap.get(whole)? & ((1 << rest) - 1)).count_ones(),
    };
    full.chain([last])
        .map(|ones| usize::try_from(ones).ok())
        .sum()
}

/// What may still be unfolded.
struct Budget {
    values: usize,
    bytes: usize,
}

impl Budget {
    fn column(&mut self, array: &ArrayRef) -> Result<Vec<IpcValue>, PayloadError> {
        let left = self.values.checked_sub(array.len());
        self.values = left.ok_or(PayloadError::TooLarge {
            limit: MAX_VALUES,
            what: "values",
        })?;
        let ty = array.data_type();
        match ty {
            DataType::Null => Ok(vec![IpcValue::Null; array.len()]),
            DataType::Boolean => {
                let values = array.as_boolean();
                each(array, |row| Ok(IpcValue::Bool(values.value(row))))
            }
            DataType::Int8 => integers::<Int8Type>(array),
            DataType::Int16 => integers::<Int16Type>(array),
            DataType::Int32 => integers::<Int32Type>(array),
            DataType::Int64 => integers::<Int64Type>(array),
            DataType::UInt8 => integers::<UInt8Type>(array),
            DataType::UInt16 => integers::<UInt16Type>(array),
            DataType::UInt32 => integers::<UInt32Type>(array),
            DataType::UInt64 => integers::<UInt64Type>(array),
            DataType::Date32 => integers::<Date32Type>(array),
            DataType::Date64 => integers::<Date64Type>(array),
            DataType::Timestamp(TimeUnit::Second, _) => integers::<TimestampSecondType>(array),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                integers::<TimestampMillisecondType>(array)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                integers::<TimestampMicrosecondType>(array)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                integers::<TimestampNanosecondType>(array)
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>();
                each(array, |row| {
                    Ok(IpcValue::Float(f64::from(values.value(row))))
                })
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>();
                each(array, |row| Ok(IpcValue::Float(values.value(row))))
            }
            DataType::Utf8 => each(array, |row| self.text(array.as_string::<i32>().value(row))),
            DataType::LargeUtf8 => {
                each(array, |row| self.text(array.as_string::<i64>().value(row)))
            }
            DataType::Utf8View => each(array, |row| self.text(array.as_string_view().value(row))),
            DataType::Binary => each(array, |row| {
                self.binary(array.as_binary::<i32>().value(row))
            }),
            DataType::LargeBinary => each(array, |row| {
                self.binary(array.as_binary::<i64>().value(row))
            }),
            DataType::BinaryView => {
                each(array, |row| self.binary(array.as_binary_view().value(row)))
            }
            DataType::FixedSizeBinary(_) => each(array, |row| {
                self.binary(array.as_fixed_size_binary().value(row))
            }),
            DataType::List(_) => self.lists::<i32>(array),
            DataType::LargeList(_) => self.lists::<i64>(array),
            DataType::FixedSizeList(..) => {
                let lists = array.as_fixed_size_list();
                each(array, |row| {
                    self.column(&lists.value(row)).map(IpcValue::List)
                })
            }
            DataType::Struct(_) => {
                let columns = array
                    .as_struct()
                    .columns()
                    .iter()
                    .map(|column| self.column(column));
                let columns = columns.collect::<Result<Vec<_>, _>>()?;
                each(array, |row| {
                    Ok(IpcValue::List(
                        columns.iter().map(|column| column[row].clone()).collect(),
                    ))
                })
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let values = self.column(dictionary.values())?;
                let keys = self.column(&dictionary.keys().slice(0, array.len()))?;
                let value = |key: IpcValue| match key {
                    IpcValue::Integer(key) => {
                        let value = usize::try_from(key).ok().and_then(|key| values.get(key));
                        let value = value.ok_or_else(|| {
                            PayloadError::Arrow(format!("there is no dictionary value {key}"))
                        })?;
                        self.again(value)?;
                        Ok(value.clone())
                    }
                    _ => Ok(IpcValue::Null),
                };
                keys.into_iter().map(value).collect()
            }
            other => Err(PayloadError::Unsupported(type_name(other))),
        }
    }

    fn lists<O: OffsetSizeTrait>(
        &mut self,
        array: &ArrayRef,
    ) -> Result<Vec<IpcValue>, PayloadError> {
        let lists = array.as_list::<O>();
        each(array, |row| {
            self.column(&lists.value(row)).map(IpcValue::List)
        })
    }

    fn text(&mut self, text: &str) -> Result<IpcValue, PayloadError> {
        self.take_bytes(text.len())?;
        Ok(IpcValue::Text(text.to_owned()))
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<IpcValue, PayloadError> {
        self.take_bytes(bytes.len())?;
        Ok(IpcValue::Bytes(bytes.to_vec()))
    }

    /// Counts a value that a dictionary repeats.
    fn again(&mut self, value: &IpcValue) -> Result<(), PayloadError> {
        match value {
            IpcValue::Text(text) => self.take_bytes(text.len()),
            IpcValue::Bytes(bytes) => self.take_bytes(bytes.len()),
            IpcValue::List(values) => {
                let left = self.values.checked_sub(values.len());
                self.values = left.ok_or(PayloadError::TooLarge {
                    limit: MAX_VALUES,
                    what: "values",
                })?;
                values.iter().try_for_each(|value| self.again(value))
            }
            _ => Ok(()),
        }
    }

    fn take_bytes(&mut self, length: usize) -> Result<(), PayloadError> {
        let left = self.bytes.checked_sub(length);
        self.bytes = left.ok_or(PayloadError::TooLarge {
            limit: MAX_BYTES,
            what: "bytes",
        })?;
        Ok(())
    }
}

fn integers<T>(array: &ArrayRef) -> Result<Vec<IpcValue>, PayloadError>
where
    T: ArrowPrimitiveType,
    T::Native: TryInto<i64> + ToString,
{
    let values = array.as_primitive::<T>();
    each(array, |row| {
        let value = values.value(row);
        Ok(value
            .try_into()
            .map_or_else(|_| IpcValue::Text(value.to_string()), IpcValue::Integer))
    })
}

fn each(
    array: &ArrayRef,
    mut value: impl FnMut(usize) -> Result<IpcValue, PayloadError>,
) -> Result<Vec<IpcValue>, PayloadError> {
    let one = |row| {
        if array.is_null(row) {
            Ok(IpcValue::Null)
        } else {
            value(row)
        }
    };
    (0..array.len()).map(one).collect()
}

/// Makes an error of a panic in Arrow.
fn guarded<T>(work: impl FnOnce() -> Result<T, PayloadError>) -> Result<T, PayloadError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(PayloadError::Arrow("it panicked".to_owned())))
}

fn arrow(error: arrow::error::ArrowError) -> PayloadError {
    PayloadError::Arrow(error.to_string())
}
