//! The `uni:plugin` host, driven through its public functions with small plugins written as component text.

mod aggregate;
mod concurrency;
mod guests;
mod limits;
mod load;
mod net;
mod procedure;
mod scalar;

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::ipc::writer::StreamWriter;
use reference_host::uni::{CallError, Config, Grants, Limits, LogLine, LogSink, UniHost};

use guests::Guest;

#[derive(Default)]
struct Lines(Mutex<Vec<(Option<String>, String, String)>>);

impl LogSink for Lines {
    fn log(&self, line: LogLine<'_>) {
        let LogLine {
            plugin,
            level,
            message,
        } = line;
        self.0
            .lock()
            .expect("lines")
            .push((plugin.map(Into::into), level.into(), message.into()));
    }
}

fn host() -> UniHost {
    UniHost::new(Config::default()).expect("a host")
}

fn host_with(limits: Limits) -> UniHost {
    UniHost::new(Config {
        limits,
        ..Config::default()
    })
    .expect("a host")
}

fn grants() -> Grants {
    Grants::surfaces()
}

async fn loaded(guest: &Guest) -> UniHost {
    let host = host();
    host.load(&guest.build(), &grants()).await.expect("loads");
    host
}

fn args(columns: Vec<ArrayRef>) -> RecordBatch {
    let rows = columns.first().map_or(1, |c| c.len());
    reference_host::uni::columns(columns, rows).expect("columns of one length")
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).expect("writer");
    for batch in batches {
        writer.write(batch).expect("batch");
    }
    writer.into_inner().expect("stream")
}

fn array<A: arrow::array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

#[track_caller]
fn is_limit<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(e @ CallError::Limit { .. }) => {
            assert_eq!(e.code(), 4);
            e.to_string()
        }
        other => panic!("expected a limit, got {other:?}"),
    }
}
