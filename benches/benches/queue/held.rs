//! Behind held work: from the release of an instance's command to its first call after the wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::times::{Record, Times};
use reference_host::pie::{Launch, Program};
use tokio::sync::mpsc;

use crate::floor::Floor;
use crate::host::{Announcing, Bench, Host, MODEL, nanos, program};

/// Wake-ups timed of one instance at a time.
const RELEASES: usize = 5_000;

/// Wake-ups timed of all instances at once.
const ROUNDS: usize = 100;

/// Instances that wait.
const CROWDS: [usize; 2] = [1, 64];

/// What a wake-up may take at its 99th percentile with 64 instances waiting, as a multiple of the floor's.
const PROMISE: f64 = 10.0;

/// Asks, waits behind the question, reads the clock, and so on for ever.
fn guest() -> Program {
    program(
        "(local.set $a (call $queue))
         (loop $again
           (local.set $b (call $ask (local.get $a) (i32.const 112) (i32.const 4)))
           (local.set $c (call $synchronize (local.get $a)))
           (local.set $d (call $sync-pollable (local.get $c)))
           (call $block (local.get $d))
           (call $mark)
           (call $drop-pollable (local.get $d))
           (call $drop-sync (local.get $c))
           (call $drop-answer (local.get $b))
           (br $again))",
    )
}

pub(crate) fn measure(bench: &Bench, floor: &Floor, records: &mut Vec<Record>) {
    let guest = guest();
    for instances in CROWDS {
        let (mut floors, mut times) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            floors.extend(floor.wake_one(bench, instances, RELEASES / 5));
            times.extend(one_by_one(bench, &guest, instances, RELEASES / 5));
        }
        let (floors, times) = (Times::from_nanos(floors), Times::from_nanos(times));
        let name = format!("one of {instances} instances released");
        let mut record = Record::times("queue, behind held work", name, &times).above(&floors);
        if instances == 64 {
            record = record.promised_p99(PROMISE);
        }
        records.push(record.histogram(&times));
    }
    let instances = CROWDS[CROWDS.len() - 1];
    let (mut floors, mut times) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        floors.extend(floor.wake_all(bench, instances, ROUNDS / 5));
        times.extend(all_at_once(bench, &guest, instances, ROUNDS / 5));
    }
    let (floors, times) = (Times::from_nanos(floors), Times::from_nanos(times));
    let name = format!("all {instances} instances released at once");
    records.push(
        Record::times("queue, behind held work", name, &times)
            .above(&floors)
            .promised_p99(PROMISE)
            .histogram(&times),
    );
}

/// A host on which so many instances wait behind held work.
struct Waiting {
    host: Arc<Host>,
    backend: Arc<Announcing>,
    /// Commands that have arrived at the backend and were released.
    released: usize,
    instances: usize,
    _client: mpsc::UnboundedReceiver<reference_host::pie::Event>,
}

impl Waiting {
    async fn new(host: Host, backend: Arc<Announcing>, guest: &Program, instances: usize) -> Self {
        host.host.hold(MODEL).expect("held");
        let (events, client) = mpsc::unbounded_channel();
        for _ in 0..instances {
            let launched = host.host.launch(guest, Launch::new(events.clone()));
            launched.expect("launched");
        }
        let mut waiting = Self {
            host: Arc::new(host),
            backend,
            released: 0,
            instances,
            _client: client,
        };
        waiting.settle().await;
        waiting
    }

    /// Releases so many, the longest held first, and gives when.
    fn release(&mut self, count: usize) -> Instant {
        let now = Instant::now();
        let released = u32::try_from(count).expect("few");
        self.host.host.release(MODEL, released).expect("released");
        self.released += count;
        now
    }

    /// Waits until all instances wait again.
    async fn settle(&mut self) {
        while self.backend.arrived() < self.released + self.instances {
            self.backend.arrived.notified().await;
        }
        // The last to come has its question at the backend, and is a few calls away from waiting for it.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

fn one_by_one(bench: &Bench, guest: &Program, instances: usize, releases: usize) -> Vec<f64> {
    let (host, backend) = waiting_host(bench);
    let guest = guest.clone();
    bench.run(async move {
        let mut waiting = Waiting::new(host, backend, &guest, instances).await;
        let mut begun = Vec::with_capacity(releases);
        for _ in 0..releases {
            begun.push(waiting.release(1));
            waiting.settle().await;
        }
        let mut woken: Vec<Instant> = waiting.host.stamps.take().into_values().flatten().collect();
        woken.sort_unstable();
        assert_eq!(woken.len(), begun.len(), "each release wakes one instance");
        finish(&waiting).await;
        begun
            .iter()
            .zip(&woken)
            .map(|(begun, woken)| nanos(*woken - *begun))
            .collect()
    })
}

fn all_at_once(bench: &Bench, guest: &Program, instances: usize, rounds: usize) -> Vec<f64> {
    let (host, backend) = waiting_host(bench);
    let guest = guest.clone();
    bench.run(async move {
        let mut waiting = Waiting::new(host, backend, &guest, instances).await;
        let mut times = Vec::with_capacity(rounds * instances);
        for _ in 0..rounds {
            let begun = waiting.release(instances);
            waiting.settle().await;
            let woken = waiting.host.stamps.take().into_values().flatten();
            times.extend(woken.map(|woken| nanos(woken - begun)));
        }
        assert_eq!(times.len(), rounds * instances, "each release wakes all");
        finish(&waiting).await;
        times
    })
}

fn waiting_host(bench: &Bench) -> (Host, Arc<Announcing>) {
    let backend = Arc::new(Announcing::default());
    (bench.host(backend.clone(), 4_096), backend)
}

async fn finish(waiting: &Waiting) {
    let ended = tokio::time::timeout(Duration::from_secs(20), waiting.host.host.shutdown());
    ended.await.expect("they end").expect("nothing to write");
}
