//! `witgate run`

use std::{ffi::OsString, io::Write, path::PathBuf, time::Duration};

use clap::Args;
use rand::{SeedableRng as _, seq::SliceRandom as _};

use super::{Problem, Selection, expectations::Expectations, suite};
use crate::{
    case::model::Case,
    contract::Files,
    exit,
    host::{
        HostFault, Launcher, process::ProcessLauncher, protocol::Hello,
        reference::ReferenceLauncher,
    },
    report::{failure::Command, json, markdown, summary::Summary, terminal::Terminal},
    run::{
        Event, Floor, Run, RunError,
        verdict::{Outcome, Verdict},
    },
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Hosts at work at the same time; as many as the machine has processors when not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Hands the cases out in an order drawn from this seed.
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// One JSON event a line, and nothing else.
    #[arg(long)]
    json: bool,
    /// A line for every case, also for those that pass.
    #[arg(long, short)]
    verbose: bool,
    /// Shows the slowest ten cases, and the same run with nothing judged, as the floor of its time.
    #[arg(long)]
    timings: bool,
    /// A file of verdicts that are known and accepted for this host.
    #[arg(long, value_name = "FILE")]
    expectations: Option<PathBuf>,
    /// Fails unless at least this many cases ran.
    #[arg(long, value_name = "N")]
    at_least: Option<usize>,
    /// Writes a page on the run to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The adapter of the host under test and its arguments; the reference host when there is none.
    #[arg(last = true, value_name = "ADAPTER")]
    adapter: Vec<OsString>,
}

pub(super) fn main(
    files: &Files,
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
) -> Result<u8, Problem> {
    let suite = suite(files, arguments.selection.contract.as_deref())?;
    let mut cases = arguments.selection.cases(&suite);
    let expectations = match &arguments.expectations {
        Some(path) => Expectations::read(path)?,
        None => Expectations::default(),
    };
    if cases.is_empty() {
        return Err(Problem {
            exit: exit::NOTHING,
            message: "no case is selected".to_owned(),
        });
    }
    if let Some(seed) = arguments.shuffle {
        cases.shuffle(&mut rand::rngs::StdRng::seed_from_u64(seed));
    }
    let launcher: Box<dyn Launcher> = match arguments.adapter.as_slice() {
        [] => Box::new(ReferenceLauncher),
        command => Box::new(ProcessLauncher::new(command.to_vec())),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = arguments.jobs.map_or(processors, usize::from);
    let run = Run {
        cases: &cases,
        contracts: &suite.contracts,
        launcher: &*launcher,
        jobs,
        floor: arguments.timings,
    };
    let command = Command {
        adapter: arguments
            .adapter
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect(),
    };
    let mut told = Told::new(&cases, arguments, &expectations, command.clone(), out);
    run.run(&mut |event| told.hear(event))
        .map_err(|error| match error {
            RunError::Host(fault) => unstarted(&fault),
            other => Problem::internal(other.to_string()),
        })?;
    let Told {
        hello,
        results,
        wall,
        floor,
        problem,
        mut terminal,
        ..
    } = told;
    if let Some(error) = problem {
        return Err(error.into());
    }
    let outcomes: Vec<Outcome> = results.iter().map(|(_, outcome)| outcome.clone()).collect();
    let summary = Summary::new(&outcomes, wall, jobs, floor);
    let mut notes = expectations.unknown(&|id| suite.cases.iter().any(|case| case.id == id));
    notes.extend(expectations.stale(&outcomes));
    let stale = !notes.is_empty();
    let too_few = arguments.at_least.filter(|least| summary.executed < *least);
    if let Some(least) = too_few {
        notes.push(format!(
            "{} cases ran, at least {least} were to run",
            summary.executed
        ));
    }
    let exit = exit_code(
        &outcomes,
        &expectations,
        stale,
        too_few.is_some() || summary.executed == 0,
    );
    match &mut terminal {
        Teller::Person(terminal) => terminal.finished(&summary, &notes, arguments.timings)?,
        Teller::Program(out) => writeln!(out, "{}", json::finished(&summary, exit))?,
    }
    if let Some(path) = &arguments.markdown {
        let mut sorted: Vec<(&Case, &Outcome)> = results
            .iter()
            .map(|(case, outcome)| (*case, outcome))
            .collect();
        sorted.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        let page = markdown::page(&hello, &sorted, &summary, &command);
        std::fs::write(path, page)
            .map_err(|error| Problem::usage(format!("can't write {}: {error}", path.display())))?;
    }
    Ok(exit)
}

fn unstarted(fault: &HostFault) -> Problem {
    Problem {
        exit: exit::ADAPTER,
        message: fault.to_string(),
    }
}

fn exit_code(outcomes: &[Outcome], expectations: &Expectations, stale: bool, too_few: bool) -> u8 {
    let red = |test: fn(&Verdict) -> bool| {
        outcomes
            .iter()
            .any(|outcome| test(&outcome.verdict) && !expectations.expects(outcome))
    };
    if red(|verdict| matches!(verdict, Verdict::NotRun { .. })) {
        exit::INTERNAL
    } else if red(|verdict| {
        matches!(
            verdict,
            Verdict::Fail(_) | Verdict::Crash { .. } | Verdict::Timeout { .. }
        )
    }) {
        exit::FAILED
    } else if red(|verdict| matches!(verdict, Verdict::Protocol { .. })) {
        exit::ADAPTER
    } else if too_few {
        exit::NOTHING
    } else if stale {
        exit::STALE
    } else {
        exit::PASSED
    }
}

/// Hears the run and passes it on.
struct Told<'a> {
    cases: &'a [&'a Case],
    expectations: &'a Expectations,
    terminal: Teller<'a>,
    hello: Hello,
    results: Vec<(&'a Case, Outcome)>,
    wall: Duration,
    floor: Option<Floor>,
    problem: Option<std::io::Error>,
}

