//! One instance with one queue and nothing else to do. A call is timed from its beginning until what came of it is read, as
//! the latency benchmark of Pie does it; handles are dropped after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::inferlet::repeat;
use benches::times::{Record, Times};
use criterion::Criterion;
use reference_host::pie::Program;
use reference_host::pie::backend::Deterministic;

use crate::floor::Floor;
use crate::host::{Bench, Host, Task, net, pairs, program};

/// Timed calls of one round, after a tenth as many that are not.
const CALLS: usize = 2_000;

/// Calls into the host that each series with a promise makes: it asks, takes a pollable, blocks on it, and gets what came.
const HOST_CALLS: f64 = 4.0;

/// Rounds of each series, all series in turn.
const ROUNDS: usize = 8;

/// What is timed, and what else the guest does after each.
struct Series {
    name: &'static str,
    call: &'static str,
    between: &'static str,
    promised: Option<(f64, f64)>,
}

const SERIES: [Series; 5] = [
    Series {
        name: "create-queue",
        call: "(local.set $c (call $create-queue (local.get $b)))",
        between: "(call $drop-queue (local.get $c))",
        promised: None,
    },
    Series {
        name: "debug-query round trip",
        call: "(call $ask-and-wait (local.get $a))",
        between: "(call $forget-answer)",
        promised: Some((2.0, 5.0)),
    },
    Series {
        name: "synchronize on an idle queue",
        call: "(call $wait (local.get $a))",
        between: "(call $forget-wait)",
        promised: Some((2.0, 5.0)),
    },
    Series {
        name: "debug-query, then synchronize",
        call: "(call $both (local.get $a))",
        between: "(call $forget-both)",
        promised: None,
    },
    Series {
        name: "nothing",
        call: "",
        between: "",
        promised: None,
    },
];

/// A guest that reads the clock around every call.
fn guest(series: &Series) -> Program {
    let Series { call, between, .. } = series;
    program(&format!(
        "(local.set $a (call $queue)) (local.set $b (i32.load (i32.const 36))) {} {}",
        repeat(CALLS / 10, &format!("{call} {between}")),
        repeat(
            CALLS,
            &format!("(call $mark) {call} (call $mark) {between}")
        ),
    ))
}

pub(crate) fn measure(bench: &Bench, floor: &Floor, records: &mut Vec<Record>) {
    let host = Arc::new(bench.host(Arc::new(Deterministic::new()), 64));
    let far = Arc::new(bench.host(Task::new(bench, Duration::ZERO), 64));
    let guests: Vec<Program> = SERIES.iter().map(guest).collect();
    let (mut floors, mut across) = (Vec::new(), Vec::new());
    let mut times: Vec<Vec<f64>> = SERIES.iter().map(|_| Vec::new()).collect();
    let mut far_times: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        floors.extend(floor.wake_one(bench, 1, CALLS));
        across.extend(floor.wake_across(bench, CALLS / 4));
        for (guest, times) in guests.iter().zip(&mut times) {
            times.extend(pairs(&readings(bench, &host, guest)));
        }
        for (guest, times) in [&guests[1], &guests[3]].into_iter().zip(&mut far_times) {
            times.extend(pairs(&readings(bench, &far, guest)));
        }
    }
    let whole = floors
        .iter()
        .map(|wake| wake + (HOST_CALLS - 1.0) * floor.call);
    let whole = Times::from_nanos(whole);
    let floors = Times::from_nanos(floors);
    let across = Times::from_nanos(across);
    let readings = times
        .pop()
        .map_or(0.0, |nothing| Times::from_nanos(nothing).percentile(0.5));
    let group = "queue";
    records.push(Record::times(group, "floor", &floors).note(format!(
        "one wake-up, and {:.1} ns for a bare call",
        floor.call
    )));
    records.push(
        Record::times(group, "floor across threads", &across)
            .note("the same, where each of the two tasks has a thread of its own"),
    );
    records.push(Record::value(
        group,
        "taken off for two readings of the clock",
        "ns",
        CALLS * ROUNDS,
        readings,
    ));
    for (series, times) in SERIES.iter().zip(times) {
        let times = net(times, readings);
        let mut record = Record::times(group, series.name, &times).above(&floors);
        if let Some((p50, p99)) = series.promised {
            record = record.promised(p50).promised_p99(p99);
        }
        records.push(record.histogram(&times));
        if series.promised.is_some() {
            let name = format!("{}, beside its {HOST_CALLS} calls made bare", series.name);
            records.push(
                Record::times(group, name, &times)
                    .above(&whole)
                    .note("the floor of the promise has one call; the interface takes four"),
            );
            let name = format!("{}, beside the floor across threads", series.name);
            records.push(Record::times(group, name, &times).above(&across));
        }
    }
    for (name, times) in ["debug-query round trip", "debug-query, then synchronize"]
        .into_iter()
        .zip(far_times)
    {
        let times = net(times, readings);
        records.push(
            Record::times("queue, backend in a task of its own", name, &times)
                .above(&floors)
                .histogram(&times),
        );
    }
}

fn readings(bench: &Bench, host: &Arc<Host>, guest: &Program) -> Vec<Instant> {
    let (host, guest) = (host.clone(), guest.clone());
    bench.run(async move { host.once(&guest).await })
}

/// The same medians once more as criterion takes them, so that it can compare them with those of an earlier run.
pub(crate) fn measure_by_criterion(bench: &Bench, floor: &Floor, criterion: &mut Criterion) {
    let host = Arc::new(bench.host(Arc::new(Deterministic::new()), 64));
    let mut group = criterion.benchmark_group("queue");
    group.bench_function("floor", |bencher| {
        bencher.iter_custom(|calls| {
            let times = floor.wake_one(bench, 1, usize::try_from(calls).unwrap_or(usize::MAX));
            Duration::from_secs_f64(times.iter().sum::<f64>() / 1e9)
        });
    });
    for series in SERIES.iter().filter(|series| !series.call.is_empty()) {
        let guest = guest(series);
        group.bench_function(series.name, |bencher| {
            bencher.iter_custom(|calls| {
                let rounds = calls.div_ceil(CALLS as u64);
                let spent: f64 = (0..rounds)
                    .flat_map(|_| pairs(&readings(bench, &host, &guest)).collect::<Vec<_>>())
                    .sum();
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let share = calls as f64 / (rounds * CALLS as u64) as f64;
                Duration::from_secs_f64(spent * share / 1e9)
            });
        });
    }
    group.finish();
}
