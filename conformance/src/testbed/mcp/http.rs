//! MCP over streamable HTTP, without sessions: one POST a message, answered by JSON or, when the server is noisy, by a
//! stream of events.

use hyper::{Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::{
    super::{
        content::Content,
        http::BreakOff,
        log::{Place, Request, ToolCall, ToolCallKind},
        routes::{status_only, typed},
    },
    Mode, Reaction, failure, heard, noise, react,
};

/// Answers `/mcp/MODE` and `/mcp/MODE/LABEL`.
pub(in super::super) async fn answer(
    request: &Request,
    rest: &str,
    place: &Place,
) -> Result<Response<Content>, BreakOff> {
    let (mode, label) = rest.split_once('/').unwrap_or((rest, rest));
    let Ok(mode) = mode.parse::<Mode>() else {
        return Ok(status_only(StatusCode::NOT_FOUND));
    };
    if request.method != "POST" {
        // There is no stream to open and no session to end.
        return Ok(status_only(StatusCode::METHOD_NOT_ALLOWED));
    }
    let message: Json = match serde_json::from_slice(&request.body) {
        Ok(message @ Json::Object(_)) => message,
        _ => {
            let error = failure(&Json::Null, -32700, "this is no message");
            let mut response = spoken(&error);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
    };
    let call = record(heard(label, &message), place);
    match react(mode, &message, call) {
        Reaction::Answer(after, answer) => {
            sleep(after).await;
            if mode != Mode::Noisy {
                return Ok(spoken(&answer));
            }
            let events = [
                ": noise\n\n".to_owned(),
                format!("event: message\ndata: {}\n\n", noise()),
                format!("event: message\ndata: {answer}\n\n"),
            ];
            Ok(typed(Content::pieces(events), "text/event-stream"))
        }
        Reaction::Crash => Err(BreakOff),
        Reaction::Hang => std::future::pending().await,
        Reaction::Nothing => Ok(status_only(StatusCode::ACCEPTED)),
    }
}

/// Takes what a server that is a process tells, and says the how manieth call that was.
pub(in super::super) fn reported(body: &[u8], place: &Place) -> Response<Content> {
    let told: Option<ToolCall> = serde_json::from_slice(body).ok().and_then(|told: Json| {
        let text = |name: &str| Some(told.get(name)?.as_str()?.to_owned());
        let kind = text("kind")?;
        Some(ToolCall {
            server: text("server")?,
            kind: ToolCallKind::ALL
                .into_iter()
                .find(|found| found.name() == kind)?,
            tool: text("tool")?,
            arguments: text("arguments")?,
        })
    });
    if told.is_none() {
        return status_only(StatusCode::BAD_REQUEST);
    }
    let call = record(told, place);
    spoken(&json!({ "call": call }))
}

/// The how manieth call of a tool of this server this is; 0 when it is none.
fn record(heard: Option<ToolCall>, place: &Place) -> u64 {
    let Some(heard) = heard else { return 0 };
    let call = match heard.kind {
        ToolCallKind::Call => place
            .log
            .count(place.epoch, &format!("mcp/{}", heard.server)),
        _ => 0,
    };
    place.log.tool_call(place.epoch, heard);
    call
}

fn spoken(json: &Json) -> Response<Content> {
    typed(
        Content::of(json.to_string().into_bytes()),
        "application/json",
    )
}
