//! An answer that comes later, without a task that waits for it: whoever has it completes the command on the spot.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BackendError, Service};

type Answer = Result<String, BackendError>;

/// The backend's end: answers once. Dropped without an answer, it cancels the command.
#[derive(Debug)]
pub struct Answerer(Arc<Slot>);

/// The scheduler's end.
#[derive(Debug)]
pub struct Later(Arc<Slot>);

struct Slot(Mutex<State>);

enum State {
    /// Neither end has come.
    Open,
    /// This takes the answer when it comes.
    Awaited(Box<dyn FnOnce(Answer) + Send>),
    /// It came first.
    Answered(Answer),
    /// It was taken, or is not wanted any more.
    Closed,
}

impl Answerer {
    /// Both ends: one to keep, one to return from [`Backend::serve`](super::Backend::serve).
    pub fn new() -> (Self, Service) {
        let slot = Arc::new(Slot(Mutex::new(State::Open)));
        (Self(slot.clone()), Service::Later(Later(slot)))
    }

    /// Answers. Must not be called under a lock that the backend takes in `serve`: the next command may follow at once.
    pub fn answer(self, answer: Answer) {
        self.0.answer(answer);
    }

    /// Whether nobody waits for it any more: the instance ended.
    pub fn is_abandoned(&self) -> bool {
        matches!(*self.0.state(), State::Closed)
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.0.answer(Err(BackendError::Cancelled));
    }
}

impl Later {
    /// Has the answer taken, now if it is there.
    pub(crate) fn then(&self, take: impl FnOnce(Answer) + Send + 'static) {
        let mut state = self.0.state();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open | State::Awaited(_) => *state = State::Awaited(Box::new(take)),
            State::Answered(answer) => {
                drop(state);
                take(answer);
            }
            State::Closed => {}
        }
    }

    /// Its answer is not wanted any more.
    pub(crate) fn abandon(&self) {
        // What waits is dropped once the lock is gone.
        let _waiting = std::mem::replace(&mut *self.0.state(), State::Closed);
    }
}

impl Clone for Later {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Slot {
    fn answer(&self, answer: Answer) {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open => *state = State::Answered(answer),
            State::Awaited(take) => {
                drop(state);
                take(answer);
            }
            // The first one counts.
            State::Answered(first) => *state = State::Answered(first),
            State::Closed => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match *self.state() {
            State::Open => "Open",
            State::Awaited(_) => "Awaited",
            State::Answered(_) => "Answered",
            State::Closed => "Closed",
        })
    }
}
