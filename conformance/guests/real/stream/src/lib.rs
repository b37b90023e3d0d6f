//! Arrow IPC streams of `uni:plugin@0.1.0`, as the plugins of this workspace read and write them.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    buffer::Buffer,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    ipc::{
        MessageHeader, convert::try_schema_from_flatbuffer_bytes, reader::read_record_batch,
        root_as_message, writer::StreamWriter,
    },
};

/// The batches of a stream. Message by message, as arrow's own stream reader knows dictionaries too: no registration of the
/// contract can name these, and their code is a third of a plugin.
///
/// # Errors
/// When it is no stream, or one with dictionaries.
pub fn read(bytes: &[u8]) -> Result<Vec<RecordBatch>, ArrowError> {
    let short = || ArrowError::IpcError("the stream ends early".to_owned());
    let mut rest = bytes;
    let number = |rest: &mut &[u8]| -> Result<usize, ArrowError> {
        let (head, tail) = rest.split_first_chunk().ok_or_else(short)?;
        *rest = tail;
        Ok(u32::from_le_bytes(*head) as usize)
    };
    let mut schema: Option<SchemaRef> = None;
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let mut length = number(&mut rest)?;
        if length == 0xffff_ffff {
            length = number(&mut rest)?;
        }
        if length == 0 {
            break;
        }
        let (metadata, tail) = rest.split_at_checked(length).ok_or_else(short)?;
        let message =
            root_as_message(metadata).map_err(|error| ArrowError::IpcError(error.to_string()))?;
        let length = usize::try_from(message.bodyLength()).map_err(|_| short())?;
        let (body, tail) = tail.split_at_checked(length).ok_or_else(short)?;
        rest = tail;
        match (
            message.header_type(),
            message.header_as_record_batch(),
            &schema,
        ) {
            (MessageHeader::Schema, ..) => {
                schema = Some(Arc::new(try_schema_from_flatbuffer_bytes(metadata)?))
            }
            (_, Some(batch), Some(schema)) => {
                let body = Buffer::from(body);
                batches.push(read_record_batch(
                    &body,
                    batch,
                    schema.clone(),
                    &HashMap::new(),
                    None,
                    &message.version(),
                )?);
            }
            _ => return Err(ArrowError::IpcError("neither schema nor batch".to_owned())),
        }
    }
    match schema {
        Some(_) => Ok(batches),
        None => Err(ArrowError::IpcError("no schema".to_owned())),
    }
}

/// A stream of as many batches of this schema, each made of its number.
///
/// # Errors
/// When a batch is not of the schema.
pub fn write(
    schema: Schema,
    batches: usize,
    columns: impl Fn(usize) -> Vec<ArrayRef>,
) -> Result<Vec<u8>, ArrowError> {
    let schema = Arc::new(schema);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for batch in 0..batches {
        writer.write(&RecordBatch::try_new(schema.clone(), columns(batch))?)?;
    }
    writer.into_inner()
}
