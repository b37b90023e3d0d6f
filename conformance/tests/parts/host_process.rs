//! Adapters that misbehave, as real child processes: each ends in the fault that it earned, in time, and leaves nothing
//! behind.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use conformance::host::{
    Host, HostFault, Launcher as _,
    json::from_json,
    process::{ProcessHost, ProcessLauncher},
    protocol::{Component, Message, Request, Setup},
};
use fixtures::abi::Type;
use serde_json::json;

const ADAPTER: &str = env!("CARGO_BIN_EXE_witgate-misbehaving");

fn launcher(mode: &str) -> ProcessLauncher {
    ProcessLauncher {
        hello_timeout: Duration::from_secs(20),
        line_limit: 1 << 20,
        ..ProcessLauncher::new([ADAPTER, mode])
    }
}

fn start(mode: &str) -> ProcessHost {
    launcher(mode).start().expect("an adapter that starts")
}

fn setup(bytes: usize) -> Request {
    let guest = Component {
        world: "inferlet".into(),
        component: vec![0; bytes],
    };
    Request::Begin(Setup {
        case: "pie.core.store-set.overwrite".into(),
        contract: "pie".into(),
        guests: BTreeMap::from([("guest".into(), guest)]),
        environment: json!({"models": [], "limits": null}),
    })
}

fn call(id: u64) -> Request {
    Request::Call {
        id,
        function: "launch".into(),
        arguments: vec![json!("guest"), json!([])],
    }
}

/// The next message, within 20 s.
fn next(host: &mut dyn Host) -> Result<Message, HostFault> {
    let message = host.next(Instant::now() + Duration::from_secs(20))?;
    Ok(message.expect("a message in time"))
}

/// A whole case of one call; the messages of the host in a word each.
fn converse(host: &mut dyn Host) -> Result<Vec<String>, HostFault> {
    let mut said = Vec::new();
    let mut take = |host: &mut dyn Host, last: fn(&Message) -> bool| loop {
        let message = next(host)?;
        let done = last(&message);
        said.push(match message {
            Message::Return { value, .. } => format!("return {value}"),
            Message::Fault { message, .. } => format!("fault {message}"),
            Message::Event { event } => format!("event {event}"),
            Message::Unready { message } => format!("unready {message}"),
            Message::Ready => "ready".into(),
            Message::Done => "done".into(),
            Message::Hello(_) => "hello".into(),
        });
        if done {
            return Ok::<_, HostFault>(());
        }
    };
    host.post(setup(64))?;
    take(host, |message| {
        matches!(message, Message::Ready | Message::Unready { .. })
    })?;
    host.post(call(1))?;
    take(host, |message| {
        matches!(message, Message::Return { .. } | Message::Fault { .. })
    })?;
    host.post(Request::End)?;
    take(host, |message| matches!(message, Message::Done))?;
    Ok(said)
}

fn silent(host: &mut dyn Host) {
    assert!(matches!(
        host.next(Instant::now() + Duration::from_millis(300)),
        Ok(None)
    ));
}

