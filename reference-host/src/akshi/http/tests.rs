//! Requests to servers on loopback that tell what reached them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::super::Secret;
use super::*;

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// Method, path and headers of each request, and its body.
type Seen = Arc<Mutex<Vec<(String, http::HeaderMap, String)>>>;

struct Server {
    address: SocketAddr,
    seen: Seen,
    /// Tells that a request has come which is never answered.
    hanging: Arc<tokio::sync::Notify>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, hanging) = (Seen::default(), Arc::<tokio::sync::Notify>::default());
        let (record, notify) = (seen.clone(), hanging.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (record, notify) = (record.clone(), notify.clone());
                let service =
                    service_fn(move |request| answer(request, record.clone(), notify.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self {
            address,
            seen,
            hanging,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.iter().map(|(line, _, _)| line.clone()).collect()
    }

    fn last(&self) -> (String, http::HeaderMap, String) {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.last().expect("a request").clone()
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.address.to_string(),
            path_prefix: None,
            secret: None,
        }
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    seen: Seen,
    hanging: Arc<tokio::sync::Notify>,
) -> Result<hyper::Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("text");
    let line = format!("{} {}", parts.method, parts.uri);
    seen.lock()
        .expect("unpoisoned")
        .push((line, parts.headers.clone(), text));
    let one = |bytes: Vec<u8>| stream::iter([bytes]).boxed();
    let mut status = 200;
    let mut location = None;
    let path = parts.uri.path();
    let parts: BoxStream<'static, Vec<u8>> = match path {
        "/echo" => one(body.to_vec()),
        "/404" => {
            status = 404;
            one(b"not here".to_vec())
        }
        "/binary" => one(vec![0, 0xff, 0x80]),
        "/reflect" => {
            let key = parts.headers.get("x-key").expect("a key");
            location = key.to_str().ok().map(str::to_owned);
            one(format!("you said {location:?}").into_bytes())
        }
        "/endless" => stream::repeat(vec![b'x'; 4096]).boxed(),
        "/hang" => {
            hanging.notify_one();
            std::future::pending().await
        }
        _ => {
            let to = parts
                .uri
                .query()
                .and_then(|query| query.strip_prefix("to="));
            status = path[1..].parse().expect("a status");
            location = to.map(str::to_owned);
            one(Vec::new())
        }
    };
    let frames = parts.map(|part| Ok(Frame::data(Bytes::from(part)))).boxed();
    let mut response = hyper::Response::builder().status(status);
    if let Some(location) = location {
        response = response.header("location", location);
    }
    let response = response.header("x-two", "a").header("x-two", "b");
    Ok(response.body(StreamBody::new(frames)).expect("a response"))
}

fn limits() -> Limits {
    Limits {
        http_time: Duration::from_secs(20),
        http_body_bytes: 100_000,
        ..Limits::default()
    }
}

fn agent(endpoints: &[Endpoint]) -> Http {
    Http::new(endpoints, &limits()).expect("endpoints")
}

#[tokio::test]
async fn an_answer_is_one_json_object() {
    let server = Server::start().await;
    let http = agent(&[server.endpoint()]);
    let mut shapes = Vec::new();
    for (method, path, body) in [
        ("post", "/echo", "é\n\"\u{0}"),
        ("GET", "/404", ""),
        ("GET", "/binary", ""),
        ("HEAD", "/echo", ""),
        ("GET", "/304", ""),
    ] {
        let text = http.request(method, &server.url(path), "", body).await;
        let mut json: serde_json::Value =
            serde_json::from_str(&text.expect("an answer")).expect("JSON");
        json["url"] = json["url"]
            .as_str()
            .map(|url| url.replace(&server.address.to_string(), "HOST"))
            .into();
        json["headers"]
            .as_object_mut()
            .expect("headers")
            .remove("date");
        shapes.push(json.to_string());
    }
    insta::assert_snapshot!("response", shapes.join("\n"));
    let (line, _, body) = &server.seen.lock().expect("unpoisoned")[0];
    assert_eq!((line.as_str(), body.as_str()), ("POST /echo", "é\n\"\u{0}"));
}

