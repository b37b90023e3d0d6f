//! A backend without a model: it answers by rule, and can be held, released and made to fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Answerer, Backend, BackendError, Service};

/// Commands the record of served ones keeps; the oldest go first.
const RECORD: usize = 1 << 20;

/// Answers `pong` to `ping` and `echo: ` and the query to anything else. Cheap to clone; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Deterministic(Arc<Mutex<State>>);

/// One command that was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// What was asked.
    pub query: String,
    /// Whether it was made to fail.
    pub failed: bool,
}

#[derive(Debug, Default)]
struct State {
    holding: bool,
    /// Commands that may be served although the backend holds.
    credit: u32,
    fail_next: u32,
    held: VecDeque<(String, Answerer)>,
    served: VecDeque<Served>,
}

type Answer = Result<String, BackendError>;

impl Deterministic {
    /// A backend that serves everything at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts commands from now on but serves none.
    pub fn hold(&self) {
        let mut state = self.state();
        state.holding = true;
        state.credit = 0;
    }

    /// Serves `count` commands in the order of their arrival, then holds on; 0 serves all and stops holding.
    /// `waiting` is how many commands wait here and in the queues: a count beyond it is not saved up for later ones.
    pub fn release(&self, count: u32, waiting: u32) {
        let mut state = self.state();
        if count == 0 {
            state.holding = false;
            state.credit = 0;
        } else if state.holding {
            let held = u32::try_from(state.held.len()).unwrap_or(u32::MAX);
            state.credit = state.credit.saturating_add(count).min(waiting.max(held));
        }
        let served = state.serve_held();
        drop(state);
        for (answerer, answer) in served {
            answerer.answer(answer);
        }
    }

    /// The next `count` commands served fail; replaces an earlier count.
    pub fn fail_next(&self, count: u32) {
        self.state().fail_next = count;
    }

    /// What was served so far, in order (the last 1,048,576).
    pub fn served(&self) -> Vec<Served> {
        self.state().served.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is served now, in order, to be answered once the lock is gone.
    fn serve_held(&mut self) -> Vec<(Answerer, Answer)> {
        let mut served = Vec::new();
        while self.may_serve() {
            let Some((query, answerer)) = self.held.pop_front() else {
                break;
            };
            if !answerer.is_abandoned() {
                served.push((answerer, self.answer(query)));
            }
        }
        served
    }

    fn may_serve(&self) -> bool {
        !self.holding || self.credit > 0
    }

    fn answer(&mut self, query: String) -> Answer {
        self.credit = self.credit.saturating_sub(1);
        let failed = self.fail_next > 0;
        self.fail_next = self.fail_next.saturating_sub(1);
        let answer = match (failed, query.as_str()) {
            (true, _) => Err(BackendError::Injected),
            (false, "ping") => Ok("pong".to_owned()),
            (false, query) => Ok(format!("echo: {query}")),
        };
        if self.served.len() >= RECORD {
            self.served.pop_front();
        }
        self.served.push_back(Served { query, failed });
        answer
    }
}

impl Backend for Deterministic {
    fn serve(&self, query: String) -> Service {
        let mut state = self.state();
        // Whenever one may be served, all that came before have been.
        if state.may_serve() {
            return Service::Done(state.answer(query));
        }
        let (answerer, service) = Answerer::new();
        state.held.push_back((query, answerer));
        service
    }

    fn deterministic(&self) -> Option<&Deterministic> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(backend: &Deterministic) -> Vec<String> {
        backend
            .served()
            .into_iter()
            .map(|served| served.query)
            .collect()
    }

    #[tokio::test]
    async fn it_answers_by_rule() {
        let backend = Deterministic::new();
        assert_eq!(backend.serve("ping".into()).await.ok(), Some("pong".into()));
        assert_eq!(backend.serve("".into()).await.ok(), Some("echo: ".into()));
        assert_eq!(queries(&backend), ["ping", ""]);
    }

    #[tokio::test]
    async fn it_holds_releases_and_fails() {
        let backend = Deterministic::new();
        backend.hold();
        let mut work: VecDeque<_> = (0..4)
            .map(|n| backend.serve(n.to_string()).into_future())
            .collect();
        assert!(backend.served().is_empty());
        backend.fail_next(1);
        backend.release(2, 4);
        assert_eq!(queries(&backend), ["0", "1"]);
        assert!(work.pop_front().expect("four").await.is_err());
        assert!(work.pop_front().expect("four").await.is_ok());
        drop(work.pop_front());
        backend.release(0, 2);
        assert_eq!(
            queries(&backend),
            ["0", "1", "3"],
            "the cancelled one is not served"
        );
        assert!(backend.serve("4".into()).await.is_ok());
    }

    #[test]
    fn a_release_reaches_commands_still_in_the_queues_but_no_later_ones() {
        let backend = Deterministic::new();
        backend.hold();
        let _first = backend.serve("a".into());
        backend.release(5, 2);
        let _second = backend.serve("b".into());
        let _third = backend.serve("c".into());
        assert_eq!(queries(&backend), ["a", "b"]);
    }
}
