//! Columns through a plugin and back: rows a second, bytes a second, the fixed cost of a call and where it goes.
//!
//! Criterion times each kind of call at each size, and its floor. What is promised is timed once more, call by call, the
//! floor and the host in turn, and goes to `target/criterion/witgate/arrow_path.json` with what one call spends where.
//! The plugin does nothing, so nothing but the host is measured; see [`benches::echo`].

mod alternate;
mod columns;
mod floor;
mod published;
mod stages;
mod subject;

use std::hint::black_box;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use benches::echo::{Echo, STATE_BYTES};
use benches::times::{Record, keep};
use criterion::{BenchmarkId, Criterion, Throughput};
use reference_host::uni::{CallError, Config, Instances};

use crate::alternate::in_turn;
use crate::columns::{batch, column, nested, states, wrapped};
use crate::floor::{Floor, stream};
use crate::stages::Stages;
use crate::subject::{Subject, name};

/// Rows of a scalar's, an update's and a procedure's columns.
const ROWS: [usize; 4] = [1, 100, 10_000, 1_000_000];

fn main() {
    let value = stream(&batch(column("int64", 1)));
    let plain = Echo::Plain.component(&value).expect("the plugin's text");
    let marked = Echo::Marked.component(&value).expect("the plugin's text");
    let mut floor = Floor::new(&plain);
    let subject = Subject::new(&plain, Config::default());

    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .without_plots()
        .configure_from_args();
    scalars(&mut criterion, &subject, &mut floor);
    aggregates(&mut criterion, &subject, &mut floor, &value);
    procedures(&mut criterion, &subject, &mut floor);

    let mut records = promised(&subject, &mut floor, &plain);
    let stages = Stages::new(&marked);
    for (rows, calls) in [(1, 2_000), (10_000, 500), (1_000_000, 60)] {
        records.extend(stages.measure(&batch(column("int64", rows)), calls));
    }
    published::compare(&plain, &subject, &mut records);
    keep("arrow_path", &records).expect("target/criterion can be written");
    criterion.final_summary();
}

/// Times `call` by criterion; what it answers is dropped outside the time.
fn bench<T>(
    criterion: &mut Criterion,
    group: &str,
    side: &str,
    (rows, bytes): (usize, usize),
    mut call: impl FnMut() -> T,
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::ElementsAndBytes {
        elements: rows as u64,
        bytes: bytes as u64,
    });
    group.bench_function(BenchmarkId::new(side, rows), |bencher| {
        bencher.iter_custom(|calls| {
            let mut time = Duration::ZERO;
            for _ in 0..calls {
                let begin = Instant::now();
                let answer = black_box(call());
                time += begin.elapsed();
                drop(answer);
            }
            time
        });
    });
    group.finish();
}

fn scalars(criterion: &mut Criterion, subject: &Subject, floor: &mut Floor) {
    for kind in ["int64", "float64", "utf8"] {
        for rows in ROWS {
            let batch = batch(column(kind, rows));
            let size = (rows, 2 * stream(&batch).len());
            let group = format!("arrow scalar {kind}");
            bench(criterion, &group, "host", size, || {
                subject.scalar(kind, &batch)
            });
            bench(criterion, &group, "floor", size, || {
                subject.block_on(floor.empty_call());
                floor.transfer(&batch)
            });
        }
    }
    // No dictionary is on the wire of the contract; the host refuses one, and its caller spells the values out.
    for rows in ROWS {
        let coded = batch(column("dictionary", rows));
        let refused = subject.block_on(subject.host().invoke_scalar(&name("utf8"), &coded));
        assert!(
            matches!(refused, Err(CallError::Arguments { .. })),
            "a dictionary is refused"
        );
        let size = (rows, 2 * stream(&spelled_out(&coded)).len());
        let group = "arrow scalar dictionary";
        bench(criterion, group, "host", size, || {
            subject.scalar("utf8", &spelled_out(&coded))
        });
        bench(criterion, group, "floor", size, || {
            subject.block_on(floor.empty_call());
            floor.transfer(&coded)
        });
    }
}

fn spelled_out(coded: &RecordBatch) -> RecordBatch {
    batch(cast(coded.column(0), &DataType::Utf8).expect("a dictionary of texts"))
}

