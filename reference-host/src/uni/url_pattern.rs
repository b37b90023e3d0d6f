//! The URL allow-list of `host-net`. Patterns and URLs are compared after both were parsed, part by part.

use std::fmt;

use url::{Host, Url};

use crate::outbound::url::{UrlError, check_text};

/// Bytes of the longest pattern that is read.
const PATTERN_BYTES: usize = 4096;

/// One pattern of a URL allow-list.
///
/// Grammar: `*` (everything), or `scheme://host[:port][path]` where
/// - scheme is `http`, `https` or `*`;
/// - host is a name or an address, `*.name` (any subdomain of `name`, not `name` itself), or `*` (any host, and any port
///   when none is given). A star anywhere else in a host is refused;
/// - port is a number or `*`; absent means the scheme's default port;
/// - path is compared with the URL's path and, if it has one, `?` and its query; `*` stands for any run of characters.
///   Absent means `/`.
///
/// `**` means the same as `*`. A star directly behind the host or port, `https://a.example*`, stands for any path: it
/// never continues the host, so it does not match `https://a.example.evil.com/`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UrlPattern {
    text: String,
    scheme: Option<&'static str>,
    host: HostPattern,
    port: PortPattern,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum HostPattern {
    Any,
    Exact(Host),
    Below(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PortPattern {
    Any,
    Default,
    Exact(u16),
}

impl UrlPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where the text does not follow the grammar of [`UrlPattern`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > PATTERN_BYTES {
            return Err(UrlError::TooLong(PATTERN_BYTES));
        }
        check_text(text)?;
        if is_star(text) {
            return Ok(Self {
                text: text.to_owned(),
                scheme: None,
                host: HostPattern::Any,
                port: PortPattern::Any,
                path: "*".into(),
            });
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Some("http"),
            "https" => Some("https"),
            "*" => None,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let split = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (mut authority, path) = rest.split_at(split);
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let mut path = match path {
            "" => "/".to_owned(),
            _ => normal_path(path)?,
        };
        let bare = authority.trim_end_matches('*');
        if split == rest.len() && !is_star(authority) && !bare.ends_with(':') {
            // A star behind the whole authority is a path, never more host.
            if bare.len() < authority.len() {
                path = "*".into();
            }
            authority = bare;
        } else if split == rest.len() && (is_star(authority) || authority.ends_with(":*")) {
            path = "*".into();
        }
        let (host, port) = split_port(authority);
        let host_pattern = host_pattern(host)?;
        let port = match port {
            None if host_pattern == HostPattern::Any => PortPattern::Any,
            None => PortPattern::Default,
            Some(p) if is_star(p) => PortPattern::Any,
            Some(p) => {
                PortPattern::Exact(p.parse().ok().filter(|p| *p != 0).ok_or(UrlError::Port)?)
            }
        };
        Ok(Self {
            text: text.to_owned(),
            scheme,
            host: host_pattern,
            port,
            path,
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern allows `url`. A URL that names a user or is not http(s) is never allowed.
    pub fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let Some(port) = url.port_or_known_default() else {
            return false;
        };
        if !matches!(url.scheme(), "http" | "https")
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return false;
        }
        if self.scheme.is_some_and(|s| s != url.scheme()) {
            return false;
        }
        let host_fits = match &self.host {
            HostPattern::Any => true,
            HostPattern::Exact(expected) => *expected == host.to_owned(),
            HostPattern::Below(suffix) => match host {
                Host::Domain(name) => name
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|head| head.len() > 1 && head.ends_with('.')),
                _ => false,
            },
        };
        let port_fits = match self.port {
            PortPattern::Any => true,
            PortPattern::Default => port == if url.scheme() == "https" { 443 } else { 80 },
            PortPattern::Exact(expected) => port == expected,
        };
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target.push('?');
            target.push_str(query);
        }
        host_fits && port_fits && glob(self.path.as_bytes(), target.as_bytes())
    }
}

impl fmt::Debug for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlPattern({:?})", self.text)
    }
}

impl fmt::Display for UrlPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_star(text: &str) -> bool {
    matches!(text, "*" | "**")
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn host_pattern(host: &str) -> Result<HostPattern, UrlError> {
    if is_star(host) {
        return Ok(HostPattern::Any);
    }
    let parse = |name: &str| Host::parse(name).map_err(|e| UrlError::Host(e.to_string()));
    if let Some(parent) = host.strip_prefix("*.").or_else(|| host.strip_prefix("**.")) {
        return match parse(parent)? {
            Host::Domain(name) if !name.contains('*') => Ok(HostPattern::Below(name)),
            _ => Err(UrlError::Host("`*.` must be followed by a name".into())),
        };
    }
    if host.contains('*') {
        return Err(UrlError::Host(
            "a star stands for a whole host or for `*.` in front of a name".into(),
        ));
    }
    parse(host).map(HostPattern::Exact)
}

fn normal_path(path: &str) -> Result<String, UrlError> {
    let url = Url::parse(&format!("http://pattern.invalid{path}"))
        .map_err(|e| UrlError::Malformed(e.to_string()))?;
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

/// `*` stands for any run of bytes. Only the last star is ever retried, so the work is at most pattern times text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, at)) => {
                    p = after;
                    t = at + 1;
                    retry = Some((after, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}
