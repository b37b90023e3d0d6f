//! A part of the suite that runs in a few seconds, and what its guests hand out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use conformance::case::model::Case;
use conformance::host::protocol::{Hello, Message, Request};
use conformance::host::reference::ReferenceLauncher;
use conformance::host::{Host, HostFault, Launcher};
use conformance::plan::TRANSCRIPT;
use conformance::run::{Event, Run, verdict::Outcome};
use conformance::suite::Suite;
use serde_json::Value as Json;

/// A case that takes longer in a first run does so because it is to wait, or to be large: that is no cost of the suite's.
const LONG: Duration = Duration::from_millis(60);

/// One of so many cases is taken.
const STRIDE: usize = 32;

/// The sample.
pub(crate) struct Sample<'a> {
    suite: &'a Suite,
    pub(crate) cases: Vec<&'a Case>,
    /// The dumps that its guests hand out.
    pub(crate) transcripts: Vec<String>,
}

/// Where the time of a run went, added up over its cases.
pub(crate) struct Spent {
    pub(crate) host: Duration,
    pub(crate) judge: Duration,
}

impl<'a> Sample<'a> {
    pub(crate) fn new(suite: &'a Suite, all: &[&'a Case]) -> Self {
        let cases: Vec<&Case> = all.iter().copied().step_by(STRIDE).collect();
        let outcomes = run(suite, &cases, &ReferenceLauncher, false).outcomes;
        let short = |id: &str| {
            outcomes.iter().any(|outcome| {
                outcome.id == id && outcome.timing.wait.is_zero() && outcome.timing.host < LONG
            })
        };
        let cases: Vec<&Case> = cases.into_iter().filter(|case| short(&case.id)).collect();
        let listening = Listening::default();
        run(suite, &cases, &listening, false);
        let transcripts = std::mem::take(&mut *listening.heard());
        Self {
            suite,
            cases,
            transcripts,
        }
    }

    /// Runs all cases, one after the other; their guests are compiled already.
    pub(crate) fn run(&self) -> Spent {
        let outcomes = run(self.suite, &self.cases, &ReferenceLauncher, false).outcomes;
        Spent {
            host: outcomes.iter().map(|outcome| outcome.timing.host).sum(),
            judge: outcomes.iter().map(|outcome| outcome.timing.judge).sum(),
        }
    }

    /// Wall time of a run, and of its floor, in which the guests are compiled afresh. Both compile: the time of compiling
    /// the same guests once is added to the run, which would find them compiled.
    pub(crate) fn beside_floor(&self) -> (Duration, Duration) {
        let ran = run(self.suite, &self.cases, &ReferenceLauncher, true);
        let compiled = Instant::now();
        let guests = crate::encode(&crate::generate(self.suite, &self.cases));
        let generated = compiled.elapsed();
        crate::compile(&guests);
        (ran.wall + compiled.elapsed() - generated, ran.floor)
    }
}

struct Ran {
    outcomes: Vec<Outcome>,
    wall: Duration,
    floor: Duration,
}

fn run(suite: &Suite, cases: &[&Case], launcher: &dyn Launcher, floor: bool) -> Ran {
    let run = Run {
        cases,
        contracts: &suite.contracts,
        profiles: &BTreeSet::new(),
        mcp: None,
        launcher,
        jobs: 1,
        floor,
    };
    let mut ran = Ran {
        outcomes: Vec::new(),
        wall: Duration::ZERO,
        floor: Duration::ZERO,
    };
    let told = run.run(&mut |event| match event {
        Event::Ended { outcome, .. } => ran.outcomes.push(*outcome),
        Event::Finished { wall, floor } => {
            ran.wall = wall;
            ran.floor = floor.map_or(Duration::ZERO, |floor| floor.wall);
        }
        _ => {}
    });
    told.expect("the run goes through");
    ran
}

/// Launches reference hosts and listens to what they say.
#[derive(Default)]
struct Listening(Arc<Mutex<Vec<String>>>);

impl Listening {
    fn heard(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Launcher for Listening {
    fn launch(&self) -> Result<Box<dyn Host>, HostFault> {
        let host = ReferenceLauncher.launch()?;
        let heard = Listening(self.0.clone());
        Ok(Box::new(Overheard { host, heard }))
    }
}

struct Overheard {
    host: Box<dyn Host>,
    heard: Listening,
}

impl Host for Overheard {
    fn hello(&self) -> &Hello {
        self.host.hello()
    }

    fn post(&mut self, request: Request) -> Result<(), HostFault> {
        self.host.post(request)
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        let message = self.host.next(deadline)?;
        if let Some(Message::Event { event: json } | Message::Return { value: json, .. }) = &message
        {
            collect(json, &mut self.heard.heard());
        }
        Ok(message)
    }
}

/// `…MARK GUEST/CLAUSE/DUMP.…`
fn collect(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::String(text) => {
            for part in text.split(TRANSCRIPT).skip(1) {
                let dump = part.splitn(3, '/').nth(2);
                let dump = dump.and_then(|dump| dump.split_once('.'));
                found.extend(dump.map(|(dump, _)| dump.to_owned()));
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Json::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}
