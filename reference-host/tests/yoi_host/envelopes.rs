//! Every envelope, well-formed and not, with what the host makes of it.

use std::fmt::{Debug, Write as _};

use reference_host::yoi::{
    IngressEvent, Limits, Object, OpenDescriptor, OutputCommand, PathDescriptor, PluginStatus,
    RequestDescriptor, ToolOutput, WriteDescriptor,
};
use serde_json::{Value, json};

fn table<T: Debug, E: std::fmt::Display>(
    texts: &[&str],
    read: impl Fn(&str) -> Result<T, E>,
) -> String {
    let mut table = String::new();
    for text in texts {
        let shown = match read(text) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("error: {error}"),
        };
        let _ = writeln!(table, "{text}\n    {shown}");
    }
    table
}

fn object<T: for<'de> serde::Deserialize<'de>>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Object<T>>(text).map(|object| object.0)
}

#[test]
fn plugin_status() {
    let texts = [
        r#"{"state":"ready","data":null}"#,
        r#"{"state":"warming"}"#,
        "[]",
        "1",
        "",
        "ready",
        "{",
        r#"{"state":"failed","data":"why"}"#,
        r#"{"error":{"message":"no"}}"#,
        r#"{"state":"ready","error":null}"#,
        r#"{"state":"ready","data":"too long"}"#,
    ];
    insta::assert_snapshot!(table(&texts, |text| PluginStatus::read(text, 34)));
}

#[test]
fn tool_output() {
    let limits = Limits {
        output_bytes: 60,
        summary_bytes: 8,
        content_bytes: 10,
        ..Limits::yoi()
    };
    let texts = [
        r#"{"summary":"s"}"#,
        r#"{"summary":"s","content":null}"#,
        r#"{"content":"c","summary":" "}"#,
        r#"{"summary":"ääää"}"#,
        r#"{"summary":"ääääx"}"#,
        r#"{"summary":"s","content":"elf Zeichen"}"#,
        r#"{"summary":"s","content":"c","attachments":[]}"#,
        r#"{"summary":"s","summary":"t"}"#,
        r#"{"summary":""}"#,
        r#"{"summary":7}"#,
        r#"{"summary":"s","content":{}}"#,
        "{}",
        "",
        "null",
        r#"["s","c"]"#,
        r#"{"summary":"s","content":"0123456789"}                       "#,
    ];
    insta::assert_snapshot!(table(&texts, |text| ToolOutput::parse(text, &limits)));
}

#[test]
fn ingress_event() {
    let good = || IngressEvent {
        kind: "websocket_text".into(),
        source: "websocket:ws://a/".into(),
        ingress_name: "feed".into(),
        payload: json!({"url": "ws://a/", "text": "hello"}),
        created_at: "2026-01-02T03:04:05.678Z".into(),
        attempt: 1,
        correlation_id: "0b0f9c1e".into(),
    };
    type Change = fn(&mut IngressEvent);
    let changes: [(&str, Change); 10] = [
        ("as it is", |_| ()),
        ("with an offset", |event| {
            event.created_at = "2026-01-02T03:04:05+01:00".into()
        }),
        ("blank kind", |event| event.kind = " ".into()),
        ("blank source", |event| event.source.clear()),
        ("blank id", |event| event.correlation_id = "\t".into()),
        ("blank time", |event| event.created_at.clear()),
        ("no time", |event| event.created_at = "2026-01-02".into()),
        ("attempt 0", |event| event.attempt = 0),
        ("another ingress", |event| {
            event.ingress_name = "other".into()
        }),
        ("too long", |event| event.payload = json!("x".repeat(300))),
    ];
    let mut shown = String::new();
    for (name, change) in changes {
        let mut event = good();
        change(&mut event);
        let text = match event.to_json("feed", 300) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        };
        let _ = writeln!(shown, "{name}\n    {text}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn output_command() {
    let good = json!({
        "correlation_id": "c", "source_event_id": "e", "command_id": "1", "kind": "websocket_send",
        "payload": {"url": "ws://a/", "text": "t"}, "requested_at": "2026-01-02T03:04:05Z"
    });
    let with = |name: &str, value: Value| {
        let mut command = good.clone();
        command[name] = value;
        command
    };
    let mut missing = good.clone();
    missing
        .as_object_mut()
        .expect("an object")
        .remove("command_id");
    let commands = [
        good.clone(),
        with("kind", json!("diagnostic_status_update")),
        Value::Object(
            with("kind", json!("diagnostic_status_update"))
                .as_object()
                .expect("an object")
                .clone()
                .into_iter()
                .map(|(name, value)| match name.as_str() {
                    "payload" => (name, json!({"message": "m", "status": {"state": "x"}})),
                    _ => (name, value),
                })
                .collect(),
        ),
        with("kind", json!("host_request_dispatch")),
        with("kind", json!("other")),
        with("payload", json!(["ws://a/", "t"])),
        with(
            "payload",
            json!({"url": "ws://a/", "text": "t", "binary": false}),
        ),
        with(
            "payload",
            json!({"url": "ws://a/", "text": "x".repeat(100)}),
        ),
        with("correlation_id", json!("")),
        with("command_id", json!("12345678x")),
        with("command_id", json!("a\nb")),
        with("source_event_id", json!("f")),
        with("requested_at", json!("yesterday")),
        with("more", json!(1)),
        missing,
        json!(["c", "e", "1", "k", {}, "2026-01-02T03:04:05Z"]),
        json!(null),
    ];
    let limits = Limits {
        command_id_bytes: 8,
        command_payload_bytes: 100,
        ..Limits::yoi()
    };
    let mut shown = String::new();
    for command in commands {
        let read = OutputCommand::parse(&command).and_then(|command| command.check("e", &limits));
        let text = match read {
            Ok(payload) => format!("{payload:?}"),
            Err(error) => format!("error: {error}"),
        };
        let _ = writeln!(shown, "{command}\n    {text}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn descriptors() {
    let mut shown = table(
        &[
            r#"{"method":"GET","url":"http://a/"}"#,
            r#"{"method":"GET","url":"http://a/","headers":[{"name":"a","value":"b"}],"body":null}"#,
            r#"{"method":"GET","url":"http://a/","headers":[["a","b"]]}"#,
            r#"{"method":"GET","url":"http://a/","headers":[{"name":"a","value":"b","more":1}]}"#,
            r#"{"method":"GET","url":"http://a/","timeout":1}"#,
            r#"{"method":"GET"}"#,
            r#"{"method":"GET","url":1}"#,
            r#"["GET","http://a/"]"#,
        ],
        object::<RequestDescriptor>,
    );
    shown += &table(
        &[
            r#"{"url":"ws://a/"}"#,
            r#"{"url":"ws://a/","protocols":["p"],"headers":[{"name":"a","value":"b"}]}"#,
            r#"{"url":"ws://a/","origin":"x"}"#,
            "{}",
        ],
        object::<OpenDescriptor>,
    );
    shown += &table(
        &[
            r#"{"path":"a"}"#,
            r#"{"path":"a","mode":1}"#,
            "{}",
            r#""a""#,
        ],
        object::<PathDescriptor>,
    );
    shown += &table(
        &[
            r#"{"path":"a","content":"c"}"#,
            r#"{"path":"a"}"#,
            r#"{"path":"a","content":1}"#,
        ],
        object::<WriteDescriptor>,
    );
    insta::assert_snapshot!(shown);
}
