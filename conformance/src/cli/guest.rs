//! `witgate guest`

use std::{ffi::OsString, io::Write, path::PathBuf};

use clap::Args;

use super::Problem;
use crate::{
    exit,
    guest::{Finding, Options, Verdict, try_plugin},
    host::{Launcher, process::ProcessLauncher, reference::ReferenceLauncher},
    law::{Fault, Plugin, PluginError},
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// A component of one of the worlds of uni:plugin.
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// Samples per promise.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    cases: u32,
    /// Where the samples come from: the same seed gives the same samples.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Full name of an aggregate whose value keeps the order of rows on purpose: L7, L12 and L13 do not bind it.
    #[arg(long, value_name = "NAME")]
    ordered: Vec<String>,
    /// Also shows promises that were kept.
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
        [] => Box::new(ReferenceLauncher),
        command => Box::new(ProcessLauncher::new(command.to_vec())),
    };
    let mut plugin = Plugin::open(component, &*launcher).map_err(|error| match error {
        PluginError::Refused(message) => Problem {
            exit: exit::FAILED,
            message: format!("{path}: the plugin is refused: {message}"),
        },
        PluginError::Host(fault) => lost(&fault),
    })?;
    let names: Vec<_> = plugin
        .functions()
        .iter()
        .map(|function| &function.qname)
        .collect();
    if let Some(unknown) = arguments.ordered.iter().find(|name| !names.contains(name)) {
        let message = format!("{path} registers no `{unknown}`");
        return Err(Problem::usage(message));
    }
    if names.is_empty() {
        return Err(Problem::nothing(format!("{path} registers no function")));
    }
    if !arguments.json {
        writeln!(out, "{}: {} functions", plugin.id(), names.len())?;
    }
    let options = Options {
        cases: arguments.cases,
        seed: arguments.seed,
        ordered: arguments.ordered.clone(),
    };
    let (mut kept, mut broken, mut untried) = (0, 0, 0);
    let mut written = Ok(());
    let tried = try_plugin(&mut plugin, &options, &mut |finding| {
        match finding.verdict {
            Verdict::Kept => kept += 1,
            Verdict::Broken { .. } => broken += 1,
            Verdict::Untried { .. } => untried += 1,
        }
        if written.is_ok() {
            written = show(&finding, arguments, out);
        }
    });
    written?;
    tried.map_err(|fault: Fault| lost(&fault))?;
    if !arguments.json {
        writeln!(out, "{kept} kept, {broken} broken, {untried} untried")?;
    }
    Ok(if broken > 0 {
        exit::FAILED
    } else {
        exit::PASSED
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
                "broken: {function} {promise} ({statement})\n{counterexample}"
            )
        }
        Verdict::Kept if arguments.verbose => {
            writeln!(out, "kept: {function} {promise} ({statement})")
        }
        Verdict::Untried { reason } if arguments.verbose => {
            writeln!(out, "untried: {function} {promise}: {reason}")
        }
        Verdict::Kept | Verdict::Untried { .. } => Ok(()),
    }
}

fn lost(fault: &dyn std::error::Error) -> Problem {
    Problem {
        exit: exit::ADAPTER,
        message: fault.to_string(),
    }
}