#[test]
fn faults_are_named() {
    let modes = [
        "honest",
        "unready",
        "faults",
        "wrong-event",
        "dies-at-start",
        "lies-behind",
        "greets-in-prose",
        "speaks-version-2",
        "starts-with-ready",
        "event-before-ready",
        "dies-in-call",
        "aborts-in-call",
        "dies-in-line",
        "closes-output",
        "talks-nonsense",
        "wrong-member",
        "wrong-message",
        "wrong-id",
        "not-utf-8",
        "huge-line",
        "answers-twice",
        "done-too-soon",
        "second-hello",
    ];
    let mut text = String::new();
    for mode in modes {
        let outcome = launcher(mode)
            .launch()
            .and_then(|mut host| converse(host.as_mut()));
        let shown = match &outcome {
            Ok(said) => said.join("\n"),
            Err(fault) => fault.to_string(),
        };
        writeln!(text, "{mode}\n    {}", shown.replace('\n', "\n    "))
            .expect("a string takes all");
        let gone = [
            "dies-at-start",
            "lies-behind",
            "dies-in-call",
            "aborts-in-call",
            "dies-in-line",
        ];
        match outcome {
            Ok(_) => assert!(
                ["honest", "unready", "faults", "wrong-event"].contains(&mode),
                "{mode}"
            ),
            Err(HostFault::Gone { .. }) => assert!(gone.contains(&mode), "{mode}"),
            Err(HostFault::Breach { .. }) => assert!(!gone.contains(&mode), "{mode}"),
            Err(fault) => panic!("{mode}: {fault}"),
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn programs_that_are_none_do_not_start() {
    for command in [vec![], vec!["/nowhere/adapter"]] {
        let fault = ProcessLauncher::new(command)
            .start()
            .map(drop)
            .expect_err("no program");
        assert!(matches!(fault, HostFault::Start(_)), "{fault}");
    }
}

#[test]
fn silence_at_start_has_a_limit() {
    let timeout = Duration::from_millis(300);
    let began = Instant::now();
    let launcher = ProcessLauncher {
        hello_timeout: timeout,
        ..launcher("hangs-at-start")
    };
    assert_eq!(launcher.start().map(drop), Err(HostFault::Silent(timeout)));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn silence_in_a_case_is_no_fault() {
    for mode in ["never-ready", "hangs-in-call", "never-done"] {
        let mut host = start(mode);
        host.post(setup(0)).expect("it listens");
        if mode != "never-ready" {
            assert!(matches!(next(&mut host), Ok(Message::Ready)));
            host.post(call(1)).expect("it listens");
        }
        if mode == "never-done" {
            assert!(matches!(next(&mut host), Ok(Message::Return { .. })));
            host.post(Request::End).expect("it listens");
        }
        silent(&mut host);
    }
}

#[test]
fn a_host_that_does_not_read_holds_nothing_up() {
    let began = Instant::now();
    let mut host = start("ignores-input");
    host.post(setup(64 << 20)).expect("queued");
    host.post(call(1)).expect("queued");
    silent(&mut host);
    drop(host);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn bye_is_enforced() {
    let began = Instant::now();
    drop(start("ignores-bye"));
    assert!(began.elapsed() >= Duration::from_secs(2));
    let began = Instant::now();
    drop(start("honest"));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn values_are_for_the_reader_to_check() {
    let mut host = start("wrong-type");
    host.post(setup(0)).expect("it listens");
    assert!(matches!(next(&mut host), Ok(Message::Ready)));
    host.post(call(1)).expect("it listens");
    let Ok(Message::Return { id: 1, value }) = next(&mut host) else {
        panic!("no answer")
    };
    let text = std::sync::Arc::new(Type::String);
    let error = from_json(&Type::Result(Some(text.clone()), Some(text)), &value)
        .expect_err("of another type");
    assert_eq!(error.to_string(), "$.ok: expected a string, found 7");
}

#[test]
fn floods_on_standard_error_pass_and_their_end_is_kept() {
    let mut host = start("floods-errors");
    assert_eq!(
        converse(&mut host),
        Ok(vec![
            "ready".into(),
            r#"return {"ok":"3f0c"}"#.into(),
            "done".into()
        ])
    );
    let last = "warning 99999: this is only noise, and there is a lot of it\n";
    let began = Instant::now();
    while !host.stderr().ends_with(last) {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the end is missing"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(host.stderr().len() <= 8 << 10);
}

#[test]
fn a_fault_stays() {
    let mut host = start("dies-in-call");
    let fault = converse(&mut host).expect_err("it dies");
    assert_eq!(host.post(call(2)), Err(fault.clone()));
    assert_eq!(host.next(Instant::now()).map(drop), Err(fault));
}

/// What the adapter started ends with it.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_behind() {
    let marker = format!("left-behind-{}", std::process::id());
    let mut launcher = launcher("lies-behind");
    launcher
        .env
        .push(("WITGATE_TEST_MARKER".into(), marker.clone().into()));
    assert!(matches!(launcher.start(), Err(HostFault::Gone { .. })));
    let alive = || {
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| {
                std::fs::read(entry.path().join("environ"))
                    .is_ok_and(|environ| String::from_utf8_lossy(&environ).contains(&marker))
            })
    };
    let began = Instant::now();
    while alive() {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "a process is left behind"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
