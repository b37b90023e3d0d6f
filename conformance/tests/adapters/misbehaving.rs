//! An adapter that keeps to the protocol but for the one fault that its argument names. The suite's own tests run it; it
//! hosts nothing.

use std::{
    io::{self, BufRead as _, Write as _},
    process::{Command, Stdio, abort, exit},
    thread::sleep,
    time::Duration,
};

use serde_json::{Value as Json, json};

fn main() -> io::Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "dies-at-start" => {
            writeln!(io::stderr(), "no licence file")?;
            exit(3)
        }
        "hangs-at-start" => hang(),
        "greets-in-prose" => line("Welcome to my host, version 2!")?,
        "speaks-version-2" => say(
            &json!({"type": "hello", "protocol": 2, "name": "x", "version": "0", "contracts": {}}),
        )?,
        "starts-with-ready" => say(&json!({"type": "ready"}))?,
        "lies-behind" => {
            // A process of its own group's that keeps the pipes open.
            Command::new(std::env::current_exe()?)
                .arg("hangs-at-start")
                .stdin(Stdio::null())
                .spawn()?;
            exit(4)
        }
        _ => {}
    }
    for request in io::stdin().lock().lines() {
        let request: Json = serde_json::from_str(&request?)?;
        match request["type"].as_str() {
            Some("hello") => {
                let capabilities = [
                    "models",
                    "limits",
                    "terminate",
                    "slow-client",
                    "hold",
                    "fail",
                    "restart",
                    "count",
                ];
                let profiles: &[&str] = match mode.as_str() {
                    "follows-a-profile" => &["mini"],
                    _ => &[],
                };
                say(
                    &json!({"type": "hello", "protocol": 1, "name": mode, "version": "0.0.0",
                    "contracts": {"pie": {"capabilities": capabilities, "profiles": profiles}, "uni": {}}}),
                )?;
                if mode == "ignores-input" {
                    hang();
                }
            }
            Some("begin") => begin(&mode)?,
            Some("call") => call(&mode, &request["id"])?,
            Some("end") if mode == "never-done" => {}
            Some("end") => say(&json!({"type": "done"}))?,
            Some("bye") if mode == "ignores-bye" => hang(),
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn begin(mode: &str) -> io::Result<()> {
    match mode {
        "unready" => say(&json!({"type": "unready", "message": "no GPU"})),
        "never-ready" => Ok(()),
        "event-before-ready" => {
            say(&json!({"type": "event", "event": {"log": {"level": "info", "message": "up"}}}))
        }
        _ => say(&json!({"type": "ready"})),
    }
}

fn call(mode: &str, id: &Json) -> io::Result<()> {
    let answer = json!({"type": "return", "id": id, "value": {"ok": "3f0c"}});
    match mode {
        "dies-in-call" => {
            writeln!(io::stderr(), "assertion failed: slot < table.len()")?;
            exit(101)
        }
        "aborts-in-call" => abort(),
        "dies-in-line" => {
            write!(io::stdout(), "{}", &answer.to_string()[..20])?;
            io::stdout().flush()?;
            exit(1)
        }
        "hangs-in-call" => Ok(()),
        "closes-output" => close_output(),
        "talks-nonsense" => line("DEBUG launching guest"),
        "wrong-member" => say(&json!({"type": "return", "id": "one", "value": null})),
        "wrong-message" => say(&json!({"type": "result", "id": id, "value": null})),
        "wrong-id" => say(&json!({"type": "return", "id": 4711, "value": {"ok": "3f0c"}})),
        "wrong-type" => say(&json!({"type": "return", "id": id, "value": {"ok": 7}})),
        "not-utf-8" => {
            io::stdout().write_all(b"{\"type\":\"fault\",\"id\":1,\"message\":\"caf\xe9\"}\n")?;
            io::stdout().flush()
        }
        "huge-line" => {
            say(&json!({"type": "return", "id": id, "value": {"ok": "x".repeat(4 << 20)}}))
        }
        "answers-twice" => {
            say(&answer)?;
            say(&answer)
        }
        "done-too-soon" => say(&json!({"type": "done"})),
        "second-hello" => say(
            &json!({"type": "hello", "protocol": 1, "name": "x", "version": "0", "contracts": {}}),
        ),
        "floods-errors" => {
            for number in 0..100_000 {
                writeln!(
                    io::stderr(),
                    "warning {number}: this is only noise, and there is a lot of it"
                )?;
            }
            say(&answer)
        }
        "faults" | "follows-a-profile" => {
            say(&json!({"type": "fault", "id": id, "message": "not implemented"}))
        }
        "wrong-event" => {
            say(
                &json!({"type": "event", "event": {"ended": {"instance": "3f0c", "outcome": "finished"}}}),
            )?;
            say(&answer)
        }
        _ => say(&answer),
    }
}

/// Standard output can't be closed in safe code; a successor without one can go on.
#[cfg(unix)]
fn close_output() -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;

    let mut successor = Command::new(std::env::current_exe()?);
    Err(successor.arg("hangs-at-start").stdout(Stdio::null()).exec())
}

#[cfg(not(unix))]
fn close_output() -> io::Result<()> {
    exit(0)
}

fn say(message: &Json) -> io::Result<()> {
    line(&message.to_string())
}

fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

fn hang() -> ! {
    loop {
        sleep(Duration::from_secs(3600));
    }
}
