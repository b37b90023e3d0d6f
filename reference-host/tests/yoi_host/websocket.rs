//! The import `websocket` against a server on loopback.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reference_host::yoi::{Config, HostApi, Limits, Plugin, YoiHost};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::servers::{self, Heard};
use super::{SOON, answer, code, guests, register, register_with};

async fn plugin() -> Arc<Plugin> {
    register(Config::default(), &[HostApi::WebSocket]).await
}

async fn open(plugin: &Plugin, url: &str) -> Value {
    answer(
        plugin,
        "op",
        &json!({"url": url, "protocols": [], "headers": []}),
    )
    .await
}

#[tokio::test]
async fn texts_go_and_come_across_calls() {
    let (base, mut heard) = servers::websocket().await;
    let plugin = plugin().await;
    let url = format!("{base}/echo?q#f");
    assert_eq!(
        open(&plugin, &url).await,
        json!({"handle": 1, "url": format!("{base}/echo")})
    );
    assert_eq!(open(&plugin, &url).await["handle"], json!(2));
    assert_eq!(
        answer(&plugin, "se1", &json!("grüße")).await,
        json!({"sent": true, "bytes": 7})
    );
    assert_eq!(
        answer(&plugin, "se1", &json!("")).await,
        json!({"sent": true, "bytes": 0})
    );
    assert_eq!(
        answer(&plugin, "rv1", &json!(0)).await,
        json!({"type": "text", "text": "grüße"})
    );
    assert_eq!(
        answer(&plugin, "rv1", &json!(10_000)).await,
        json!({"type": "text", "text": ""})
    );
    answer(&plugin, "se2", &json!("close")).await;
    assert_eq!(
        answer(&plugin, "rv2", &json!(10_000)).await,
        json!({"type": "closed"})
    );
    assert_eq!(
        code(&answer(&plugin, "rv2", &json!(10_000)).await),
        "failed"
    );
    assert_eq!(code(&answer(&plugin, "se2", &json!("x")).await), "failed");
    assert_eq!(
        answer(&plugin, "cl2", &json!(1)).await,
        json!({"closed": true})
    );
    assert_eq!(
        answer(&plugin, "cl2", &json!(1)).await,
        json!({"closed": false})
    );
    assert_eq!(
        code(&answer(&plugin, "se2", &json!("x")).await),
        "invalid_input"
    );
    assert_eq!(
        code(&answer(&plugin, "rv5", &json!(1)).await),
        "invalid_input"
    );
    assert_eq!(
        code(&answer(&plugin, "se1", &json!("x".repeat(32_769))).await),
        "limit"
    );
    let mut texts = Vec::new();
    while let Ok(Some(said)) = timeout(SOON, heard.recv()).await {
        let end = said == Heard::Closed;
        texts.push(said);
        if end {
            break;
        }
    }
    assert!(
        texts.contains(&Heard::Text("grüße".into())) && texts.contains(&Heard::Text(String::new())),
        "{texts:?}"
    );
}

#[tokio::test]
async fn slots_are_bounded_and_come_back() {
    let (base, _heard) = servers::websocket().await;
    let plugin = plugin().await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        format!("ws://{}/", listener.local_addr().expect("an address"))
    };
    for _ in 0..6 {
        assert_eq!(code(&open(&plugin, &closed).await), "failed");
    }
    for handle in 1..=4 {
        assert_eq!(open(&plugin, &base).await["handle"], json!(handle));
    }
    assert_eq!(code(&open(&plugin, &base).await), "limit");
    answer(&plugin, "cl2", &json!(1)).await;
    assert_eq!(open(&plugin, &base).await["handle"], json!(5));
}

