//! What one scalar call spends where. The clock is read outside the guest, at lines that the marked plugin logs: when its
//! instance has started, when its export is entered, when it returns. Writing and reading the streams is timed apart, and
//! taken from the stage that holds it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use benches::times::{Record, Times};
use reference_host::uni::ipc::{Expected, read_stream, write_stream};
use reference_host::uni::{Config, LogLine, LogSink};

use crate::subject::Subject;

/// The instants at which a line came.
#[derive(Default)]
struct Marks(Mutex<Vec<Instant>>);

impl LogSink for Marks {
    fn log(&self, _: LogLine<'_>) {
        let now = Instant::now();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(now);
    }
}

pub(crate) struct Stages {
    subject: Subject,
    marks: Arc<Marks>,
}

impl Stages {
    pub(crate) fn new(component: &[u8]) -> Self {
        let marks = Arc::new(Marks::default());
        let subject = Subject::new(
            component,
            Config {
                log: marks.clone(),
                ..Config::default()
            },
        );
        Self { subject, marks }
    }

    /// The stages of `calls` calls of the function for `int64`.
    pub(crate) fn measure(&self, batch: &RecordBatch, calls: usize) -> Vec<Record> {
        let mut stages: [Vec<Duration>; 6] = Default::default();
        let types = [batch.column(0).data_type().clone()];
        for _ in 0..calls + 2 {
            self.marks().clear();
            let begin = Instant::now();
            let answer = self.subject.scalar("int64", batch);
            let end = Instant::now();
            let [started, entered, returned] = self.marks()[..] else {
                panic!("three lines a call");
            };
            drop(answer);
            let (write, stream) = timed(|| write_stream(batch).expect("a flat batch"));
            let expected = Expected {
                columns: &types,
                max_rows: u64::MAX,
                max_batches: 1,
            };
            let (read, _) = timed(|| read_stream(stream, expected).expect("its own stream"));
            let all = [
                (started - begin).saturating_sub(write),
                write,
                entered - started,
                returned - entered,
                (end - returned).saturating_sub(read),
                read,
            ];
            for (times, time) in stages.iter_mut().zip(all) {
                times.push(time);
            }
        }
        let names = [
            "instantiate",
            "encode",
            "copy in",
            "guest",
            "copy out and end of the instance",
            "decode",
        ];
        names
            .iter()
            .zip(stages)
            .map(|(name, times)| {
                let times = Times::new(times.into_iter().skip(2));
                let name = format!("{} rows, {name}", batch.num_rows());
                Record::times("arrow stages", name, &times)
            })
            .collect()
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.marks.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = work();
    (begin.elapsed(), value)
}
