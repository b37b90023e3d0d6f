//! `witgate explain`

use std::io::Write;

use clap::Args;

use super::{Problem, suite};
use crate::{
    case::model::{Case, GuestKind},
    contract::Files,
    exit, plan,
    suite::Suite,
    testbed::Testbed,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The case's id.
    case: String,
    /// Leaves out the guests as WebAssembly text.
    #[arg(long)]
    no_wat: bool,
}

pub(super) fn main(
    files: &Files,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let suite = suite(files, None)?;
    let case = suite
        .cases
        .iter()
        .find(|case| case.id == arguments.case)
        .ok_or_else(|| {
            let near = suite
                .cases
                .iter()
                .filter(|case| case.id.contains(&arguments.case))
                .take(5);
            let near: Vec<&str> = near.map(|case| case.id.as_str()).collect();
            let hint = if near.is_empty() {
                String::new()
            } else {
                format!("; there is {}", near.join(", "))
            };
            Problem::usage(format!("no case `{}`{hint}", arguments.case))
        })?;
    writeln!(out, "{} ({})", case.id, case.binding())?;
    for quote in &case.quotes {
        writeln!(out, "\nThe contract says:\n  \"{quote}\"")?;
    }
    if !case.needs.is_empty() {
        writeln!(out, "\nA host must declare: {}", case.needs.join(", "))?;
    }
    if let Some(profile) = &case.profile {
        let contract = suite.contracts.get(&case.contract);
        let words = contract.and_then(|(contract, _)| contract.profiles.get(profile));
        let words = words.map_or("", String::as_str);
        writeln!(out, "\nOnly for hosts of the profile {profile}: {words}")?;
    }
    let text = case
        .source
        .text
        .get(case.span.start..case.span.end)
        .unwrap_or_default();
    writeln!(out, "\n{}:\n", case.source.name)?;
    for line in text.trim_end().lines() {
        writeln!(out, "  {line}")?;
    }
    if !arguments.no_wat {
        guests(&suite, case, out)?;
    }
    Ok(exit::PASSED)
}

fn guests(suite: &Suite, case: &Case, out: &mut dyn Write) -> Result<(), Problem> {
    let Some((contract, worlds)) = suite.contracts.get(&case.contract) else {
        return Ok(());
    };
    let surroundings = Testbed::example_surroundings();
    let plan = plan::plan(case, contract, worlds, &surroundings)
        .map_err(|error| Problem::internal(error.to_string()))?;
    for (guest, planned) in case.guests.iter().zip(&plan.guests) {
        writeln!(
            out,
            "\nGuest `{}`, {} bytes, for world `{}`:\n",
            guest.name,
            planned.component.len(),
            guest.world
        )?;
        match &guest.kind {
            GuestKind::Bytes(bytes) => {
                writeln!(out, "  {} bytes that are no component", bytes.len())?
            }
            _ => match wasmprinter::print_bytes(&planned.component) {
                Ok(text) => writeln!(out, "{text}")?,
                Err(error) => writeln!(out, "  not WebAssembly: {error}")?,
            },
        }
    }
    Ok(())
}
