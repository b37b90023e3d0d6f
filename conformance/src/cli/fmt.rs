//! `witgate fmt`

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::Problem;
use crate::{case, contract::Files, exit};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Files to lay out; all case files of the tree when none is named.
    files: Vec<PathBuf>,
    /// Changes nothing, and fails when a file is laid out otherwise.
    #[arg(long)]
    check: bool,
}

pub(super) fn main(
    files: &Files,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let unreadable = |what: &str, error: &dyn std::fmt::Display| {
        Problem::usage(format!("can't read {what}: {error}"))
    };
    let paths: Vec<PathBuf> = if arguments.files.is_empty() {
        let names = files
            .list("conformance/cases", "case")
            .map_err(|error| unreadable("conformance/cases", &error))?;
        names.iter().map(|name| files.path(name)).collect()
    } else {
        arguments.files.clone()
    };
    let mut exit = exit::PASSED;
    for path in paths {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&shown, &error))?;
        let laid_out =
            case::format(&text).map_err(|diagnostics| Problem::usage(diagnostics.to_string()))?;
        if laid_out == text {
            continue;
        }
        if arguments.check {
            exit = exit::FAILED;
            writeln!(out, "{shown}: not laid out; run `witgate fmt`")?;
        } else {
            std::fs::write(&path, laid_out)
                .map_err(|error| Problem::usage(format!("can't write {shown}: {error}")))?;
            writeln!(out, "{shown}: laid out")?;
        }
    }
    Ok(exit)
}
