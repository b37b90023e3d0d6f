//! Names become addresses once, here: what is checked is what is dialled. A name leads to public addresses only,
//! `localhost` to this machine only; who wants another private address lists the address itself.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The resolver of the system, with a check behind it.
#[derive(Debug)]
pub(super) struct Guarded;

/// A name that leads where it must not.
#[derive(Debug, thiserror::Error)]
#[error("the name `{0}` leads to an address that only a granted address may reach")]
pub(super) struct Forbidden(String);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let addresses = found.iter().map(SocketAddr::ip);
            match check(name.as_str(), addresses) {
                Ok(()) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(error) => Err(Box::new(error) as Box<dyn Error + Send + Sync>),
            }
        })
    }
}

/// One address that is forbidden is enough: a name with both kinds is an attack.
fn check(name: &str, addresses: impl Iterator<Item = IpAddr>) -> Result<(), Forbidden> {
    let name_of_here = name == "localhost" || name.ends_with(".localhost");
    for address in addresses {
        let address = address.to_canonical();
        let good = match name_of_here {
            true => address.is_loopback(),
            false => is_public(address),
        };
        if !good {
            return Err(Forbidden(name.to_owned()));
        }
    }
    Ok(())
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let special =
        a == 0 || a >= 240 || (a, b, c) == (192, 0, 0) || a == 198 && (b == 18 || b == 19);
    !(shared
        || special
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Ways to IPv4: 6to4, and NAT64.
        [0x2002, high, low, ..] => inner(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        // Documentation.
        [0x2001, 0xdb8, ..] => false,
        // Everything that is assigned for global use.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(name: &str, addresses: &[&str]) -> bool {
        let addresses = addresses
            .iter()
            .map(|text| text.parse().expect("an address"));
        check(name, addresses).is_ok()
    }

    #[test]
    fn a_name_leads_to_public_addresses() {
        assert!(good("a.example", &["93.184.216.34", "2606:2800::1"]));
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!good("a.example", &[address]), "{address}");
            assert!(!good("a.example", &["93.184.216.34", address]), "{address}");
        }
    }

    #[test]
    fn localhost_is_here() {
        assert!(good("localhost", &["127.0.0.1", "::1"]));
        assert!(!good("localhost", &["93.184.216.34"]));
    }
}
