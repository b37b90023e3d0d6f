//! One worker: takes the next case, runs it on its own host, and starts a new host when one was lost.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use super::{
    Bench, Event, Run, RunError,
    case::{self, Ran},
    verdict::{Outcome, Verdict},
};
use crate::{
    case::model::Case,
    host::{Host, HostFault},
    plan::Plan,
    testbed::Testbed,
};

/// How often in a row a host may fail to start before the run is given up.
const STARTS: usize = 3;

/// One way through all cases, as its workers share it.
#[derive(Default)]
pub(super) struct Pass {
    next: AtomicUsize,
    /// Set when the run is given up.
    stop: AtomicBool,
    /// Hosts that could not be started since the last that could.
    failed_starts: AtomicUsize,
    error: Mutex<Option<RunError>>,
}

impl Pass {
    /// Gives the run up; the first reason counts.
    pub(super) fn give_up(&self, error: RunError) {
        self.stop.store(true, Ordering::Relaxed);
        locked(&self.error).get_or_insert(error);
    }

    /// Why the run was given up, if it was.
    pub(super) fn into_result(self) -> Result<(), RunError> {
        let error = self.error.into_inner();
        error
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }
}

/// What a worker keeps for the floor: guests are planned for the servers of one testbed, and reach them there alone.
pub(super) struct Desk {
    testbed: Testbed,
    plans: Vec<(usize, Plan)>,
}

/// A worker of a run.
pub(super) struct Worker<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) pass: &'a Pass,
    pub(super) events: mpsc::Sender<Event>,
    /// The host, while one is up.
    pub(super) host: Option<Box<dyn Host>>,
}

impl Worker<'_> {
    /// Takes cases until there are no more.
    pub(super) fn work(&mut self) -> Result<Desk, RunError> {
        let mut desk = Desk {
            testbed: Testbed::start()?.with_mcp(self.run.mcp),
            plans: Vec::new(),
        };
        self.first()?;
        while !self.pass.stop.load(Ordering::Relaxed) {
            let index = self.pass.next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = self.run.cases.get(index) else {
                break;
            };
            let _ = self.events.send(Event::Begun { case: index });
            // A mistake of ours costs one case, not the run.
            let judged = catch_unwind(AssertUnwindSafe(|| self.one(case, &desk.testbed)));
            let (outcome, plan) =
                judged.unwrap_or_else(|panic| (not_run(case, panicked(&*panic)), None));
            if let Some(plan) = plan.filter(|_| self.run.floor) {
                desk.plans.push((index, plan));
            }
            let _ = self.events.send(Event::Ended {
                case: index,
                outcome: Box::new(outcome),
            });
        }
        Ok(desk)
    }

    /// Runs the guests of the same cases once more, with nothing judged; gives the time that cases demand to be waited.
    pub(super) fn bare(&mut self, desk: Desk) -> Result<Duration, RunError> {
        let Desk { testbed, plans } = desk;
        let mut waited = Duration::ZERO;
        self.first()?;
        for (index, plan) in plans {
            if self.pass.stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(case) = self.run.cases.get(index) else {
                continue;
            };
            let Some((contract, worlds)) = self.run.contracts.get(&case.contract) else {
                continue;
            };
            let bench = Bench {
                contract,
                profiles: self.run.profiles,
                worlds,
                testbed: &testbed,
            };
            let mut host = self.fresh()?;
            if let Some(wait) = case::bare(case, &bench, &mut *host, &plan) {
                waited += wait;
                self.host = Some(host);
            }
        }
        Ok(waited)
    }

    /// The host to begin with.
    fn first(&mut self) -> Result<(), RunError> {
        if self.host.is_none() {
            let fault = |fault| RunError::Beside {
                jobs: self.run.jobs,
                fault,
            };
            self.host = Some(self.run.launcher.launch().map_err(fault)?);
        }
        Ok(())
    }

    fn one(&mut self, case: &Case, testbed: &Testbed) -> (Outcome, Option<Plan>) {
        let Some((contract, worlds)) = self.run.contracts.get(&case.contract) else {
            return (
                not_run(case, format!("no contract `{}`", case.contract)),
                None,
            );
        };
        let bench = Bench {
            contract,
            profiles: self.run.profiles,
            worlds,
            testbed,
        };
        let (mut outcome, plan) = match self.attempt(case, &bench) {
            Ok(ran) => (ran.outcome, ran.plan),
            Err(fault) => return (without_host(case, &fault), None),
        };
        if let Verdict::Crash { message } = &mut outcome.verdict {
            // Was it this case, or what ran before it? Alone, on a fresh host, it will tell.
            match self.attempt(case, &bench) {
                Ok(alone) if !alone.lost => message.push_str(
                    "\nrun alone on a fresh host the case does not crash it: look at the cases before it",
                ),
                Ok(_) => {}
                Err(fault) => {
                    message.push_str(&format!("\nafter that no host could be started: {fault}"));
                }
            }
        }
        (outcome, plan)
    }

    fn attempt(&mut self, case: &Case, bench: &Bench<'_>) -> Result<Ran, HostFault> {
        let mut host = self.fresh()?;
        let mut ran = case::run(case, bench, &mut *host);
        if ran.lost {
            ran.outcome.stderr = host.stderr();
        } else {
            self.host = Some(host);
        }
        Ok(ran)
    }

    /// The worker's host, or a new one; after too many that did not start the run is given up.
    fn fresh(&mut self) -> Result<Box<dyn Host>, HostFault> {
        if let Some(host) = self.host.take() {
            return Ok(host);
        }
        let started = self.run.launcher.launch();
        match &started {
            Ok(_) => self.pass.failed_starts.store(0, Ordering::Relaxed),
            Err(fault) => {
                let times = self.pass.failed_starts.fetch_add(1, Ordering::Relaxed) + 1;
                if times >= STARTS {
                    let fault = fault.clone();
                    self.pass.give_up(RunError::Lost { times, fault });
                }
            }
        }
        started
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_host(case: &Case, fault: &HostFault) -> Outcome {
    let message = format!("the adapter ran before, and could not be started again: {fault}");
    Outcome::new(case, Verdict::Protocol { message })
}

fn not_run(case: &Case, message: String) -> Outcome {
    let span = None;
    Outcome::new(case, Verdict::NotRun { message, span })
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("witgate panicked: {}", text.unwrap_or("no message"))
}
