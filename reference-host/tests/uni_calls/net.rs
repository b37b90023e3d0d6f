//! `host-net` and `host-trace-context` against a server on loopback.
//!
//! The plugin's function fails with what it got: code = status, or 0x10000 + the host's code; message = body or message.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reference_host::uni::{CallError, Config, Grants, PluginError, UniHost};
use tokio::net::TcpListener;

use super::args;
use super::guests::{DATA, Guest, scalar_entry};

type Seen = Arc<Mutex<Vec<(String, String, Option<String>, Vec<u8>)>>>;

async fn serve() -> (String, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let log = log.clone();
            let service =
                service_fn(move |request: Request<Incoming>| answer(request, log.clone()));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    (base, seen)
}

async fn answer(
    request: Request<Incoming>,
    log: Seen,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|b| b.to_bytes().to_vec())
        .unwrap_or_default();
    let header = parts
        .headers
        .get("traceparent")
        .map(|v| v.to_str().expect("text").to_owned());
    let path = parts.uri.path().to_owned();
    log.lock().expect("log").push((
        parts.method.to_string(),
        parts.uri.to_string(),
        header,
        body,
    ));
    if path == "/slow" {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let status = path.trim_start_matches("/status/").parse().unwrap_or(200);
    let reply = Response::builder()
        .status(status)
        .header("location", "/elsewhere");
    Ok(reply.body(Full::from(vec![b'x'; 100])).expect("reply"))
}

struct Ask<'a> {
    url: &'a str,
    post: Option<&'a [u8]>,
    timeout_ms: u64,
    max_bytes: u32,
    declared: &'a str,
    granted: &'a [&'a str],
    grant_bounds: (u64, u32),
    traceparent: Option<&'a str>,
    in_manifest: bool,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            url: "",
            post: None,
            timeout_ms: 0,
            max_bytes: 0,
            declared: "*",
            granted: &["*"],
            grant_bounds: (0, 0),
            traceparent: None,
            in_manifest: false,
        }
    }
}

