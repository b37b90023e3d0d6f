//! The import `request` against a server on loopback.

use std::sync::Arc;
use std::time::Duration;

use reference_host::yoi::{
    CallError, Config, Grants, HostApi, ImportFailure, Limits, Manifest, Plugin, YoiHost,
};
use serde_json::{Value, json};

use super::{answer, code, guests, register, register_with, servers};

async fn plugin() -> Arc<Plugin> {
    register(Config::default(), &[HostApi::Request]).await
}

fn get(url: String) -> Value {
    json!({"method": "GET", "url": url})
}

#[tokio::test]
async fn requests_arrive_and_answers_come_back() {
    let (base, seen) = servers::http().await;
    let plugin = plugin().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let input = json!({"method": method, "url": format!("{base}/a?q=1"), "headers": [{"name": "X-Test", "value": "t"}], "body": "bödy"});
        let got = answer(&plugin, "rq", &input).await;
        assert_eq!(
            (&got["status"], &got["body"], &got["truncated"]),
            (&json!(200), &json!("hello"), &json!(false))
        );
        let request = seen.lock().expect("the log").pop().expect("a request");
        assert!(
            request.starts_with(&format!("{method} /a?q=1 ")),
            "{request}"
        );
        assert!(
            request.contains("x-test: t\r\n") && request.ends_with("bödy"),
            "{request}"
        );
    }
    for (path, status) in [
        ("/status/404", 404),
        ("/status/500", 500),
        ("/redirect", 302),
    ] {
        assert_eq!(
            answer(&plugin, "rq", &get(format!("{base}{path}"))).await["status"],
            json!(status)
        );
    }
    assert!(
        !seen
            .lock()
            .expect("the log")
            .iter()
            .any(|request| request.contains("/elsewhere"))
    );
}

#[tokio::test]
async fn answers_are_bounded_and_cleaned() {
    let (base, _) = servers::http().await;
    let mut limits = Limits::yoi();
    limits.request.response_bytes = 1000;
    limits.request.time = Duration::from_millis(400);
    let plugin = register(
        Config {
            limits,
            ..Config::default()
        },
        &[HostApi::Request],
    )
    .await;
    for (bytes, truncated) in [(1000, false), (1001, true), (200_000, true)] {
        let got = answer(&plugin, "rq", &get(format!("{base}/bytes/{bytes}"))).await;
        assert_eq!(got["body"].as_str().map(str::len), Some(1000));
        assert_eq!(got["truncated"], json!(truncated));
    }
    let got = answer(&plugin, "rq", &get(format!("{base}/headers"))).await;
    let headers = got["headers"].as_array().expect("headers");
    assert_eq!(headers.len(), 16);
    assert!(headers.contains(&json!({"name": "x-note", "value": "token=<redacted>"})));
    assert!(
        headers.contains(&json!({"name": "x-long", "value": format!("{}…", "v".repeat(1024))}))
    );
    assert!(!headers.iter().any(|header| header["name"] == "set-cookie"));
    assert_eq!(got["body"], json!("\u{fffd}"));
    assert_eq!(
        code(&answer(&plugin, "rq", &get(format!("{base}/hang"))).await),
        "timeout"
    );
}