enum Teller<'a> {
    Person(Terminal<&'a mut (dyn Write + Send)>),
    Program(&'a mut (dyn Write + Send)),
}

impl<'a> Told<'a> {
    fn new(
        cases: &'a [&'a Case],
        arguments: &Arguments,
        expectations: &'a Expectations,
        command: Command,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        let terminal = match arguments.json {
            true => Teller::Program(out),
            false => Teller::Person(Terminal::new(out, command, arguments.verbose)),
        };
        Told {
            cases,
            expectations,
            terminal,
            hello: Hello::default(),
            results: Vec::new(),
            wall: Duration::ZERO,
            floor: None,
            problem: None,
        }
    }

    fn hear(&mut self, event: Event) {
        if let Err(error) = self.pass_on(event) {
            self.problem.get_or_insert(error);
        }
    }

    fn pass_on(&mut self, event: Event) -> std::io::Result<()> {
        match event {
            Event::Started { hello, cases } => {
                self.hello = hello;
                match &mut self.terminal {
                    Teller::Person(terminal) => terminal.started(&self.hello, cases),
                    Teller::Program(out) => writeln!(out, "{}", json::started(&self.hello, cases)),
                }
            }
            Event::Begun { case } => {
                if let (Teller::Person(terminal), Some(case)) =
                    (&self.terminal, self.cases.get(case))
                {
                    terminal.begun(case);
                }
                Ok(())
            }
            Event::Ended { case, outcome } => {
                let Some(case) = self.cases.get(case).copied() else {
                    return Ok(());
                };
                let expected = self.expectations.expects(&outcome);
                let told = match &mut self.terminal {
                    Teller::Person(terminal) => terminal.ended(case, &outcome, expected),
                    Teller::Program(out) => writeln!(out, "{}", json::ended(case, &outcome)),
                };
                self.results.push((case, *outcome));
                told
            }
            Event::Finished { wall, floor } => {
                (self.wall, self.floor) = (wall, floor);
                Ok(())
            }
        }
    }
}
