//! Servers that behave and that do not: this test executable run once more, and one on loopback.

use std::convert::Infallible;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// Says in what way the executable is to be a server.
const MODE: &str = "STUB_MCP_SERVER";

/// What a good server answers to a message; nothing to a notification.
fn answer(message: &Value, mode: &str) -> Option<Value> {
    let id = message.get("id").filter(|id| !id.is_null())?;
    let params = &message["params"];
    let text = |text: String| json!({"content": [{"type": "text", "text": text}]});
    let result = match message["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "stub", "version": "1"},
        }),
        "tools/list" => {
            let last = params["cursor"] == "2";
            let name = if last { "second" } else { "echo" };
            let tool = json!({"name": name, "description": "é", "inputSchema": {"type": "object"}});
            match last {
                true => json!({"tools": [tool]}),
                false => json!({"tools": [tool], "nextCursor": "2"}),
            }
        }
        "tools/call" => match params["name"].as_str()? {
            "echo" => text(params["arguments"].to_string()),
            "mode" => text(mode.to_owned()),
            "structured" => json!({"content": [], "structuredContent": {"n": 1}}),
            "fails" => json!({"content": [{"type": "text", "text": "no"}], "isError": true}),
            "environment" => text(
                std::env::vars()
                    .map(|(name, _)| name)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            "process" => text(std::process::id().to_string()),
            "large" => text("x".repeat(2_000_000)),
            _ => {
                let error = json!({"code": -32602, "message": "no such tool"});
                return Some(json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
        },
        _ => json!({}),
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// Not a test: a server on standard input and output, when it is run for that.
#[test]
#[expect(
    clippy::zombie_processes,
    reason = "the host under test has to end the server's child"
)]
fn serve_stdio() {
    let Ok(mode) = std::env::var(MODE) else {
        return;
    };
    if mode == "mute" {
        std::thread::sleep(Duration::from_secs(1000));
    }
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        let tool = message["params"]["name"].as_str().unwrap_or("");
        match tool {
            "crash" => std::process::exit(3),
            "hang" => std::thread::sleep(Duration::from_secs(1000)),
            "child" => {
                let (command, environment) = stdio("mute");
                let mut child = std::process::Command::new(&command[0]);
                let child = child
                    .args(&command[1..])
                    .envs(environment)
                    .spawn()
                    .expect("a child");
                let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": {
                    "content": [{"type": "text", "text": child.id().to_string()}],
                }});
                writeln!(stdout, "{answer}").expect("written");
                continue;
            }
            _ => {}
        }
        if mode == "noisy" {
            // An answer to what nobody asked is taken for the greeting, but for nothing later.
            let stray = json!({"jsonrpc": "2.0", "id": 77, "result": {}}).to_string();
            let greeted = message["method"] != "initialize";
            let stray = if greeted { stray.as_str() } else { "" };
            let noise = ["garbage", "", "{\"half\": ", "\u{0}\u{1b}[31m", stray];
            for noise in noise {
                writeln!(stdout, "{noise}").expect("written");
            }
            for _ in 0..10_000 {
                writeln!(std::io::stderr(), "noise on the other side").expect("written");
            }
        }
        if let Some(answer) = answer(&message, &mode) {
            writeln!(stdout, "{answer}").expect("written");
            stdout.flush().expect("written");
        }
    }
    std::process::exit(0);
}

fn stdio(mode: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let program = std::env::current_exe().expect("this executable");
    let arguments = ["--exact", "akshi::mcp::tests::serve_stdio", "--nocapture"];
    let command = [program.to_str().expect("text")]
        .into_iter()
        .chain(arguments);
    let environment = [(MODE.to_owned(), mode.to_owned())];
    (command.map(str::to_owned).collect(), environment.into())
}

fn server(name: &str, mode: &str) -> McpServer {
    let (command, environment) = stdio(mode);
    McpServer {
        name: name.to_owned(),
        transport: Transport::Stdio {
            command,
            environment,
        },
    }
}

fn agent(servers: &[McpServer], time: Duration) -> Mcp {
    let limits = Limits {
        mcp_time: time,
        mcp_bytes: 1_000_000,
        ..Limits::default()
    };
    Mcp::new(servers, &limits).expect("servers")
}

/// The text of a call's only content.
async fn text(agent: &Mcp, server: &str, tool: &str, arguments: &str) -> String {
    let answer = agent
        .call_tool(server, tool, arguments)
        .await
        .expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["content"][0]["text"]
        .as_str()
        .expect("a text")
        .to_owned()
}

/// Processes that have ended may still be listed until somebody asks for their end.
fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z"))
}

