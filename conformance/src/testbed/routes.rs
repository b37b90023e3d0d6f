//! The plain HTTP routes of the testbed's server.

use std::time::Duration;

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::sleep;

use super::{content::Content, log::Request};

/// Bytes that `/bytes/N` and `/cut/N` answer at most.
const MAX_BYTES: u64 = 1 << 30;
/// Pieces that `/trickle/N/MS` answers at most.
const MAX_PIECES: u64 = 1 << 20;

/// Says the method of an echoed request.
const METHOD: HeaderName = HeaderName::from_static("witgate-method");

/// Answers a request for `/ROUTE/REST`; 404 when there is no such thing.
pub(super) async fn answer(
    request: &Request,
    route: &str,
    rest: &str,
    content_type: Option<&HeaderValue>,
) -> Response<Content> {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let found = match route {
        "binary" => Some(typed(Content::of((0..=255).collect()), BINARY)),
        "bytes" => bytes(rest).map(|left| Response::new(Content::Same { left })),
        "cut" => bytes(rest).map(|left| Response::new(Content::Cut { left, pause: None })),
        "echo" => Some(echo(request, content_type)),
        "hang" => std::future::pending().await,
        "headers" => headers(query),
        "loop" => redirect("to=/loop"),
        "redirect" => redirect(query),
        "reflect" => Some(reflect(request)),
        "slow" => match rest.parse() {
            Ok(milliseconds) => {
                sleep(Duration::from_millis(milliseconds)).await;
                Some(status_only(StatusCode::OK))
            }
            Err(_) => None,
        },
        "status" => status(rest),
        "text" => Some(typed(Content::of(percent_decoded(rest)), TEXT)),
        "trickle" => trickle(rest),
        _ => None,
    };
    found.unwrap_or_else(|| status_only(StatusCode::NOT_FOUND))
}

const BINARY: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

fn bytes(rest: &str) -> Option<u64> {
    rest.parse().ok().filter(|length| *length <= MAX_BYTES)
}

fn echo(request: &Request, content_type: Option<&HeaderValue>) -> Response<Content> {
    let mut response = Response::new(Content::of(request.body.clone()));
    let headers = response.headers_mut();
    headers.extend(content_type.map(|value| (header::CONTENT_TYPE, value.clone())));
    let method = HeaderValue::from_str(&request.method);
    headers.extend(method.ok().map(|method| (METHOD, method)));
    response
}

fn headers(query: &str) -> Option<Response<Content>> {
    let mut headers = HeaderMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = HeaderName::from_bytes(&percent_decoded(name)).ok()?;
        let value = HeaderValue::from_bytes(&percent_decoded(value)).ok()?;
        // These are the server's own.
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return None;
        }
        headers.try_append(name, value).ok()?;
    }
    let mut response = status_only(StatusCode::OK);
    *response.headers_mut() = headers;
    Some(response)
}

fn redirect(query: &str) -> Option<Response<Content>> {
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let to = HeaderValue::from_bytes(&percent_decoded(parameter("to=")?)).ok()?;
    let status = match parameter("status=") {
        None => StatusCode::FOUND,
        Some(status) => StatusCode::from_bytes(status.as_bytes())
            .ok()
            .filter(StatusCode::is_redirection)?,
    };
    let mut response = status_only(status);
    response.headers_mut().insert(header::LOCATION, to);
    Some(response)
}

/// The headers of the request, one line each.
fn reflect(request: &Request) -> Response<Content> {
    let lines = request.headers.iter();
    let text: String = lines
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    typed(Content::of(text.into_bytes()), TEXT)
}

fn status(rest: &str) -> Option<Response<Content>> {
    let (code, text) = match rest.split_once('/') {
        Some((code, text)) => (code, Some(text)),
        None => (rest, None),
    };
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    let status = StatusCode::from_u16(code).ok()?;
    let mut response = match text {
        Some(text) => typed(Content::of(percent_decoded(text)), TEXT),
        None => status_only(status),
    };
    *response.status_mut() = status;
    Some(response)
}

fn trickle(rest: &str) -> Option<Response<Content>> {
    let (pieces, milliseconds) = rest.split_once('/')?;
    let pieces = pieces.parse().ok().filter(|pieces| *pieces <= MAX_PIECES)?;
    let pause = Duration::from_millis(milliseconds.parse().ok()?);
    Some(Response::new(Content::trickle(pieces, pause)))
}

/// An answer 200 with this body of this type.
pub(super) fn typed(content: Content, ty: &'static str) -> Response<Content> {
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ty));
    response
}

/// An answer without a body.
pub(super) fn status_only(status: StatusCode) -> Response<Content> {
    let mut response = Response::new(Content::of(Vec::new()));
    *response.status_mut() = status;
    response
}

/// `%41` and `A` alike; what is no escape stays as it is.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match escape
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| first == b'%')
        {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}
