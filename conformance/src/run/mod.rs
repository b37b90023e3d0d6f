//! The runner: takes cases, runs each on a fresh host state, and tells what happens as a stream of events.

mod case;
mod scope;
mod session;
mod steps;
pub mod verdict;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use crate::{
    case::model::Case,
    contract::Contract,
    host::{Host, HostFault, Launcher, protocol::Hello},
    plan::{Plan, Worlds},
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
        let first = self.launcher.launch()?;
        tell(Event::Started {
            hello: first.hello().clone(),
            cases: self.cases.len(),
        });
        let begun = Instant::now();
        let plans = Mutex::new(HashMap::new());
        let pass = Pass {
            plans: &plans,
            floor: None,
        };
        self.pass(first, &pass, tell)?;
        let wall = begun.elapsed();
        let floor = if self.floor {
            Some(self.floor(&plans)?)
        } else {
            None
        };
        tell(Event::Finished { wall, floor });
        Ok(())
    }

    fn floor(&self, plans: &Mutex<HashMap<usize, Plan>>) -> Result<Floor, RunError> {
        let first = self.launcher.launch()?;
        let wait = Mutex::new(Duration::ZERO);
        let begun = Instant::now();
        self.pass(
            first,
            &Pass {
                plans,
                floor: Some(&wait),
            },
            &mut |_| {},
        )?;
        Ok(Floor {
            wall: begun.elapsed(),
            wait: *locked(&wait),
        })
    }

    /// Hands every case to a worker.
    fn pass(
        &self,
        first: Box<dyn Host>,
        pass: &Pass<'_>,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), RunError> {
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
                    if let Err(error) = self.work(host, next, stop, pass, &events) {
                        stop.store(true, Ordering::Relaxed);
                        locked(failed).get_or_insert(error);
                    }
                });
            }
            drop(events);
            heard.iter().for_each(&mut *tell);
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(())
    }

    fn work(
        &self,
        host: Option<Box<dyn Host>>,
        next: &AtomicUsize,
        stop: &AtomicBool,
        pass: &Pass<'_>,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RunError> {
        let testbed = Testbed::start()?;
        let mut host = match host {
            Some(host) => Some(host),
            None => Some(self.launcher.launch()?),
        };
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = self.cases.get(index) else {
                break;
            };
            let _ = events.send(Event::Begun { case: index });
            if let Some(wait) = pass.floor {
                self.bare(case, index, pass, &mut host, &testbed, wait)?;
                continue;
            }
            let (outcome, plan) = self.one(case, &mut host, &testbed)?;
            if let Some(plan) = plan.filter(|_| self.floor) {
                locked(pass.plans).insert(index, plan);
            }
            let _ = events.send(Event::Ended {
                case: index,
                outcome: Box::new(outcome),
            });
        }
        Ok(())
    }

    fn bare(
        &self,
        case: &Case,
        index: usize,
        pass: &Pass<'_>,
        host: &mut Option<Box<dyn Host>>,
        testbed: &Testbed,
        wait: &Mutex<Duration>,
    ) -> Result<(), RunError> {
        let plan = locked(pass.plans).remove(&index);
        let (Some(plan), Some((contract, worlds))) = (plan, self.contracts.get(&case.contract))
        else {
            return Ok(());
        };
        let mut alive = match host.take() {
            Some(alive) => alive,
            None => self.launcher.launch()?,
        };
        if let Some(waited) = case::bare(
            case,
            &Bench {
                contract,
                worlds,
                testbed,
            },
            &mut *alive,
            &plan,
        ) {
            *locked(wait) += waited;
            *host = Some(alive);
        }
        Ok(())
    }

    fn one(
        &self,
        case: &Case,
        host: &mut Option<Box<dyn Host>>,
        testbed: &Testbed,
    ) -> Result<(Outcome, Option<Plan>), RunError> {
        let Some((contract, worlds)) = self.contracts.get(&case.contract) else {
            return Ok((
                not_run(case, format!("no contract `{}`", case.contract)),
                None,
            ));
        };
        let bench = Bench {
            contract,
            worlds,
            testbed,
        };
        let (mut outcome, plan) = self.attempt(case, &bench, host)?;
        if let Verdict::Crash { message } = &mut outcome.verdict {
            // Was it this case, or what ran before it? Alone, on a fresh host, it will tell.
            let (alone, _) = self.attempt(case, &bench, host)?;
            if !alone.verdict.spoils_host() {
                message.push_str("\nrun alone on a fresh host the case does not crash it: look at the cases before it");
            }
        }
        Ok((outcome, plan))
    }

    fn attempt(
        &self,
        case: &Case,
        bench: &Bench<'_>,
        host: &mut Option<Box<dyn Host>>,
    ) -> Result<(Outcome, Option<Plan>), RunError> {
        let mut alive = match host.take() {
            Some(alive) => alive,
            None => self.launcher.launch()?,
        };
        let (outcome, plan) = case::run(case, bench, &mut *alive);
        if !outcome.verdict.spoils_host() {
            *host = Some(alive);
        }
        Ok((outcome, plan))
    }
}

/// One way through all cases.
struct Pass<'a> {
    plans: &'a Mutex<HashMap<usize, Plan>>,
    /// Where the demanded waits are added up, when nothing is to be judged.
    floor: Option<&'a Mutex<Duration>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_run(case: &Case, message: String) -> Outcome {
    Outcome {
        id: case.id.clone(),
        verdict: Verdict::NotRun {
            message,
            span: None,
        },
        transcript: Vec::new(),
        timing: Timing::default(),
    }
}
