//! Name look-ups and dials that stay within what a target reaches, and URLs that a plugin asks for.

use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

use super::failure::ImportError;
use super::target::Reach;

/// Reads a URL: with a host, without user information and without blanks. The scheme is for the caller to check.
pub(super) fn parse_url(text: &str) -> Result<Url, ImportError> {
    // The URL standard drops these silently; a list that is compared with care should not.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ImportError::invalid(
            "the URL holds white space or control characters",
        ));
    }
    let url =
        Url::parse(text).map_err(|error| ImportError::invalid(format!("not a URL: {error}")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(ImportError::invalid("the URL has no host"));
    }
    // `Url` reads `http://@host/` as a URL without a user; the sign itself is refused.
    let authority = text.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#', '\\']).next().unwrap_or("")
    });
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err(ImportError::denied(
            "user information in a URL is not allowed",
        ));
    }
    Ok(url)
}

/// Connects to the host of a URL. It is looked up once; only addresses within reach are tried.
pub(super) async fn connect(url: &Url, reach: Reach) -> Result<TcpStream, ImportError> {
    let addresses = addresses(url, reach).await?;
    TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| ImportError::failed(format!("no connection: {error}")))
}

/// The addresses of a URL's host that are within reach, at least one.
async fn addresses(url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, ImportError> {
    let port = url
        .port_or_known_default()
        .ok_or_else(|| ImportError::invalid("the URL has no port"))?;
    let all: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => lookup_host((name, port))
            .await
            .map_err(|error| ImportError::failed(format!("the host was not found: {error}")))?
            .collect(),
        None => Vec::new(),
    };
    let within: Vec<SocketAddr> = all
        .into_iter()
        .filter(|address| reach.allows(address.ip()))
        .collect();
    if within.is_empty() {
        return Err(ImportError::denied(
            "the host has no address that the targets reach",
        ));
    }
    Ok(within)
}

/// A resolver for `reqwest` that gives public addresses only.
#[derive(Debug)]
pub(super) struct PublicOnly;

impl reqwest::dns::Resolve for PublicOnly {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let within: Vec<SocketAddr> = found
                .filter(|address| Reach::Public.allows(address.ip()))
                .collect();
            if within.is_empty() {
                return Err("the host has no public address".into());
            }
            Ok(Box::new(within.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yoi::failure::ErrorCode;

    #[test]
    fn urls_have_a_host_and_no_user() {
        assert!(parse_url("http://127.0.0.1:1/a?b").is_ok());
        for (text, code) in [
            ("", ErrorCode::InvalidInput),
            ("a/b", ErrorCode::InvalidInput),
            ("http://a b/", ErrorCode::InvalidInput),
            ("http://a/\tb", ErrorCode::InvalidInput),
            ("data:text/plain,x", ErrorCode::InvalidInput),
            ("file:///etc/passwd", ErrorCode::InvalidInput),
            ("http://u@a/", ErrorCode::Denied),
            ("http://u:p@a/", ErrorCode::Denied),
            ("http://@a/", ErrorCode::Denied),
        ] {
            assert_eq!(
                parse_url(text).map_err(|error| error.code),
                Err(code),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_for_a_loopback_address_is_out_of_public_reach() {
        let url = Url::parse("http://localhost:9/").expect("a URL");
        let error = addresses(&url, Reach::Public).await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::Denied);
        assert!(
            !addresses(&url, Reach::Named)
                .await
                .expect("found")
                .is_empty()
        );
        use reqwest::dns::Resolve as _;
        assert!(
            PublicOnly
                .resolve("localhost".parse().expect("a name"))
                .await
                .is_err()
        );
    }
}
