//! The least that a call can cost: an instance of the same component on the same engine and an empty call of it, without a
//! host around it; and the same batch through Arrow's own writer and decoder, with one `memcpy` each way.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use reference_host::engine;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

/// Bytes of what stands for the memory of a guest; larger streams do not fit.
const MEMORY_BYTES: usize = 128 << 20;

pub(crate) struct Floor {
    pre: InstancePre<()>,
    /// Touched before anything is measured, as the memory of an instance that was used before.
    memory: Vec<u8>,
}

impl Floor {
    /// # Panics
    /// Where the component is not one that imports at most `uni:plugin/types`.
    pub(crate) fn new(component: &[u8]) -> Self {
        let component = engine::compile(component).expect("the plugin compiles");
        let engine = engine::shared().expect("the engine is there");
        let pre = Linker::new(engine)
            .instantiate_pre(&component)
            .expect("the plugin imports no function");
        Self {
            pre,
            memory: vec![1; MEMORY_BYTES],
        }
    }

    /// One pooled instantiation and one empty call.
    pub(crate) async fn empty_call(&self) {
        let mut store = Store::new(self.pre.engine(), ());
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self
            .pre
            .instantiate_async(&mut store)
            .await
            .expect("an instance");
        instance
            .get_typed_func::<(), ()>(&mut store, "empty")
            .expect("the export")
            .call_async(&mut store, ())
            .await
            .expect("an empty call");
    }

    /// Writes the batch and copies the stream once; answers with its length.
    pub(crate) fn send(&mut self, batch: &RecordBatch) -> usize {
        let stream = stream(batch);
        self.memory[..stream.len()].copy_from_slice(&stream);
        stream.len()
    }

    /// Copies a stream of this length, at this place of what was sent, and decodes it without another copy.
    pub(crate) fn receive(&self, at: usize, length: usize) -> RecordBatch {
        let mut buffer = Buffer::from_vec(self.memory[at..at + length].to_vec());
        StreamDecoder::new()
            .decode(&mut buffer)
            .expect("a stream that was just written")
            .expect("a stream of one batch")
    }

    /// There and back.
    pub(crate) fn transfer(&mut self, batch: &RecordBatch) -> RecordBatch {
        let length = self.send(batch);
        self.receive(0, length)
    }
}

/// The batch as a stream, by Arrow's writer with its defaults.
pub(crate) fn stream(batch: &RecordBatch) -> Vec<u8> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(batch)?;
        writer.finish()?;
        writer.into_inner()
    };
    write().expect("Arrow writes its own batches")
}