impl Ask<'_> {
    async fn run(&self) -> PluginError {
        let capability = format!(r#"{{"kind":"network","allow":["{}"]}}"#, self.declared);
        let entry = scalar_entry("a.b.f", &[], "int64", "");
        let manifest = format!(r#"{{"id":"a.b","version":"1.0.0","capabilities":[{capability}]}}"#);
        let mut guest = Guest::new(&manifest, &format!(r#"{{"entries":[{entry}]}}"#));
        guest.net = true;
        guest.data = [self.url.as_bytes(), self.post.unwrap_or_default()].concat();
        let url = format!("(i32.const {DATA}) (i32.const {})", self.url.len());
        let bounds = format!(
            "(i64.const {}) (i32.const {}) (i32.const 128)",
            self.timeout_ms as i64, self.max_bytes as i32
        );
        let call = match self.post {
            None => format!("(call $get {url} {bounds})"),
            Some(body) => format!(
                "(call $post {url} (i32.const {}) (i32.const {}) {bounds})",
                DATA + self.url.len(),
                body.len()
            ),
        };
        if self.in_manifest {
            guest.manifest_body = call.clone();
        }
        guest.scalar = Some(format!(
            "{call} (if (result i32) (i32.load8_u (i32.const 128))
              (then (call $err (i32.add (i32.const 0x10000) (i32.load (i32.const 132))) (i32.load (i32.const 136))
                (i32.load (i32.const 140)) (i32.load8_u (i32.const 144))))
              (else (call $err (i32.load16_u (i32.const 132)) (i32.load (i32.const 136)) (i32.load (i32.const 140))
                (i32.const 0))))"
        ));
        let config = Config {
            traceparent: self.traceparent.map(Into::into),
            ..Config::default()
        };
        let host = UniHost::new(config).expect("host");
        let (ms, bytes) = self.grant_bounds;
        let grants = Grants::surfaces()
            .with_network(self.granted, ms, bytes)
            .expect("grants");
        host.load(&guest.build(), &grants).await.expect("loads");
        match host.invoke_scalar("a.b.f", &args(vec![])).await {
            Err(CallError::Plugin(e)) => e,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_and_post() {
    let (base, seen) = serve().await;
    let url = format!("{base}/a?b=c#fragment");
    let got = Ask {
        url: &url,
        ..Ask::default()
    }
    .run()
    .await;
    assert_eq!((got.code, got.message.len()), (200, 100));
    Ask {
        url: &url,
        post: Some(b"\0body"),
        ..Ask::default()
    }
    .run()
    .await;
    Ask {
        url: &url,
        post: Some(b""),
        ..Ask::default()
    }
    .run()
    .await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Ask {
        url: &url,
        traceparent: Some(trace),
        ..Ask::default()
    }
    .run()
    .await;
    let line = |m: &str, t: Option<&str>, b: &[u8]| {
        (
            m.to_owned(),
            "/a?b=c".to_owned(),
            t.map(str::to_owned),
            b.to_vec(),
        )
    };
    let expected = [
        line("GET", None, b""),
        line("POST", None, b"\0body"),
        line("POST", None, b""),
        line("GET", Some(trace), b""),
    ];
    assert_eq!(*seen.lock().expect("log"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_are_responses_and_redirects_are_not_followed() {
    let (base, seen) = serve().await;
    for status in [404, 500, 302] {
        let url = format!("{base}/status/{status}");
        assert_eq!(
            Ask {
                url: &url,
                ..Ask::default()
            }
            .run()
            .await
            .code,
            status
        );
    }
    assert_eq!(seen.lock().expect("log").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_cut_at_the_least_of_three_bounds() {
    let (base, _) = serve().await;
    for (max_bytes, grant, length) in [
        (0, 0, 100),
        (3, 0, 3),
        (u32::MAX, 0, 100),
        (u32::MAX, 7, 7),
        (0, 7, 7),
        (3, 7, 3),
    ] {
        let got = Ask {
            url: &base,
            max_bytes,
            grant_bounds: (0, grant),
            ..Ask::default()
        }
        .run()
        .await;
        assert_eq!((got.code, got.message.len()), (200, length));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_is_the_least_of_three_bounds() {
    let (base, _) = serve().await;
    let url = format!("{base}/slow");
    for (timeout_ms, grant) in [(50, 0), (u64::MAX, 50), (0, 50), (50, 60_000)] {
        let start = Instant::now();
        let got = Ask {
            url: &url,
            timeout_ms,
            grant_bounds: (grant, 0),
            ..Ask::default()
        }
        .run()
        .await;
        assert_eq!((got.code, got.retryable), (0x10009, true), "{got}");
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_must_be_on_both_lists() {
    let (base, seen) = serve().await;
    let port = base.rsplit_once(':').expect("port").1;
    let url = format!("{base}/a/b");
    let narrow = format!("{base}/a/*");
    let other = format!("{base}/b/*");
    let (bare, user) = (
        format!("127.0.0.1:{port}/a/b"),
        format!("http://u:p@127.0.0.1:{port}/a/b"),
    );
    for (url, declared, granted, code) in [
        (url.as_str(), narrow.as_str(), narrow.as_str(), 200),
        (&url, "http://**", &narrow, 200),
        (&url, &narrow, "http://**", 200),
        (&url, "http://**", &other, 0x10005),
        (&url, &other, "http://**", 0x10005),
        (&url, "https://**", "*", 0x10005),
        (&bare, "*", "*", 0x1000a),
        (&user, "*", "*", 0x1000a),
        ("", "*", "*", 0x1000a),
        ("file:///etc/hostname", "*", "*", 0x1000a),
    ] {
        let got = Ask {
            url,
            declared,
            granted: &[granted],
            ..Ask::default()
        }
        .run()
        .await;
        assert_eq!(got.code, code, "{url} {declared} {granted}: {got}");
    }
    assert_eq!(seen.lock().expect("log").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_may_be_tried_again() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("address").port()
    };
    let got = Ask {
        url: &format!("http://127.0.0.1:{port}/"),
        ..Ask::default()
    }
    .run()
    .await;
    assert_eq!((got.code, got.retryable), (0x10008, true), "{got}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_allowed_before_the_manifest_is_read() {
    let (base, seen) = serve().await;
    assert_eq!(
        Ask {
            url: &base,
            in_manifest: true,
            ..Ask::default()
        }
        .run()
        .await
        .code,
        200
    );
    assert_eq!(seen.lock().expect("log").len(), 1);
}

#[tokio::test]
async fn the_trace_is_what_the_host_has() {
    let mut guest = Guest::of(&scalar_entry("a.b.f", &[], "int64", ""));
    guest.manifest = r#"{"id":"a.b","version":"1.0.0","capabilities":["network"]}"#.into();
    guest.net = true;
    guest.scalar = Some(
        "(call $trace (i32.const 128)) (call $err (i32.load8_u (i32.const 128)) (i32.load (i32.const 132))
          (i32.load (i32.const 136)) (i32.const 0))"
            .into(),
    );
    let host = super::host();
    host.load(
        &guest.build(),
        &Grants::surfaces()
            .with_network(["*"; 0], 0, 0)
            .expect("grants"),
    )
    .await
    .expect("loads");
    let ask = || async {
        match host.invoke_scalar("a.b.f", &args(vec![])).await {
            Err(CallError::Plugin(e)) => (e.code, e.message),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask().await, (0, String::new()));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    host.set_traceparent(Some(trace.into()))
        .expect("a traceparent");
    assert_eq!(ask().await, (1, trace.to_owned()));
    for bad in [
        "",
        "00-0-0-0",
        &trace.to_uppercase(),
        "00-00000000000000000000000000000000-b7ad6b7169203331-00",
    ] {
        host.set_traceparent(Some(bad.into())).expect_err("refused");
    }
    assert_eq!(ask().await, (1, trace.to_owned()));
}
