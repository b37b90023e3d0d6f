//! `http-request`: one agent's way to the endpoints it is granted.
//!
//! An answer of any status is `ok` with [the JSON of a response](response). A redirect (301, 302, 303, 307, 308 with a
//! `location`) is followed if the list allows its target, five times at most, never from https to http, and the call is
//! denied otherwise, before anything is sent there. 303, and 301 and 302 after POST, go on as GET without a body; at
//! another origin `authorization` and `cookie` of the agent are left out.

mod endpoints;
mod request;
mod resolve;
mod response;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION};
use reqwest::{Client, Method};
use tokio::sync::watch;
use url::Url;

use self::endpoints::{Endpoints, Rule};
use self::request::Request;
use self::resolve::{Forbidden, Guarded};
use super::error::CallError;
use super::{Endpoint, Limits};
use crate::outbound::{self, url::parse_url, with_causes};

/// Bytes of a URL.
const URL_BYTES: usize = 16 << 10;
/// Redirects that are followed in one call.
const REDIRECTS: usize = 5;

/// The endpoints of one loaded agent.
#[derive(Debug)]
pub(super) struct Http {
    endpoints: watch::Sender<Arc<Endpoints>>,
    /// What no agent may see, also when a server sends it back; kept when its endpoint is revoked.
    secrets: Vec<Vec<u8>>,
    time: Duration,
    body_bytes: usize,
}

impl Http {
    /// Reads the endpoints; nothing is connected.
    ///
    /// # Errors
    /// What is wrong with an endpoint; the agent is refused then.
    pub(super) fn new(endpoints: &[Endpoint], limits: &Limits) -> Result<Self, String> {
        let endpoints = Endpoints::new(endpoints)?;
        Ok(Self {
            secrets: endpoints.secrets(),
            endpoints: watch::Sender::new(Arc::new(endpoints)),
            time: limits.http_time,
            body_bytes: limits.http_body_bytes,
        })
    }

    /// The function `http-request`. May be dropped while it waits; then nothing of it goes on.
    ///
    /// `method` is one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS in any case of letters. `headers` is a JSON
    /// object of names to strings or lists of strings; `""` is none. `body` is sent as it is; `""` is none.
    ///
    /// # Errors
    /// [`CallError::Denied`] when no endpoint allows it, before any connection. [`CallError::Failed`] for what is no
    /// request, for a server that cannot be reached or takes too long, and for an answer that is too large.
    pub(super) async fn request(
        &self,
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
    ) -> Result<String, CallError> {
        let called = tokio::time::timeout(self.time, self.follow(method, url, headers, body)).await;
        let late = || {
            let time = self.time.as_millis();
            CallError::failed(format!("timeout: no full response within {time} ms"))
        };
        called.unwrap_or_else(|_| Err(late())).map_err(|error| {
            let clean = |text: String| response::without(text.into_bytes(), &self.secrets);
            match error {
                CallError::Denied(text) => CallError::Denied(lossy(clean(text))),
                CallError::Failed(text) => CallError::Failed(lossy(clean(text))),
            }
        })
    }

    /// Takes away the endpoints with this `host`, as it was written; whether there were any. A request under way ends.
    pub(super) fn revoke(&self, host: &str) -> bool {
        self.endpoints.send_if_modified(|endpoints| {
            let rest = endpoints.without(host);
            let fewer = rest.len() < endpoints.len();
            if fewer {
                *endpoints = Arc::new(rest);
            }
            fewer
        })
    }

    async fn follow(
        &self,
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
    ) -> Result<String, CallError> {
        let mut request = Request::read(method, url, headers, body, self.body_bytes)?;
        for _ in 0..=REDIRECTS {
            let sent = tokio::select! {
                sent = self.send(&request) => sent?,
                () = self.revoked(&request.url) => {
                    return Err(CallError::denied(format!("the grant for {} was revoked", request.url)));
                }
            };
            match sent {
                Sent::Done(text) => return Ok(text),
                Sent::Redirect(status, to) => request.redirect(status, to)?,
            }
        }
        Err(CallError::failed(format!(
            "more than {REDIRECTS} redirects"
        )))
    }

    /// One request to one server, which the list allows now.
    async fn send(&self, request: &Request) -> Result<Sent, CallError> {
        let rule = self.allowed(&request.url)?;
        let client = client()?;
        let mut headers = request.headers.clone();
        if let Some((name, value)) = &rule.secret {
            headers.insert(name.clone(), value.clone());
        }
        let builder = client
            .request(request.method.clone(), request.url.clone())
            .headers(headers)
            .body(request.body.clone());
        let answer = builder.send().await.map_err(failure)?;
        if let Some(to) = redirect_target(&answer) {
            let to = to.to_str().ok().and_then(|to| request.url.join(to).ok());
            let to = to.and_then(|to| parse_url(to.as_str(), URL_BYTES).ok());
            let to = to.ok_or_else(|| CallError::failed("a redirect to what is no http URL"))?;
            let to = endpoints::canonical(to);
            if request.url.scheme() == "https" && to.scheme() == "http" {
                return Err(CallError::denied("a redirect from https to http"));
            }
            self.allowed(&to).map_err(|_| {
                CallError::denied(format!("a redirect to {to}, which is not granted"))
            })?;
            return Ok(Sent::Redirect(answer.status().as_u16(), to));
        }
        response::read(answer, &request.url, self.body_bytes, &self.secrets)
            .await
            .map(Sent::Done)
    }

    /// The endpoint that allows a URL.
    fn allowed(&self, url: &Url) -> Result<Arc<Rule>, CallError> {
        let endpoints = self.endpoints.borrow();
        if endpoints.len() == 0 {
            return Err(CallError::denied("no endpoint is granted"));
        }
        endpoints
            .allowing(url)
            .ok_or_else(|| CallError::denied(format!("{url} is not granted")))
    }

    /// Returns when no endpoint allows the URL any more.
    async fn revoked(&self, url: &Url) {
        let mut changes = self.endpoints.subscribe();
        // Whether there was no rule from the start, the request itself finds out.
        while changes.changed().await.is_ok() {
            if changes.borrow_and_update().allowing(url).is_none() {
                return;
            }
        }
    }
}

enum Sent {
    /// The JSON of a response.
    Done(String),
    /// The status, and where the list allows to go.
    Redirect(u16, Url),
}

impl Request {
    /// Goes on at another place.
    fn redirect(&mut self, status: u16, to: Url) -> Result<(), CallError> {
        let to_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if to_get {
            self.method = Method::GET;
            self.body.clear();
            self.headers.remove(CONTENT_TYPE);
            self.headers.remove(CONTENT_LENGTH);
        }
        if self.url.origin() != to.origin() {
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
        self.url = to;
        Ok(())
    }
}

fn redirect_target(answer: &reqwest::Response) -> Option<&HeaderValue> {
    let redirects = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    answer.headers().get(LOCATION).filter(|_| redirects)
}

/// One client for all agents. It holds nothing between two requests: no connection, no cookie.
fn client() -> Result<&'static Client, CallError> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    let built = CLIENT.get_or_init(|| {
        outbound::client()
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Guarded))
            .build()
            .map_err(|error| with_causes(&error))
    });
    built
        .as_ref()
        .map_err(|error| CallError::failed(format!("no HTTP client: {error}")))
}

fn failure(error: reqwest::Error) -> CallError {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(forbidden) = cause.downcast_ref::<Forbidden>() {
            return CallError::denied(forbidden.to_string());
        }
        source = cause.source();
    }
    let text = with_causes(&error.without_url());
    CallError::failed(format!("the request failed: {text}"))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
