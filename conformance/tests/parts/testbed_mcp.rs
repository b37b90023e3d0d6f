//! The testbed's MCP servers, over HTTP and as a process, through the official client.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{path::Path, time::Duration};

use conformance::testbed::{Testbed, ToolCall, ToolCallKind};
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult},
    service::{RunningService, ServiceError},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value as Json, json};
use tokio::{process::Command, runtime::Runtime, time::timeout};

type Client = RunningService<RoleClient, ()>;

const PATIENCE: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    // The client wants a TLS implementation even where it needs none; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn testbed() -> Testbed {
    let executable = Path::new(env!("CARGO_BIN_EXE_witgate"));
    Testbed::start().unwrap().with_mcp(Some(executable))
}

async fn over_http(testbed: &Testbed, path: &str) -> Client {
    let transport =
        StreamableHttpClientTransport::from_uri(format!("{}{path}", testbed.http_url()));
    timeout(PATIENCE, ().serve(transport))
        .await
        .unwrap()
        .unwrap()
}

async fn as_process(testbed: &Testbed, arguments: &[&str]) -> Client {
    let around = testbed.surroundings();
    let mut command = Command::new(&around["mcp"]);
    command.arg("mcp").arg(arguments[0]).arg(&around["http"]);
    command.args(&arguments[1..]);
    let transport = TokioChildProcess::new(command).unwrap();
    timeout(PATIENCE, ().serve(transport))
        .await
        .unwrap()
        .unwrap()
}

async fn call(
    client: &Client,
    tool: &str,
    arguments: Json,
) -> Result<CallToolResult, ServiceError> {
    let params: CallToolRequestParams =
        serde_json::from_value(json!({"name": tool, "arguments": arguments})).unwrap();
    timeout(PATIENCE, client.call_tool(params)).await.unwrap()
}

/// The text of an answer, and whether it tells a failure.
fn text(result: &CallToolResult) -> (String, bool) {
    let result = serde_json::to_value(result).unwrap();
    (
        result["content"][0]["text"].as_str().unwrap().to_owned(),
        result["isError"] == true,
    )
}

async fn tools_work(client: &Client) {
    let tools = timeout(PATIENCE, client.list_all_tools()).await.unwrap();
    let names: Vec<String> = tools
        .unwrap()
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect();
    assert_eq!(names, ["echo", "add", "fail", "slow"]);
    for (tool, arguments, expected, failed) in [
        ("echo", json!({"text": "hé"}), "hé", false),
        ("add", json!({"a": 2, "b": 40}), "42", false),
        ("add", json!({"a": 0.5, "b": 1}), "1.5", false),
        ("fail", json!({}), "it fails on purpose", true),
        ("slow", json!({"ms": 10}), "done", false),
    ] {
        let answer = call(client, tool, arguments).await.unwrap();
        assert_eq!(text(&answer), (expected.to_owned(), failed), "{tool}");
    }
    assert!(call(client, "nothing", json!({})).await.is_err());
    assert!(call(client, "echo", json!({"text": 1})).await.is_err());
}

fn kinds(testbed: &Testbed) -> Vec<(String, ToolCallKind)> {
    let calls = testbed.tool_calls().into_iter();
    calls.map(|call| (call.server, call.kind)).collect()
}

#[test]
fn tools_work_over_http_and_are_recorded() {
    let testbed = testbed();
    runtime().block_on(async {
        for path in ["/mcp/good", "/mcp/noisy/loud"] {
            tools_work(&over_http(&testbed, path).await).await;
        }
    });
    let calls = testbed.tool_calls();
    assert_eq!(calls.len(), 2 * 9);
    assert_eq!(calls[0].kind, ToolCallKind::Initialize);
    assert!(calls[0].arguments.contains("clientInfo"));
    let first = ToolCall {
        server: "good".to_owned(),
        kind: ToolCallKind::Call,
        tool: "echo".to_owned(),
        arguments: r#"{"text":"hé"}"#.to_owned(),
    };
    assert_eq!(calls[2], first);
    assert!(calls[9..].iter().all(|call| call.server == "loud"));
}

