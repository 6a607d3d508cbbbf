//! Says whether an address is free to listen on, and if not, who holds it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::problem::{Code, Result};

/// Another process listens where one of ours must.
pub const TAKEN: Code = Code::new(
    3140,
    "a port is taken",
    "End the process that holds the port, or choose another port with the setting the problem names.",
);

/// Who listens on an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel keeps it (15 characters).
    pub name: String,
}

/// Checks that `address` can be bound; `setting` is what a person changes if it cannot.
///
/// # Errors
/// CAT-3140 naming the port, its holder and the setting.
pub fn check_free(address: SocketAddr, setting: &str) -> Result<()> {
    let Err(error) = TcpListener::bind(address) else { return Ok(()) };
    let cause = match (error.kind(), holder(address)) {
        (std::io::ErrorKind::AddrInUse, Some(holder)) => {
            format!("`{address}` is held by `{}` (pid {})", holder.name, holder.pid)
        }
        (std::io::ErrorKind::AddrInUse, None) => format!("`{address}` is held by another process"),
        (std::io::ErrorKind::AddrNotAvailable, _) => {
            format!("`{}` is an address of no link of this machine", address.ip())
        }
        _ => format!("cannot listen on `{address}`: {error}"),
    };
    Err(TAKEN.because(cause).fix(format!("End that process, or set {setting}.")).source(error))
}

/// The process that listens where a bind to `address` would fail; `None` when it cannot be seen.
pub fn holder(address: SocketAddr) -> Option<Holder> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| listener(&table, address))?;
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(handles) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = handles
            .flatten()
            .filter_map(|handle| fs::read_link(handle.path()).ok())
            .any(|target| target.to_str() == Some(&wanted));
        if holds {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(Holder { pid, name: name.trim().to_owned() });
        }
    }
    None
}

/// The socket inode of the listener in a `/proc/net/tcp*` table that stands in the way.
fn listener(table: &str, address: SocketAddr) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (host, port) = local.rsplit_once(':')?;
        let same_port = u16::from_str_radix(port, 16).ok()? == address.port();
        let in_the_way =
            parse_host(host).is_some_and(|ip| ip.is_unspecified() || ip == address.ip());
        // 0A is the kernel's number for a listening socket.
        (*state == "0A" && same_port && in_the_way).then(|| inode.parse().ok()).flatten()
    })
}

/// An address of `/proc/net/tcp*`: words of four bytes in the machine's order, in hexadecimal.
fn parse_host(hex: &str) -> Option<IpAddr> {
    let bytes = hex::decode(hex).ok()?;
    let bytes: Vec<u8> = bytes
        .chunks_exact(4)
        .flat_map(|word| {
            let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
            word.to_ne_bytes()
        })
        .collect();
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let six = std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
    Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_reported_with_its_holder_and_the_setting() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let problem = check_free(address, "`--gitea-port`").unwrap_err();
        assert_eq!(problem.code().number, 3140);
        let pid = format!("pid {}", std::process::id());
        assert!(problem.cause().contains(&pid), "{problem}");
        assert!(problem.remedy().contains("--gitea-port"));
        drop(listener);
        check_free(address, "x").unwrap();
    }

    #[test]
    fn a_listener_on_every_address_stands_in_the_way_too() {
        let table = "  sl  local_address rem_address   st tx rx tr tm retr uid timeout inode\n\
   0: 00000000:1BAA 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n\
   1: 0100007F:1BAB 00000000:0000 01 0:0 0:0 0 0 0 78 1\n";
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        assert_eq!(listener(table, at(7082)), Some(77));
        assert_eq!(listener(table, at(7083)), None);
    }

    #[test]
    fn an_address_of_no_link_is_told_from_a_taken_one() {
        let address = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 7));
        assert!(check_free(address, "x").unwrap_err().cause().contains("no link"));
    }
}
