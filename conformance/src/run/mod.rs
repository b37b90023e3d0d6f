//! The runner: takes cases, runs each on a fresh host state, and tells what happens as a stream of events.

mod case;
mod guests;
mod outside;
mod plans;
mod scope;
mod session;
mod steps;
pub mod verdict;
mod worker;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use crate::{
    case::model::Case,
    contract::Contract,
    host::{Host, HostFault, Launcher, protocol::Hello},
    plan::Worlds,
    testbed::TestbedError,
};

pub use case::Bench;
use verdict::Outcome;
use worker::{Desk, Pass, Worker, locked};

/// What a run needs.
pub struct Run<'a> {
    /// The cases, in the order they are handed out.
    pub cases: &'a [&'a Case],
    /// Contracts and their worlds, by name.
    pub contracts: &'a HashMap<String, (Contract, Worlds)>,
    /// Profiles that every host is held to, whether it declares them or not.
    pub profiles: &'a BTreeSet<String>,
    /// The executable that serves MCP for cases, as `\{mcp}`: `witgate` itself.
    pub mcp: Option<&'a Path>,
    /// Starts the hosts.
    pub launcher: &'a dyn Launcher,
    /// Hosts at work at the same time, at least 1.
    pub jobs: usize,
    /// Whether the same guests run once more, with nothing judged, to tell the floor of the run's time.
    pub floor: bool,
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
        /// The floor, if it was asked for.
        floor: Option<Floor>,
    },
}

/// The same guests, compiled, instantiated and run on the same host, with nothing planned and nothing judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// Wall time.
    pub wall: Duration,
    /// Time that cases demand to be waited, added up over all of them.
    pub wait: Duration,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No host could be started.
    #[error("no host could be started: {0}")]
    Host(#[from] HostFault),
    /// One host could be started, another beside it could not.
    #[error(
        "of {jobs} hosts beside each other one could not be started; `--jobs 1` needs only one: {fault}"
    )]
    Beside {
        /// How many were to run.
        jobs: usize,
        /// Why it did not start.
        fault: HostFault,
    },
    /// Hosts could be started once, and no longer.
    #[error("given up: the adapter could not be started {times} times in a row: {fault}")]
    Lost {
        /// How often it was tried.
        times: usize,
        /// Why it did not start the last time.
        fault: HostFault,
    },
    /// The suite's own servers could not be started.
    #[error("the suite's loopback servers could not be started")]
    Testbed(#[from] TestbedError),
}

impl Run<'_> {
    /// Runs all cases; `tell` hears every event, in the order it happens, on the calling thread. A run that is given up
    /// ends with [`Event::Finished`] too.
    ///
    /// # Errors
    /// When not even the first host could be started, or when the run was given up.
    pub fn run(&self, tell: &mut dyn FnMut(Event)) -> Result<(), RunError> {
        let first = self.launcher.launch()?;
        tell(Event::Started {
            hello: first.hello().clone(),
            cases: self.cases.len(),
        });
        let begun = Instant::now();
        let passed = self.pass(first, tell);
        let wall = begun.elapsed();
        let floor = match passed {
            Ok(desks) if self.floor => self.floor(desks).map(Some),
            other => other.map(|_| None),
        };
        let (floor, result) = match floor {
            Ok(floor) => (floor, Ok(())),
            Err(error) => (None, Err(error)),
        };
        tell(Event::Finished { wall, floor });
        result
    }

    fn floor(&self, desks: Vec<Desk>) -> Result<Floor, RunError> {
        let first = self.launcher.launch()?;
        let begun = Instant::now();
        let waits = self.workers(first, desks, |worker, desk| worker.bare(desk), &mut |_| {})?;
        Ok(Floor {
            wall: begun.elapsed(),
            wait: waits.iter().sum(),
        })
    }

    /// Hands every case to a worker.
    fn pass(
        &self,
        first: Box<dyn Host>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Vec<Desk>, RunError> {
        let jobs = vec![(); self.jobs.clamp(1, self.cases.len().max(1))];
        self.workers(first, jobs, |worker, ()| worker.work(), tell)
    }

    /// One worker for every job, all at once; what they came to.
    fn workers<J: Send, T: Send>(
        &self,
        first: Box<dyn Host>,
        jobs: Vec<J>,
        work: impl Fn(&mut Worker<'_>, J) -> Result<T, RunError> + Sync,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Vec<T>, RunError> {
        let (events, heard) = mpsc::channel();
        let pass = Pass::default();
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let mut first = Some(first);
            for job in jobs {
                let (pass, done, work) = (&pass, &done, &work);
                let (events, host) = (events.clone(), first.take());
                scope.spawn(move || {
                    let mut worker = Worker {
                        run: self,
                        pass,
                        events,
                        host,
                    };
                    match work(&mut worker, job) {
                        Ok(came) => locked(done).push(came),
                        Err(error) => pass.give_up(error),
                    }
                });
            }
            drop(events);
            heard.iter().for_each(&mut *tell);
        });
        pass.into_result()?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
