//! The JSON that `http-request` answers with:
//!
//! ```json
//! {"status": 200, "url": "http://a.example/x", "headers": {"content-type": ["text/plain"]}, "encoding": "utf-8", "body": "…"}
//! ```
//!
//! `url` is where the answer came from after redirects. `headers` has each name in lower case with all its values in
//! order, bytes beyond ASCII as U+0080 to U+00FF. `encoding` is `utf-8`, and `body` the text, or `base64` for a body that
//! is not UTF-8. Where a server sends an endpoint's secret back, `[secret]` stands instead.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderMap;
use serde::Serialize;
use url::Url;

use super::super::error::CallError;
use super::{failure, lossy};

const INSTEAD: &[u8] = b"[secret]";

#[derive(Serialize)]
struct Response {
    status: u16,
    url: String,
    headers: BTreeMap<String, Vec<String>>,
    encoding: &'static str,
    body: String,
}

/// Reads an answer to its end.
///
/// # Errors
/// [`CallError::Failed`] when it breaks off or is longer than `most` bytes.
pub(super) async fn read(
    mut answer: reqwest::Response,
    url: &Url,
    most: usize,
    secrets: &[Vec<u8>],
) -> Result<String, CallError> {
    let status = answer.status().as_u16();
    let headers = headers(answer.headers(), secrets);
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        if bytes.len() + chunk.len() > most {
            return Err(CallError::failed(format!(
                "limit reached: a response body of more than {most} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    let (encoding, body) = match String::from_utf8(without(bytes, secrets)) {
        Ok(text) => ("utf-8", text),
        Err(error) => ("base64", BASE64_STANDARD.encode(error.as_bytes())),
    };
    let response = Response {
        status,
        url: lossy(without(url.as_str().as_bytes().to_vec(), secrets)),
        headers,
        encoding,
        body,
    };
    serde_json::to_string(&response).map_err(|error| CallError::failed(error.to_string()))
}

/// The bytes with all secrets replaced.
pub(super) fn without(mut bytes: Vec<u8>, secrets: &[Vec<u8>]) -> Vec<u8> {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let mut clean = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(at) = find(rest, secret) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(INSTEAD);
            rest = &rest[at + secret.len()..];
        }
        if !clean.is_empty() {
            clean.extend_from_slice(rest);
            bytes = clean;
        }
    }
    bytes
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let (&first, last) = (part.first()?, text.len().checked_sub(part.len())?);
    let mut at = 0;
    while at <= last {
        at += text[at..=last].iter().position(|byte| *byte == first)?;
        if text[at..].starts_with(part) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn headers(headers: &HeaderMap, secrets: &[Vec<u8>]) -> BTreeMap<String, Vec<String>> {
    let mut read = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        let value = without(value.as_bytes().to_vec(), secrets);
        let value = value.into_iter().map(char::from).collect();
        read.entry(name.as_str().to_owned())
            .or_default()
            .push(value);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_wherever_they_are() {
        let secrets = [b"Bearer abc".to_vec(), b"abc".to_vec()];
        let clean = |text: &str| lossy(without(text.as_bytes().to_vec(), &secrets));
        assert_eq!(clean("Bearer abc"), "[secret]");
        assert_eq!(
            clean("x abc y Bearer abc, ababc"),
            "x [secret] y [secret], ab[secret]"
        );
        assert_eq!(clean("ab bc"), "ab bc");
        assert_eq!(clean(""), "");
    }
}
