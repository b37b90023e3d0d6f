//! Many queues in one instance, and many instances with a queue each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::inferlet::repeat;
use benches::times::{Record, Times};
use reference_host::pie::Program;
use reference_host::pie::backend::Deterministic;

use crate::floor::Floor;
use crate::host::{Bench, Host, Task, pairs, program};

/// Queues of one instance, and instances.
const CROWDS: [usize; 5] = [1, 8, 64, 256, 1024];

/// Timed calls over all queues or all instances of one round; the more there are, the fewer each makes.
const CALLS: usize = 131_072;

/// Rounds, all crowds in turn.
const ROUNDS: usize = 3;

/// What the guest does after each call.
const FORGET: &str = "(call $forget-both)";

/// One instance asks and waits on one queue after the other.
fn guest_of_queues(queues: usize) -> Program {
    let next = format!(
        "(local.set $b (i32.and (i32.add (local.get $b) (i32.const 4)) (i32.const {})))",
        4 * queues - 1
    );
    let call = "(call $both (i32.load offset=8192 (local.get $b)))";
    program(&format!(
        "{} (local.set $b (i32.const 0)) {} {}",
        repeat(
            queues,
            "(i32.store offset=8192 (local.get $b) (call $queue))
             (local.set $b (i32.add (local.get $b) (i32.const 4)))"
        ),
        repeat(CALLS / 128, &format!("{next} {call} {FORGET}")),
        repeat(
            CALLS / 16,
            &format!("{next} (call $mark) {call} (call $mark) {FORGET}")
        ),
    ))
}

pub(crate) fn measure_queues(bench: &Bench, floor: &Floor, records: &mut Vec<Record>) {
    let host = Arc::new(bench.host(Arc::new(Deterministic::new()), 64));
    let guests = CROWDS.map(guest_of_queues);
    let mut times: [Vec<f64>; CROWDS.len()] = Default::default();
    let mut floors = Vec::new();
    for _ in 0..ROUNDS {
        floors.extend(floor.wake_one(bench, 1, CALLS / 16));
        for (guest, times) in guests.iter().zip(&mut times) {
            let (host, guest) = (host.clone(), guest.clone());
            let readings = bench.run(async move { host.once(&guest).await });
            times.extend(pairs(&readings));
        }
    }
    let floors = Times::from_nanos(floors);
    for (queues, times) in CROWDS.into_iter().zip(times) {
        let times = Times::from_nanos(times);
        records.push(
            Record::times(
                "queue, many queues in one instance",
                format!("{queues}: debug-query, then synchronize"),
                &times,
            )
            .above(&floors),
        );
    }
}

/// Waits for the start, then asks and waits on its own queue.
fn guest_of_many(instances: usize) -> Program {
    let calls = CALLS / instances;
    let call = "(call $both (local.get $a))";
    program(&format!(
        "(local.set $a (call $queue)) {} (call $ready) (call $gate) {}",
        repeat(16, &format!("{call} {FORGET}")),
        repeat(calls, &format!("(call $mark) {call} (call $mark) {FORGET}")),
    ))
}

pub(crate) fn measure_instances(bench: &Bench, floor: &Floor, records: &mut Vec<Record>) {
    let guests = CROWDS.map(guest_of_many);
    let near = Arc::new(bench.host(Arc::new(Deterministic::new()), 64));
    let far = Arc::new(bench.host(Task::new(bench, Duration::ZERO), 64));
    let floors = Times::from_nanos(floor.wake_one(bench, 1, CALLS / 8));
    for (group, host) in [
        ("queue, many instances", near),
        ("queue, many instances, backend in a task of its own", far),
    ] {
        let mut times: [Vec<f64>; CROWDS.len()] = Default::default();
        let mut rates: [Vec<f64>; CROWDS.len()] = Default::default();
        for _ in 0..ROUNDS {
            for (index, instances) in CROWDS.into_iter().enumerate() {
                let (own, rate) = round(bench, &host, &guests[index], instances);
                times[index].extend(own);
                rates[index].push(rate);
            }
        }
        for (instances, times) in CROWDS.into_iter().zip(times) {
            let times = Times::from_nanos(times);
            let name = format!("{instances}: debug-query, then synchronize");
            records.push(
                Record::times(group, name, &times)
                    .above(&floors)
                    .histogram(&times),
            );
        }
        let rates = rates.map(|rates| Times::from_nanos(rates).percentile(0.5));
        for (instances, rate) in CROWDS.into_iter().zip(rates) {
            let name = format!("{instances}: throughput");
            let mut record = Record::value(group, name, "calls/s", CALLS * ROUNDS, rate);
            if instances == 1024 {
                record = record
                    .beside(rates[2])
                    .promised_at_least(1.0)
                    .note("beside that of 64");
            }
            records.push(record);
        }
    }
}

/// The times of all calls, and calls a second from the first of any instance to the last.
fn round(bench: &Bench, host: &Arc<Host>, guest: &Program, instances: usize) -> (Vec<f64>, f64) {
    let (host, guest) = (host.clone(), guest.clone());
    let readings = bench.run(async move { host.crowd(&guest, instances).await });
    let times: Vec<f64> = readings.values().flat_map(|own| pairs(own)).collect();
    let all = || readings.values().flatten().copied();
    let (first, last): (Option<Instant>, Option<Instant>) = (all().min(), all().max());
    let wall = match (first, last) {
        (Some(first), Some(last)) => (last - first).as_secs_f64(),
        _ => f64::NAN,
    };
    #[expect(clippy::cast_precision_loss, reason = "a few thousand calls")]
    let rate = times.len() as f64 / wall;
    (times, rate)
}
