//! Host steps that speak with the testbed, through the runner, with a host that does what it is asked: it reads the folder
//! that its environment names, and connects to where it is told.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use conformance::{
    case::{self, model::Source},
    contract::{Contract, Files},
    host::{
        Host, HostFault, Launcher,
        protocol::{Declared, Hello, Message, Request},
    },
    plan::Worlds,
    run::{Event, Run, verdict::Verdict},
};
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite;

struct Doer {
    hello: Hello,
    dir: PathBuf,
    messages: VecDeque<Message>,
}

impl Doer {
    fn act(&self, question: &str) -> Json {
        let (what, rest) = question.split_once(' ').unwrap();
        let answer = match what {
            "read" => fs::read(self.dir.join(rest)).unwrap(),
            "connect" => {
                let (url, dir) = (rest.to_owned(), self.dir.clone());
                thread::spawn(move || talk(&url, &dir));
                Vec::new()
            }
            _ => panic!("{question}"),
        };
        json!({ "ok": STANDARD.encode(answer) })
    }
}

/// Writes what comes to a file, then says so.
fn talk(url: &str, dir: &Path) {
    // Those who wait for it wait for something.
    thread::sleep(Duration::from_millis(50));
    let (mut client, _) = tungstenite::connect(url).unwrap();
    while let Ok(message) = client.read() {
        if let tungstenite::Message::Text(text) = message {
            fs::write(dir.join("got"), text.as_bytes()).unwrap();
            client
                .send(tungstenite::Message::text(format!("got {text}")))
                .unwrap();
        }
    }
}

impl Host for Doer {
    fn hello(&self) -> &Hello {
        &self.hello
    }

    fn post(&mut self, request: Request) -> Result<(), HostFault> {
        let message = match request {
            Request::Begin(setup) => {
                self.dir = PathBuf::from(setup.environment["names"][0].as_str().unwrap());
                Message::Ready
            }
            Request::Call { id, arguments, .. } => Message::Return {
                id,
                value: self.act(arguments[0].as_str().unwrap()),
            },
            Request::End => Message::Done,
            Request::Hello { .. } | Request::Bye => return Ok(()),
        };
        self.messages.push_back(message);
        Ok(())
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Message>, HostFault> {
        let message = self.messages.pop_front();
        if message.is_none() {
            thread::sleep(deadline.saturating_duration_since(Instant::now()));
        }
        Ok(message)
    }
}

struct Doers;

impl Launcher for Doers {
    fn launch(&self) -> Result<Box<dyn Host>, HostFault> {
        let declared = Declared {
            capabilities: vec!["limits".to_owned()],
            ..Declared::default()
        };
        Ok(Box::new(Doer {
            hello: Hello {
                contracts: BTreeMap::from([("demo".to_owned(), declared)]),
                ..Hello::default()
            },
            dir: PathBuf::new(),
            messages: VecDeque::new(),
        }))
    }
}

/// The verdict on a case with these lines.
fn verdict(lines: &[&str]) -> Verdict {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/case_contract");
    let contract = Contract::load(&Files::disk(tree), "demo").unwrap();
    let mut text = "contract demo\nworld app\ngroup demo.t\n\ncase x robust\n".to_owned();
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
    let source = Source {
        name: "x.case".to_owned(),
        path: PathBuf::new(),
        text,
    };
    let cases = case::load_text(source, &contract)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let worlds = Worlds::new(&contract).unwrap();
    let run = Run {
        cases: &[&cases[0]],
        contracts: &HashMap::from([("demo".to_owned(), (contract, worlds))]),
        profiles: &BTreeSet::new(),
        mcp: None,
        launcher: &Doers,
        jobs: 1,
        floor: false,
    };
    let mut seen = None;
    run.run(&mut |event| {
        if let Event::Ended { outcome, .. } = event {
            seen = Some(outcome.verdict);
        }
    })
    .unwrap();
    seen.unwrap()
}

#[test]
fn the_host_finds_what_steps_put_there_and_steps_see_what_it_did() {
    let verdict = verdict(&[
        "host",
        "  file \"in/a\" \"text\"",
        "  file \"in/b\" hex \"00ff\"",
        "  directory \"d\"",
        "  link \"l\" -> \"in/a\"",
        "  ask(\"read l\") => ok(utf8 \"text\")",
        "  ask(\"read in/b\") => ok(hex \"00ff\")",
        "  files => [{path: \"d\", kind: dir, ..}, {path: \"in\", ..}, {path: \"in/a\", kind: file, content: utf8 \"text\"}, _, {path: \"l\", kind: symlink, content: utf8 \"in/a\"}]",
        "  ask(\"connect \\{ws}/ws/push\")",
        "  push \"/ws/push\" \"news\"",
        "  frames within 20s => contains {path: \"/ws/push\", connection: 1, kind: text, text: \"got news\"} once",
        "  files => contains {path: \"got\", kind: file, content: utf8 \"news\"}",
        "  hang-up \"/ws/push\"",
        "  frames within 20s => contains {connection: 1, kind: close, text: \"1000\", ..}",
        "  requests => [{method: \"GET\", path: \"/ws/push\", headers: contains (\"host\", \"127.0.0.1:\\{port}\"), ..}]",
        "  tool-calls => []",
    ]);
    assert!(matches!(verdict, Verdict::Pass), "{verdict:?}");
}

#[test]
fn defaults_and_environments_name_the_surroundings() {
    let verdict = verdict(&[
        "environment {limits: some({memory: 1, time: 1})}",
        "host",
        "  file \"a\" \"from \\{other}\"",
        "  ask(\"read a\") => ok(utf8 \"from \\{other}\")",
    ]);
    assert!(matches!(verdict, Verdict::Pass), "{verdict:?}");
    let verdict = self::verdict(&[
        "environment {names: [\"\\{dir}/deep\"]}",
        "host",
        "  file \"deep/a\" \"x\"",
        "  ask(\"read a\") => ok(utf8 \"x\")",
    ]);
    assert!(matches!(verdict, Verdict::Pass), "{verdict:?}");
}

#[test]
fn what_does_not_come_true_fails_the_case() {
    for (line, actual) in [
        ("push \"/ws/push\" \"x\" within 50ms", "nobody is connected"),
        ("hang-up \"/ws/push\" within 50ms", "nobody is connected"),
        ("frames within 50ms => [_]", "[]"),
        ("files => [_]", "[]"),
        ("tool-calls => contains _", "[]"),
    ] {
        match verdict(&["host", &format!("  {line}")]) {
            Verdict::Fail(failure) => {
                assert!(failure.actual.contains(actual), "{line}: {failure:?}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn what_can_not_be_done_is_no_fault_of_the_host() {
    for line in [
        "file \"../x\" \"y\"",
        "directory \"/x\"",
        "link \"\" -> \"y\"",
    ] {
        let verdict = verdict(&["host", &format!("  {line}")]);
        assert!(
            matches!(verdict, Verdict::NotRun { .. }),
            "{line}: {verdict:?}"
        );
    }
}
