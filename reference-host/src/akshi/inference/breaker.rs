//! Leaves a model alone that fails again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Open after some failures in a row, for some time; then the next call decides.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    most: u32,
    time: Duration,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Closed; never opens when `most` is 0.
    pub(super) fn new(most: u32, time: Duration) -> Self {
        Self {
            state: Mutex::default(),
            most,
            time,
        }
    }

    /// Whether a call may be made.
    ///
    /// # Errors
    /// How long it may not.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let left = self
            .state()
            .open_until
            .map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() => Err(left),
            _ => Ok(()),
        }
    }

    pub(super) fn succeeded(&self) {
        *self.state() = State::default();
    }

    pub(super) fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if self.most > 0 && state.failures >= self.most {
            state.open_until = Instant::now().checked_add(self.time);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_success() {
        let breaker = Breaker::new(2, Duration::from_secs(1000));
        breaker.failed();
        breaker.succeeded();
        breaker.failed();
        assert!(breaker.admit().is_ok());
        breaker.failed();
        assert!(breaker.admit().expect_err("open") > Duration::from_secs(900));
        breaker.succeeded();
        assert!(breaker.admit().is_ok());
    }

    #[test]
    fn after_its_time_one_more_failure_opens_it_again() {
        let breaker = Breaker::new(2, Duration::ZERO);
        breaker.failed();
        breaker.failed();
        assert!(breaker.admit().is_ok(), "the time is over at once");
        let never = Breaker::new(0, Duration::from_secs(1000));
        never.failed();
        assert!(never.admit().is_ok());
    }
}
