//! Ranges of addresses, and which addresses the gateway may ever connect to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use crate::id::Malformed;

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    bits: u8,
}

impl Range {
    /// Whether `address` is in the range; an IPv4 address in IPv6's clothes is the IPv4 address.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differ = u32::from(base) ^ u32::from(address);
                differ.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differ = u128::from(base) ^ u128::from(address);
                differ.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed { expected: "a range of addresses, such as 10.0.0.0/8" };
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse().map_err(|_| malformed)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| malformed)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(malformed) } else { Ok(Self { base, bits }) }
    }
}

/// Which addresses may be connected to.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Never: what this process itself listens on.
    pub own: Vec<SocketAddr>,
    /// Never, on any port: the cluster's API server.
    pub never: Vec<IpAddr>,
    /// Always, though not among `own`: an upstream on this very machine.
    pub also: Vec<SocketAddr>,
}

impl Reach {
    /// Whether `to` may be connected to, for a channel that runs in this cluster or one that does
    /// not.
    pub fn permits(&self, to: SocketAddr, in_cluster: bool) -> bool {
        let ip = to.ip().to_canonical();
        let to = SocketAddr::new(ip, to.port());
        if self.own.contains(&to) || self.never.contains(&ip) {
            return false;
        }
        if self.also.contains(&to) {
            return true;
        }
        match ip {
            IpAddr::V4(ip) if is_never_v4(ip) => false,
            IpAddr::V6(ip) if is_never_v6(ip) => false,
            IpAddr::V4(ip) => in_cluster || !is_private_v4(ip),
            IpAddr::V6(ip) => in_cluster || !ip.is_unique_local(),
        }
    }
}

/// This machine, the link (where clouds keep their metadata), groups, and what is no unicast.
fn is_never_v4(ip: Ipv4Addr) -> bool {
    let reserved = matches!(ip.octets(), [0, ..] | [192, 0, 0, _] | [240..=255, ..]);
    ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || reserved
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let shared = matches!(ip.octets(), [100, 64..=127, ..] | [198, 18 | 19, ..]);
    ip.is_private() || shared || ip.is_documentation()
}

/// The same, and what carries an IPv4 address that nobody would look at.
fn is_never_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let carries_v4 = matches!((a, b), (0x64, 0xff9b) | (0x2002, _) | (0x2001, 0)) || a == 0;
    let metadata = ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unicast_link_local()
        || carries_v4
        || metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 443)
    }

    #[test]
    fn a_channel_never_reaches_this_machine_the_link_or_the_clouds_metadata() {
        let reach = Reach::default();
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.192",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fd00:ec2::254",
        ] {
            assert!(!reach.permits(at(ip), true), "{ip}");
        }
    }

    #[test]
    fn private_addresses_are_for_channels_that_run_in_the_cluster() {
        let reach = Reach::default();
        let private =
            ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"];
        for ip in private {
            assert!(reach.permits(at(ip), true), "{ip}");
            assert!(!reach.permits(at(ip), false), "{ip}");
        }
        for ip in ["1.1.1.1", "2606:4700::1111"] {
            assert!(reach.permits(at(ip), false), "{ip}");
        }
    }

    #[test]
    fn own_listeners_and_the_api_server_stay_out_of_reach_even_when_named() {
        let own: SocketAddr = "10.0.0.5:3000".parse().unwrap();
        let near: SocketAddr = "127.0.0.1:9000".parse().unwrap();
        let reach = Reach {
            own: vec![own],
            never: vec!["10.96.0.1".parse().unwrap()],
            also: vec![own, near],
        };
        assert!(!reach.permits(own, true));
        assert!(!reach.permits(at("10.96.0.1"), true));
        assert!(reach.permits(near, false));
        assert!(!reach.permits("127.0.0.1:9001".parse().unwrap(), true));
    }

    #[test]
    fn a_range_has_what_is_in_it() {
        let has = |range: &str, ip: &str| range.parse::<Range>().unwrap().has(ip.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("10.0.0.1", "::ffff:10.0.0.1") && !has("10.0.0.1", "10.0.0.2"));
        assert!(has("0.0.0.0/0", "9.9.9.9") && !has("0.0.0.0/0", "::1"));
        assert!(has("fd00::/8", "fd12::1") && has("::/0", "fd12::1"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/x", "::/129"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }
}
