//! `witgate coverage`

use std::io::Write;

use clap::Args;

use super::{Problem, chain, suite};
use crate::{
    contract::Files,
    coverage::{Catalogue, Matrix},
    exit,
    report::coverage,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Contracts; all of the tree when none is named.
    contracts: Vec<String>,
    /// One JSON object a contract, a line each.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Markdown tables.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn main(
    files: &Files,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<u8, Problem> {
    let only = match arguments.contracts.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    let suite = suite(files, only)?;
    let mut names: Vec<&String> = suite.contracts.keys().collect();
    names.sort();
    if let Some(unknown) = arguments
        .contracts
        .iter()
        .find(|name| !names.contains(name))
    {
        return Err(Problem::usage(format!("no contract `{unknown}`")));
    }
    names.retain(|name| arguments.contracts.is_empty() || arguments.contracts.contains(name));
    for (index, name) in names.into_iter().enumerate() {
        let Some((contract, _)) = suite.contracts.get(name) else {
            continue;
        };
        let catalogue =
            Catalogue::load(files, contract).map_err(|error| Problem::usage(chain(&error)))?;
        let cases = suite.cases.iter().filter(|case| case.contract == *name);
        let matrix = Matrix::new(contract, &catalogue, cases);
        if arguments.json {
            writeln!(out, "{}", coverage::json(&matrix, &contract.title))?;
            continue;
        }
        if index > 0 {
            writeln!(out)?;
        }
        let told = match arguments.markdown {
            true => coverage::markdown(&matrix, &contract.title),
            false => coverage::text(&matrix, &contract.title),
        };
        write!(out, "{told}")?;
    }
    Ok(exit::PASSED)
}
