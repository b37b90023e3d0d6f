//! Models on loopback that answer, fail and hang.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

/// Prompts in the order in which they came, with the model and the authorization.
type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

/// What the next requests get: a status, or 0 for no answer at all. Then 200.
type Script = Arc<Mutex<VecDeque<u16>>>;

struct Server {
    url: String,
    seen: Seen,
    script: Script,
}

impl Server {
    async fn start(script: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Seen::default();
        let script = Arc::new(Mutex::new(script.iter().copied().collect()));
        let (record, plan): (Seen, Script) = (seen.clone(), script.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (record, plan) = (record.clone(), plan.clone());
                let service =
                    service_fn(move |request| answer(request, record.clone(), plan.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        Self { url, seen, script }
    }

    fn model(&self, name: &str, local: bool, cost: u64) -> Model {
        Model {
            name: name.to_owned(),
            url: self.url.clone(),
            key: Some("s3cr3t".into()),
            local,
            cost,
        }
    }

    fn asked(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.iter().map(|(model, _, _)| model.clone()).collect()
    }

    fn will(&self, script: &[u16]) {
        self.script.lock().expect("unpoisoned").extend(script);
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    seen: Seen,
    script: Script,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let authorization = request.headers()["authorization"]
        .to_str()
        .expect("text")
        .to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let (model, prompt) = (text(&body["model"]), text(&body["messages"][0]["content"]));
    seen.lock()
        .expect("unpoisoned")
        .push((model.clone(), prompt.clone(), authorization.clone()));
    let status = script
        .lock()
        .expect("unpoisoned")
        .pop_front()
        .unwrap_or(200);
    let body = match status {
        0 => std::future::pending().await,
        200 => {
            let message =
                serde_json::json!({"role": "assistant", "content": format!("{model}: {prompt}")});
            serde_json::json!({"choices": [{"index": 0, "message": message}]}).to_string()
        }
        _ => format!("no, {authorization}"),
    };
    let response = hyper::Response::builder().status(status);
    let response = response.header("content-type", "application/json");
    Ok(response.body(Full::new(body.into())).expect("a response"))
}

fn limits() -> Limits {
    Limits {
        inference_time: Duration::from_secs(20),
        inference_retries: 1,
        breaker_failures: 100,
        ..Limits::default()
    }
}

fn agent(models: &[Model], budget: Option<u64>, limits: &Limits) -> (Inference, Arc<AtomicBool>) {
    let killed = Arc::new(AtomicBool::new(false));
    let agent = Inference::new(models, budget, killed.clone(), limits).expect("models");
    (agent, killed)
}

#[tokio::test]
async fn prompts_arrive_as_they_are_at_the_preferred_model() {
    let server = Server::start(&[]).await;
    let models = [
        server.model("cloud", false, 0),
        server.model("here", true, 0),
    ];
    let (agent, _) = agent(&models, None, &limits());
    for prompt in ["", "é\n\"x\"\u{0}", "{\"role\": \"system\"}"] {
        let answer = agent.prompt(None, prompt).await;
        assert_eq!(answer, Ok(format!("here: {prompt}")));
    }
    assert_eq!(
        agent.prompt(Some("cloud"), "x").await,
        Ok("cloud: x".into())
    );
    assert_eq!(agent.prompt(Some(""), "x").await, Ok("here: x".into()));
    assert!(
        agent.prompt(Some("Here"), "x").await.is_err(),
        "no such model"
    );
    let long = "x".repeat(PROMPT_BYTES + 1);
    assert!(agent.prompt(None, &long).await.is_err());
    assert_eq!(server.asked(), ["here", "here", "here", "cloud", "here"]);
    assert_eq!(
        server.seen.lock().expect("unpoisoned")[0].2,
        "Bearer s3cr3t"
    );
}

#[tokio::test]
async fn a_failing_model_is_asked_again_and_then_the_next() {
    let server = Server::start(&[503, 200, 500, 500, 200, 400, 200]).await;
    let models = [
        server.model("here", true, 0),
        server.model("cloud", false, 0),
    ];
    let (agent, _) = agent(&models, None, &limits());
    assert_eq!(agent.prompt(None, "1").await, Ok("here: 1".into()));
    assert_eq!(agent.prompt(None, "2").await, Ok("cloud: 2".into()));
    assert_eq!(
        agent.prompt(None, "3").await,
        Ok("cloud: 3".into()),
        "400 is final"
    );
    assert_eq!(
        server.asked(),
        ["here", "here", "here", "here", "cloud", "here", "cloud"]
    );
    server.will(&[500, 500, 429, 429]);
    let error = agent
        .prompt(None, "4")
        .await
        .expect_err("both failed")
        .to_string();
    assert!(
        error.contains("here") && error.contains("500") && error.contains("429"),
        "{error}"
    );
    assert!(!error.contains("s3cr3t"), "{error}");
}

#[tokio::test]
async fn a_model_that_hangs_is_given_up_and_not_asked_again() {
    let server = Server::start(&[0]).await;
    let limits = Limits {
        inference_time: Duration::from_millis(300),
        ..limits()
    };
    let (agent, _) = agent(&[server.model("here", true, 0)], None, &limits);
    let error = agent.prompt(None, "x").await.expect_err("late");
    assert!(error.to_string().contains("300 ms"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn the_breaker_spares_a_model_and_tries_it_again() {
    let server = Server::start(&[500, 500]).await;
    let limits = Limits {
        inference_retries: 0,
        breaker_failures: 2,
        breaker_time: Duration::from_millis(200),
        ..limits()
    };
    let models = [server.model("here", true, 0)];
    let (sparing, _) = agent(&models, None, &limits);
    for _ in 0..2 {
        assert!(sparing.prompt(None, "x").await.is_err());
    }
    while sparing.prompt(None, "x").await.is_err() {
        assert_eq!(server.asked().len(), 2, "it is spared");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn what_costs_needs_a_budget_and_the_kill_switch_off() {
    let server = Server::start(&[]).await;
    let models = [
        server.model("paid", false, 2),
        server.model("free", false, 0),
    ];
    let (spender, killed) = agent(&models, Some(5), &limits());
    let paid = async || spender.prompt(Some("paid"), "x").await;
    assert!(paid().await.is_ok());
    server.will(&[400]);
    assert!(paid().await.is_err(), "refused, and given back");
    killed.store(true, Ordering::SeqCst);
    let denied = paid().await.expect_err("killed");
    assert!(
        matches!(&denied, CallError::Denied(text) if text.contains("kill_switch")),
        "{denied}"
    );
    assert_eq!(spender.prompt(None, "x").await, Ok("free: x".into()));
    killed.store(false, Ordering::SeqCst);
    assert!(paid().await.is_ok());
    let denied = paid().await.expect_err("spent");
    assert!(
        matches!(&denied, CallError::Denied(text) if text.contains("budget_exceeded")),
        "{denied}"
    );
    assert_eq!(spender.prompt(None, "x").await, Ok("free: x".into()));
    assert_eq!(server.asked(), ["paid", "paid", "free", "paid", "free"]);
    let (pauper, _) = agent(&models[..1], None, &limits());
    let denied = pauper.prompt(None, "x").await.expect_err("no budget");
    assert!(denied.to_string().contains("budget_exceeded"), "{denied}");
    let (nobody, _) = agent(&[], Some(1), &limits());
    assert!(matches!(
        nobody.prompt(None, "x").await,
        Err(CallError::Failed(_))
    ));
}

#[test]
fn a_model_without_an_address_is_refused() {
    let model = Model {
        name: "x".into(),
        url: "nowhere".into(),
        key: None,
        local: true,
        cost: 0,
    };
    let killed = Arc::new(AtomicBool::new(false));
    assert!(Inference::new(&[model], None, killed, &limits()).is_err());
}
