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
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    writer.into_inner()
}
