//! The allow-list: which URL which endpoint allows. Endpoint and URL are compared after both were parsed, part by part.

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::header::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::super::Endpoint;
use super::{URL_BYTES, request};
use crate::outbound::url::{check_text, parse_url};

/// The endpoints of one agent that are granted now.
#[derive(Debug)]
pub(super) struct Endpoints {
    rules: Vec<Arc<Rule>>,
}

/// One endpoint.
pub(super) struct Rule {
    /// `host` as it was written.
    text: String,
    scheme: Option<&'static str>,
    host: Host,
    port: Option<u16>,
    /// Decoded segments that the path begins with.
    prefix: Vec<Vec<u8>>,
    /// A header that is added to each request.
    pub(super) secret: Option<(HeaderName, HeaderValue)>,
}

impl Endpoints {
    /// Reads all endpoints.
    ///
    /// # Errors
    /// What is wrong with one.
    pub(super) fn new(endpoints: &[Endpoint]) -> Result<Self, String> {
        let read = |endpoint: &Endpoint| {
            let rule = Rule::read(endpoint);
            rule.map(Arc::new)
                .map_err(|why| format!("the endpoint {:?}: {why}", endpoint.host))
        };
        let rules = endpoints.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Those whose `host` was written otherwise.
    pub(super) fn without(&self, host: &str) -> Self {
        let rules = self.rules.iter().filter(|rule| rule.text != host);
        Self {
            rules: rules.cloned().collect(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The endpoint that allows a canonical URL; of several the one with the longest path, of these the first.
    pub(super) fn allowing(&self, url: &Url) -> Option<Arc<Rule>> {
        let mut best: Option<&Arc<Rule>> = None;
        for rule in self.rules.iter().filter(|rule| rule.allows(url)) {
            if best.is_none_or(|best| rule.prefix.len() > best.prefix.len()) {
                best = Some(rule);
            }
        }
        best.cloned()
    }

    /// All secret values, and of those made of a scheme and a token (`Bearer …`) the token.
    pub(super) fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets = Vec::new();
        for (_, value) in self.rules.iter().filter_map(|rule| rule.secret.as_ref()) {
            let value = value.as_bytes();
            secrets.push(value.to_vec());
            if let Some((_, token)) = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.split_once(' '))
                && !token.trim().is_empty()
            {
                secrets.push(token.trim().as_bytes().to_vec());
            }
        }
        secrets
    }
}

impl Rule {
    fn read(endpoint: &Endpoint) -> Result<Self, String> {
        let text = endpoint.host.as_str();
        check_text(text).map_err(|error| error.to_string())?;
        let (scheme, host, port) = if text.contains("://") {
            let url = parse_url(text, URL_BYTES).map_err(|error| error.to_string())?;
            let scheme = if url.scheme() == "https" {
                "https"
            } else {
                "http"
            };
            let host = url.host().ok_or("no host")?.to_owned();
            if url.path() != "/" || url.query().is_some() {
                return Err("an origin has no path and no query".into());
            }
            (Some(scheme), host, url.port_or_known_default())
        } else {
            let (host, port) = host_and_port(text)?;
            (None, host, port)
        };
        if let Host::Domain(name) = &host
            && (name.contains('*') || name.is_empty())
        {
            return Err("a host is written out".into());
        }
        let secret = endpoint.secret.as_ref().map(|secret| {
            let name = request::header_name(&secret.header)?;
            let mut value = HeaderValue::from_bytes(secret.value.as_bytes())
                .map_err(|_| "the secret cannot be the value of a header".to_owned())?;
            if value.is_empty() {
                return Err("the secret is empty".to_owned());
            }
            value.set_sensitive(true);
            Ok((name, value))
        });
        Ok(Self {
            text: text.to_owned(),
            scheme,
            host: canonical_host(host),
            port,
            prefix: prefix(endpoint.path_prefix.as_deref())?,
            secret: secret.transpose()?,
        })
    }

    fn allows(&self, url: &Url) -> bool {
        let host = url.host().map(|host| canonical_host(host.to_owned()));
        if host.as_ref() != Some(&self.host)
            || self.scheme.is_some_and(|scheme| scheme != url.scheme())
            || self.port.is_some() && self.port != url.port_or_known_default()
        {
            return false;
        }
        if self.prefix.is_empty() {
            return true;
        }
        // A path that a server may read otherwise than it is compared here lies below no prefix.
        segments(url.path()).is_some_and(|path| path.starts_with(&self.prefix))
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Rule({:?})", self.text)
    }
}

/// The URL with the one spelling of its host, so that what is checked is what is dialled.
pub(super) fn canonical(mut url: Url) -> Url {
    let host = url.host().map(|host| canonical_host(host.to_owned()));
    // Neither can fail for a URL that has a host.
    let _ = match host {
        Some(Host::Ipv4(address)) => url.set_ip_host(IpAddr::V4(address)).is_ok(),
        Some(Host::Ipv6(address)) => url.set_ip_host(IpAddr::V6(address)).is_ok(),
        Some(Host::Domain(name)) => url.set_host(Some(&name)).is_ok(),
        None => false,
    };
    url
}

/// Without the dot at the end of a name, and an IPv4 address inside an IPv6 one as itself. The parser of URLs has
/// taken care of cases, of international names and of other spellings of addresses.
fn canonical_host(host: Host) -> Host {
    match host {
        Host::Domain(name) => match name.strip_suffix('.') {
            Some(name) => Host::Domain(name.to_owned()),
            None => Host::Domain(name),
        },
        Host::Ipv6(address) => address
            .to_ipv4_mapped()
            .map_or(Host::Ipv6(address), Host::Ipv4),
        Host::Ipv4(address) => Host::Ipv4(address),
    }
}

fn host_and_port(text: &str) -> Result<(Host, Option<u16>), String> {
    if let Ok(address) = text.parse() {
        return Ok((Host::Ipv6(address), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (
                host,
                Some(port.ok_or("the port is no number of 1 to 65535")?),
            )
        }
        _ => (text, None),
    };
    if host.contains(['/', '?', '#', '\\', '@']) {
        return Err("neither a host nor `host:port` nor an origin".into());
    }
    let host = Host::parse(host).map_err(|error| error.to_string())?;
    Ok((host, port))
}

fn prefix(text: Option<&str>) -> Result<Vec<Vec<u8>>, String> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let malformed = || format!("the path prefix {text:?} is not an absolute path");
    if !text.starts_with('/') || text.starts_with("//") || text.contains(['?', '#', '\\']) {
        return Err(malformed());
    }
    let url = Url::parse(&format!("http://prefix.invalid{text}")).map_err(|_| malformed())?;
    let mut segments = segments(url.path()).ok_or_else(malformed)?;
    if segments.last().is_some_and(Vec::is_empty) {
        segments.pop();
    }
    Ok(segments)
}

/// The decoded segments of a parsed path, where dots are resolved already. `None` when a decoded segment would be read
/// as more than one, or as a way up.
fn segments(path: &str) -> Option<Vec<Vec<u8>>> {
    path.strip_prefix('/')?
        .split('/')
        .map(|segment| {
            let decoded = percent_decoded(segment.as_bytes());
            let name = decoded.split(|byte| *byte == b';').next().unwrap_or(&[]);
            let plain = !decoded.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
            // Some servers decode twice.
            let once_more = percent_decoded(&decoded);
            let double = once_more != decoded
                && once_more
                    .iter()
                    .any(|byte| matches!(byte, b'/' | b'\\' | b'.'));
            (plain && !double && name != b"." && name != b"..").then_some(decoded)
        })
        .collect()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escape = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(endpoints: &[(&str, Option<&str>)]) -> Endpoints {
        let endpoints: Vec<_> = endpoints
            .iter()
            .map(|(host, prefix)| Endpoint {
                host: (*host).to_owned(),
                path_prefix: prefix.map(str::to_owned),
                secret: None,
            })
            .collect();
        Endpoints::new(&endpoints).expect("endpoints")
    }

    fn allows(list: &Endpoints, url: &str) -> bool {
        parse_url(url, URL_BYTES).is_ok_and(|url| list.allowing(&canonical(url)).is_some())
    }

    #[test]
    fn only_the_canonical_host_is_allowed() {
        let all = list(&[("Allowed.com", None), ("127.0.0.1:8080", None)]);
        for url in [
            "http://allowed.com/",
            "https://ALLOWED.com./x?y#z",
            "http://allowed.com:81/",
            "http://127.0.0.1:8080/",
            "http://2130706433:8080/",
            "http://0x7f.1:8080",
            "https://[::ffff:127.0.0.1]:8080/",
        ] {
            assert!(allows(&all, url), "{url}");
        }
        for url in [
            "http://allowed.com.evil/",
            "http://allowed.com@evil/",
            "http://evil/@allowed.com",
            "http://evil/allowed.com",
            "http://evil#allowed.com",
            "http://user@allowed.com/",
            "http://@allowed.com/",
            "http://sub.allowed.com/",
            "http://allowed.com\t.evil/",
            "ftp://allowed.com/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80800/",
            "http://127.0.0.2:8080/",
            "http://[::1]:8080/",
            "//allowed.com/",
            "",
        ] {
            assert!(!allows(&all, url), "{url}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let all = list(&[("https://a.example", None), ("http://[::1]:90", None)]);
        assert!(allows(&all, "https://a.example:443/x"));
        assert!(allows(&all, "http://[::1]:90/"));
        for url in [
            "http://a.example/",
            "https://a.example:444/",
            "http://[::1]/",
        ] {
            assert!(!allows(&all, url), "{url}");
        }
    }

    #[test]
    fn a_path_is_compared_by_segments_after_dots_are_resolved() {
        let all = list(&[("a.example", Some("/v1/messages"))]);
        for path in [
            "/v1/messages",
            "/v1/messages/",
            "/v1/messages/7?q=..",
            "/v1/./messages",
            "/v1/x/../messages",
            "/%761/messages",
        ] {
            assert!(allows(&all, &format!("http://a.example{path}")), "{path}");
        }
        for path in [
            "",
            "/",
            "/v1",
            "/v1/messagesX",
            "/v1/messages/../admin",
            "/v1/messages/%2e%2e/admin",
            "/v1/messages/.%2E/admin",
            "/v1/messages/..%2fadmin",
            "/v1/messages/..%5cadmin",
            "/v1/messages/%252e%252e/admin",
            "/v1/messages/..;/admin",
            "/v1/messages\\..\\..\\admin",
            "//v1/messages",
            "/V1/messages",
        ] {
            assert!(!allows(&all, &format!("http://a.example{path}")), "{path}");
        }
    }

    #[test]
    fn endpoints_that_are_none_are_refused() {
        for host in [
            "",
            "*",
            "*.a.example",
            "a b",
            "a/b",
            "http://a/b",
            "http://u@a",
            "a:0",
            "a:x",
            "ftp://a",
            "http://",
        ] {
            let endpoint = Endpoint {
                host: host.to_owned(),
                path_prefix: None,
                secret: None,
            };
            assert!(Endpoints::new(&[endpoint]).is_err(), "{host}");
        }
        for prefix in ["v1", "//v1", "/v1?x", ""] {
            assert!(super::prefix(Some(prefix)).is_err(), "{prefix}");
        }
    }
}
