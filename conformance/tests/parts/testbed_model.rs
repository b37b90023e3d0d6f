//! The testbed's language model: what every mode answers, whole and streamed.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use conformance::testbed::Testbed;
use serde_json::{Value as Json, json};

/// Status and body of the answer to a POST.
fn post(testbed: &Testbed, path: &str, body: &str) -> (u16, String) {
    let url = testbed.http_url();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    // HTTP/1.0 has no chunks, so a stream is read as it is.
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn chat(stream: bool) -> String {
    json!({
        "model": "small",
        "stream": stream,
        "messages": [
            {"role": "system", "content": "be short"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": [{"type": "text", "text": "second one"}]},
            {"role": "assistant", "content": null},
        ],
    })
    .to_string()
}

fn said(testbed: &Testbed, mode: &str) -> Json {
    let path = format!("/model/{mode}/v1/chat/completions");
    let (status, body) = post(testbed, &path, &chat(false));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn text(answer: &Json) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[test]
fn modes_answer_as_they_are_named() {
    let testbed = Testbed::start().unwrap();
    let echo = said(&testbed, "echo");
    assert_eq!(text(&echo), "echo: second one");
    assert_eq!(echo["model"], "small");
    assert_eq!(
        echo["usage"],
        json!({"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9})
    );
    assert_eq!(text(&said(&testbed, "name")), "small");
    assert_eq!(text(&said(&testbed, "empty")), "");
    assert_eq!(text(&said(&testbed, "long-1000")), "a".repeat(1000));
    assert_eq!(said(&testbed, "no-choice")["choices"], json!([]));
    let begun = Instant::now();
    assert_eq!(text(&said(&testbed, "slow-100")), "echo: second one");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    let (status, _) = post(&testbed, "/model/echo/chat/completions", &chat(false));
    assert_eq!(status, 200);
    assert_eq!(testbed.requests().len(), 7);
}

#[test]
fn modes_fail_as_they_are_named() {
    let testbed = Testbed::start().unwrap();
    for (mode, expected) in [("fail", 500), ("limit", 429), ("status-503", 503)] {
        let path = format!("/model/{mode}/v1/chat/completions");
        let (status, body) = post(&testbed, &path, &chat(false));
        assert_eq!(status, expected, "{mode}");
        let body: Json = serde_json::from_str(&body).unwrap();
        assert!(body["error"]["message"].is_string());
    }
    let path = "/model/fail-first-2/v1/chat/completions";
    let statuses = || post(&testbed, path, &chat(false)).0;
    assert_eq!(
        [statuses(), statuses(), statuses(), statuses()],
        [500, 500, 200, 200]
    );
    testbed.reset().unwrap();
    assert_eq!(post(&testbed, path, &chat(false)).0, 500);
    let (status, body) = post(&testbed, "/model/garbage/chat/completions", &chat(false));
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Json>(&body).is_err());
    for (path, body, expected) in [
        ("/model/echo/v1/chat/completions", "no JSON", 400),
        ("/model/echo/v1/completions", "{}", 404),
        ("/model/other/v1/chat/completions", "{}", 404),
        ("/model/status-200/v1/chat/completions", "{}", 404),
    ] {
        assert_eq!(post(&testbed, path, body).0, expected, "{path}");
    }
}

#[test]
fn a_stream_says_the_same_piece_by_piece() {
    let testbed = Testbed::start().unwrap();
    let (status, body) = post(&testbed, "/model/echo/v1/chat/completions", &chat(true));
    assert_eq!(status, 200);
    let events: Vec<&str> = body
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .collect();
    let (last, events) = events.split_last().unwrap();
    assert_eq!(*last, "[DONE]");
    let events: Vec<Json> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(pieces, ["", "echo: ", "second ", "one"]);
    let finished = |event: &&Json| event["choices"][0]["finish_reason"] == "stop";
    assert_eq!(events.iter().filter(finished).count(), 1);
    assert_eq!(events.last().unwrap()["usage"]["total_tokens"], 9);
}
