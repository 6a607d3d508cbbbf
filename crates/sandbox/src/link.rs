//! The link of one Sovereign: a veth pair, its addresses, and the host's rules for it.
//!
//! Entry point: [`Link`]. Everything a Sovereign takes from outside crosses this one wire. The host
//! end accepts answers, DNS and TLS to its own address and counts and drops the rest, and it
//! forwards nothing: that counter is an independent witness of what a Sovereign tried to reach.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::firewall::{Firewall, Nft};
use crate::netns::Netns;
use crate::problem::{Code, Result};
use crate::process::Invocation;

/// A link's number is not in its range, or its subnet or name is taken by something else.
pub const TAKEN: Code = Code::new(
    3231,
    "the Sovereign's subnet is taken",
    "Choose another number with `--index`, or another base with `--network-prefix`.",
);
/// The base of the links' addresses cannot be used.
pub const PREFIX: Code = Code::new(
    3232,
    "the network prefix cannot be used",
    "Give the first three numbers of a private IPv4 network, as in `10.210.0`.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&TAKEN, &PREFIX];

/// How many Sovereigns can stand side by side.
pub const LINKS: u8 = 16;
/// The base of the links' addresses unless another is given.
pub const DEFAULT_PREFIX: &str = "10.210.0";

/// One veth pair and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    index: u8,
    base: [u8; 3],
}

impl Link {
    /// Link number `index` (0 to 15) over the base `prefix`, `a.b.c`: its subnet is
    /// `a.(b+index).c.0/24`.
    ///
    /// # Errors
    /// CAT-3231 for a number out of range, CAT-3232 for a base that is no private network or
    /// overflows.
    pub fn new(prefix: &str, index: u8) -> Result<Self> {
        if index >= LINKS {
            return Err(TAKEN.because(format!("there is no link number {index}: 0 to 15")));
        }
        let refused = |why: &str| PREFIX.because(format!("`{}` {why}", prefix.escape_default()));
        let numbers: Vec<u8> = prefix.split('.').map_while(|part| part.parse().ok()).collect();
        let (3, Ok(mut base)) = (prefix.split('.').count(), <[u8; 3]>::try_from(numbers)) else {
            return Err(refused("is not three numbers"));
        };
        base[1] = base[1].checked_add(index).ok_or_else(|| refused("leaves no room"))?;
        if !Ipv4Addr::new(base[0], base[1], base[2], 1).is_private() {
            return Err(refused("is not a private network"));
        }
        Ok(Self { index, base })
    }

    /// Its number.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// The host's end: `sv<n>` over the usual base; over another the network's three numbers in
    /// hexadecimal, for the name must be the only one on this machine.
    pub fn interface(&self) -> String {
        let [a, b, c] = self.base;
        match Self::new(DEFAULT_PREFIX, self.index) {
            Ok(usual) if usual.base == self.base => format!("sv{}", self.index),
            _ => format!("sv{a:02x}{b:02x}{c:02x}"),
        }
    }

    /// Its network's first three numbers; the network is a /24.
    pub fn network(&self) -> [u8; 3] {
        self.base
    }

    /// The host's address, where DNS and the TLS front answer.
    pub fn host_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.base[0], self.base[1], self.base[2], 1)
    }

    /// The node's address.
    pub fn node_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.base[0], self.base[1], self.base[2], 2)
    }

    /// Whether the host's end is there.
    pub fn exists(&self) -> bool {
        Path::new("/sys/class/net").join(self.interface()).exists()
    }

    /// Makes the pair, its addresses and the rules; harmless when all is there.
    ///
    /// # Errors
    /// CAT-3231 when the subnet is in use by another interface, CAT-3002 when a command fails.
    pub async fn create(&self, netns: &Netns, nft: &Nft) -> Result<()> {
        self.refuse_taken().await?;
        let (outer, host, node) = (self.interface(), self.host_ip(), self.node_ip());
        let path = netns.path().to_string_lossy().into_owned();
        let inner = async |args: &[&str]| netns.command("ip").args(args).run().await;
        if !self.exists() || inner(&["link", "show", "eth0"]).await.is_err() {
            self.remove_pair().await?;
            let pair = ["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns"];
            ip(&[&pair[..], &[path.as_str()]].concat()).await?;
        }
        // The rules first: a link that is up without them is open for a moment.
        self.firewall(nft).up().await?;
        ip(&["addr", "replace", &format!("{host}/24"), "dev", &outer]).await?;
        ip(&["link", "set", &outer, "up"]).await?;
        inner(&["addr", "replace", &format!("{node}/24"), "dev", "eth0"]).await?;
        inner(&["link", "set", "lo", "up"]).await?;
        inner(&["link", "set", "eth0", "up"]).await?;
        // Services have no route of their own, and what leaves is to be seen and dropped outside.
        inner(&["route", "replace", "default", "via", &host.to_string()]).await?;
        Ok(())
    }

    /// Removes the pair and the rules; harmless when they are not there.
    ///
    /// # Errors
    /// CAT-3002 when a command fails.
    pub async fn remove(&self, nft: &Nft) -> Result<()> {
        self.remove_pair().await?;
        self.firewall(nft).down().await
    }

    async fn remove_pair(&self) -> Result<()> {
        if self.exists() {
            ip(&["link", "del", &self.interface()]).await?;
        }
        Ok(())
    }

    async fn refuse_taken(&self) -> Result<()> {
        let mine = self.interface();
        let listed = ip(&["-4", "-o", "addr", "show"]).await?;
        let [a, b, c] = self.base;
        let subnet = format!("{a}.{b}.{c}.");
        for line in listed.lines() {
            let mut words = line.split_whitespace().skip(1);
            let (Some(device), Some("inet"), Some(address)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if device != mine && address.starts_with(&subnet) {
                let cause = format!("interface `{device}` has the address {address}");
                return Err(TAKEN.because(cause));
            }
        }
        Ok(())
    }

    /// What the Sovereign may reach of this machine.
    pub fn firewall(&self, nft: &Nft) -> Firewall {
        Firewall::new(nft.clone(), self.interface(), self.host_ip())
    }
}

async fn ip(args: &[&str]) -> Result<String> {
    Ok(Invocation::new("ip").args(args).run().await?.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_own_subnet_and_names() {
        let link = Link::new(DEFAULT_PREFIX, 3).unwrap();
        assert_eq!(link.host_ip(), Ipv4Addr::new(10, 213, 0, 1));
        assert_eq!(link.node_ip(), Ipv4Addr::new(10, 213, 0, 2));
        assert_eq!(link.interface(), "sv3");
        let other = Link::new("10.226.0", 3).unwrap();
        assert_eq!(other.interface(), "sv0ae500");
        assert_eq!(Link::new("192.168.255", 0).unwrap().interface(), "svc0a8ff");
        assert_eq!(Link::new("10.213.0", 0).unwrap().interface(), "sv0ad500", "not sv0");
    }

    #[test]
    fn a_number_or_base_out_of_range_is_refused() {
        assert_eq!(Link::new(DEFAULT_PREFIX, 16).unwrap_err().code().number, 3231);
        for bad in ["", "10.210", "10.210.0.0", "10.250.0", "8.8.8", "10.x.0", "10.210.256"] {
            let refused = Link::new(bad, 15);
            assert_eq!(refused.unwrap_err().code().number, 3232, "{bad}");
        }
    }
}
