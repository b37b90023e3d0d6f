//! The OpenAI-compatible backend against a server on loopback that does what servers do, good and bad.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reference_host::pie::ConfigError;
use reference_host::pie::backend::{Backend as _, BackendError, OpenAi, OpenAiConfig};
use tokio::net::TcpListener;

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// What the server got: path, authorization, body.
type Seen = Arc<Mutex<Vec<(String, String, serde_json::Value)>>>;

/// Serves until the test ends; the name of the model in the request says how to behave.
async fn server() -> (url::Url, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Seen::default();
    let record = seen.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let record = record.clone();
            let service = service_fn(move |request| answer(request, record.clone()));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    let url = url::Url::parse(&format!("http://{address}/v1/")).expect("a url");
    (url, seen)
}

async fn answer(request: Request<Incoming>, seen: Seen) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let header = request.headers().get("authorization");
    let authorization = header.and_then(|value| value.to_str().ok()).unwrap_or("");
    let authorization = authorization.to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
    let model = body["model"].as_str().unwrap_or("").to_owned();
    let query = body["messages"][0]["content"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    seen.lock()
        .expect("unpoisoned")
        .push((path, authorization, body));
    let chunk = |text: &str| {
        let json = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]});
        format!("data: {json}\n\n")
    };
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n\r\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";
    let whole = format!(
        ": warming up\n\n{role}{}{}{usage}data: [DONE]\n\n",
        chunk("é: "),
        chunk(&query)
    );
    let parts: BoxStream<'static, Vec<u8>> = match model.as_str() {
        "good" => stream::iter(
            whole
                .into_bytes()
                .chunks(7)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>(),
        )
        .boxed(),
        "slow" => stream::iter(
            whole
                .into_bytes()
                .chunks(40)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>(),
        )
        .then(|part| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            part
        })
        .boxed(),
        "garbage" => stream::iter([b"data: {nonsense\n\n".to_vec()]).boxed(),
        "error" => stream::iter([b"data: {\"error\":{\"message\":\"boom\"}}\n\n".to_vec()]).boxed(),
        "cut" => stream::iter([chunk("half").into_bytes()]).boxed(),
        "stall" => stream::iter([chunk("half").into_bytes()])
            .chain(stream::pending())
            .boxed(),
        "endless" => stream::repeat(chunk(&"x".repeat(1000)).into_bytes()).boxed(),
        "endless-line" => stream::repeat(vec![b'x'; 1000]).boxed(),
        _ => stream::iter([vec![b'e'; 4000]]).boxed(),
    };
    let frames = parts.map(|part| Ok(Frame::data(Bytes::from(part)))).boxed();
    let mut response = Response::new(StreamBody::new(frames));
    if model == "status" {
        *response.status_mut() = hyper::StatusCode::TOO_MANY_REQUESTS;
    }
    Ok(response)
}

fn backend(base: &url::Url, model: &str) -> OpenAi {
    OpenAi::new(OpenAiConfig {
        idle_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(3),
        answer_bytes: 10_000,
        api_key: Some("secret".into()),
        ..OpenAiConfig::new(base.clone(), model)
    })
    .expect("a backend")
}

#[tokio::test]
async fn it_streams_an_answer_however_it_is_cut() {
    let (base, seen) = server().await;
    for model in ["good", "slow"] {
        let answer = backend(&base, model).serve("what?".into()).await;
        assert_eq!(answer.expect("an answer"), "é: what?");
    }
    let seen = seen.lock().expect("unpoisoned");
    let (path, authorization, body) = &seen[0];
    assert_eq!(path, "/v1/chat/completions");
    assert_eq!(authorization, "Bearer secret");
    assert_eq!(body["stream"], true);
    assert_eq!(
        body["messages"],
        serde_json::json!([{"role": "user", "content": "what?"}])
    );
}

#[tokio::test]
async fn whatever_goes_wrong_is_failed_work() {
    let (base, _) = server().await;
    let serve = |model: &'static str| backend(&base, model).serve("q".into());
    let status = serve("status").await.expect_err("no answer");
    assert!(
        matches!(&status, BackendError::Status { status: 429, body } if body.len() == 512),
        "{status}"
    );
    let error = serve("error").await.expect_err("no answer");
    assert!(error.to_string().contains("boom"), "{error}");
    assert!(matches!(
        serve("garbage").await,
        Err(BackendError::Protocol(_))
    ));
    assert!(matches!(
        serve("cut").await,
        Err(BackendError::Transport(_))
    ));
    assert!(matches!(
        serve("stall").await,
        Err(BackendError::Timeout(_))
    ));
    assert!(matches!(
        serve("endless").await,
        Err(BackendError::TooLong { .. })
    ));
    assert!(matches!(
        serve("endless-line").await,
        Err(BackendError::TooLong { .. })
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let nobody = url::Url::parse(&format!("http://127.0.0.1:{port}")).expect("a url");
    let error = backend(&nobody, "good").serve("q".into()).await;
    assert!(matches!(error, Err(BackendError::Transport(_))));
}

#[tokio::test]
async fn commands_of_several_instances_run_at_once() {
    let (base, _) = server().await;
    let backend = backend(&base, "slow");
    let answers = (0..20).map(|n| backend.serve(n.to_string()).into_future());
    let start = std::time::Instant::now();
    for (n, answer) in futures::future::join_all(answers)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(answer.expect("an answer"), format!("é: {n}"));
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn an_address_that_is_not_http_is_refused() {
    let base = url::Url::parse("ftp://example.test/v1").expect("a url");
    let error = OpenAi::new(OpenAiConfig::new(base, "m")).expect_err("refused");
    assert!(matches!(error, ConfigError::Backend(_)));
}
