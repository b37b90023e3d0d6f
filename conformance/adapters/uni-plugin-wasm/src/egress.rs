//! The network of a host that has one: plain HTTP without proxies, redirects, retries or headers of its own. Allow-list,
//! timeout and size are the host's decisions (`uni_plugin::HttpEgress`); here they are only carried out.

use std::{io::Read as _, time::Duration};

use uni_plugin::{FnError, HttpEgress, HttpResponse};
use ureq::{Agent, RequestBuilder, http::Response};

/// The code that the host's own stock egress gives to a request that failed.
const FAILED: u32 = 0xB00;

#[derive(Debug)]
pub(crate) struct Loopback;

impl HttpEgress for Loopback {
    fn get(
        &self,
        url: &str,
        timeout: Duration,
        max: usize,
        trace: Option<&str>,
    ) -> Result<HttpResponse, FnError> {
        answer(traced(agent(timeout).get(url), trace).call(), max)
    }

    fn post(
        &self,
        url: &str,
        body: &[u8],
        timeout: Duration,
        max: usize,
        trace: Option<&str>,
    ) -> Result<HttpResponse, FnError> {
        answer(traced(agent(timeout).post(url), trace).send(body), max)
    }
}

fn agent(timeout: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent("")
        .accept("")
        .max_idle_connections(0)
        .timeout_global(Some(timeout))
        .build();
    Agent::new_with_config(config)
}

fn traced<B>(request: RequestBuilder<B>, traceparent: Option<&str>) -> RequestBuilder<B> {
    match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    }
}

fn answer(
    response: Result<Response<ureq::Body>, ureq::Error>,
    max: usize,
) -> Result<HttpResponse, FnError> {
    let failed = |error: &dyn std::error::Error| FnError::retryable(FAILED, error.to_string());
    let response = response.map_err(|error| failed(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let max = u64::try_from(max).unwrap_or(u64::MAX);
    response
        .into_body()
        .into_reader()
        .take(max)
        .read_to_end(&mut body)
        .map_err(|error| failed(&error))?;
    Ok(HttpResponse { status, body })
}
