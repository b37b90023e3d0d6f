//! `witgate`: see `conformance::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(conformance::cli::main(
        std::env::args_os(),
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    ))
}
