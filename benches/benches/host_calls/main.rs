//! What a call of the host costs a guest, beside the same call through bare typed bindings with an empty body.
//!
//! A guest cannot read a clock. It makes [`CALLS`] calls in a tight loop, and the clock is read on the host's side where the
//! loop begins and where it ends ([`benches::stamps`]); the time between is divided by the number of calls. Floor and
//! host run the same component on the same engine, with the same limits of the engine, in turn.

mod log;

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::bare::Bare;
use benches::inferlet::{self, KEY, VALUE};
use benches::stamps::Stamps;
use benches::times::{Record, Times, keep};
use criterion::{Criterion, Throughput};
use reference_host::pie::{Config, Event, Launch, Outcome, PieHost, Program};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::unbounded_channel;

/// Calls between two readings of the clock.
const CALLS: u32 = 10_000;

/// Rounds of each side, in turn.
const ROUNDS: usize = 300;

/// What a call may cost, as a multiple of the bare one.
const PROMISE: f64 = 1.3;

/// One side of one benchmark: makes [`CALLS`] calls and gives the time they took.
trait Side {
    fn round(&mut self) -> Duration;
}

fn main() {
    let runtime = Arc::new(
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime"),
    );
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args();
    let mut records = Vec::new();
    for (name, body) in [
        (
            "get-instance-id",
            "(call $get-instance-id (i32.const 32))".to_owned(),
        ),
        (
            "store-get",
            format!("(call $store-get {KEY} (i32.const 32))"),
        ),
        ("store-set", format!("(call $store-set {KEY} {VALUE})")),
    ] {
        let guest = timed(&body);
        compare(
            &mut criterion,
            &mut records,
            name,
            &mut Floor::new(&runtime, &guest),
            &mut Host::new(&runtime, &guest),
        );
    }
    let guest = log::plugin();
    compare(
        &mut criterion,
        &mut records,
        "log",
        &mut log::Floor::new(&runtime, &guest),
        &mut log::Host::new(&runtime, &guest),
    );
    keep("host_calls", &records).expect("target/criterion can be written");
    criterion.final_summary();
}

/// A guest that makes the call over and over between two readings of the clock, after a tenth as many to warm up.
fn timed(call: &str) -> Vec<u8> {
    let calls = CALLS as usize;
    let text = format!(
        "(call $store-set {KEY} {VALUE}) {} (call $mark) {} (call $mark)",
        inferlet::repeat(calls / 10, call),
        inferlet::repeat(calls, call)
    );
    inferlet::inferlet(&text).expect("the guest's text")
}

fn compare(
    criterion: &mut Criterion,
    records: &mut Vec<Record>,
    name: &str,
    floor: &mut dyn Side,
    host: &mut dyn Side,
) {
    let mut group = criterion.benchmark_group(format!("host call {name}"));
    group.throughput(Throughput::Elements(1));
    let sides: [(_, &mut dyn Side); 2] = [("floor", &mut *floor), ("host", &mut *host)];
    for (side, subject) in sides {
        group.bench_function(side, |bencher| {
            bencher.iter_custom(|iterations| {
                let rounds = iterations.div_ceil(u64::from(CALLS)).max(1);
                let time: Duration = (0..rounds).map(|_| subject.round()).sum();
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let scale = iterations as f64 / (rounds * u64::from(CALLS)) as f64;
                time.mul_f64(scale)
            });
        });
    }
    group.finish();
    let (mut floors, mut hosts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floors.push(floor.round());
        hosts.push(host.round());
    }
    let per_call = |times: Vec<Duration>| {
        let nanos = times.iter().map(|time| time.as_secs_f64() * 1e9);
        Times::from_nanos(nanos.map(|nanos| nanos / f64::from(CALLS)))
    };
    let (floors, hosts) = (per_call(floors), per_call(hosts));
    records.push(
        Record::times("host call", name, &hosts)
            .above(&floors)
            .promised(PROMISE)
            .note(format!("each time is the mean of {CALLS} calls")),
    );
}

/// The bare engine.
struct Floor {
    runtime: Arc<Runtime>,
    guest: Arc<Bare>,
}

impl Floor {
    fn new(runtime: &Arc<Runtime>, guest: &[u8]) -> Self {
        Self {
            runtime: runtime.clone(),
            guest: Arc::new(Bare::new(guest).expect("an inferlet")),
        }
    }
}

impl Side for Floor {
    fn round(&mut self) -> Duration {
        let guest = self.guest.clone();
        let task = self.runtime.spawn(async move { guest.run().await });
        let marks = self.runtime.block_on(task).expect("no panic");
        between(&marks.expect("it returns"))
    }
}

/// The reference host.
struct Host {
    runtime: Arc<Runtime>,
    stamps: Arc<Stamps>,
    host: PieHost,
    guest: Program,
}

impl Host {
    fn new(runtime: &Arc<Runtime>, guest: &[u8]) -> Self {
        let stamps = Stamps::new();
        let entered = runtime.enter();
        let host = PieHost::new(Config {
            queries: Some(stamps.clone()),
            ..Config::default()
        })
        .expect("a host");
        drop(entered);
        Self {
            runtime: runtime.clone(),
            stamps,
            host,
            guest: Program::compile(guest).expect("an inferlet"),
        }
    }
}

impl Side for Host {
    fn round(&mut self) -> Duration {
        let (events, mut client) = unbounded_channel();
        let id = self
            .host
            .launch(&self.guest, Launch::new(events))
            .expect("launched");
        match self.runtime.block_on(client.recv()) {
            Some(Event::Ended {
                outcome: Outcome::Finished,
                ..
            }) => {}
            other => panic!("the guest is to return: {other:?}"),
        }
        between(&self.stamps.take()[&id])
    }
}

fn between(marks: &[Instant]) -> Duration {
    let [begin, end] = marks else {
        panic!("two readings, not {}", marks.len());
    };
    *end - *begin
}