#[tokio::test]
async fn what_is_refused_is_never_dialled() {
    let (base, mut heard) = servers::websocket().await;
    let host = YoiHost::new(Config::default());
    let plugin = register_with(&host, &guests::plugin(&[HostApi::WebSocket]), |_, g| {
        g.websocket_targets[0].place.path_prefixes = vec!["/ok".into()];
    })
    .await
    .expect("registered");
    let port = base.rsplit(':').next().expect("a port");
    for input in [
        json!({"url": format!("{base}/other")}),
        json!({"url": format!("http://127.0.0.1:{port}/ok")}),
        json!({"url": format!("ws://localhost:{port}/ok")}),
        json!({"url": format!("ws://u@127.0.0.1:{port}/ok")}),
        json!({"url": format!("{base}/ok"), "protocols": ["p"]}),
        json!({"url": format!("{base}/ok"), "headers": [{"name": "a", "value": "b"}]}),
        json!({"url": format!("{base}/ok"), "more": 1}),
        json!({"url": format!("{base}/ok?{}", "x".repeat(8192))}),
        json!({}),
    ] {
        code(&answer(&plugin, "op", &input).await);
    }
    assert!(heard.try_recv().is_err());
    assert_eq!(
        open(&plugin, &format!("{base}/ok")).await["handle"],
        json!(1)
    );
}

#[tokio::test]
async fn receiving_is_bounded() {
    let (base, mut heard) = servers::websocket().await;
    let plugin = plugin().await;
    open(&plugin, &format!("{base}/echo")).await;
    let start = Instant::now();
    assert_eq!(code(&answer(&plugin, "rv1", &json!(200)).await), "timeout");
    assert!(start.elapsed() >= Duration::from_millis(200));
    answer(&plugin, "se1", &json!("still there")).await;
    assert_eq!(
        answer(&plugin, "rv1", &json!(9000)).await["text"],
        json!("still there")
    );
    for (path, expected) in [
        ("/flood", "limit"),
        ("/huge", "failed"),
        ("/binary", "failed"),
    ] {
        answer(&plugin, "cl1", &json!(1)).await;
        let other = register(Config::default(), &[HostApi::WebSocket]).await;
        open(&other, &format!("{base}{path}")).await;
        let got = answer(&other, "rv1", &json!(9000)).await;
        assert_eq!(code(&got), expected, "{path}: {got}");
        let next = answer(&other, "rv1", &json!(9000)).await;
        match path {
            "/binary" => assert_eq!(next["text"], json!("after")),
            _ => assert_eq!(code(&next), "failed"),
        }
    }
    let other = register(Config::default(), &[HostApi::WebSocket]).await;
    open(&other, &format!("{base}/ping")).await;
    assert_eq!(
        answer(&other, "rv1", &json!(9000)).await["text"],
        json!("after")
    );
    let pong = async { while heard.recv().await != Some(Heard::Pong) {} };
    timeout(SOON, pong).await.expect("a pong");
}

#[tokio::test]
async fn the_dial_and_the_default_wait_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let silent = format!("ws://{}/", listener.local_addr().expect("an address"));
    let (base, _heard) = servers::websocket().await;
    let mut limits = Limits::yoi();
    limits.websocket.dial_time = Duration::from_millis(300);
    limits.websocket.recv_default = Duration::from_millis(100);
    limits.websocket.recv_most = Duration::from_millis(200);
    limits.websocket.lifetime = Duration::from_secs(1);
    let plugin = register(
        Config {
            limits,
            ..Config::default()
        },
        &[HostApi::WebSocket],
    )
    .await;
    assert_eq!(code(&open(&plugin, &silent).await), "timeout");
    open(&plugin, &base).await;
    for wait in [json!(0), json!(4_000_000_000_u32)] {
        assert_eq!(code(&answer(&plugin, "rv1", &wait).await), "timeout");
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        code(&answer(&plugin, "se1", &json!("x")).await),
        "invalid_input"
    );
}

#[tokio::test]
async fn stop_closes_what_was_left_open() {
    let (base, mut heard) = servers::websocket().await;
    let plugin = plugin().await;
    open(&plugin, &base).await;
    plugin.stop().await.expect("stopped");
    let closed = async { while heard.recv().await != Some(Heard::Closed) {} };
    timeout(SOON, closed).await.expect("closed");
}
