//! What an agent asks for, checked as a whole before anything is connected.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::super::error::CallError;
use super::{URL_BYTES, endpoints};
use crate::outbound::url::parse_url;

/// Bytes of the JSON of headers.
const HEADERS_BYTES: usize = 64 << 10;
/// Header lines of one request.
const HEADERS: usize = 100;

/// Headers that are about the connection and are set by the host alone.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that can be sent.
pub(super) struct Request {
    pub(super) method: Method,
    /// Canonical.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Request {
    /// Reads the four arguments of `http-request`.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) fn read(
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        body_bytes: usize,
    ) -> Result<Self, CallError> {
        let method = match method.to_ascii_uppercase().as_str() {
            "DELETE" => Method::DELETE,
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "OPTIONS" => Method::OPTIONS,
            "PATCH" => Method::PATCH,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            _ => {
                return Err(CallError::failed(
                    "not a method; there are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS",
                ));
            }
        };
        let url = parse_url(url, URL_BYTES)
            .map_err(|error| CallError::failed(format!("not a URL: {error}")))?;
        if body.len() > body_bytes {
            return Err(CallError::failed(format!(
                "limit reached: a body of {} bytes, allowed are {body_bytes}",
                body.len()
            )));
        }
        Ok(Self {
            method,
            url: endpoints::canonical(url),
            headers: read_headers(headers).map_err(CallError::Failed)?,
            body: body.to_owned(),
        })
    }
}

/// A header's name, unless it is the host's alone.
pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    let read = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("{:?} is no name of a header", short(name)))?;
    if RESERVED.contains(&read.as_str()) {
        return Err(format!("the header `{read}` is set by the host"));
    }
    Ok(read)
}

fn read_headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if text.trim().is_empty() {
        return Ok(headers);
    }
    if text.len() > HEADERS_BYTES {
        let length = text.len();
        return Err(format!(
            "limit reached: headers of {length} bytes, allowed are {HEADERS_BYTES}"
        ));
    }
    let Ok(Value::Object(object)) = serde_json::from_str(text) else {
        return Err("the headers are no JSON object".into());
    };
    for (name, value) in &object {
        let name = header_name(name)?;
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let value = value.as_str().ok_or_else(|| {
                format!("the header `{name}` is neither a string nor a list of strings")
            })?;
            // Refuses line ends and all other control characters but tabs.
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("the header `{name}` has a value that cannot be sent"))?;
            if headers.len() >= HEADERS {
                return Err(format!("limit reached: more than {HEADERS} headers"));
            }
            headers.append(name.clone(), value);
        }
    }
    Ok(headers)
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(100)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_an_object_of_strings_or_lists_of_strings() {
        let read = read_headers(r#"{"X-One": "1", "x-two": ["a", "b"], "x-empty": "", "x-é": []}"#);
        assert!(read.is_err(), "a name that is not ASCII");
        let read = read_headers(r#"{"X-One": "1", "x-two": ["a", "b"], "x-text": "é\t1"}"#);
        let read = read.expect("headers");
        assert_eq!(read.get("x-one").expect("one"), "1");
        assert_eq!(read.get_all("x-two").iter().count(), 2);
        assert_eq!(
            read.get("x-text").expect("text").as_bytes(),
            "é\t1".as_bytes()
        );
        assert!(read_headers("").expect("none").is_empty());
        assert!(read_headers("{}").expect("none").is_empty());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in [
            "x: 1",
            "[]",
            "null",
            r#"{"x": 1}"#,
            r#"{"x": [["1"]]}"#,
            r#"{"x": "a\r\nb: c"}"#,
            r#"{"x": "a\nb"}"#,
            r#"{"x": "a\u0000"}"#,
            r#"{"x\r\ny": "a"}"#,
            r#"{"": "a"}"#,
            r#"{"a b": "a"}"#,
            r#"{"Host": "evil"}"#,
            r#"{"Transfer-Encoding": "chunked"}"#,
            r#"{"content-length": "3"}"#,
        ] {
            assert!(read_headers(text).is_err(), "{text}");
        }
    }
}
