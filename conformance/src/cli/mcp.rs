//! `witgate mcp`: an MCP server on standard input and output, started by hosts under test because a case wants it.

use std::io::Write;

use clap::Args;

use super::Problem;
use crate::{
    exit,
    testbed::mcp::{
        Mode,
        stdio::{End, Server},
    },
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// How it behaves.
    mode: Mode,
    /// The testbed that is told what it gets.
    testbed: String,
    /// What the testbed is told it is; the mode when not given.
    label: Option<String>,
    /// Anything, for the record.
    #[arg(allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(super) fn main(arguments: &Arguments, out: &mut dyn Write) -> Result<u8, Problem> {
    let mode = arguments.mode;
    let label = arguments.label.as_deref().unwrap_or(mode.name());
    let server = Server {
        mode,
        testbed: arguments.testbed.clone(),
        label: label.to_owned(),
        arguments: arguments.rest.clone(),
    };
    match server.serve(std::io::stdin(), out) {
        Ok(End::Over) => Ok(exit::PASSED),
        Ok(End::Crashed) => Ok(exit::INTERNAL),
        Err(error) => Err(Problem::internal(format!("the MCP server ends: {error}"))),
    }
}
