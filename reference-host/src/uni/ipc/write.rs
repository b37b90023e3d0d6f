//! Writes the streams that plugins receive: metadata version 5, 64-byte alignment, no compression, no dictionaries, one
//! batch, end marker.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

/// The batch as a stream.
///
/// # Errors
/// What Arrow's writer reports; batches of flat columns give none.
pub fn write_stream(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut stream = Vec::new();
    append_stream(batch, &mut stream)?;
    Ok(stream)
}

/// As [`write_stream`], behind what is there.
///
/// # Errors
/// As [`write_stream`]; part of a stream may be there then.
pub fn append_stream(batch: &RecordBatch, stream: &mut Vec<u8>) -> Result<(), ArrowError> {
    let mut writer = StreamWriter::try_new(stream, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()
}
