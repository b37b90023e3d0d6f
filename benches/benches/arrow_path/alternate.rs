//! Two sides of a comparison, timed in turn.

use std::time::{Duration, Instant};

use benches::times::Times;

/// Calls both in turn, so that whatever else the machine does hits both, and answers with the times of each. Stops after
/// `budget` or `most` pairs, and never before ten.
pub(crate) fn in_turn(
    budget: Duration,
    most: usize,
    mut floor: impl FnMut() -> Duration,
    mut subject: impl FnMut() -> Duration,
) -> (Times, Times) {
    for _ in 0..3 {
        floor();
        subject();
    }
    let begin = Instant::now();
    let (mut floors, mut subjects) = (Vec::new(), Vec::new());
    while floors.len() < 10 || (floors.len() < most && begin.elapsed() < budget) {
        floors.push(floor());
        subjects.push(subject());
    }
    (Times::new(floors), Times::new(subjects))
}
