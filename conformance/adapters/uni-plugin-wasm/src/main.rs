//! Puts the published uni-db plugin host, the crate `uni-plugin-wasm`, under the suite: speaks the adapter protocol
//! (`docs/adapter-protocol.md`) on standard input and output and translates the driver `wit/driver/uni.wit` into calls of
//! the crate. It repairs nothing: what the host answers is what the suite sees.

mod case;
mod conversation;
mod egress;
mod outbox;
mod protocol;
mod telemetry;
mod wire;

use std::{io, process::ExitCode};

fn main() -> ExitCode {
    if let Err(error) = telemetry::install() {
        eprintln!("failed to listen to the host's log: {error}");
        return ExitCode::FAILURE;
    }
    match conversation::serve(io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to go on: {error}");
            ExitCode::FAILURE
        }
    }
}
