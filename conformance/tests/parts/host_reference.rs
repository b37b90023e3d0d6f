//! The reference host through its driver interfaces, in this process and behind the pipe: the same conversation, every value
//! of its WIT type, nothing out of order.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use conformance::host::{
    Host, Launcher,
    json::from_json,
    process::ProcessLauncher,
    protocol::{Component, Message, Request, Setup},
    reference::{ReferenceLauncher, serve},
};
use fixtures::abi::{FuncType, Type};
use serde_json::{Value as Json, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A plugin of three scalars: one gives its column back, one an error, one traps. It logs its name.
const PLUGIN: &str = r#"
(module
  (import "uni:plugin/host-log@0.1.0" "log" (func $log (param i32 i32 i32 i32)))
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 0) "MANIFEST-AT" "REGISTER-AT")
  (data (i32.const 64) "info")
  (data (i32.const 128) "TEXTS")
  (func (export "manifest") (result i32) (i32.const 0))
  (func (export "register") (result i32) (i32.const 8))
  (func (export "invoke-scalar") (param $name i32) (param $len i32) (param i32 i32) (result i32)
    (local $last i32)
    (call $log (i32.const 64) (i32.const 4) (local.get $name) (local.get $len))
    (local.set $last (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $len)) (i32.const 1))))
    (if (i32.eq (local.get $last) (i32.const 112)) (then unreachable))
    (i32.store8 (i32.const 16) (i32.eq (local.get $last) (i32.const 114)))
    (if (i32.load8_u (i32.const 16))
      (then
        (i32.store (i32.const 20) (i32.const 4711))
        (i32.store (i32.const 24) (local.get $name))
        (i32.store (i32.const 28) (local.get $len))
        (i32.store8 (i32.const 32) (i32.const 1)))
      (else
        (i32.store (i32.const 20) (local.get 2))
        (i32.store (i32.const 24) (local.get 3))))
    (i32.const 16)))
"#;

/// An inferlet that sends its client a few messages and ends well.
const INFERLET: &str = r#"
(module
  (import "pie:inferlet/core" "send" (func $send (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "012345")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "pie:inferlet/run#run") (result i32)
    (local $at i32)
    (loop $more
      (call $send (i32.add (i32.const 64) (local.get $at)) (i32.const 1))
      (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 6))))
    (i32.const 0)))
"#;

fn component(text: &str, contract: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../wit")
        .join(contract);
    let (package, _) = resolve.push_path(path).expect("the contract");
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("its world");
    let mut module = wat::parse_str(text).expect("text");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .expect("module");
    encoder.encode().expect("component")
}

fn plugin() -> Vec<u8> {
    let manifest = json!({"id": "t.p", "version": "1.2.3"}).to_string();
    let long = json!({"kind": "primitive", "arrow": "int64"});
    let scalar = |name: &str| {
        let signature = json!({"args": [long], "returns": long, "null_handling": "user_handled"});
        json!({"kind": "scalar", "qname": format!("t.p.{name}"), "signature": signature})
    };
    let register = json!({"entries": [scalar("echo"), scalar("err"), scalar("trap")]}).to_string();
    let span = |at: usize, len: usize| {
        let words = [at as u32, len as u32].map(u32::to_le_bytes).concat();
        words
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect::<String>()
    };
    let text = PLUGIN
        .replace("MANIFEST-AT", &span(128, manifest.len()))
        .replace("REGISTER-AT", &span(128 + manifest.len(), register.len()))
        .replace("TEXTS", &(manifest + &register).replace('"', "\\22"));
    component(&text, "uni", "scalar-plugin")
}

/// What the driver interface of a contract says.
struct Driver {
    functions: HashMap<String, FuncType>,
    event: Type,
}

fn driver(contract: &str) -> Driver {
    let mut resolve = Resolve::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../wit/driver/{contract}.wit"));
    resolve.push_path(path).expect("the driver interface");
    let (_, interface) = resolve
        .interfaces
        .iter()
        .find(|(_, interface)| interface.name.as_deref() == Some(contract))
        .expect("the driver interface");
    let read = |(name, function): (&String, _)| {
        (
            name.clone(),
            FuncType::from_wit(&resolve, function).expect("a type that travels"),
        )
    };
    let event = wit_parser::Type::Id(interface.types["event"]);
    Driver {
        functions: interface.functions.iter().map(read).collect(),
        event: Type::from_wit(&resolve, &event).expect("a type that travels"),
    }
}