#[test]
fn tools_work_in_a_process_and_are_recorded() {
    let testbed = testbed();
    runtime().block_on(async {
        tools_work(&as_process(&testbed, &["good"]).await).await;
        tools_work(&as_process(&testbed, &["noisy", "loud", "--more", "x"]).await).await;
    });
    let calls = testbed.tool_calls();
    let starts: Vec<&ToolCall> = calls
        .iter()
        .filter(|call| call.kind == ToolCallKind::Start)
        .collect();
    assert_eq!(starts.len(), 2);
    assert_eq!(
        (starts[0].server.as_str(), starts[0].arguments.as_str()),
        ("good", "[]")
    );
    assert_eq!(
        (starts[1].server.as_str(), starts[1].arguments.as_str()),
        ("loud", r#"["--more","x"]"#)
    );
    assert_eq!(calls.len(), 2 * 10);
    // What a process tells about itself is no request of the host.
    assert_eq!(testbed.requests(), []);
}

#[test]
fn servers_without_tools_have_none() {
    let testbed = testbed();
    runtime().block_on(async {
        for client in [
            over_http(&testbed, "/mcp/no-tools").await,
            as_process(&testbed, &["no-tools"]).await,
        ] {
            let tools = timeout(PATIENCE, client.list_all_tools()).await.unwrap();
            assert!(tools.is_ok_and(|tools| tools.is_empty()));
            assert!(call(&client, "echo", json!({"text": "x"})).await.is_err());
        }
    });
}

#[test]
fn tools_come_in_pages() {
    let testbed = testbed();
    runtime().block_on(async {
        for client in [
            over_http(&testbed, "/mcp/paged").await,
            as_process(&testbed, &["paged"]).await,
        ] {
            let first = timeout(PATIENCE, client.list_tools(None)).await.unwrap();
            let first = first.unwrap();
            assert_eq!(first.tools.len(), 1);
            assert!(first.next_cursor.is_some());
            let tools = timeout(PATIENCE, client.list_all_tools()).await.unwrap();
            let names: Vec<_> = tools.unwrap().into_iter().map(|tool| tool.name).collect();
            assert_eq!(names, ["echo", "add", "fail", "slow"]);
        }
    });
}

#[test]
fn servers_crash_as_often_as_they_are_told() {
    let testbed = testbed();
    let echo = || json!({"text": "x"});
    runtime().block_on(async {
        let client = over_http(&testbed, "/mcp/crash").await;
        for _ in 0..2 {
            assert!(call(&client, "echo", echo()).await.is_err());
        }
        let client = as_process(&testbed, &["crash"]).await;
        for _ in 0..2 {
            assert!(call(&client, "echo", echo()).await.is_err());
        }
        testbed.reset().unwrap();
        let client = as_process(&testbed, &["crash-once"]).await;
        assert!(call(&client, "echo", echo()).await.is_err());
        let client = as_process(&testbed, &["crash-once"]).await;
        assert!(call(&client, "echo", echo()).await.is_ok());
        let client = over_http(&testbed, "/mcp/crash-once/other").await;
        assert!(call(&client, "echo", echo()).await.is_err());
        assert!(call(&client, "echo", echo()).await.is_ok());
    });
    let starts = kinds(&testbed);
    let started = ("crash-once".to_owned(), ToolCallKind::Start);
    assert_eq!(starts.iter().filter(|kind| **kind == started).count(), 2);
}

#[test]
fn servers_hang_and_their_processes_end_with_their_input() {
    let testbed = testbed();
    runtime().block_on(async {
        for client in [
            over_http(&testbed, "/mcp/hang").await,
            as_process(&testbed, &["hang"]).await,
        ] {
            let params: CallToolRequestParams =
                serde_json::from_value(json!({"name": "echo", "arguments": {"text": "x"}}))
                    .unwrap();
            let short = Duration::from_millis(200);
            assert!(timeout(short, client.call_tool(params)).await.is_err());
            timeout(PATIENCE, client.cancel()).await.unwrap().unwrap();
        }
        let around = testbed.surroundings();
        let mut child = Command::new(&around["mcp"])
            .args(["mcp", "mute", &around["http"]])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdin.take());
        let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert!(status.success());
    });
}

#[test]
fn a_process_does_not_serve_without_its_testbed() {
    let testbed = testbed();
    let around = testbed.surroundings();
    let status = std::process::Command::new(&around["mcp"])
        .args(["mcp", "good", &around["dead"]])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert_eq!(testbed.tool_calls(), []);
}