#[tokio::test]
async fn headers_arrive_and_what_is_no_request_sends_nothing() {
    let server = Server::start().await;
    let http = agent(&[server.endpoint()]);
    let url = server.url("/echo");
    let sent = http.request("GET", &url, r#"{"X-A": "1", "x-b": ["2", "3"]}"#, "");
    sent.await.expect("an answer");
    let (_, headers, _) = server.last();
    assert_eq!(headers["x-a"], "1");
    assert_eq!(headers.get_all("x-b").iter().count(), 2);
    let (many, long) = ("x".repeat(100_001), format!("{url}?{}", "x".repeat(20_000)));
    for (method, url, headers, body) in [
        ("", url.as_str(), "", ""),
        ("G ET", &url, "", ""),
        ("CONNECT", &url, "", ""),
        ("GET\r\n", &url, "", ""),
        ("GET", "", "", ""),
        ("GET", "nonsense", "", ""),
        ("GET", "file:///etc/passwd", "", ""),
        ("GET", &long, "", ""),
        ("GET", &url, "x: 1", ""),
        ("GET", &url, r#"{"x": "a\r\ny: b"}"#, ""),
        ("GET", &url, r#"{"host": "evil"}"#, ""),
        ("POST", &url, "", &many),
    ] {
        let refused = http.request(method, url, headers, body).await;
        let Err(CallError::Failed(text)) = &refused else {
            panic!("{method:?} {url:?} {headers:?}: {refused:?}");
        };
        assert!(!text.is_empty());
    }
    assert_eq!(server.lines().len(), 1, "{:?}", server.lines());
}

#[tokio::test]
async fn what_is_not_granted_is_not_connected() {
    let (server, other) = (Server::start().await, Server::start().await);
    let granted = Endpoint {
        path_prefix: Some("/echo".into()),
        ..server.endpoint()
    };
    let http = agent(&[granted]);
    let port = server.address.port();
    for url in [
        other.url("/echo"),
        server.url("/404"),
        server.url("/echo/..%2f404"),
        format!("http://127.0.0.1.evil.invalid:{port}/echo"),
        format!("http://[::1]:{port}/echo"),
    ] {
        let denied = http.request("GET", &url, "", "").await;
        assert!(
            matches!(denied, Err(CallError::Denied(_))),
            "{url}: {denied:?}"
        );
    }
    let none = agent(&[]);
    let denied = none.request("GET", &server.url("/echo"), "", "").await;
    assert!(matches!(denied, Err(CallError::Denied(_))), "{denied:?}");
    assert!(server.lines().is_empty() && other.lines().is_empty());
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::ffff:127.0.0.1]",
    ] {
        let url = format!("http://{host}:{port}/echo");
        http.request("GET", &url, "", "")
            .await
            .expect("the same host");
    }
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn localhost_is_dialled_when_it_is_named() {
    let server = Server::start().await;
    let port = server.address.port();
    let named = Endpoint {
        host: format!("LOCALHOST.:{port}"),
        ..server.endpoint()
    };
    let url = format!("http://localhost:{port}/echo");
    agent(&[named])
        .request("GET", &url, "", "")
        .await
        .expect("an answer");
    let denied = agent(&[server.endpoint()])
        .request("GET", &url, "", "")
        .await;
    assert!(matches!(denied, Err(CallError::Denied(_))), "{denied:?}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_redirect_goes_no_further_than_the_list() {
    let (server, other) = (Server::start().await, Server::start().await);
    let http = agent(&[server.endpoint()]);
    let away = server.url(&format!("/302?to={}", other.url("/echo")));
    let denied = http.request("GET", &away, "", "").await;
    assert!(matches!(denied, Err(CallError::Denied(_))), "{denied:?}");
    assert!(other.lines().is_empty());
    // Within the list: relative and absolute, and what becomes of the method and the body.
    let sent = http
        .request("POST", &server.url("/302?to=/echo"), "", "body")
        .await;
    assert!(sent.expect("an answer").contains("/echo\""));
    assert_eq!(server.last().0, "GET /echo");
    assert_eq!(server.last().2, "");
    http.request("POST", &server.url("/307?to=/echo"), "", "body")
        .await
        .expect("an answer");
    assert_eq!(
        (server.last().0.as_str(), server.last().2.as_str()),
        ("POST /echo", "body")
    );
    let around = http
        .request("GET", &server.url("/301?to=?to="), "", "")
        .await;
    assert!(matches!(around, Err(CallError::Failed(_))), "{around:?}");
    // No location, or not a redirect.
    http.request("GET", &server.url("/302"), "", "")
        .await
        .expect("an answer");
    http.request("GET", &server.url("/201?to=/echo"), "", "")
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_secret_reaches_its_endpoint_and_nobody_else() {
    let (server, other) = (Server::start().await, Server::start().await);
    let secret = Secret {
        header: "X-Key".into(),
        value: "Bearer s3cr3t-token".into(),
    };
    let guarded = Endpoint {
        secret: Some(secret),
        ..server.endpoint()
    };
    let http = agent(&[guarded, other.endpoint()]);
    let mine = r#"{"x-key": "mine", "authorization": "mine", "cookie": "a=b"}"#;
    let text = http
        .request("GET", &server.url("/reflect"), mine, "")
        .await
        .expect("an answer");
    assert_eq!(server.last().1["x-key"], "Bearer s3cr3t-token");
    assert_eq!(server.last().1.get_all("x-key").iter().count(), 1);
    assert!(
        text.contains("you said") && !text.contains("s3cr3t"),
        "{text}"
    );
    assert!(!format!("{http:?}").contains("s3cr3t"));
    let away = server.url(&format!("/307?to={}", other.url("/echo")));
    http.request("GET", &away, mine, "")
        .await
        .expect("an answer");
    let (_, headers, _) = other.last();
    assert_eq!(headers["x-key"], "mine", "what the agent set itself");
    assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"));
    http.request("GET", &other.url("/echo"), "", "")
        .await
        .expect("an answer");
    assert!(!other.last().1.contains_key("x-key"));
}

#[tokio::test]
async fn time_and_size_are_bounded() {
    let server = Server::start().await;
    let short = Limits {
        http_time: Duration::from_millis(300),
        ..limits()
    };
    let http = Http::new(&[server.endpoint()], &short).expect("endpoints");
    let late = http
        .request("GET", &server.url("/hang"), "", "")
        .await
        .expect_err("late");
    assert!(late.to_string().starts_with("timeout"), "{late}");
    let http = agent(&[server.endpoint()]);
    let large = http
        .request("GET", &server.url("/endless"), "", "")
        .await
        .expect_err("large");
    assert!(large.to_string().starts_with("limit reached"), "{large}");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let endpoint = Endpoint {
        host: nobody.clone(),
        ..server.endpoint()
    };
    let refused = agent(&[endpoint])
        .request("GET", &format!("http://{nobody}/"), "", "")
        .await;
    assert!(matches!(refused, Err(CallError::Failed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_grant_that_is_revoked_ends_at_once() {
    let server = Server::start().await;
    let http = Arc::new(agent(&[server.endpoint()]));
    http.request("GET", &server.url("/echo"), "", "")
        .await
        .expect("granted");
    let waiting = {
        let (http, url) = (http.clone(), server.url("/hang"));
        tokio::spawn(async move { http.request("GET", &url, "", "").await })
    };
    server.hanging.notified().await;
    assert!(!http.revoke("elsewhere"));
    assert!(http.revoke(&server.address.to_string()));
    let ended = waiting.await.expect("no panic");
    assert!(matches!(ended, Err(CallError::Denied(_))), "{ended:?}");
    let denied = http.request("GET", &server.url("/echo"), "", "").await;
    assert!(matches!(denied, Err(CallError::Denied(_))), "{denied:?}");
    assert_eq!(server.lines(), ["GET /echo", "GET /hang"]);
}