fn launchers() -> [(&'static str, Box<dyn Launcher>); 2] {
    let adapter = ProcessLauncher::new([env!("CARGO_BIN_EXE_witgate-reference")]);
    [
        ("in process", Box::new(ReferenceLauncher)),
        ("behind a pipe", Box::new(adapter)),
    ]
}

fn setup(contract: &str, guests: &[(&str, Vec<u8>)], environment: Json) -> Request {
    let guest = |(name, component): &(&str, Vec<u8>)| {
        (
            (*name).to_owned(),
            Component {
                world: String::new(),
                component: component.clone(),
            },
        )
    };
    Request::Begin(Setup {
        case: "a.case".into(),
        contract: contract.into(),
        guests: guests.iter().map(guest).collect::<BTreeMap<_, _>>(),
        environment,
    })
}

fn next(host: &mut dyn Host) -> Message {
    let deadline = Instant::now() + Duration::from_secs(60);
    host.next(deadline)
        .expect("the host is well")
        .expect("a message in time")
}

/// Calls one after the other, and what came back, as text. Every value is checked against its type.
fn transcript(host: &mut dyn Host, driver: &Driver, calls: &[(&str, Json)]) -> String {
    let mut text = String::new();
    for (id, (function, arguments)) in (1u64..).zip(calls) {
        writeln!(text, "{function} {arguments}").expect("a string takes all");
        let arguments = arguments.as_array().cloned().unwrap_or_default();
        host.post(Request::Call {
            id,
            function: (*function).into(),
            arguments,
        })
        .expect("the host is well");
        loop {
            match next(host) {
                Message::Return {
                    id: answered,
                    value,
                } => {
                    assert_eq!(answered, id);
                    match &driver.functions[*function].result {
                        Some(ty) => drop(
                            from_json(ty, &value)
                                .unwrap_or_else(|error| panic!("{value}: {error}")),
                        ),
                        None => assert_eq!(value, Json::Null),
                    }
                    writeln!(text, "    {}", shown(&value)).expect("a string takes all");
                    break;
                }
                Message::Fault { message, .. } => {
                    writeln!(text, "    fault: {message}").expect("a string takes all");
                    break;
                }
                Message::Event { event } => {
                    from_json(&driver.event, &event)
                        .unwrap_or_else(|error| panic!("{event}: {error}"));
                    writeln!(text, "    event {event}").expect("a string takes all");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    text
}

/// What an engine says of a component is its own.
fn shown(value: &Json) -> String {
    match value["err"].as_str() {
        Some(text) if text.contains("WebAssembly") => r#"{"err": ...}"#.into(),
        _ => value.to_string(),
    }
}

fn end(host: &mut dyn Host) {
    host.post(Request::End).expect("the host is well");
    while !matches!(next(host), Message::Done) {}
}

#[test]
fn uni_is_driven_as_its_interface_says() {
    let driver = driver("uni");
    let plugin = plugin();
    let none = json!({"capabilities": [], "network": null, "network-timeout-ms": 0, "network-max-bytes": 0});
    let grants = json!({"capabilities": ["scalar-fn"], "network": {"some": ["https://example.com/**"]},
        "network-timeout-ms": "5000", "network-max-bytes": 0});
    let longs = json!([{"int64": [{"some": 1}, {"some": "-9223372036854775808"}, null]}]);
    let calls = [
        ("functions", json!([])),
        ("load", json!(["plugin", none])),
        ("load", json!(["plugin", grants])),
        ("load", json!(["plugin", grants])),
        ("load", json!(["broken", grants])),
        ("load", json!(["nobody", grants])),
        ("load", json!(["plugin"])),
        ("invoke-scalar", json!(["t.p.echo", longs, 3])),
        ("invoke-scalar", json!(["t.p.echo", [{"null": 2}], 2])),
        ("invoke-scalar", json!(["t.p.echo", longs, 2])),
        (
            "invoke-scalar",
            json!(["t.p.echo", [{"float64": [{"some": "nan"}]}], 1]),
        ),
        (
            "invoke-scalar",
            json!(["t.p.echo", [{"other": ["Int8", 1]}], 1]),
        ),
        ("invoke-scalar", json!(["t.p.err", longs, 3])),
        ("invoke-scalar", json!(["t.p.none", longs, 3])),
        ("invoke-procedure", json!(["t.p.echo", []])),
        ("accumulator-new", json!(["t.p.echo"])),
        ("accumulator-state", json!([0])),
        ("accumulator-merge", json!([0, [{"some": "AAE="}, null]])),
        ("accumulator-merge-column", json!([0, {"binary": [null]}])),
        (
            "set-traceparent",
            json!([{"some": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}]),
        ),
        ("set-traceparent", json!([{"some": "nonsense"}])),
        ("unload", json!(["t.p"])),
        ("unload", json!(["t.p"])),
        ("fly", json!([])),
    ];
    let mut texts = Vec::new();
    for (place, launcher) in launchers() {
        let mut host = launcher
            .launch()
            .unwrap_or_else(|fault| panic!("{place}: {fault}"));
        assert_eq!(host.hello().name, "witgate-reference");
        for _ in 0..2 {
            let guests = [("plugin", plugin.clone()), ("broken", b"nonsense".to_vec())];
            host.post(setup(
                "uni",
                &guests,
                json!({"traceparent": null, "limits": null}),
            ))
            .expect("the host is well");
            assert!(matches!(next(host.as_mut()), Message::Ready));
            texts.push(transcript(host.as_mut(), &driver, &calls));
            end(host.as_mut());
        }
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:#?}");
    insta::assert_snapshot!(texts[0]);
}

#[test]
fn a_trap_of_a_plugin_is_the_hosts_failure() {
    let mut host = ReferenceLauncher.launch().expect("a host");
    let limits = json!({"some": {"call-ms": 1000, "memory-bytes": 1 << 20, "table-elements": 0, "payload-bytes": 0, "instances": 1}});
    host.post(setup(
        "uni",
        &[("plugin", plugin())],
        json!({"traceparent": null, "limits": limits}),
    ))
    .expect("the host is well");
    assert!(matches!(next(host.as_mut()), Message::Ready));
    let grants = json!({"capabilities": ["scalar-fn"], "network": null, "network-timeout-ms": 0, "network-max-bytes": 0});
    let text = transcript(
        host.as_mut(),
        &driver("uni"),
        &[
            ("load", json!(["plugin", grants])),
            ("invoke-scalar", json!(["t.p.trap", [{"int64": [null]}], 1])),
        ],
    );
    assert!(text.contains(r#""kind":"trap""#), "{text}");
}

#[test]
fn what_can_not_begin_says_why() {
    let cases = [
        ("zoo", json!({})),
        (
            "uni",
            json!({"traceparent": {"some": "nonsense"}, "limits": null}),
        ),
        ("uni", json!({"traceparent": null, "limits": {}})),
        ("uni", json!([])),
    ];
    for (place, launcher) in launchers() {
        let mut host = launcher
            .launch()
            .unwrap_or_else(|fault| panic!("{place}: {fault}"));
        for (contract, environment) in cases.clone() {
            host.post(setup(contract, &[], environment))
                .expect("the host is well");
            let Message::Unready { message } = next(host.as_mut()) else {
                panic!("{place}: {contract} begins")
            };
            assert!(!message.is_empty());
            host.post(Request::Call {
                id: 1,
                function: "functions".into(),
                arguments: vec![],
            })
            .expect("the host is well");
            assert!(matches!(next(host.as_mut()), Message::Fault { id: 1, .. }));
            end(host.as_mut());
        }
    }
}

#[test]
fn serving_ends_with_its_input() {
    let mut output = Vec::new();
    serve(
        &b"{\"type\":\"hello\",\"protocol\":1}\n{\"type\":\"end\"}\n"[..],
        &mut output,
    )
    .expect("no fault");
    let text = String::from_utf8(output).expect("UTF-8");
    assert!(
        text.starts_with(r#"{"type":"hello""#) && text.ends_with("{\"type\":\"done\"}\n"),
        "{text}"
    );
    let error = serve(&b"{\"type\":\"hello\"}\n"[..], Vec::new()).expect_err("no request");
    assert_eq!(
        error.to_string(),
        "line 1 is no request: missing field `protocol`"
    );
}

/// A host that is ready for calls of Pie.
fn pie(place: &str, launcher: &dyn Launcher) -> Box<dyn Host> {
    let mut host = launcher
        .launch()
        .unwrap_or_else(|fault| panic!("{place}: {fault}"));
    host.post(pie_setup(Json::Null)).expect("the host is well");
    assert!(matches!(next(host.as_mut()), Message::Ready));
    host
}

fn pie_setup(limits: Json) -> Request {
    let model = json!({"name": "tiny", "traits": ["text"], "description": "", "version": "1", "license": "",
        "prompt-template": "", "capacity": 1});
    let guests = [
        ("talker", component(INFERLET, "pie", "inferlet")),
        ("broken", b"nonsense".to_vec()),
    ];
    setup("pie", &guests, json!({"models": [model], "limits": limits}))
}

#[test]
fn pie_is_driven_as_its_interface_says() {
    let calls = [
        ("running", json!([])),
        ("launch", json!(["broken", []])),
        ("launch", json!(["nobody", []])),
        ("launch", json!(["talker"])),
        ("client-send", json!(["nobody", "x"])),
        ("terminate", json!(["00000000-0000-0000-0000-000000000000"])),
        (
            "client-pause",
            json!(["00000000-0000-0000-0000-000000000000"]),
        ),
        (
            "client-resume",
            json!(["00000000-0000-0000-0000-000000000000"]),
        ),
        ("hold", json!(["tiny"])),
        ("hold", json!(["huge"])),
        ("pending", json!(["tiny"])),
        ("release", json!(["tiny", 0])),
        ("fail-next", json!(["tiny", 1])),
        ("served", json!(["tiny"])),
        ("restart", json!([])),
        ("running", json!([])),
        ("fly", json!([])),
    ];
    let driver = driver("pie");
    let mut texts = Vec::new();
    for (place, launcher) in launchers() {
        let mut host = pie(place, launcher.as_ref());
        texts.push(transcript(host.as_mut(), &driver, &calls));
        end(host.as_mut());
    }
    assert_eq!(texts[0], texts[1]);
    insta::assert_snapshot!(texts[0]);
}

/// Many launches at once: of each instance first the return with its id, then its messages in order, then its end.
#[test]
fn an_instance_is_known_before_it_speaks() {
    const LAUNCHES: u64 = 40;
    let event_type = driver("pie").event;
    for (place, launcher) in launchers() {
        let mut host = pie(place, launcher.as_ref());
        for id in 0..LAUNCHES {
            let arguments = vec![json!("talker"), json!([])];
            host.post(Request::Call {
                id,
                function: "launch".into(),
                arguments,
            })
            .expect("the host is well");
        }
        let mut heard: HashMap<String, String> = HashMap::new();
        let mut ended = 0;
        while ended < LAUNCHES {
            match next(host.as_mut()) {
                Message::Return { value, .. } => {
                    let id = value["ok"]
                        .as_str()
                        .unwrap_or_else(|| panic!("{place}: {value}"));
                    assert_eq!(heard.insert(id.to_owned(), String::new()), None);
                }
                Message::Event { event } => {
                    from_json(&event_type, &event)
                        .unwrap_or_else(|error| panic!("{event}: {error}"));
                    let payload = if event["message"].is_null() {
                        &event["ended"]
                    } else {
                        &event["message"]
                    };
                    let id = payload["instance"].as_str().expect("an id");
                    let text = heard
                        .get_mut(id)
                        .unwrap_or_else(|| panic!("{place}: {event} comes too soon"));
                    match payload["text"].as_str() {
                        Some(more) => text.push_str(more),
                        None => {
                            assert_eq!(text, "012345", "{place}");
                            assert_eq!(payload["outcome"], json!({"finished": null}));
                            ended += 1;
                        }
                    }
                }
                other => panic!("{place}: {other:?}"),
            }
        }
        end(host.as_mut());
    }
}

#[test]
fn the_end_of_a_case_ends_its_instances() {
    // It waits for a message that never comes.
    let waiter = INFERLET.replace(
        r#"(import "pie:inferlet/core" "send" (func $send (param i32 i32)))"#,
        r#"(import "pie:inferlet/core" "receive" (func $receive (result i32)))
           (import "pie:inferlet/core" "[method]receive-result.pollable" (func $pollable (param i32) (result i32)))
           (import "wasi:io/poll@0.2.4" "[method]pollable.block" (func $block (param i32)))
           (func $send (param i32 i32) (call $block (call $pollable (call $receive))))"#,
    );
    let limits = json!({"some": {"memory-bytes": 0, "compute-ms": 0, "table-elements": 0, "instances": 2, "message-bytes": 8}});
    for (place, launcher) in launchers() {
        let mut host = launcher
            .launch()
            .unwrap_or_else(|fault| panic!("{place}: {fault}"));
        let Request::Begin(mut begin) = pie_setup(limits.clone()) else {
            unreachable!("a setup")
        };
        let component = component(&waiter, "pie", "inferlet");
        begin.guests.insert(
            "waiter".into(),
            Component {
                world: "inferlet".into(),
                component,
            },
        );
        for _ in 0..2 {
            host.post(Request::Begin(begin.clone()))
                .expect("the host is well");
            assert!(matches!(next(host.as_mut()), Message::Ready));
            let driver = driver("pie");
            let launch = ("launch", json!(["waiter", []]));
            let text = transcript(
                host.as_mut(),
                &driver,
                &[
                    launch.clone(),
                    launch.clone(),
                    launch,
                    ("running", json!([])),
                ],
            );
            assert!(
                text.contains("2 instances run already") && text.ends_with("    2\n"),
                "{place}: {text}"
            );
            host.post(Request::End).expect("the host is well");
            let mut ends = 0;
            loop {
                match next(host.as_mut()) {
                    Message::Event { event } => {
                        assert!(
                            event["ended"]["outcome"]["terminated"].is_string(),
                            "{place}: {event}"
                        );
                        ends += 1;
                    }
                    Message::Done => break,
                    other => panic!("{place}: {other:?}"),
                }
            }
            assert_eq!(ends, 2, "{place}");
        }
    }
}
