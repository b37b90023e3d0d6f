//! A language model that is none: the chat completions of an OpenAI-compatible server, whole and streamed.

use std::time::Duration;

use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::{
    content::Content,
    log::{Place, Request},
    routes::{status_only, typed},
};

/// Letters that `long-N` answers at most.
const MAX_LONG: usize = 16 << 20;

/// What the model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Echo,
    Empty,
    FailFirst(u64),
    Garbage,
    Hang,
    Long(usize),
    Name,
    NoChoice,
    Slow(Duration),
    Status(StatusCode),
}

impl Mode {
    fn parse(mode: &str) -> Option<Mode> {
        Some(match mode {
            "echo" => Mode::Echo,
            "empty" => Mode::Empty,
            "fail" => Mode::Status(StatusCode::INTERNAL_SERVER_ERROR),
            "garbage" => Mode::Garbage,
            "hang" => Mode::Hang,
            "limit" => Mode::Status(StatusCode::TOO_MANY_REQUESTS),
            "name" => Mode::Name,
            "no-choice" => Mode::NoChoice,
            _ => match mode.rsplit_once('-')? {
                ("fail-first", count) => Mode::FailFirst(count.parse().ok()?),
                ("long", size) => Mode::Long(size.parse().ok().filter(|size| *size <= MAX_LONG)?),
                ("slow", time) => Mode::Slow(Duration::from_millis(time.parse().ok()?)),
                ("status", code) => {
                    let code = code.parse().ok().filter(|code| (400..600).contains(code))?;
                    Mode::Status(StatusCode::from_u16(code).ok()?)
                }
                _ => return None,
            },
        })
    }
}

/// The part of a request that is looked at.
#[derive(Deserialize)]
struct Chat {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Json,
}

impl Message {
    /// The text, or the texts of all parts.
    fn text(&self) -> String {
        match &self.content {
            Json::String(text) => text.clone(),
            Json::Array(parts) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect(),
            _ => String::new(),
        }
    }
}

/// Answers `/model/MODE/chat/completions`, with `v1/` or without.
pub(super) async fn answer(request: &Request, rest: &str, place: &Place) -> Response<Content> {
    let (mode, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.strip_prefix("v1/").unwrap_or(path);
    let Some(parsed) = Mode::parse(mode).filter(|_| path == "chat/completions") else {
        return status_only(StatusCode::NOT_FOUND);
    };
    if request.method != "POST" {
        return status_only(StatusCode::METHOD_NOT_ALLOWED);
    }
    let chat: Chat = match serde_json::from_slice(&request.body) {
        Ok(chat) => chat,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let last = chat.messages.iter().rev().find(|last| last.role == "user");
    let echo = format!("echo: {}", last.map(Message::text).unwrap_or_default());
    let text = match parsed {
        Mode::Echo => echo,
        Mode::Empty => String::new(),
        Mode::FailFirst(count) => {
            if place.log.count(place.epoch, &format!("model/{mode}")) <= count {
                return refused(StatusCode::INTERNAL_SERVER_ERROR, "not yet");
            }
            echo
        }
        Mode::Garbage => {
            return typed(
                Content::of(b"this is no JSON {".to_vec()),
                "application/json",
            );
        }
        Mode::Hang => std::future::pending().await,
        Mode::Long(size) => "a".repeat(size),
        Mode::Name => chat.model.clone(),
        Mode::NoChoice => return said(&chat, None),
        Mode::Slow(time) => {
            sleep(time).await;
            echo
        }
        Mode::Status(status) => return refused(status, "the model fails on purpose"),
    };
    said(&chat, Some(&text))
}

/// A completion of this text, or without any choice.
fn said(chat: &Chat, text: Option<&str>) -> Response<Content> {
    let usage = usage(chat, text.unwrap_or_default());
    let whole = |object: &str, choices: Json, usage: Option<&Json>| {
        let mut answer = json!({
            "id": "chatcmpl-witgate", "object": object, "created": 0, "model": chat.model, "choices": choices,
        });
        if let (Some(usage), Some(members)) = (usage, answer.as_object_mut()) {
            members.insert("usage".to_owned(), usage.clone());
        }
        answer
    };
    if !chat.stream {
        let choice = |text: &str| {
            json!([{
                "index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop",
            }])
        };
        let choices = text.map_or(json!([]), choice);
        let answer = whole("chat.completion", choices, Some(&usage));
        return typed(
            Content::of(answer.to_string().into_bytes()),
            "application/json",
        );
    }
    let chunk = |delta: Json, finish: Option<&str>| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        whole("chat.completion.chunk", choices, None)
    };
    let mut events = Vec::new();
    if let Some(text) = text {
        events.push(chunk(json!({"role": "assistant", "content": ""}), None));
        // Word by word, as models do.
        let words = text.split_inclusive(' ');
        events.extend(words.map(|word| chunk(json!({"content": word}), None)));
        events.push(chunk(json!({}), Some("stop")));
    }
    events.push(whole("chat.completion.chunk", json!([]), Some(&usage)));
    let events = events.iter().map(Json::to_string);
    let events = events.chain(["[DONE]".to_owned()]);
    let events = events.map(|event| format!("data: {event}\n\n"));
    typed(Content::pieces(events), "text/event-stream")
}

/// Tokens are words here.
fn usage(chat: &Chat, text: &str) -> Json {
    let words = |text: &str| text.split_whitespace().count();
    let prompt: usize = chat
        .messages
        .iter()
        .map(|message| words(&message.text()))
        .sum();
    let completion = words(text);
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
    })
}

fn refused(status: StatusCode, message: &str) -> Response<Content> {
    let error =
        json!({"error": {"message": message, "type": "witgate", "param": null, "code": null}});
    let mut response = typed(
        Content::of(error.to_string().into_bytes()),
        "application/json",
    );
    *response.status_mut() = status;
    response
}
