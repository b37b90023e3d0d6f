//! Every case is a test of its own, on the reference host.

#![expect(clippy::print_stderr, reason = "a note for who runs the tests")]

use std::{collections::BTreeSet, num::NonZero, path::Path, process::ExitCode};

use conformance::{
    contract::Files,
    host::reference::{ReferenceLauncher, keep_compiled},
    report::failure::{self, Command},
    run::{Event, Run, verdict::Outcome},
    suite::Suite,
};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most cases wait for a while: for a timer, a server, or what must not come.
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    arguments.test_threads.get_or_insert(2 * processors);
    if let Err(error) = keep_compiled() {
        eprintln!("compiled guests are not kept: {error}");
    }
    let suite: &'static Suite = match Suite::load(&Files::embedded()) {
        Ok(suite) => Box::leak(Box::new(suite)),
        Err(error) => {
            let trial = Trial::test("the suite loads", move || {
                Err(Failed::from(error.to_string()))
            });
            return libtest_mimic::run(&arguments, vec![trial]).exit_code();
        }
    };
    let trials = (0..suite.cases.len())
        .map(|index| Trial::test(&suite.cases[index].id, move || one(suite, index)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn one(suite: &Suite, index: usize) -> Result<(), Failed> {
    let case = &suite.cases[index];
    let run = Run {
        cases: &[case],
        contracts: &suite.contracts,
        profiles: &BTreeSet::new(),
        mcp: Some(Path::new(env!("CARGO_BIN_EXE_witgate"))),
        launcher: &ReferenceLauncher,
        jobs: 1,
        floor: false,
    };
    let mut seen: Option<Box<Outcome>> = None;
    run.run(&mut |event| {
        if let Event::Ended { outcome, .. } = event {
            seen = Some(outcome);
        }
    })
    .map_err(|error| Failed::from(error.to_string()))?;
    let outcome = seen.ok_or_else(|| Failed::from("the case did not run"))?;
    match outcome.verdict.name() {
        // The reference host declares every capability: a case it does not support tests nothing.
        "pass" | "chose" => Ok(()),
        _ => Err(Failed::from(failure::show(
            case,
            &outcome,
            &Command::default(),
        ))),
    }
}
