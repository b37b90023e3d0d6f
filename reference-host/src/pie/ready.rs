//! Readiness: what a pollable waits for, and the one-shot reply behind every result resource.
//!
//! Waiters are woken, never spun on. A pollable shares the state of its parent, so either may be dropped first.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Something a guest can wait for.
pub(crate) trait Source: Send + Sync + 'static {
    /// Whether a wait would return at once. Never blocks.
    fn is_ready(&self) -> bool;

    /// Ready, or registered to be woken when it is.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()>;
}

/// The resource `wasi:io/poll.pollable`.
#[derive(Clone)]
pub struct Pollable(Arc<dyn Source>);

impl Pollable {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self(source)
    }

    /// Whether the operation is ready. Never blocks.
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Waits until the operation is ready.
    pub async fn wait(&self) {
        poll_fn(|context| self.0.poll_ready(context)).await;
    }

    /// Waits until one of them is ready and returns the indices of all that are, in order. Never returns for an
    /// empty list.
    pub async fn any(pollables: &[Pollable]) -> Vec<u32> {
        poll_fn(|context| {
            let ready: Vec<u32> = (0u32..)
                .zip(pollables)
                .filter(|(_, pollable)| pollable.is_ready())
                .map(|(index, _)| index)
                .collect();
            if !ready.is_empty() {
                return Poll::Ready(ready);
            }
            // One may have become ready since; then it is among the answers of the next round.
            let mut again = false;
            for pollable in pollables {
                again |= pollable.0.poll_ready(context).is_ready();
            }
            if again {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }
}

impl fmt::Debug for Pollable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pollable")
            .field("ready", &self.is_ready())
            .finish()
    }
}

/// Tasks to wake. A task is held once, however often it registers.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Vec<Waker>);

impl Waiters {
    pub(crate) fn register(&mut self, context: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(context.waker())) {
            self.0.push(context.waker().clone());
        }
    }

    /// Takes the tasks out, to be woken once the lock is gone.
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.0)
    }
}

/// Wakes tasks taken from [`Waiters`].
pub(crate) fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// A value that arrives once. Reading it does not take it: every read after the arrival sees the same value.
#[derive(Debug)]
pub(crate) struct Reply<T>(Mutex<ReplyState<T>>);

#[derive(Debug)]
struct ReplyState<T> {
    value: Option<T>,
    abandoned: bool,
    waiters: Waiters,
}

impl<T: Clone + Send + 'static> Reply<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(ReplyState {
            value: None,
            abandoned: false,
            waiters: Waiters::default(),
        })))
    }

    pub(crate) fn resolved(value: T) -> Arc<Self> {
        let reply = Self::new();
        reply.resolve(value);
        reply
    }

    /// The value has arrived. Only the first one counts.
    pub(crate) fn resolve(&self, value: T) {
        let mut state = self.state();
        if state.value.is_none() {
            state.value = Some(value);
        }
        let wakers = state.waiters.take();
        drop(state);
        wake(wakers);
    }

    /// Nobody can read it any more: whoever still waits on a pollable goes on.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        let wakers = state.waiters.take();
        drop(state);
        wake(wakers);
    }

    pub(crate) fn value(&self) -> Option<T> {
        self.state().value.clone()
    }

    fn state(&self) -> MutexGuard<'_, ReplyState<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + 'static> Source for Reply<T> {
    fn is_ready(&self) -> bool {
        let state = self.state();
        state.value.is_some() || state.abandoned
    }

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.value.is_some() || state.abandoned {
            return Poll::Ready(());
        }
        state.waiters.register(context);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn any_returns_all_ready_indices_with_duplicates() {
        let (ready, pending) = (Reply::resolved(1), Reply::<u32>::new());
        let list: Vec<Pollable> = [0, 1, 0]
            .map(|index| {
                Pollable::new(if index == 0 {
                    ready.clone()
                } else {
                    pending.clone()
                })
            })
            .into();
        assert_eq!(Pollable::any(&list).await, [0, 2]);
        pending.resolve(5);
        pending.resolve(6);
        assert_eq!(Pollable::any(&list).await, [0, 1, 2]);
        assert_eq!(pending.value(), Some(5), "the first value stays");
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_arrival_and_by_abandonment() {
        for abandon in [false, true] {
            let reply = Reply::<u32>::new();
            let pollable = Pollable::new(reply.clone());
            let waiting = tokio::spawn(async move { Pollable::any(&[pollable]).await });
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(!waiting.is_finished());
            if abandon {
                reply.abandon();
            } else {
                reply.resolve(1);
            }
            assert_eq!(waiting.await.expect("no panic"), [0]);
        }
    }
}
