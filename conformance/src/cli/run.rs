//! `witgate run`

use std::{
    ffi::OsString,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use rand::{SeedableRng as _, seq::SliceRandom as _};

use super::{
    Problem, Selection, chain,
    expectations::Expectations,
    reference,
    select::known_profiles,
    suite,
    tell::{Teller, Told},
};
use crate::{
    case::model::Case,
    contract::Files,
    exit,
    host::{Launcher, process::ProcessLauncher, reference::ReferenceLauncher},
    report::{failure::Command, json, markdown, summary::Summary, terminal::Terminal},
    run::{
        Run, RunError,
        verdict::{Outcome, Verdict},
    },
    suite::Suite,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Holds the host to this profile, whether it declares it or not.
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
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
    /// Shows the slowest ten cases, and the same run with nothing judged, as the floor of its time; both compile every
    /// guest anew.
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
    root: Option<&Path>,
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
) -> Result<u8, Problem> {
    let only = arguments.selection.contract.as_deref();
    let suite = suite(files, only)?;
    let mut cases = arguments.selection.cases(&suite)?;
    let profiles = known_profiles(&suite, &arguments.profile)?;
    let expectations = match &arguments.expectations {
        Some(path) => Expectations::read(path)?,
        None => Expectations::default(),
    };
    // A page that can't be written is told before the run, not after it.
    let page = arguments.markdown.as_deref().map(Page::create);
    let page = page.transpose()?;
    if let Some(seed) = arguments.shuffle {
        cases.shuffle(&mut rand::rngs::StdRng::seed_from_u64(seed));
    }
    let launcher: Box<dyn Launcher> = match arguments.adapter.as_slice() {
        // A floor that compiles stands beside a run that compiles.
        [] if arguments.timings => Box::new(ReferenceLauncher),
        [] => Box::new(reference()?),
        command => Box::new(ProcessLauncher::new(command.to_vec())),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = arguments.jobs.map_or(processors, usize::from);
    // Cases that want it say so when it can't be found.
    let executable = std::env::current_exe().ok();
    let run = Run {
        cases: &cases,
        contracts: &suite.contracts,
        profiles: &profiles,
        mcp: executable.as_deref(),
        launcher: &*launcher,
        jobs: jobs.min(cases.len()),
        floor: arguments.timings,
    };
    let text = |part: &OsString| part.to_string_lossy().into_owned();
    let command = Command {
        root: root.map(|root| root.display().to_string()),
        profiles: profiles.clone(),
        adapter: arguments.adapter.iter().map(text).collect(),
    };
    let teller = match arguments.json {
        true => Teller::Program(out),
        false => Teller::Person(Terminal::new(out, command.clone(), arguments.verbose)),
    };
    let mut told = Told::new(&cases, &expectations, teller);
    let ran = run.run(&mut |event| told.hear(event));
    let Told {
        hello,
        results,
        wall,
        floor,
        problem,
        mut teller,
        ..
    } = told;
    let given_up = match (ran, hello) {
        (Ok(()), Some(hello)) => Ok((hello, None)),
        (Err(error), Some(hello)) => Ok((hello, Some(given_up(&error)))),
        (Err(error), None) => Err(given_up(&error)),
        (Ok(()), None) => Err(Problem::internal("the run told nothing")),
    };
    let (hello, given_up) = given_up?;
    if let Some(error) = problem {
        return Err(error.into());
    }
    let outcomes: Vec<Outcome> = results.iter().map(|(_, outcome)| outcome.clone()).collect();
    let summary = Summary::new(&outcomes, wall, run.jobs, floor);
    let mut notes = expectations.unknown(&|id| known(&suite, only, id));
    notes.extend(expectations.stale(&outcomes));
    let stale = !notes.is_empty();
    let least = arguments.at_least.unwrap_or(1).max(1);
    let too_few = summary.executed < least;
    if too_few {
        let executed = summary.executed;
        notes.push(format!(
            "{executed} cases ran, at least {least} were to run"
        ));
    }
    let mut exit = exit_code(&outcomes, &expectations, stale, too_few);
    if let Some(problem) = given_up {
        let left = cases.len() - outcomes.len();
        notes.push(format!("{}; {left} cases did not run", problem.message));
        exit = problem.exit;
    }
    match &mut teller {
        Teller::Person(terminal) => terminal.finished(&summary, &notes, arguments.timings)?,
        Teller::Program(out) => writeln!(out, "{}", json::finished(&summary, &notes, exit))?,
    }
    if let Some(page) = page {
        let mut sorted: Vec<(&Case, &Outcome)> = results
            .iter()
            .map(|(case, outcome)| (*case, outcome))
            .collect();
        sorted.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        page.write(&markdown::page(&hello, &sorted, &summary, &command))?;
    }
    Ok(exit)
}

fn given_up(error: &RunError) -> Problem {
    match error {
        RunError::Host(fault) => Problem {
            exit: exit::ADAPTER,
            message: fault.to_string(),
        },
        RunError::Beside { .. } | RunError::Lost { .. } => Problem {
            exit: exit::ADAPTER,
            message: error.to_string(),
        },
        RunError::Testbed(_) => Problem::internal(chain(error)),
    }
}

/// Whether an id is a case's. Of contracts that were not loaded nothing is known, and nothing is said.
fn known(suite: &Suite, only: Option<&str>, id: &str) -> bool {
    let first = |id: &str| id.split('.').next().map(str::to_owned);
    suite.cases.iter().any(|case| case.id == id)
        || only.is_some() && !suite.cases.iter().any(|case| first(&case.id) == first(id))
}

/// The page on the run, a file.
struct Page<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Page<'a> {
    fn create(path: &'a Path) -> Result<Self, Problem> {
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Page { path, file })
    }

    fn write(mut self, text: &str) -> Result<(), Problem> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| unwritable(self.path, &error))
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::usage(format!("can't write {}: {error}", path.display()))
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
