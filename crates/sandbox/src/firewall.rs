//! The host side of a link: what a Sovereign may reach of this machine, as nftables rules.
//!
//! One table per link ([`Firewall::up`], [`Firewall::down`]). Answers, DNS and TLS to the link's
//! own address pass; everything else that arrives from the link is counted and dropped, and nothing
//! is forwarded from it or to it, whatever `ip_forward` says. So the counters are an independent
//! witness of what a Sovereign tried to reach. Other tables of the machine are not touched.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::problem::{Code, Result};
use crate::process::Invocation;

/// The rules of a link could not be set, read or removed.
pub const FIREWALL: Code = Code::new(
    3165,
    "the firewall of a link could not be set",
    "The cause carries nft's own words. The sandbox needs root and nftables in the kernel; `catalyst doctor` says what is missing.",
);

/// The codes of firewalls.
pub const CODES: &[&Code] = &[&FIREWALL];

/// The `nft` program and what it needs.
#[derive(Debug, Clone)]
pub struct Nft {
    program: PathBuf,
    libraries: PathBuf,
}

impl Nft {
    /// The one in the unpacked Debian tree `root`, with its libraries.
    pub fn in_tree(root: &Path) -> Self {
        Self {
            program: root.join("usr/sbin/nft"),
            libraries: root.join("usr/lib/x86_64-linux-gnu"),
        }
    }

    /// Runs a script as one transaction: all of it or nothing takes effect.
    async fn run(&self, args: &[&str], script: &str) -> Result<String> {
        let invocation = Invocation::new(&self.program).env("LD_LIBRARY_PATH", &self.libraries);
        match invocation.args(args).stdin(script).run().await {
            Ok(output) => Ok(output.text()),
            Err(failure) => Err(FIREWALL.because(failure.to_string()).source(failure)),
        }
    }
}

/// The rules of one link.
#[derive(Debug, Clone)]
pub struct Firewall {
    nft: Nft,
    interface: String,
    address: Ipv4Addr,
}

/// Packets and bytes that met a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// The counters of a link since its rules were set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// DNS to the link's address.
    pub dns: Count,
    /// New TLS connections to the link's address.
    pub tls: Count,
    /// Dropped: addressed to this machine and not allowed.
    pub input_dropped: Count,
    /// Dropped: IPv6, which a link does not speak; its own chatter, mostly.
    pub ipv6_dropped: Count,
    /// Dropped: addressed through this machine to somewhere else, or from there.
    pub forward_dropped: Count,
}

impl Firewall {
    /// The rules for the host's end `interface` of a link, whose address is `address`.
    pub fn new(nft: Nft, interface: impl Into<String>, address: Ipv4Addr) -> Self {
        Self { nft, interface: interface.into(), address }
    }

    /// Sets the rules; the table is replaced whole, so doing it again only resets the counters. The
    /// interface need not exist yet, and should not: a link that is up without rules is open.
    ///
    /// # Errors
    /// CAT-3165 with nft's words.
    pub async fn up(&self) -> Result<()> {
        let rules = rules(&self.table(), &self.interface, self.address);
        self.nft.run(&["-f", "-"], &rules).await.map(drop)
    }

    /// Removes the rules; harmless when there are none.
    ///
    /// # Errors
    /// CAT-3165 with nft's words.
    pub async fn down(&self) -> Result<()> {
        if !self.nft.program.exists() {
            // Without the program no rule was ever set.
            return Ok(());
        }
        // Declaring the table first makes the removal of a missing one no error.
        let table = self.table();
        let script = format!("table inet {table} {{}}\ndelete table inet {table}\n");
        self.nft.run(&["-f", "-"], &script).await.map(drop)
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// CAT-3165 when the rules are not set.
    pub async fn counters(&self) -> Result<Counters> {
        let list = ["--json", "list", "counters", "table", "inet"];
        let text = self.nft.run(&[&list[..], &[&self.table()]].concat(), "").await?;
        parse_counters(&text)
            .ok_or_else(|| FIREWALL.because(format!("`{}` has other counters", self.table())))
    }

    fn table(&self) -> String {
        format!("catalyst_{}", self.interface)
    }
}

/// The rules as one script. Priority `filter` (0) is after connection tracking (-200), without which
/// `ct state` would match nothing.
fn rules(table: &str, interface: &str, address: Ipv4Addr) -> String {
    format!(
        r#"table inet {table} {{}}
delete table inet {table}
table inet {table} {{
  counter dns {{}}
  counter tls {{}}
  counter input_dropped {{}}
  counter ipv6_dropped {{}}
  counter forward_dropped {{}}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname != "{interface}" return
    meta nfproto ipv6 counter name ipv6_dropped drop
    ct state established,related accept
    ip daddr {address} udp dport 53 counter name dns accept
    ip daddr {address} tcp dport 53 counter name dns accept
    ip daddr {address} tcp dport 443 counter name tls accept
    counter name input_dropped drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{interface}" counter name forward_dropped drop
    oifname "{interface}" counter name forward_dropped drop
  }}
}}
"#
    )
}

fn parse_counters(text: &str) -> Option<Counters> {
    let list: serde_json::Value = serde_json::from_str(text).ok()?;
    let list = list.get("nftables")?.as_array()?;
    let count = |name: &str| {
        let counter = list
            .iter()
            .filter_map(|item| item.get("counter"))
            .find(|counter| counter.get("name").is_some_and(|known| known == name))?;
        let number = |field: &str| counter.get(field)?.as_u64();
        Some(Count { packets: number("packets")?, bytes: number("bytes")? })
    };
    Some(Counters {
        dns: count("dns")?,
        tls: count("tls")?,
        input_dropped: count("input_dropped")?,
        ipv6_dropped: count("ipv6_dropped")?,
        forward_dropped: count("forward_dropped")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_and_tls_of_the_links_own_address_are_accepted() {
        let rules = rules("catalyst_sv0", "sv0", Ipv4Addr::new(10, 210, 0, 1));
        let accepts: Vec<_> = rules.lines().filter(|line| line.ends_with(" accept")).collect();
        assert_eq!(accepts.len(), 4, "{rules}");
        assert!(accepts[1..].iter().all(|line| line.contains("ip daddr 10.210.0.1 ")));
        let input = rules.split_once("chain input").unwrap().1.split_once('}').unwrap().0;
        assert!(input.trim_end().ends_with("counter name input_dropped drop"), "{input}");
        assert!(rules.contains("oifname \"sv0\" counter name forward_dropped drop"));
    }

    #[test]
    fn counters_are_read_by_name() {
        let item = |name: &str, packets: u64| {
            format!(
                r#"{{"counter":{{"name":"{name}","packets":{packets},"bytes":10,"handle":1}}}}"#
            )
        };
        let text = format!(
            r#"{{"nftables":[{{"metainfo":{{}}}},{},{},{},{},{}]}}"#,
            item("tls", 2),
            item("ipv6_dropped", 9),
            item("dns", 1),
            item("forward_dropped", 4),
            item("input_dropped", 3)
        );
        let counters = parse_counters(&text).unwrap();
        assert_eq!(counters.dns.packets, 1);
        assert_eq!(counters.input_dropped, Count { packets: 3, bytes: 10 });
        assert_eq!(parse_counters(r#"{"nftables":[]}"#), None);
    }
}
