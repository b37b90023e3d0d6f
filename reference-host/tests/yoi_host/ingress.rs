//! Ingress events, their queue, output commands, and WebSockets that the host owns.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reference_host::yoi::{
    CallError, CommandStatus, Config, Counters, HostApi, Ingress, IngressEvent, Lifecycle, Limits,
    Observer, Plugin, YoiHost,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::servers::{self, Heard};
use super::{SOON, content, event, guests, register, register_with};

/// Makes the plugin answer events with this.
async fn answering(plugin: &Plugin, output: &Value) {
    let input = Value::String(output.to_string()).to_string();
    plugin.call_tool("sout", &input).await.expect("done");
}

fn command(id: &str, kind: &str, payload: Value) -> Value {
    json!({
        "correlation_id": "c", "source_event_id": "e", "command_id": id, "kind": kind,
        "payload": payload, "requested_at": "2026-01-02T03:04:05Z"
    })
}

#[tokio::test]
async fn an_event_arrives_as_it_is() {
    let plugin = register(Config::default(), &[]).await;
    let event = IngressEvent::new("feed", "note", "test", json!({"a": [1, {"b": null}]}));
    let output = plugin
        .dispatch("feed", event.clone())
        .await
        .expect("dispatched");
    assert_eq!(output["data"], serde_json::to_value(&event).expect("JSON"));
    assert!(output["queue_latency_ms"].is_u64());
    assert_eq!(event.attempt, 1);
    let other = IngressEvent::new("feed", "note", "test", json!(1));
    assert_ne!(event.correlation_id, other.correlation_id);
    assert_eq!(content(&plugin, "count", "1").await, Ok("2".into()));
}

#[tokio::test]
async fn a_refused_event_only_counts() {
    let host = YoiHost::new(Config::default());
    let plugin = register_with(&host, &guests::plugin(&[]), |m, _| {
        m.ingresses[0].event_kinds = vec!["note".into()]
    })
    .await
    .expect("registered");
    let bad = |change: fn(&mut IngressEvent)| {
        let mut event = event("e");
        change(&mut event);
        event
    };
    for event in [
        bad(|event| event.kind = "other".into()),
        bad(|event| event.attempt = 0),
        bad(|event| event.ingress_name = "other".into()),
        bad(|event| event.payload = json!("x".repeat(65_536))),
    ] {
        assert!(matches!(
            plugin.dispatch("feed", event).await,
            Err(CallError::Event(_))
        ));
    }
    assert!(
        plugin
            .dispatch("other", IngressEvent::new("other", "note", "t", json!(1)))
            .await
            .is_err()
    );
    assert!(plugin.dispatch("feed", event("e")).await.is_ok());
    let snapshot = plugin.snapshot();
    let counters = Counters {
        enqueued: 1,
        dispatched: 1,
        rejected: 5,
        ..Counters::default()
    };
    assert_eq!(
        (snapshot.counters, snapshot.lifecycle),
        (counters, Lifecycle::Running)
    );
}

#[tokio::test]
async fn output_that_is_no_json_fails_the_plugin() {
    for output in ["nonsense", "{"] {
        let plugin = register(Config::default(), &[]).await;
        plugin
            .call_tool("sout", &json!(output).to_string())
            .await
            .expect("done");
        assert!(matches!(
            plugin.dispatch("feed", event("e")).await,
            Err(CallError::Output(_))
        ));
        assert_eq!(
            plugin.dispatch("feed", event("e")).await,
            Err(CallError::State(Lifecycle::Failed))
        );
        assert_eq!(plugin.snapshot().counters.failed, 1);
    }
    let plugin = register(Config::default(), &[]).await;
    for output in [
        json!({"accepted": false}),
        json!({"error": {}}),
        json!([1]),
        json!(7),
    ] {
        answering(&plugin, &output).await;
        let got = plugin
            .dispatch("feed", event("e"))
            .await
            .expect("dispatched");
        assert_eq!(got.get("accepted"), output.get("accepted"));
    }
}

