//! Who listens where, from the kernel's own tables.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// One bound socket of a process: a listening TCP socket, or a UDP socket without a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Who has it.
    pub pid: u32,
    /// `tcp`, `tcp6`, `udp` or `udp6`.
    pub protocol: &'static str,
    /// Where it is bound.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// The network namespace of a process, as the kernel names it.
pub fn network_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Every bound socket of one process.
pub fn listeners(pid: u32) -> Vec<Listener> {
    let own = sockets(pid);
    let mut found = Vec::new();
    // 0A is a listening TCP socket, 07 a UDP socket that is connected to nobody.
    for (protocol, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{protocol}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, local, _, seen, _, _, _, _, _, inode, ..] = words[..] else { continue };
            if seen != state || !own.contains(inode) {
                continue;
            }
            if let Some((address, port)) = parse(local) {
                found.push(Listener { pid, protocol, address, port });
            }
        }
    }
    found
}

/// The inodes of the sockets a process holds.
fn sockets(pid: u32) -> BTreeSet<String> {
    let handles = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    handles
        .filter_map(|handle| fs::read_link(handle.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

/// `0100007F:1F90`: words of four bytes in the machine's order, then the port.
fn parse(local: &str) -> Option<(IpAddr, u16)> {
    let (host, port) = local.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let address = if host.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let mut bytes = [0; 16];
        for part in 0..4 {
            bytes[part * 4..part * 4 + 4].copy_from_slice(&word(part * 8)?);
        }
        let six = Ipv6Addr::from(bytes);
        six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4)
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_seen_where_it_is_bound() {
        let here = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let gone = listeners(std::process::id()).iter().any(|one| one.port == here.port());
        assert!(!gone, "it was closed");
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let seen = listeners(std::process::id());
        let bound = |protocol: &str, at: std::net::SocketAddr| {
            let same = |one: &&Listener| (one.address, one.port) == (at.ip(), at.port());
            seen.iter().filter(same).any(|one| one.protocol == protocol)
        };
        assert!(bound("tcp", tcp.local_addr().unwrap()), "{seen:?}");
        assert!(bound("udp6", udp.local_addr().unwrap()), "{seen:?}");
    }
}
