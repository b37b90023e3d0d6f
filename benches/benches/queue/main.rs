//! The inference queue: what a guest waits for a question, for a synchronize, and for both, alone and in a crowd.
//!
//! Every call is timed by itself, on the host's side, where the guest says "now" before and after it
//! ([`benches::stamps`]; what saying so costs is measured too, and taken off). The floor is one wake-up between two tasks of
//! the same runtime plus one bare call, and is taken in the same run, in turn. The runtime has two threads that run guests.
//! A question is four calls of the host (ask, pollable, block, get), and so is a synchronize: what the engine itself takes for
//! these, about a hundred nanoseconds each, is more than twice that floor.
//!
//! Published for Pie, on other machines and by other methods, to be read beside these figures: about 1 us for a call over the
//! boundary of its guests (its site, from the SOSP 2025 paper); 9.7 us for a oneshot channel of tokio across threads and 50
//! to 85 ns for one that is ready (driver/bridge/BENCHMARKS.md); 150 us in the actor queue and 50 us in the batch scheduler
//! of a decode step of about 320 us (its blog, June 2026); its own scheduler's code alone, in a debug build on two
//! processors: a lone command to its flush p50 9.7 us, p99 36 us; a question and a synchronize p50 19.6 us, p99 56 us.

mod crowd;
mod floor;
mod held;
mod host;
mod priority;
mod single;

use std::time::Duration;

use benches::times::keep;
use criterion::Criterion;

use crate::floor::Floor;
use crate::host::Bench;

fn main() {
    let bench = Bench::new();
    let floor = Floor::new(&bench);
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .without_plots()
        .configure_from_args();
    let mut records = Vec::new();
    single::measure(&bench, &floor, &mut records);
    single::measure_by_criterion(&bench, &floor, &mut criterion);
    held::measure(&bench, &floor, &mut records);
    crowd::measure_queues(&bench, &floor, &mut records);
    crowd::measure_instances(&bench, &floor, &mut records);
    priority::measure(&bench, &mut records);
    keep("queue", &records).expect("target/criterion can be written");
    criterion.final_summary();
}
