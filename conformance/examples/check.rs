//! Checks case files: `cargo run -q -p conformance --example check -- FILE...`; without files, every case there is.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people"
)]

use std::{path::Path, process::ExitCode};

use conformance::{
    case,
    contract::{Contract, Files},
};

fn main() -> ExitCode {
    let files = Files::embedded();
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let mut good = true;
    let mut report =
        |name: &str, result: Result<Vec<case::model::Case>, case::Diagnostics>| match result {
            Ok(cases) => println!("{name}: {} cases", cases.len()),
            Err(problems) => {
                good = false;
                eprintln!("{problems}{name}: {} mistakes\n", problems.0.len());
            }
        };
    if paths.is_empty() {
        for name in Contract::names(&files).unwrap_or_default() {
            match Contract::load(&files, &name) {
                Ok(contract) => report(&name, case::load(&files, &contract)),
                Err(error) => eprintln!("{error}"),
            }
        }
    }
    for path in &paths {
        let name = std::fs::read_to_string(path)
            .ok()
            .and_then(|text| case::contract_of(&text))
            .unwrap_or_else(|| "pie".to_owned());
        match Contract::load(&files, &name) {
            Ok(contract) => report(path, case::load_file(Path::new(path), &contract)),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
