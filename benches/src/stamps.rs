//! The clock of a guest that has none: the debug query `m` of the runtime, which the host answers on the guest's own thread
//! before the call returns, is answered by reading the clock.
//!
//! What lies between two readings is what the guest did between them, and, once, one such query: the way back of the first
//! and the way in of the second. The benchmarks measure that by two queries with nothing between them, and take the median
//! off.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reference_host::pie::{DebugQueries, InstanceId};

/// Reads the clock for all guests of this process.
#[derive(Debug, Default)]
pub struct Stamps {
    ready: AtomicUsize,
}

type Lane = Arc<Mutex<Vec<(InstanceId, Instant)>>>;

/// One list for every thread, so that guests do not wait for each other.
static LANES: Mutex<Vec<Lane>> = Mutex::new(Vec::new());

thread_local! {
    static LANE: OnceCell<Lane> = const { OnceCell::new() };
}

impl Stamps {
    /// A clock of which nothing was read.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How many instances said that they are about to wait for their client; counts from zero again.
    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Acquire)
    }

    /// Takes all readings so far, of every instance in order, and forgets who was ready.
    pub fn take(&self) -> HashMap<InstanceId, Vec<Instant>> {
        self.ready.store(0, Ordering::Release);
        let mut taken: HashMap<InstanceId, Vec<Instant>> = HashMap::new();
        for lane in locked(&LANES).iter() {
            for (instance, at) in std::mem::take(&mut *locked(lane)) {
                taken.entry(instance).or_default().push(at);
            }
        }
        // An instance may have gone from one thread to another and back.
        for times in taken.values_mut() {
            times.sort_unstable();
        }
        taken
    }
}

impl DebugQueries for Stamps {
    fn answer(&self, instance: InstanceId, query: &str) -> Option<String> {
        let now = Instant::now();
        match query {
            "m" => {
                LANE.with(|lane| {
                    let lane = lane.get_or_init(|| {
                        let lane = Lane::default();
                        locked(&LANES).push(lane.clone());
                        lane
                    });
                    locked(lane).push((instance, now));
                });
            }
            "r" => {
                self.ready.fetch_add(1, Ordering::Release);
            }
            _ => return None,
        }
        Some(String::new())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
