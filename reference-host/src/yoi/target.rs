//! Where a plugin may go on the network: targets of a manifest and of a grant, and how a parsed URL fits them.

use std::net::IpAddr;

use url::{Host, Url};

/// Where `request` may go. An empty list of methods or prefixes is no restriction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTarget {
    /// Where, by which scheme (`http`, `https`).
    pub place: Place,
    /// Methods, compared without regard to case.
    pub methods: Vec<String>,
}

/// Where `websocket`, and the host on behalf of an ingress, may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketTarget {
    /// Where, by which scheme (`ws`, `wss`).
    pub place: Place,
}

/// Scheme, host, port and paths of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A scheme, or `*`.
    pub scheme: String,
    /// A name or an address, compared without regard to case, a last dot or brackets; never a name's subdomains. `*` is
    /// any host with a public address: loopback and private networks are only reached by targets that name them.
    pub host: String,
    /// The port, the scheme's default counted as given; `None` is any.
    pub port: Option<u16>,
    /// Plain text that the path starts with: `/v1` fits `/v1x` too. Compared after the URL was parsed, that is without
    /// dot segments. Empty: any path.
    pub path_prefixes: Vec<String>,
}

/// How well a URL fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Through a `*`: public addresses only.
    Public,
    /// The target names the host.
    Named,
}

impl Reach {
    /// Whether an address may be connected to.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        self == Self::Named || is_public(address)
    }
}

impl RequestTarget {
    pub(super) fn reach(&self, url: &Url, method: &str) -> Option<Reach> {
        let fits = self.methods.is_empty()
            || self
                .methods
                .iter()
                .any(|known| known.eq_ignore_ascii_case(method));
        if fits { self.place.reach(url) } else { None }
    }
}

impl Place {
    /// How a URL with a host fits, if it does.
    pub(super) fn reach(&self, url: &Url) -> Option<Reach> {
        if self.scheme != "*" && !self.scheme.eq_ignore_ascii_case(url.scheme()) {
            return None;
        }
        if self
            .port
            .is_some_and(|port| url.port_or_known_default() != Some(port))
        {
            return None;
        }
        let path = url.path();
        if !self.path_prefixes.is_empty()
            && !self
                .path_prefixes
                .iter()
                .any(|prefix| path.starts_with(prefix.as_str()))
        {
            return None;
        }
        if self.host == "*" {
            return match url.host()? {
                Host::Ipv4(address) if !is_public(address.into()) => None,
                Host::Ipv6(address) if !is_public(address.into()) => None,
                _ => Some(Reach::Public),
            };
        }
        (bare(&self.host) == bare(url.host_str()?)).then_some(Reach::Named)
    }
}

/// The best fit of several.
pub(super) fn best(reaches: impl Iterator<Item = Option<Reach>>) -> Option<Reach> {
    reaches.flatten().max()
}

fn bare(host: &str) -> String {
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whether an address belongs to no private, local or special network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(a == 0
                || shared
                || a >= 240
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast())
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(v4.into()),
            None => {
                !(v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scheme: &str, host: &str, port: Option<u16>, prefixes: &[&str]) -> Place {
        Place {
            scheme: scheme.into(),
            host: host.into(),
            port,
            path_prefixes: prefixes.iter().map(|&prefix| prefix.into()).collect(),
        }
    }

    fn reach(place: &Place, url: &str) -> Option<Reach> {
        place.reach(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn every_part_must_fit() {
        let target = place("https", "Api.Example.", Some(443), &["/v1", "/v2/"]);
        for url in [
            "https://api.example/v1",
            "https://API.EXAMPLE:443/v1x?q",
            "https://api.example./v2/a",
        ] {
            assert_eq!(reach(&target, url), Some(Reach::Named), "{url}");
        }
        for url in [
            "http://api.example:443/v1",
            "https://api.example:444/v1",
            "https://a.api.example/v1",
            "https://api.example.org/v1",
            "https://api.example/v2",
            "https://api.example/v1/../admin",
            "https://api.example/v1/%2e%2e/admin",
        ] {
            assert_eq!(reach(&target, url), None, "{url}");
        }
        assert_eq!(
            reach(&place("*", "::1", None, &[]), "ws://[::1]:9/"),
            Some(Reach::Named)
        );
    }

    #[test]
    fn a_star_never_reaches_inside() {
        let any = place("*", "*", None, &[]);
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://10.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/",
        ] {
            assert_eq!(reach(&any, url), None, "{url}");
        }
        assert_eq!(reach(&any, "https://example.com/"), Some(Reach::Public));
        assert!(!Reach::Public.allows([127, 0, 0, 1].into()));
        assert!(Reach::Public.allows([93, 184, 216, 34].into()));
        assert!(Reach::Named.allows([127, 0, 0, 1].into()));
    }

    #[test]
    fn methods_restrict_when_there_are_some() {
        let mut target = RequestTarget {
            place: place("http", "a", None, &[]),
            methods: vec!["get".into()],
        };
        let url = Url::parse("http://a/").expect("a URL");
        assert_eq!(target.reach(&url, "GET"), Some(Reach::Named));
        assert_eq!(target.reach(&url, "POST"), None);
        target.methods.clear();
        assert_eq!(target.reach(&url, "POST"), Some(Reach::Named));
    }
}
