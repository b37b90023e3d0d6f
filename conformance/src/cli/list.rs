//! `witgate list`

use std::io::Write;

use clap::Args;

use super::{Problem, Selection, select::known_profiles, suite};
use crate::{contract::Files, exit, report::json};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Only cases of these profiles.
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
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
    let mut cases = arguments.selection.cases(&suite)?;
    if !arguments.profile.is_empty() {
        let wanted = known_profiles(&suite, &arguments.profile)?;
        cases.retain(|case| {
            let profile = case.profile.as_ref();
            profile.is_some_and(|profile| wanted.contains(profile))
        });
    }
    if cases.is_empty() {
        return Err(Problem::nothing("no case is selected"));
    }
    for case in &cases {
        if arguments.json {
            writeln!(out, "{}", json::listed(case))?;
        } else {
            let profile = case.profile.as_ref();
            let profile = profile.map_or(String::new(), |name| format!("  profile {name}"));
            writeln!(out, "{:<7} {}{profile}", case.level.name(), case.id)?;
        }
    }
    Ok(exit::PASSED)
}