fn aggregates(criterion: &mut Criterion, subject: &Subject, floor: &mut Floor, value: &[u8]) {
    for rows in ROWS {
        let batch = batch(column("int64", rows));
        let size = (rows, stream(&batch).len());
        let mut accumulator = subject.accumulator();
        bench(criterion, "arrow update", "host", size, || {
            subject
                .block_on(accumulator.update(&batch))
                .expect("a state");
        });
        bench(criterion, "arrow update", "floor", size, || {
            subject.block_on(floor.empty_call());
            floor.send(&batch)
        });
    }
    for count in [1, 1_000, 100_000] {
        let states = states(count, STATE_BYTES);
        let batch = batch(states.clone());
        let size = (count, stream(&batch).len());
        let mut accumulator = subject.accumulator();
        bench(criterion, "arrow merge", "host", size, || {
            subject
                .block_on(accumulator.merge_column(&states))
                .expect("a state");
        });
        bench(criterion, "arrow merge", "floor", size, || {
            subject.block_on(floor.empty_call());
            floor.send(&batch)
        });
    }
    let accumulator = subject.accumulator();
    let size = (1, value.len());
    bench(criterion, "arrow evaluate", "host", size, || {
        subject.block_on(accumulator.evaluate()).expect("a value")
    });
    let one = batch(column("int64", 1));
    let length = floor.send(&one);
    bench(criterion, "arrow evaluate", "floor", size, || {
        subject.block_on(floor.empty_call());
        floor.receive(0, length)
    });
}

fn procedures(criterion: &mut Criterion, subject: &Subject, floor: &mut Floor) {
    for rows in ROWS {
        let batch = wrapped(rows);
        let answer = stream(&crate::batch(column("int64", rows))).len();
        let whole = stream(&batch).len();
        let size = (rows, whole + answer);
        let answered = subject.procedure("unwrap", &batch);
        assert_eq!(answered[0].num_rows(), rows, "the stream inside comes back");
        bench(criterion, "arrow procedure int64", "host", size, || {
            subject.procedure("unwrap", &batch)
        });
        // What is inside lies in front of the end marker, padded.
        let at = whole - 8 - answer.next_multiple_of(64);
        bench(criterion, "arrow procedure int64", "floor", size, || {
            subject.block_on(floor.empty_call());
            floor.send(&batch);
            floor.receive(at, answer)
        });
    }
    // Nor are lists on the wire: a procedure's `cypher_value` takes one as its JSON text, a scalar does not take it at all.
    for items in [1, 1_000, 100_000] {
        let batch = nested(items);
        let refused = subject.block_on(subject.host().invoke_scalar(&name("largebinary"), &batch));
        assert!(
            matches!(refused, Err(CallError::Arguments { .. })),
            "a list is refused"
        );
        let size = (items, stream(&batch).len());
        let group = "arrow procedure nested";
        bench(criterion, group, "host", size, || {
            subject.procedure("json", &batch)
        });
        bench(criterion, group, "floor", size, || {
            subject.block_on(floor.empty_call());
            floor.send(&batch)
        });
    }
}

/// What is promised of this path, each beside its floor.
fn promised(subject: &Subject, floor: &mut Floor, component: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let group = "arrow";
    let (budget, most) = (Duration::from_secs(2), 20_000);
    let keep = name("keep");
    let (floors, times) = in_turn(
        budget,
        most,
        || subject.time(floor.empty_call()),
        || subject.time(subject.host().accumulator(&keep)),
    );
    let name_of = "fixed cost of a call (agg-new, no stream either way)";
    records.push(
        Record::times(group, name_of, &times)
            .above(&floors)
            .promised(1.5),
    );

    // The least that a row can cost: what a call costs, and Arrow's own stream there and back.
    let one = batch(column("int64", 1));
    let qname = name("int64");
    let kept = Subject::new(
        component,
        Config {
            instances: Instances::Kept,
            ..Config::default()
        },
    );
    for (name_of, subject, promise) in [
        ("scalar, 1 int64 row", subject, Some(1.5)),
        ("scalar, 1 int64 row, instances kept", &kept, None),
    ] {
        let (floors, times) = in_turn(
            budget,
            most,
            || {
                subject.time(async {
                    floor.empty_call().await;
                    floor.transfer(black_box(&one))
                })
            },
            || subject.time(subject.host().invoke_scalar(&qname, &one)),
        );
        let record = Record::times(group, name_of, &times).above(&floors);
        records.push(match promise {
            Some(ratio) => record.promised(ratio),
            None => record,
        });
    }

    let most = *ROWS.last().expect("some sizes");
    for kind in ["int64", "float64", "utf8"] {
        let batch = batch(column(kind, most));
        let qname = name(kind);
        let (floors, times) = in_turn(
            Duration::from_secs(4),
            1_000,
            || {
                let begin = Instant::now();
                let answer = floor.transfer(black_box(&batch));
                let time = begin.elapsed();
                drop(answer);
                time
            },
            || subject.time(subject.host().invoke_scalar(&qname, &batch)),
        );
        let record =
            Record::times(group, format!("scalar, {most} {kind} rows"), &times).above(&floors);
        records.push(if kind == "int64" {
            record.promised(1.5)
        } else {
            record
        });
    }
    records
}
