//! The hot paths one by one, for a tool that counts instructions: `hot-paths NAME` makes ready what the path needs, runs it
//! once so that what is lazy is there, and then runs [`measured`] a fixed number of times; `hot-paths` alone lists the names.
//! `scripts/instructions.sh` counts within `measured` and compares two commits.
//!
//! None of them runs an engine: it reserves more address space than such a tool has, and its compiled code would not be
//! the same from run to run.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for scripts"
)]

mod paths;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for (name, _) in paths::PATHS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, ready)) = paths::PATHS.iter().find(|(known, _)| *known == name) else {
        eprintln!("no path `{name}`");
        return ExitCode::FAILURE;
    };
    let mut work = ready();
    work();
    for _ in 0..paths::TURNS {
        measured(&mut work);
    }
    ExitCode::SUCCESS
}

/// What is counted. The tool finds it by this name.
#[inline(never)]
fn measured(work: &mut paths::Work) {
    work();
}
