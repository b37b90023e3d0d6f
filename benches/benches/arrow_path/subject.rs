//! The reference host with the echo plugin loaded, called as an embedder calls it.

use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use benches::echo::ID;
use reference_host::uni::{Accumulator, Config, Grants, UniHost};
use tokio::runtime::Runtime;

pub(crate) struct Subject {
    host: UniHost,
    runtime: Runtime,
}

impl Subject {
    pub(crate) fn new(component: &[u8], config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let host = UniHost::new(config).expect("a host");
        runtime
            .block_on(host.load(component, &Grants::surfaces()))
            .expect("the plugin loads");
        Self { host, runtime }
    }

    /// Runs on the executor of the host.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(crate) fn host(&self) -> &UniHost {
        &self.host
    }

    pub(crate) fn scalar(&self, function: &str, batch: &RecordBatch) -> ArrayRef {
        self.block_on(self.host.invoke_scalar(&name(function), batch))
            .expect("an answer")
    }

    pub(crate) fn procedure(&self, function: &str, batch: &RecordBatch) -> Vec<RecordBatch> {
        self.block_on(self.host.invoke_procedure(&name(function), batch))
            .expect("an answer")
    }

    pub(crate) fn accumulator(&self) -> Accumulator {
        self.block_on(self.host.accumulator(&name("keep")))
            .expect("an accumulator")
    }

    /// The time of one call, without what the executor needs to begin.
    pub(crate) fn time<F: Future>(&self, call: F) -> Duration {
        self.block_on(async {
            let begin = Instant::now();
            let answer = call.await;
            let time = begin.elapsed();
            drop(answer);
            time
        })
    }
}

/// The full name of a function of the plugin.
pub(crate) fn name(function: &str) -> String {
    format!("{ID}.{function}")
}
