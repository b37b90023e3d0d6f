//! `witgate list`

use std::io::Write;

use clap::Args;

use super::{Problem, Selection, suite};
use crate::{contract::Files, exit, report::json};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(
    files: &Files,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let suite = suite(files, arguments.selection.contract.as_deref())?;
    let cases = arguments.selection.cases(&suite)?;
    for case in &cases {
        if arguments.json {
            writeln!(out, "{}", json::listed(case))?;
        } else {
            writeln!(out, "{:<7} {}", case.level.name(), case.id)?;
        }
    }
    Ok(exit::PASSED)
}
