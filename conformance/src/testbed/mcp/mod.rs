//! MCP servers with tools: the messages (JSON-RPC 2.0, Model Context Protocol up to 2025-11-25), over HTTP and as a process.

pub(super) mod http;
pub mod stdio;

use std::{str::FromStr, time::Duration};

use serde_json::{Value as Json, json};

use super::log::{ToolCall, ToolCallKind};

/// Where a server that is a process tells what it got.
pub(super) const REPORT: &str = "/mcp-report";

/// Versions of the protocol, the newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// How long the tool `slow` takes at most.
const MAX_SLOW: u64 = 60_000;

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the book.
    Good,
    /// Dies at every call of a tool.
    Crash,
    /// Dies at the first call of a tool in a case.
    CrashOnce,
    /// Never answers a call of a tool.
    Hang,
    /// Never answers anything.
    Mute,
    /// Says things in between that nobody asked for; as a process, lines that are no JSON.
    Noisy,
    /// By the book, without tools.
    NoTools,
    /// By the book, one tool to a page.
    Paged,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Good,
        Self::Crash,
        Self::CrashOnce,
        Self::Hang,
        Self::Mute,
        Self::Noisy,
        Self::NoTools,
        Self::Paged,
    ];

    /// The word in a path or on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Crash => "crash",
            Self::CrashOnce => "crash-once",
            Self::Hang => "hang",
            Self::Mute => "mute",
            Self::Noisy => "noisy",
            Self::NoTools => "no-tools",
            Self::Paged => "paged",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| format!("no server behaves like `{name}`"))
    }
}

/// What a server does about a message.
#[derive(Clone, Debug, PartialEq)]
enum Reaction {
    /// Answers, after a while.
    Answer(Duration, Json),
    /// Breaks off.
    Crash,
    /// Never answers.
    Hang,
    /// There is nothing to answer.
    Nothing,
}

/// What a message is to the log; `None` for those of no interest.
fn heard(server: &str, message: &Json) -> Option<ToolCall> {
    let params = message.get("params");
    let json = |value: Option<&Json>| value.map(Json::to_string).unwrap_or_default();
    let (kind, tool, arguments) = match message.get("method")?.as_str()? {
        "initialize" => (ToolCallKind::Initialize, "", json(params)),
        "tools/list" => (ToolCallKind::List, "", String::new()),
        "tools/call" => {
            let params = params?;
            let tool = params.get("name").and_then(Json::as_str);
            let arguments = json(params.get("arguments"));
            (ToolCallKind::Call, tool.unwrap_or_default(), arguments)
        }
        _ => return None,
    };
    Some(ToolCall {
        server: server.to_owned(),
        kind,
        tool: tool.to_owned(),
        arguments,
    })
}

/// What a server does about a message; `call` tells the how manieth call of a tool this is in the case, from 1.
fn react(mode: Mode, message: &Json, call: u64) -> Reaction {
    let (Some(method), Some(id)) = (
        message.get("method").and_then(Json::as_str),
        message.get("id"),
    ) else {
        return Reaction::Nothing;
    };
    let now = Duration::ZERO;
    let params = message.get("params").unwrap_or(&Json::Null);
    let (after, result) = match (method, mode) {
        (_, Mode::Mute) | ("tools/call", Mode::Hang) => return Reaction::Hang,
        ("tools/call", Mode::Crash) => return Reaction::Crash,
        ("tools/call", Mode::CrashOnce) if call == 1 => return Reaction::Crash,
        ("initialize", _) => (now, Ok(initialized(mode, params))),
        ("ping", _) => (now, Ok(json!({}))),
        ("tools/list", Mode::Paged) => (now, page(params)),
        ("tools/list", _) => (now, Ok(json!({"tools": tools(mode)}))),
        ("tools/call", _) => called(mode, params),
        _ => (now, Err((-32601, format!("no method `{method}`")))),
    };
    let answer = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => failure(id, code, &message),
    };
    Reaction::Answer(after, answer)
}

