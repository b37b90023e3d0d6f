//! The runner: takes cases, runs each on a fresh host state, and tells what happens as a stream of events.

mod case;
mod scope;
mod session;
mod steps;
pub mod verdict;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use crate::{
    case::model::Case,
    contract::Contract,
    host::{Host, HostFault, Launcher, protocol::Hello},
    plan::Worlds,
    testbed::{Testbed, TestbedError},
};

pub use case::Bench;
use verdict::{Outcome, Timing, Verdict};

/// What a run needs.
pub struct Run<'a> {
    /// The cases, in the order they are handed out.
    pub cases: &'a [&'a Case],
    /// Contracts and their worlds, by name.
    pub contracts: &'a HashMap<String, (Contract, Worlds)>,
    /// Starts the hosts.
    pub launcher: &'a dyn Launcher,
    /// Hosts at work at the same time, at least 1.
    pub jobs: usize,
}

/// What a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum Event {
    /// A host is up; told once.
    Started {
        /// What it said of itself.
        hello: Hello,
        /// How many cases will run.
        cases: usize,
    },
    /// A case was begun.
    Begun {
        /// Index into the run's cases.
        case: usize,
    },
    /// A case is over.
    Ended {
        /// Index into the run's cases.
        case: usize,
        /// What came of it.
        outcome: Box<Outcome>,
    },
    /// Everything is over.
    Finished {
        /// Wall time.
        wall: Duration,
    },
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No host could be started.
    #[error("no host could be started: {0}")]
    Host(#[from] HostFault),
    /// The suite's own servers could not be started.
    #[error("the suite's loopback servers could not be started")]
    Testbed(#[from] TestbedError),
}

impl Run<'_> {
    /// Runs all cases; `tell` hears every event, in the order it happens, on the calling thread.
    ///
    /// # Errors
    /// When not even the first host could be started.
    pub fn run(&self, tell: &mut dyn FnMut(Event)) -> Result<(), RunError> {
        let begun = Instant::now();
        let first = self.launcher.launch()?;
        tell(Event::Started { hello: first.hello().clone(), cases: self.cases.len() });
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<RunError>> = Mutex::new(None);
        let stop = AtomicBool::new(false);
        let (events, heard) = mpsc::channel();
        std::thread::scope(|scope| {
            let mut first = Some(first);
            for _ in 0..self.jobs.clamp(1, self.cases.len().max(1)) {
                let (events, host) = (events.clone(), first.take());
                let (next, failed, stop) = (&next, &failed, &stop);
                scope.spawn(move || {
                    if let Err(error) = self.work(host, next, stop, &events) {
                        stop.store(true, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
            drop(events);
            heard.iter().for_each(&mut *tell);
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(error);
        }
        tell(Event::Finished { wall: begun.elapsed() });
        Ok(())
    }

    fn work(
        &self,
        host: Option<Box<dyn Host>>,
        next: &AtomicUsize,
        stop: &AtomicBool,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RunError> {
        let testbed = Testbed::start()?;
        let mut host = match host {
            Some(host) => Some(host),
            None => Some(self.launcher.launch()?),
        };
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = self.cases.get(index) else { break };
            let _ = events.send(Event::Begun { case: index });
            let outcome = self.one(case, &mut host, &testbed)?;
            let _ = events.send(Event::Ended { case: index, outcome: Box::new(outcome) });
        }
        Ok(())
    }

    fn one(&self, case: &Case, host: &mut Option<Box<dyn Host>>, testbed: &Testbed) -> Result<Outcome, RunError> {
        let Some((contract, worlds)) = self.contracts.get(&case.contract) else {
            return Ok(not_run(case, format!("no contract `{}`", case.contract)));
        };
        let bench = Bench { contract, worlds, testbed };
        let used = host.is_some();
        let mut outcome = self.attempt(case, &bench, host)?;
        if matches!(outcome.verdict, Verdict::Crash { .. }) && used {
            // Was it this case, or what ran before it? Alone, on a fresh host, it will tell.
            let alone = self.attempt(case, &bench, host)?;
            if let (Verdict::Crash { message }, false) = (&mut outcome.verdict, alone.verdict.spoils_host()) {
                message.push_str("\nrun alone on a fresh host the case does not crash it: look at the cases before it");
            }
        }
        Ok(outcome)
    }

    fn attempt(&self, case: &Case, bench: &Bench<'_>, host: &mut Option<Box<dyn Host>>) -> Result<Outcome, RunError> {
        let mut alive = match host.take() {
            Some(alive) => alive,
            None => self.launcher.launch()?,
        };
        let outcome = case::run(case, bench, &mut *alive);
        if !outcome.verdict.spoils_host() {
            *host = Some(alive);
        }
        Ok(outcome)
    }
}

fn not_run(case: &Case, message: String) -> Outcome {
    Outcome {
        id: case.id.clone(),
        verdict: Verdict::NotRun { message, span: None },
        transcript: Vec::new(),
        timing: Timing::default(),
    }
}