#[tokio::test]
async fn the_queue_is_bounded_and_in_order() {
    let (base, seen) = servers::http().await;
    let limits = Limits {
        queue_capacity: 2,
        ..Limits::yoi()
    };
    let plugin = register(
        Config {
            limits,
            ..Config::default()
        },
        &[HostApi::Request],
    )
    .await;
    // A tool that waits holds the instance; one event is taken out of the queue and waits for it too.
    let input = json!({"method": "GET", "url": format!("{base}/hang")}).to_string();
    let busy = plugin.clone();
    let busy = tokio::spawn(async move { busy.call_tool("rq", &input).await });
    while seen.lock().expect("the log").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut events = Vec::new();
    for id in 0..3 {
        let (plugin, order) = (plugin.clone(), order.clone());
        let waiting = plugin.snapshot().counters.enqueued;
        let behind = plugin.clone();
        events.push(tokio::spawn(async move {
            let result = behind.dispatch("feed", event(&id.to_string())).await;
            order.lock().expect("the order").push(id);
            result
        }));
        // The worker takes the first one out; only then is there room for two more.
        let enqueued = || {
            let snapshot = plugin.snapshot();
            snapshot.counters.enqueued > waiting && snapshot.queue_depth == (id as usize)
        };
        while !enqueued() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(
        plugin.dispatch("feed", event("x")).await,
        Err(CallError::QueueFull(2))
    );
    assert!(busy.await.expect("a task").is_ok());
    for event in events {
        assert!(
            timeout(SOON, event)
                .await
                .expect("in time")
                .expect("a task")
                .is_ok()
        );
    }
    let counters = plugin.snapshot().counters;
    assert_eq!(
        (counters.enqueued, counters.dispatched, counters.rejected),
        (3, 3, 1)
    );
}

#[tokio::test]
async fn commands_are_all_checked_before_one_is_carried_out() {
    let (base, seen) = servers::http().await;
    let plugin = register(Config::default(), &[HostApi::Request]).await;
    let update = || {
        command(
            "1",
            "diagnostic_status_update",
            json!({"message": "m", "status": {"state": "busy"}}),
        )
    };
    let request = |url: &str| {
        command(
            "2",
            "host_request_dispatch",
            json!({"method": "POST", "url": url, "body": "b"}),
        )
    };
    answering(
        &plugin,
        &json!({"output_commands": [update(), request(&base)]}),
    )
    .await;
    plugin
        .dispatch("feed", event("e"))
        .await
        .expect("dispatched");
    let snapshot = plugin.snapshot();
    assert_eq!(snapshot.component_status, Some(json!({"state": "busy"})));
    let shown: Vec<_> = snapshot
        .results
        .iter()
        .map(|result| {
            (
                result.command_id.as_deref(),
                result.status,
                result.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some("1"), CommandStatus::Recorded, "m"),
            (
                Some("2"),
                CommandStatus::Recorded,
                "host_request_dispatch answered 200 with 5 bytes"
            ),
        ]
    );
    assert_eq!(seen.lock().expect("the log").len(), 1);
    // The guest's own word is the status again when it is asked.
    assert_eq!(
        plugin.status().await.component_status,
        Some(json!({"state": "running", "data": 1}))
    );
    for refused in [
        json!([
            request(&base),
            command(
                "3",
                "websocket_send",
                json!({"url": "ws://example.com/", "text": "t"})
            )
        ]),
        json!([request(&base), request("http://example.com/")]),
        json!([request(&base), {"kind": "x"}]),
        json!(vec![request(&base); 17]),
        json!(null),
        json!({}),
    ] {
        let before = plugin.snapshot().results.len();
        answering(&plugin, &json!({"output_commands": refused})).await;
        plugin
            .dispatch("feed", event("e"))
            .await
            .expect("dispatched");
        let results = plugin.snapshot().results;
        assert_eq!(results.len(), before + 1);
        assert!(
            results
                .last()
                .is_some_and(|result| result.status == CommandStatus::Rejected)
        );
    }
    assert_eq!(seen.lock().expect("the log").len(), 1);
    answering(&plugin, &json!({"output_commands": vec![update(); 16]})).await;
    for _ in 0..3 {
        plugin
            .dispatch("feed", event("e"))
            .await
            .expect("dispatched");
    }
    assert_eq!(plugin.snapshot().results.len(), 32);
    assert_eq!(plugin.snapshot().lifecycle, Lifecycle::Running);
}

/// Kinds and outcomes of dispatches.
struct Watch(mpsc::UnboundedSender<(String, Result<Value, CallError>)>);

impl Observer for Watch {
    fn dispatched(
        &self,
        _plugin: &str,
        _ingress: &str,
        kind: &str,
        outcome: &Result<Value, CallError>,
    ) {
        let _ = self.0.send((kind.to_owned(), outcome.clone()));
    }
}

type Watched = mpsc::UnboundedReceiver<(String, Result<Value, CallError>)>;

async fn with_sources(sources: &[String], limits: Limits) -> (Arc<Plugin>, Watched) {
    let (sender, watched) = mpsc::unbounded_channel();
    let config = Config {
        limits,
        observer: Some(Arc::new(Watch(sender))),
        ..Config::default()
    };
    let host = YoiHost::new(config);
    let plugin = register_with(&host, &guests::plugin(&[]), |m, _| {
        m.ingresses = vec![Ingress {
            name: "feed".into(),
            sources: sources.to_vec(),
            event_kinds: vec![],
        }];
    })
    .await
    .expect("registered");
    (plugin, watched)
}

async fn next<T>(receiver: &mut mpsc::UnboundedReceiver<T>) -> T {
    timeout(SOON, receiver.recv())
        .await
        .expect("in time")
        .expect("one more")
}

#[tokio::test]
async fn texts_of_a_source_become_events_and_commands_answer_them() {
    let (base, mut heard) = servers::websocket().await;
    let url = format!("{base}/greet");
    let (plugin, mut watched) = with_sources(&[format!("websocket:{url}")], Limits::yoi()).await;
    assert_eq!(next(&mut heard).await, Heard::Connected("/greet".into()));
    let (kind, outcome) = next(&mut watched).await;
    let data = outcome.expect("dispatched")["data"].clone();
    assert_eq!(
        (kind.as_str(), &data["source"], &data["payload"]),
        (
            "websocket_text",
            &json!(format!("websocket:{url}")),
            &json!({"url": url, "text": "welcome"}),
        )
    );
    assert_eq!(plugin.snapshot().connections.join(" "), url);
    let send = |id: &str, url: &str, text: &str| {
        command(id, "websocket_send", json!({"url": url, "text": text}))
    };
    answering(&plugin, &json!({"output_commands": [send("1", &url, "one"), send("2", &url, "two"), send("3", &format!("{base}/none"), "x")]})).await;
    plugin
        .dispatch("feed", event("e"))
        .await
        .expect("dispatched");
    assert_eq!(next(&mut heard).await, Heard::Text("one".into()));
    assert_eq!(next(&mut heard).await, Heard::Text("two".into()));
    let results = plugin.snapshot().results;
    // The server's echoes are events too; their output answers another event and is refused.
    let statuses: Vec<_> = results.iter().take(3).map(|result| result.status).collect();
    assert_eq!(
        statuses,
        [
            CommandStatus::Recorded,
            CommandStatus::Recorded,
            CommandStatus::Rejected
        ]
    );
    assert_eq!(
        results[0].message,
        format!("websocket_send sent 3 bytes to {url}")
    );
    plugin.stop().await.expect("stopped");
    assert!(plugin.snapshot().connections.is_empty());
    while next(&mut heard).await != Heard::Closed {}
}

#[tokio::test]
async fn an_ended_source_is_told_and_dialled_again() {
    let (base, mut heard) = servers::websocket().await;
    let mut limits = Limits::yoi();
    limits.service.redial_first = Duration::from_millis(20);
    let (plugin, mut watched) = with_sources(&[format!("{base}/close")], limits).await;
    let (kind, outcome) = next(&mut watched).await;
    let event = &outcome.expect("dispatched")["data"];
    assert_eq!(kind, "websocket_close");
    assert_eq!(
        event["payload"]["reason"],
        json!("host-owned WebSocket closed by peer")
    );
    for _ in 0..2 {
        while !matches!(next(&mut heard).await, Heard::Connected(_)) {}
    }
    plugin.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_source_that_cannot_be_dialled_is_told_once_and_given_up() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        format!("ws://{}/", listener.local_addr().expect("an address"))
    };
    let mut limits = Limits::yoi();
    limits.service.redial_first = Duration::from_millis(1);
    limits.service.redials = 2;
    let sources = [closed, "ws://example.com/".into(), "timer:daily".into()];
    let (plugin, mut watched) = with_sources(&sources, limits).await;
    let (kind, _) = next(&mut watched).await;
    assert_eq!(kind, "websocket_error");
    let given_up = || {
        plugin
            .snapshot()
            .diagnostics
            .iter()
            .any(|text| text.ends_with("is not dialled again"))
    };
    let wait = async {
        while !given_up() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.expect("given up");
    assert!(watched.try_recv().is_err());
    let diagnostics = plugin.snapshot().diagnostics;
    assert!(
        diagnostics
            .iter()
            .any(|text| text.contains("`ws://example.com/` is not dialled")),
        "{diagnostics:?}"
    );
    assert!(!diagnostics.iter().any(|text| text.contains("timer")));
}

#[tokio::test]
async fn a_plugin_that_is_dropped_hangs_up() {
    let (base, mut heard) = servers::websocket().await;
    let (plugin, _watched) = with_sources(&[format!("{base}/x")], Limits::yoi()).await;
    drop(plugin);
    while next(&mut heard).await != Heard::Closed {}
}
