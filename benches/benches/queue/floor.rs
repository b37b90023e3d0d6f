//! One wake-up between two tasks of the runtime, and one bare call of a host function.
//!
//! Left to itself, tokio runs a task that another wakes next on the same thread, which is as fast as a wake-up can be: that is
//! the floor. Where the two have threads of their own, one has to be woken by the system: that is measured as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use benches::bare::Bare;
use benches::inferlet::{inferlet, repeat};
use benches::times::Times;
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::host::{Bench, nanos};

/// What the floor is made of.
pub(crate) struct Floor {
    /// A bare call, in nanoseconds.
    pub(crate) call: f64,
}

impl Floor {
    /// Measures the bare call: the median over rounds of a thousand.
    pub(crate) fn new(bench: &Bench) -> Self {
        let call = repeat(1_000, "(call $get-instance-id (i32.const 32))");
        let guest = inferlet(&format!("{call} (call $mark) {call} (call $mark)"));
        let guest = Bare::new(&guest.expect("the guest's text")).expect("an inferlet");
        let rounds = bench.run(async move {
            let mut rounds = Vec::new();
            for _ in 0..200 {
                let marks = guest.run().await.expect("it returns");
                rounds.push(nanos(marks[1] - marks[0]) / 1_000.0);
            }
            rounds
        });
        Self {
            call: Times::from_nanos(rounds).percentile(0.5),
        }
    }

    /// So many times: a task wakes the next of `waiting` others, which reads the clock and wakes it back. With a bare call
    /// on top.
    pub(crate) fn wake_one(&self, bench: &Bench, waiting: usize, times: usize) -> Vec<f64> {
        let taken = bench.run(async move {
            let turn = Arc::new(Turn::default());
            let sleepers = turn.spawn(waiting, 1);
            let mut taken = Vec::with_capacity(times);
            for round in 0..times {
                let sleeper = &sleepers[round % waiting];
                turn.begin();
                sleeper.notify_one();
                turn.done.notified().await;
                taken.push(turn.taken());
            }
            turn.end(&sleepers);
            taken
        });
        taken.into_iter().map(|time| time + self.call).collect()
    }

    /// As [`Floor::wake_one`] with one other, which has a runtime and a thread of its own.
    pub(crate) fn wake_across(&self, bench: &Bench, times: usize) -> Vec<f64> {
        let other = Builder::new_multi_thread().worker_threads(1).build();
        let other = other.expect("a runtime");
        let handle = other.handle().clone();
        let taken = bench.run(async move {
            let turn = Arc::new(Turn::default());
            let sleepers = {
                let _entered = handle.enter();
                turn.spawn(1, 1)
            };
            let mut taken = Vec::with_capacity(times);
            for _ in 0..times {
                turn.begin();
                sleepers[0].notify_one();
                turn.done.notified().await;
                taken.push(turn.taken());
            }
            turn.end(&sleepers);
            taken
        });
        other.shutdown_background();
        taken.into_iter().map(|time| time + self.call).collect()
    }

    /// So many times: a task wakes `waiting` others at once; how long until each runs. With a bare call on top.
    pub(crate) fn wake_all(&self, bench: &Bench, waiting: usize, times: usize) -> Vec<f64> {
        let taken = bench.run(async move {
            let turn = Arc::new(Turn::default());
            let sleepers = turn.spawn(waiting, waiting);
            let mut taken = Vec::with_capacity(times * waiting);
            for _ in 0..times {
                turn.begin();
                for sleeper in &sleepers {
                    sleeper.notify_one();
                }
                turn.done.notified().await;
                taken.append(&mut turn.all.lock().expect("no panic"));
            }
            turn.end(&sleepers);
            taken
        });
        taken.into_iter().map(|time| time + self.call).collect()
    }
}

/// One round: when it began, and who has woken up.
struct Turn {
    origin: Instant,
    begun: AtomicU64,
    ended: AtomicU64,
    woken: AtomicUsize,
    all: std::sync::Mutex<Vec<f64>>,
    over: std::sync::atomic::AtomicBool,
    done: Notify,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            begun: AtomicU64::default(),
            ended: AtomicU64::default(),
            woken: AtomicUsize::default(),
            all: std::sync::Mutex::default(),
            over: std::sync::atomic::AtomicBool::default(),
            done: Notify::new(),
        }
    }
}

impl Turn {
    /// Tasks that sleep, and say so when as many as `enough` have woken up.
    fn spawn(self: &Arc<Self>, count: usize, enough: usize) -> Vec<Arc<Notify>> {
        let sleeper = |_| {
            let (turn, notify) = (self.clone(), Arc::new(Notify::new()));
            let own = notify.clone();
            tokio::spawn(async move {
                loop {
                    own.notified().await;
                    if turn.over.load(Ordering::Acquire) {
                        return;
                    }
                    turn.woken_up(enough);
                }
            });
            notify
        };
        (0..count).map(sleeper).collect()
    }

    fn woken_up(&self, enough: usize) {
        let now = self.now();
        self.ended.store(now, Ordering::Release);
        if enough > 1 {
            self.all.lock().expect("no panic").push(self.taken());
        }
        if self.woken.fetch_add(1, Ordering::AcqRel) + 1 == enough {
            self.woken.store(0, Ordering::Release);
            self.done.notify_one();
        }
    }

    fn begin(&self) {
        self.begun.store(self.now(), Ordering::Release);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few seconds at most")]
    fn taken(&self) -> f64 {
        let (begun, ended) = (&self.begun, &self.ended);
        (ended.load(Ordering::Acquire) - begun.load(Ordering::Acquire)) as f64
    }

    fn end(&self, sleepers: &[Arc<Notify>]) {
        self.over.store(true, Ordering::Release);
        for sleeper in sleepers {
            sleeper.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
