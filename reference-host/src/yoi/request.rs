//! `yoi:host/request`: one HTTP request, checked against the targets on the parsed URL, bounded, without redirects, proxy,
//! cookies or connection reuse.

use std::sync::OnceLock;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::authority::Authority;
use super::envelope::Object;
use super::failure::{ImportError, within};
use super::limits::RequestLimits;
use super::manifest::HostApi;
use super::network::{self, PublicOnly};
use super::target::Reach;
use super::text;

/// Methods a plugin may use.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Headers that carry credentials: neither sent for a plugin nor shown to it.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "api-key",
    "apikey",
];

/// Headers that the host sets itself: another `host` would speak to a site that no target names.
const OWN: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];

const USER_AGENT: &str = concat!("yoi-reference-host/", env!("CARGO_PKG_VERSION"));

/// What `request` is given, and the payload of `host_request_dispatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDescriptor {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, exactly.
    pub method: String,
    /// An `http` or `https` URL.
    pub url: String,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Object<Header>>,
    /// `null` is the same as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What `request` answers: a response of any status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseDescriptor {
    /// The status.
    pub status: u16,
    /// The first headers, without those that carry credentials.
    pub headers: Vec<Header>,
    /// The body; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// Whether the body was cut.
    pub truncated: bool,
}

/// A request that may be sent.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
    reach: Reach,
}

/// The import.
pub(super) async fn request(
    json: &str,
    authority: &Authority,
    limits: &RequestLimits,
) -> Result<ResponseDescriptor, ImportError> {
    within("request descriptor", json, limits.descriptor_bytes)?;
    authority.host_api(HostApi::Request)?;
    let descriptor = serde_json::from_str::<Object<RequestDescriptor>>(json)
        .map_err(|error| ImportError::invalid(format!("malformed request descriptor: {error}")))?;
    let checked = descriptor.0.check(authority, limits)?;
    send(checked, limits).await
}

impl RequestDescriptor {
    /// Checks everything that can be known before the network is touched.
    pub(super) fn check(
        &self,
        authority: &Authority,
        limits: &RequestLimits,
    ) -> Result<Checked, ImportError> {
        authority.host_api(HostApi::Request)?;
        let method = METHODS
            .into_iter()
            .find(|method| method.as_str() == self.method)
            .ok_or_else(|| {
                ImportError::invalid("the method is none of GET, POST, PUT, PATCH, DELETE")
            })?;
        if self.headers.len() > limits.headers {
            return Err(ImportError::limit(format!(
                "more than {} headers",
                limits.headers
            )));
        }
        let mut headers = HeaderMap::new();
        for Object(header) in &self.headers {
            let (name, value) = header.check(limits)?;
            headers.append(name, value);
        }
        within(
            "the body",
            self.body.as_deref().unwrap_or_default(),
            limits.body_bytes,
        )?;
        let url = network::parse_url(&self.url)?;
        match url.scheme() {
            "http" | "https" => {}
            "ws" | "wss" => {
                return Err(ImportError::denied(
                    "WebSocket URLs are not supported by host_api.request",
                ));
            }
            _ => {
                return Err(ImportError::denied(
                    "the scheme of the URL is not `http` or `https`",
                ));
            }
        }
        let reach = authority.request(&url, method.as_str())?;
        Ok(Checked {
            method,
            url,
            headers,
            body: self.body.clone(),
            reach,
        })
    }
}

impl Header {
    fn check(&self, limits: &RequestLimits) -> Result<(HeaderName, HeaderValue), ImportError> {
        if self.name.is_empty() {
            return Err(ImportError::invalid("a header has no name"));
        }
        within("a header's name", &self.name, limits.header_name_bytes)?;
        within("a header's value", &self.value, limits.header_value_bytes)?;
        let name = HeaderName::from_bytes(self.name.as_bytes())
            .map_err(|_| ImportError::invalid("a header's name is malformed"))?;
        let value = HeaderValue::from_str(&self.value)
            .map_err(|_| ImportError::invalid(format!("the value of `{name}` is malformed")))?;
        let lower = self.value.to_ascii_lowercase();
        let refused = |reason| Err(ImportError::denied(format!("the header `{name}` {reason}")));
        match name.as_str() {
            known if CREDENTIALS.contains(&known) => refused("may carry a credential"),
            known if OWN.contains(&known) => refused("is set by the host"),
            "upgrade" => refused("would change the protocol"),
            "connection" if lower.contains("upgrade") => refused("would change the protocol"),
            "accept"
                if lower.split(',').any(|kind| {
                    kind.split(';').next().unwrap_or_default().trim() == "text/event-stream"
                }) =>
            {
                refused("asks for a stream")
            }
            _ => Ok((name, value)),
        }
    }
}

/// Sends a checked request.
pub(super) async fn send(
    request: Checked,
    limits: &RequestLimits,
) -> Result<ResponseDescriptor, ImportError> {
    let client = client(request.reach)?;
    tokio::time::timeout(limits.time, perform(client, request, limits))
        .await
        .unwrap_or_else(|_| {
            Err(ImportError::timeout(format!(
                "no full response within {} ms",
                limits.time.as_millis()
            )))
        })
}

async fn perform(
    client: &Client,
    request: Checked,
    limits: &RequestLimits,
) -> Result<ResponseDescriptor, ImportError> {
    let mut builder = client
        .request(request.method, request.url)
        .headers(request.headers);
    if let Some(body) = request.body {
        builder = builder.body(body);
    }
    let mut response = builder.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let headers = shown_headers(response.headers(), limits);
    let most = limits.response_bytes;
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(ResponseDescriptor {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        truncated,
    })
}

fn shown_headers(headers: &HeaderMap, limits: &RequestLimits) -> Vec<Header> {
    headers
        .iter()
        .filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()))
        .take(limits.headers)
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: text::safe(
                &String::from_utf8_lossy(value.as_bytes()),
                limits.header_value_bytes,
            ),
        })
        .collect()
}

/// The URL is left out: its query may hold a secret.
fn failed(error: reqwest::Error) -> ImportError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    ImportError::failed(text)
}

/// A client for each reach; both look a host up once for each connection, and keep no connection.
fn client(reach: Reach) -> Result<&'static Client, ImportError> {
    static NAMED: OnceLock<Result<Client, String>> = OnceLock::new();
    static PUBLIC: OnceLock<Result<Client, String>> = OnceLock::new();
    let cell = match reach {
        Reach::Named => &NAMED,
        Reach::Public => &PUBLIC,
    };
    let build = || {
        // Another part of the process may have chosen a provider already; either is good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(0);
        let builder = match reach {
            Reach::Named => builder,
            Reach::Public => builder.dns_resolver(PublicOnly),
        };
        builder.build().map_err(|error| error.to_string())
    };
    cell.get_or_init(build)
        .as_ref()
        .map_err(|error| ImportError::failed(format!("no HTTP client: {error}")))
}
