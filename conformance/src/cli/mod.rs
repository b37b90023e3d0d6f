//! The command `witgate`: reads the command line, calls the library, turns what comes back into text and exit codes.

mod coverage;
mod expectations;
mod explain;
mod fmt;
mod guest;
mod list;
mod mcp;
mod output;
mod run;
mod select;
mod tell;

use std::{error::Error, ffi::OsString, io::Write, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use self::output::Output;
use crate::{
    contract::Files,
    exit,
    host::reference::{ReferenceLauncher, keep_compiled},
    suite::Suite,
};

/// Tells whether a host honours a WIT world.
#[derive(Debug, Parser)]
#[command(name = "witgate", version, about, max_term_width = 100)]
struct Cli {
    /// A tree with `wit/` and `conformance/cases/` to use instead of the one that comes with witgate.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs cases on a host: the reference host, or an adapter given after `--`.
    Run(run::Arguments),
    /// Lists cases.
    List(list::Arguments),
    /// Explains one case: the words of the contract, the case, its guests as WebAssembly text, the host steps.
    Explain(explain::Arguments),
    /// Shows which functions the cases cover, and how: cases by function and kind of outcome.
    Coverage(coverage::Arguments),
    /// Lays out case files.
    Fmt(fmt::Arguments),
    /// Tries a plugin of uni:plugin: the laws of its aggregates, the promises of its scalars and procedures.
    Guest(guest::Arguments),
    /// Serves MCP on standard input and output, for cases that want a server.
    #[command(hide = true)]
    Mcp(mcp::Arguments),
}

/// Which cases.
#[derive(Args, Clone, Debug, Default)]
struct Selection {
    /// Globs over case ids, as in `pie.core.store-*`; a case runs when one of them matches.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only cases with a guest of this world.
    #[arg(long)]
    world: Option<String>,
    /// Only cases of this contract.
    #[arg(long)]
    contract: Option<String>,
    /// Only cases of these levels.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', value_parser = ["must", "should", "record", "robust"])]
    level: Vec<String>,
    /// Only this share of the cases, as in `hash:1/4`; a case's id decides in which share it is.
    #[arg(long, value_name = "hash:I/N", value_parser = select::Partition::parse)]
    partition: Option<select::Partition>,
}

/// Something the user must mend, or a mistake of ours; with its exit code.
#[derive(Debug)]
struct Problem {
    exit: u8,
    message: String,
}

impl Problem {
    fn usage(message: impl Into<String>) -> Problem {
        Problem {
            exit: exit::USAGE,
            message: message.into(),
        }
    }

    fn nothing(message: impl Into<String>) -> Problem {
        Problem {
            exit: exit::NOTHING,
            message: message.into(),
        }
    }

    fn internal(message: impl Into<String>) -> Problem {
        Problem {
            exit: exit::INTERNAL,
            message: message.into(),
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::internal(format!("can't write: {error}"))
    }
}

/// Runs the command line; what is meant for people and programs goes to `out`, problems go to `err`. Gives the exit code.
/// That nobody reads `out` to its end is no problem, and changes no exit code.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> u8 {
    let mut out = Output::new(out);
    let result = match Cli::try_parse_from(args) {
        Ok(cli) => command(&cli, &mut out),
        Err(error) if error.use_stderr() => {
            let _ = write!(err, "{}", error.render());
            return exit::USAGE;
        }
        Err(help) => write!(out, "{}", help.render())
            .map(|()| exit::PASSED)
            .map_err(Problem::from),
    };
    let flushed = |exit| out.flush().map(|()| exit).map_err(Problem::from);
    result.and_then(flushed).unwrap_or_else(|problem| {
        let _ = writeln!(err, "witgate: {}", problem.message.trim_end());
        problem.exit
    })
}

fn command(cli: &Cli, out: &mut (dyn Write + Send)) -> Result<u8, Problem> {
    let files = match &cli.root {
        Some(root) => Files::disk(root),
        None => Files::embedded(),
    };
    match &cli.command {
        Command::Run(arguments) => run::main(&files, cli.root.as_deref(), arguments, out),
        Command::List(arguments) => list::main(&files, arguments, out),
        Command::Explain(arguments) => explain::main(&files, arguments, out),
        Command::Coverage(arguments) => coverage::main(&files, arguments, out),
        Command::Fmt(arguments) => fmt::main(&files, arguments, out),
        Command::Guest(arguments) => guest::main(arguments, out),
        Command::Mcp(arguments) => mcp::main(arguments, out),
    }
}

fn suite(files: &Files, contract: Option<&str>) -> Result<Suite, Problem> {
    Suite::load_only(files, contract).map_err(|error| Problem::usage(chain(&error)))
}

/// The reference host, in this process.
fn reference() -> Result<ReferenceLauncher, Problem> {
    keep_compiled().map_err(|error| Problem::usage(format!("WITGATE_CACHE: {error}")))?;
    Ok(ReferenceLauncher)
}

/// An error and why it came.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
