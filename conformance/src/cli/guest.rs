//! `witgate guest`

use std::{
    collections::BTreeMap, ffi::OsString, fmt::Write as _, io::Write, path::PathBuf, time::Duration,
};

use clap::Args;

use super::{Problem, reference};
use crate::{
    exit,
    guest::{Finding, Options, Verdict, try_plugin},
    host::{Launcher, process::ProcessLauncher},
    law::{Fault, Plugin, PluginError},
    report::failure::quoted,
};

const CASES: u32 = 64;
const CALL_MS: u64 = 2_000;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// A component of one of the worlds of uni:plugin.
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// Samples per promise.
    #[arg(long, value_name = "N", default_value_t = CASES, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Where the samples come from: the same seed gives the same samples.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Full name of an aggregate whose value keeps the order of rows on purpose: L7, L12 and L13 do not bind it.
    #[arg(long, value_name = "NAME")]
    ordered: Vec<String>,
    /// Only this function, by its full name.
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// Milliseconds that one call may take, where the host takes limits.
    #[arg(long, value_name = "MS", default_value_t = CALL_MS, value_parser = clap::value_parser!(u64).range(1..))]
    call_ms: u64,
    /// Also shows promises that were kept, and those that could not be tried.
    #[arg(long)]
    verbose: bool,
    /// One JSON object per finding.
    #[arg(long)]
    json: bool,
    /// The adapter of a host to run the plugin on, and its arguments; the reference host when absent.
    #[arg(last = true, value_name = "ADAPTER")]
    adapter: Vec<OsString>,
}

pub(super) fn main(arguments: &Arguments, out: &mut dyn Write) -> Result<u8, Problem> {
    let path = arguments.plugin.display();
    let component = std::fs::read(&arguments.plugin)
        .map_err(|error| Problem::usage(format!("failed to read {path}: {error}")))?;
    let launcher: Box<dyn Launcher> = match arguments.adapter.as_slice() {
        [] => Box::new(reference()?),
        command => Box::new(ProcessLauncher::new(command.to_vec())),
    };
    let mut plugin = Plugin::open(component, &*launcher).map_err(|error| match error {
        PluginError::Refused(message) => Problem {
            exit: exit::FAILED,
            message: format!("{path}: the plugin is refused: {message}"),
        },
        PluginError::Host(fault) => lost(&fault),
    })?;
    plugin.limit_calls(Duration::from_millis(arguments.call_ms));
    let functions = plugin.functions();
    if functions.is_empty() {
        return Err(Problem::nothing(format!("{path} registers no function")));
    }
    let registered = |name: &&String| functions.iter().any(|function| function.qname == **name);
    let mut named = arguments.ordered.iter().chain(&arguments.function);
    if let Some(unknown) = named.find(|name| !registered(name)) {
        let message = format!("{path} registers no `{unknown}`");
        return Err(Problem::usage(message));
    }
    if !arguments.json {
        writeln!(out, "{}: {} functions", plugin.id(), functions.len())?;
    }
    let options = Options {
        cases: arguments.cases,
        seed: arguments.seed,
        ordered: arguments.ordered.clone(),
        functions: arguments.function.clone(),
    };
    let (mut kept, mut broken) = (0_u32, 0_u32);
    let mut untried = BTreeMap::new();
    let mut written = Ok(());
    let tried = try_plugin(&mut plugin, &options, &mut |finding| {
        match finding.verdict {
            Verdict::Kept => kept += 1,
            Verdict::Broken { .. } => broken += 1,
            Verdict::Untried { ref reason } => *untried.entry(reason.clone()).or_insert(0) += 1,
        }
        if written.is_ok() {
            written = show(&finding, arguments, out);
        }
    });
    written?;
    tried.map_err(|fault: Fault| lost(&fault))?;
    if !arguments.json {
        let sum: u32 = untried.values().sum();
        writeln!(out, "\n{kept} kept, {broken} broken, {sum} untried")?;
        for (reason, number) in untried {
            writeln!(out, "  untried {number}: {reason}")?;
        }
    }
    Ok(match (kept, broken) {
        (_, 1..) => exit::FAILED,
        (0, 0) => exit::NOTHING,
        (1.., 0) => exit::PASSED,
    })
}

fn show(finding: &Finding, arguments: &Arguments, out: &mut dyn Write) -> std::io::Result<()> {
    if arguments.json {
        // Texts only: there is always a JSON of them.
        let line = serde_json::to_string(finding).unwrap_or_default();
        return writeln!(out, "{line}");
    }
    let Finding {
        function,
        promise,
        statement,
        verdict,
    } = finding;
    match verdict {
        Verdict::Broken { counterexample } => {
            writeln!(
                out,
                "\nfail: {function} {promise}\n  the promise: \"{statement}\"\n  what happened:"
            )?;
            for line in counterexample.lines() {
                writeln!(out, "  {line}")?;
            }
            writeln!(out, "  rerun: {}", rerun(function, arguments))
        }
        Verdict::Kept if arguments.verbose => {
            writeln!(out, "kept {function} {promise} ({statement})")
        }
        Verdict::Untried { reason } if arguments.verbose => {
            writeln!(out, "untried {function} {promise}: {reason}")
        }
        Verdict::Kept | Verdict::Untried { .. } => Ok(()),
    }
}

/// The command that tries one function alone.
fn rerun(function: &str, arguments: &Arguments) -> String {
    let mut text = format!(
        "witgate guest {} --function {}",
        quoted(&arguments.plugin.to_string_lossy()),
        quoted(function)
    );
    // Writing to a string can't fail.
    let mut option = |name: &str, value: u64, default: u64| {
        if value != default {
            let _ = write!(text, " --{name} {value}");
        }
    };
    option("cases", arguments.cases.into(), CASES.into());
    option("seed", arguments.seed, 0);
    option("call-ms", arguments.call_ms, CALL_MS);
    if arguments.ordered.iter().any(|name| name == function) {
        let _ = write!(text, " --ordered {}", quoted(function));
    }
    for (index, part) in arguments.adapter.iter().enumerate() {
        let lead = if index == 0 { " --" } else { "" };
        let _ = write!(text, "{lead} {}", quoted(&part.to_string_lossy()));
    }
    text
}

fn lost(fault: &dyn std::error::Error) -> Problem {
    Problem {
        exit: exit::ADAPTER,
        message: fault.to_string(),
    }
}
