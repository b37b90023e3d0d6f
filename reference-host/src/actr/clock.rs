//! What a node tells time by.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::Timestamp;

/// Something to wait for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A wall clock.
pub trait Clock: Send + Sync {
    /// The time now. Before 1970 it is 1970.
    fn now(&self) -> Timestamp;

    /// Ready when [`Clock::now`] is at `time` or past it.
    fn reaches(&self, time: Timestamp) -> Pending<'_, ()>;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Longest sleep before the clock is read again: it may have been set.
const NAP: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        }
    }

    fn reaches(&self, time: Timestamp) -> Pending<'_, ()> {
        Box::pin(async move {
            loop {
                let left = since_epoch(&time).saturating_sub(since_epoch(&self.now()));
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP)).await;
            }
        })
    }
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(now: Timestamp) -> Self {
        Self(watch::Sender::new(now))
    }

    /// Sets it, forwards or backwards.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn reaches(&self, time: Timestamp) -> Pending<'_, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            // The sender is borrowed: it outlives this wait.
            let _ = now
                .wait_for(|now| since_epoch(now) >= since_epoch(&time))
                .await;
        })
    }
}

/// The time since 1970.
pub(super) fn since_epoch(time: &Timestamp) -> Duration {
    Duration::from_secs(time.seconds).saturating_add(Duration::from_nanos(time.nanoseconds.into()))
}

/// The time this long after 1970.
pub(super) fn timestamp(since: Duration) -> Timestamp {
    Timestamp {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_is_reached_when_it_is_set() {
        let at = |seconds| Timestamp {
            seconds,
            nanoseconds: 0,
        };
        let clock = ManualClock::new(at(10));
        clock.reaches(at(10)).await;
        let mut later = clock.reaches(at(20));
        assert!(futures::poll!(&mut later).is_pending());
        clock.set(at(19));
        assert!(futures::poll!(&mut later).is_pending());
        clock.set(at(21));
        later.await;
        assert_eq!(clock.now(), at(21));
    }
}
