//! The DNS of a link: one zone that is the whole world, so that nothing is ever asked elsewhere.
//!
//! A root zone of our own, rather than a hosts table, because it can say no: an unknown name is
//! NXDOMAIN at once and may be remembered, where a hosts table could only fail.

use std::net::Ipv4Addr;

use super::names;

/// CoreDNS' settings: the zone, on the link's address alone.
pub(super) fn corefile(address: Ipv4Addr) -> String {
    format!(
        ".:53 {{\n    bind {address}\n    errors\n    file /mnt/dns/zone . {{\n        reload 0\n    }}\n}}\n"
    )
}

/// Every name at the link's own address; all else does not exist.
pub(super) fn zone(address: Ipv4Addr) -> String {
    // Five seconds: a Sovereign that moves to another link finds it soon.
    let mut zone = String::from(
        "$ORIGIN .\n$TTL 5\n@ IN SOA outside.invalid. hostmaster.invalid. 1 3600 600 86400 5\n@ IN NS outside.invalid.\n",
    );
    for name in names::all() {
        zone.push_str(&format!("{name}. IN A {address}\n"));
    }
    zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_zone_and_nothing_is_forwarded() {
        let address = Ipv4Addr::new(10, 210, 0, 1);
        let zone = zone(address);
        for name in names::all() {
            assert!(zone.contains(&format!("\n{name}. IN A 10.210.0.1\n")), "{name}");
        }
        let corefile = corefile(address);
        assert!(corefile.contains("bind 10.210.0.1\n"));
        assert!(!corefile.contains("forward") && !corefile.contains("template"));
    }
}