fn failure(id: &Json, code: i64, message: &str) -> Json {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

fn initialized(mode: Mode, params: &Json) -> Json {
    let wanted = params.get("protocolVersion").and_then(Json::as_str);
    let version = VERSIONS
        .into_iter()
        .find(|version| Some(*version) == wanted);
    let capabilities = match mode {
        Mode::NoTools => json!({}),
        _ => json!({"tools": {}}),
    };
    json!({
        "protocolVersion": version.unwrap_or(VERSIONS[0]),
        "capabilities": capabilities,
        "serverInfo": {"name": "witgate", "version": env!("CARGO_PKG_VERSION")},
    })
}

fn tools(mode: Mode) -> Json {
    if mode == Mode::NoTools {
        return json!([]);
    }
    let tool = |name: &str, description: &str, properties: Json, required: &[&str]| {
        json!({
            "name": name,
            "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": required},
        })
    };
    let number = || json!({"type": "number"});
    json!([
        tool(
            "echo",
            "Says the text again.",
            json!({"text": {"type": "string"}}),
            &["text"]
        ),
        tool(
            "add",
            "Adds two numbers.",
            json!({"a": number(), "b": number()}),
            &["a", "b"]
        ),
        tool("fail", "Fails.", json!({}), &[]),
        tool(
            "slow",
            "Takes so many milliseconds.",
            json!({"ms": number()}),
            &["ms"]
        ),
    ])
}

/// One tool, and the cursor to the next one.
fn page(params: &Json) -> Result<Json, (i64, String)> {
    let Json::Array(tools) = tools(Mode::Paged) else {
        return Ok(json!({"tools": []}));
    };
    let cursor = match params.get("cursor") {
        None | Some(Json::Null) => Some(0),
        Some(cursor) => cursor
            .as_str()
            .and_then(|cursor| cursor.strip_prefix("after-")?.parse().ok()),
    };
    let Some((number, tool)) = cursor.and_then(|number| Some((number, tools.get(number)?))) else {
        return Err((-32602, "no such cursor".to_owned()));
    };
    let next = number + 1;
    Ok(if next < tools.len() {
        json!({"tools": [tool], "nextCursor": format!("after-{next}")})
    } else {
        json!({"tools": [tool]})
    })
}

type Called = (Duration, Result<Json, (i64, String)>);

fn called(mode: Mode, params: &Json) -> Called {
    let name = params
        .get("name")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let argument = |name: &str| params.get("arguments")?.get(name);
    let text = |text: String, failed: bool| {
        Ok(json!({"content": [{"type": "text", "text": text}], "isError": failed}))
    };
    let lacks = |what: &str| Err((-32602, format!("`{name}` wants {what}")));
    let result = match name {
        _ if mode == Mode::NoTools => Err((-32602, format!("no tool `{name}`"))),
        "echo" => match argument("text").and_then(Json::as_str) {
            Some(said) => text(said.to_owned(), false),
            None => lacks("a text"),
        },
        "add" => match (argument("a"), argument("b")) {
            (Some(Json::Number(a)), Some(Json::Number(b))) => {
                let whole = a
                    .as_i64()
                    .zip(b.as_i64())
                    .and_then(|(a, b)| a.checked_add(b));
                let sum = whole.map(|sum| sum.to_string());
                let real = || a.as_f64().unwrap_or_default() + b.as_f64().unwrap_or_default();
                text(sum.unwrap_or_else(|| real().to_string()), false)
            }
            _ => lacks("two numbers"),
        },
        "fail" => text("it fails on purpose".to_owned(), true),
        "slow" => match argument("ms").and_then(Json::as_u64) {
            Some(time) if time <= MAX_SLOW => {
                return (Duration::from_millis(time), text("done".to_owned(), false));
            }
            _ => lacks("milliseconds, at most a minute"),
        },
        _ => Err((-32602, format!("no tool `{name}`"))),
    };
    (Duration::ZERO, result)
}

/// What a noisy server says before an answer: a message that is allowed and useless.
fn noise() -> Json {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": {"level": "info", "data": "noise"},
    })
}