async fn ends(process: &str) {
    while is_alive(process) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn tools_are_listed_and_called() {
    let agent = agent(&[server("a", "one"), server("b", "two")], LONG);
    let mut shapes = vec![agent.list_tools("a").await.expect("tools")];
    let nested = r#"{"z": [1.5, null, {"é": "\n"}], "a": 9007199254740993}"#;
    for (tool, arguments) in [
        ("echo", nested),
        ("echo", ""),
        ("structured", "{}"),
        ("fails", "{}"),
    ] {
        shapes.push(
            agent
                .call_tool("a", tool, arguments)
                .await
                .expect("an answer"),
        );
    }
    insta::assert_snapshot!("shapes", shapes.join("\n"));
    assert_eq!(text(&agent, "a", "mode", "").await, "one");
    assert_eq!(text(&agent, "b", "mode", "").await, "two");
    for (server, tool, arguments) in [
        ("a", "none", "{}"),
        ("c", "echo", ""),
        ("", "echo", ""),
        ("a", "echo", "[]"),
        ("a", "echo", "x"),
    ] {
        let refused = agent.call_tool(server, tool, arguments).await;
        assert!(
            matches!(refused, Err(CallError::Failed(_))),
            "{server} {tool}"
        );
    }
    assert_eq!(
        text(&agent, "a", "mode", "").await,
        "one",
        "errors end nothing"
    );
    let names = text(&agent, "a", "environment", "").await;
    assert!(
        names.split(' ').all(|name| name == "PATH" || name == MODE),
        "{names}"
    );
    agent.stop().await;
    assert!(agent.list_tools("a").await.is_err());
}

#[tokio::test]
async fn a_server_is_started_by_the_first_call_and_again_after_a_crash() {
    let agent = agent(&[server("a", "one")], LONG);
    assert!(agent.servers["a"].state.lock().await.client.is_none());
    let first = text(&agent, "a", "process", "").await;
    assert_eq!(text(&agent, "a", "process", "").await, first, "it is kept");
    assert!(agent.call_tool("a", "crash", "").await.is_err());
    let second = text(&agent, "a", "process", "").await;
    assert_ne!(first, second);
    // Its end is seen also between calls.
    let child = text(&agent, "a", "child", "").await;
    assert!(is_alive(&child));
    agent.stop().await;
    assert!(!is_alive(&first) && !is_alive(&second));
    ends(&child).await;
}

#[tokio::test]
async fn a_call_that_hangs_ends_and_so_does_its_server() {
    let agent = Arc::new(agent(
        &[server("a", "one"), server("m", "mute")],
        Duration::from_secs(3),
    ));
    let process = text(&agent, "a", "process", "").await;
    let late = agent.call_tool("a", "hang", "").await.expect_err("late");
    assert!(late.to_string().starts_with("timeout"), "{late}");
    ends(&process).await;
    let process = text(&agent, "a", "process", "").await;
    let given_up =
        tokio::time::timeout(Duration::from_millis(100), agent.call_tool("a", "hang", ""));
    assert!(given_up.await.is_err());
    ends(&process).await;
    assert_eq!(text(&agent, "a", "mode", "").await, "one");
    let late = agent.list_tools("m").await.expect_err("late");
    assert!(late.to_string().starts_with("timeout"), "{late}");
    let process = text(&agent, "a", "process", "").await;
    drop(agent);
    ends(&process).await;
}

#[tokio::test]
async fn noise_is_passed_over() {
    let agent = agent(&[server("a", "noisy")], LONG);
    for n in 0..3 {
        assert_eq!(
            text(&agent, "a", "echo", &format!("{{\"n\":{n}}}")).await,
            format!("{{\"n\":{n}}}")
        );
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_an_error() {
    let agent = agent(&[server("a", "one")], Duration::from_secs(3));
    assert!(agent.call_tool("a", "large", "").await.is_err());
    assert_eq!(text(&agent, "a", "mode", "").await, "one");
}

#[tokio::test]
async fn what_cannot_be_started_is_an_error() {
    let nobody = McpServer {
        name: "a".into(),
        transport: Transport::Stdio {
            command: vec!["/nonexistent/program".into()],
            environment: BTreeMap::new(),
        },
    };
    let agent = agent(&[nobody], LONG);
    assert!(agent.list_tools("a").await.is_err());
    for transport in [
        Transport::Stdio {
            command: Vec::new(),
            environment: BTreeMap::new(),
        },
        Transport::Http("nowhere".into()),
    ] {
        let server = McpServer {
            name: "a".into(),
            transport,
        };
        assert!(Mcp::new(&[server], &Limits::default()).is_err());
    }
}

#[tokio::test]
async fn a_server_behind_http_is_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service_fn(over_http)),
            );
        }
    });
    let server = McpServer {
        name: "h".into(),
        transport: Transport::Http(url),
    };
    let agent = agent(&[server], Duration::from_secs(5));
    let tools: Value =
        serde_json::from_str(&agent.list_tools("h").await.expect("tools")).expect("JSON");
    assert_eq!(tools[1]["name"], "second");
    assert_eq!(
        text(&agent, "h", "echo", r#"{"a": "é"}"#).await,
        r#"{"a":"é"}"#
    );
    assert!(agent.call_tool("h", "none", "").await.is_err());
    serving.abort();
    let _ = serving.await;
    assert!(
        agent.call_tool("h", "echo", "").await.is_err(),
        "nobody is there any more"
    );
    agent.stop().await;
}

async fn over_http(
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let posted = request.method() == "POST";
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let answer = serde_json::from_slice(&body)
        .ok()
        .and_then(|message| answer(&message, "http"));
    let (status, body) = match answer {
        _ if !posted => (405, String::new()),
        None => (202, String::new()),
        Some(answer) => (200, answer.to_string()),
    };
    let response = hyper::Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Ok(response.body(Full::new(body.into())).expect("a response"))
}