#[tokio::test]
async fn what_is_refused_is_never_sent() {
    let (base, seen) = servers::http().await;
    let plugin = plugin().await;
    let port = base.rsplit(':').next().expect("a port").to_owned();
    let header = |name: &str, value: &str| json!({"method": "GET", "url": base, "headers": [{"name": name, "value": value}]});
    let many = |n: usize| json!({"method": "GET", "url": base, "headers": vec![json!({"name": "a", "value": "b"}); n]});
    let body = |n: usize| json!({"method": "POST", "url": base, "body": "x".repeat(n)});
    for input in [
        json!({"method": "HEAD", "url": base}),
        json!({"method": "TRACE", "url": base}),
        json!({"method": "get", "url": base}),
        json!({"method": " GET", "url": base}),
        json!({"method": "GET", "url": base, "more": 1}),
        json!({"method": "GET"}),
        get(format!("ws://127.0.0.1:{port}/")),
        get("file:///etc/passwd".into()),
        get(format!("http://u:p@127.0.0.1:{port}/")),
        get(format!("http://localhost:{port}/")),
        get(format!("{base}/a b")),
        header("Authorization", "Bearer x"),
        header("cookie", "a=b"),
        header("X-API-Key", "k"),
        header("Host", "example.com"),
        header("Content-Length", "0"),
        header("Upgrade", "h2c"),
        header("Connection", "keep-alive, Upgrade"),
        header("Accept", "text/html, text/event-stream;q=1"),
        header("a b", "c"),
        header("", "c"),
        header("a", "b\nc"),
        header(&"n".repeat(65), "v"),
        header("n", &"v".repeat(1025)),
        many(17),
        body(32_769),
        body(60_000),
    ] {
        code(&answer(&plugin, "rq", &input).await);
    }
    assert_eq!(seen.lock().expect("the log").len(), 0);
    for input in [
        header(&"n".repeat(64), "v"),
        header("n", &"v".repeat(1024)),
        many(16),
        body(32_768),
    ] {
        assert_eq!(answer(&plugin, "rq", &input).await["status"], json!(200));
    }
    assert_eq!(seen.lock().expect("the log").len(), 4);
}

#[tokio::test]
async fn targets_hold_on_both_sides() {
    let (base, seen) = servers::http().await;
    let port: u16 = base
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let host = YoiHost::new(Config::default());
    let component = guests::plugin(&[HostApi::Request]);
    let changes: [fn(&mut Manifest, &mut Grants, u16); 7] = [
        |m, _, _| m.request_targets[0].place.path_prefixes = vec!["/v2".into()],
        |_, g, _| g.request_targets[0].place.path_prefixes = vec!["/v2".into()],
        |m, _, port| m.request_targets[0].place.port = Some(port ^ 1),
        |_, g, _| g.request_targets[0].place.scheme = "https".into(),
        |m, _, _| m.request_targets[0].place.host = "*".into(),
        |_, g, _| g.request_targets[0].place.host = "localhost".into(),
        |_, g, _| g.request_targets[0].methods = vec!["POST".into()],
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let plugin = register_with(&host, &component, |m, g| {
            m.id = format!("p{index}");
            g.id.clone_from(&m.id);
            change(m, g, port);
        })
        .await
        .expect("registered");
        let got = answer(&plugin, "rq", &get(format!("{base}/v1"))).await;
        assert_eq!(code(&got), "denied", "{index}: {got}");
    }
    let plugin = register_with(&host, &component, |m, g| {
        for targets in [&mut m.request_targets, &mut g.request_targets] {
            targets[0].place.path_prefixes = vec!["/v1".into()];
        }
    })
    .await
    .expect("registered");
    for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/", "/V1"] {
        assert_eq!(
            code(&answer(&plugin, "rq", &get(format!("{base}{path}"))).await),
            "denied",
            "{path}"
        );
    }
    assert!(seen.lock().expect("the log").is_empty());
    assert_eq!(
        answer(&plugin, "rq", &get(format!("{base}/v1x"))).await["status"],
        json!(200)
    );
}

#[tokio::test]
async fn a_failure_is_json_or_a_trap_and_tells_no_secret() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        format!(
            "http://{}/?token=hush",
            listener.local_addr().expect("an address")
        )
    };
    let input =
        json!({"method": "GET", "url": closed, "headers": [{"name": "x-note", "value": "hush"}]});
    let plugin = plugin().await;
    let got = answer(&plugin, "rq", &input).await;
    assert_eq!(code(&got), "failed");
    assert!(!got.to_string().contains("hush"), "{got}");
    assert_eq!(
        code(&answer(&plugin, "rq", &json!(1)).await),
        "invalid_input"
    );
    let config = Config {
        import_failure: ImportFailure::Trap,
        ..Config::default()
    };
    let plugin = register(config, &[HostApi::Request]).await;
    let error = plugin
        .call_tool("rq", &input.to_string())
        .await
        .expect_err("it traps");
    assert!(
        matches!(&error, CallError::Trap(text) if !text.contains("hush")),
        "{error}"
    );
}
