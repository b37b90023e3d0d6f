//! Outbound HTTP. Requests run on a runtime of their own, so that a plugin's call may come from any executor, and end
//! when the call is dropped. No proxy, no cookies, no redirects, no connection is used twice.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Client;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use url::Url;

use super::error::code;
use crate::outbound::{self, with_causes};

/// What to send. The bounds are final.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
    pub(super) traceparent: Option<String>,
    /// From the connection to the last byte of the body.
    pub(super) timeout: Duration,
    /// Bytes of the body that are kept.
    pub(super) max_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

/// A response of any status.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The body, cut at the request's `max_bytes`.
    pub(super) body: Vec<u8>,
}

/// Why no response came; becomes the plugin's `fn-error`.
#[derive(Debug)]
pub(super) struct EgressError {
    pub(super) code: u32,
    pub(super) message: String,
    pub(super) retryable: bool,
}

/// Sends one request.
///
/// # Errors
/// [`code::EGRESS_TIMEOUT`], retryable; [`code::EGRESS`], retryable when no connection was made or nothing was to be
/// changed at the other side (GET).
pub(super) async fn send(request: Request) -> Result<Response, EgressError> {
    let (runtime, client) = egress()?;
    let mut task = Task(runtime.spawn(async move {
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, perform(client, request)).await {
            Ok(result) => result,
            Err(_) => Err(EgressError {
                code: code::EGRESS_TIMEOUT,
                message: format!("no full response within {} ms", timeout.as_millis()),
                retryable: true,
            }),
        }
    }));
    match (&mut task.0).await {
        Ok(result) => result,
        Err(e) => Err(failed(format!("the request was given up: {e}"), false)),
    }
}

/// Runs a future to its end on this module's runtime, for callers that have none.
///
/// # Panics
/// When called from within an executor, as any blocking wait there would.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, String> {
    egress()
        .map(|(runtime, _)| runtime.block_on(future))
        .map_err(|e| e.message)
}

/// Ends the request when the plugin's call ends first.
struct Task(JoinHandle<Result<Response, EgressError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn perform(client: &Client, request: Request) -> Result<Response, EgressError> {
    let get = request.method == Method::Get;
    let mut builder = match request.method {
        Method::Get => client.get(request.url),
        Method::Post => client.post(request.url).body(request.body),
    };
    if let Some(traceparent) = request.traceparent {
        builder = builder.header("traceparent", traceparent);
    }
    let error = |e: reqwest::Error| {
        let retryable = e.is_connect() || e.is_timeout() || (get && !e.is_builder());
        failed(with_causes(&e.without_url()), retryable)
    };
    let mut response = builder.send().await.map_err(error)?;
    let status = response.status().as_u16();
    let most = request.max_bytes as usize;
    let mut body = Vec::new();
    while body.len() < most {
        let Some(chunk) = response.chunk().await.map_err(error)? else {
            break;
        };
        body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
    }
    Ok(Response { status, body })
}

fn egress() -> Result<&'static (Runtime, Client), EgressError> {
    static EGRESS: OnceLock<Result<(Runtime, Client), String>> = OnceLock::new();
    let build = || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("uni-egress")
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let client = outbound::client()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|e| with_causes(&e))?;
        Ok((runtime, client))
    };
    EGRESS
        .get_or_init(build)
        .as_ref()
        .map_err(|e| failed(format!("no HTTP client: {e}"), false))
}

fn failed(message: String, retryable: bool) -> EgressError {
    EgressError {
        code: code::EGRESS,
        message,
        retryable,
    }
}
