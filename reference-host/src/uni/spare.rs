//! Memory for the streams that plugins receive. To get megabytes from the system anew for each call, page by page, takes
//! several times as long as to fill them.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::ipc::append_stream;

/// Buffers that wait for the next stream.
const BUFFERS: usize = 4;

/// Bytes of a buffer that may wait; larger ones are given back to the system.
const BUFFER_BYTES: usize = 32 << 20;

/// The buffers of one host that no call uses.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Vec<u8>>>);

/// A stream; its memory is spare again when it is dropped.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    bytes: Vec<u8>,
    spare: &'a Spare,
}

impl Spare {
    /// The batch as a stream.
    ///
    /// # Errors
    /// As [`append_stream`].
    pub(super) fn stream(&self, batch: &RecordBatch) -> Result<Stream<'_>, ArrowError> {
        let bytes = self.buffers().pop().unwrap_or_default();
        let mut stream = Stream { bytes, spare: self };
        append_stream(batch, &mut stream.bytes)?;
        Ok(stream)
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Stream<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut buffers = self.spare.buffers();
        if bytes.capacity() <= BUFFER_BYTES && buffers.len() < BUFFERS {
            buffers.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::uni::columns;
    use crate::uni::ipc::write_stream;

    fn batch(rows: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let rows = column.len();
        columns(vec![column], rows).expect("one column")
    }

    #[test]
    fn a_buffer_serves_again_and_keeps_nothing_of_before() {
        let spare = Spare::default();
        let place = {
            let long = spare.stream(&batch(1_000)).expect("a stream");
            assert_eq!(*long, *write_stream(&batch(1_000)).expect("a stream"));
            long.as_ptr()
        };
        let short = spare.stream(&batch(3)).expect("a stream");
        assert_eq!(short.as_ptr(), place);
        assert_eq!(*short, *write_stream(&batch(3)).expect("a stream"));
    }

    #[test]
    fn little_is_kept() {
        let spare = Spare::default();
        let streams: Vec<_> = (0..10)
            .map(|_| spare.stream(&batch(1)).expect("a stream"))
            .collect();
        drop(streams);
        assert_eq!(spare.buffers().len(), BUFFERS);
        spare.buffers().clear();
        drop(spare.stream(&batch(5_000_000)).expect("a stream"));
        assert!(spare.buffers().is_empty());
    }
}
