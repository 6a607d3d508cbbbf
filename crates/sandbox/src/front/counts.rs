//! What a front has done, as numbers: who was asked, who was refused. No paths, no secrets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::names;
use super::route::Refusal;

/// A reading of a front's counters, since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Per name: requests passed on and what came of them.
    pub hosts: BTreeMap<String, HostCounts>,
    /// Requests for names this front does not answer for.
    pub unknown_host: u64,
    /// Requests for paths that are not served.
    pub unknown_path: u64,
    /// Requests that would have changed something.
    pub refused_method: u64,
    /// Requests whose path was disguised.
    pub disguised: u64,
    /// Connections that ended before a request: foreign names, no TLS, a client that distrusts us.
    pub failed_handshakes: u64,
}

/// The file in the front's folder that holds its latest reading.
pub(super) const FILE: &str = "counts.json";

impl Counts {
    /// The latest reading of the front that works in `dir`.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
    }
}

/// The requests of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostCounts {
    /// Passed on and answered below 400.
    pub succeeded: u64,
    /// Passed on and answered 401: a client that first asks without credentials is normal.
    pub unauthenticated: u64,
    /// Passed on and answered 400 and above, 401 aside; or not answered at all.
    pub failed: u64,
    /// Bytes of answers.
    pub sent_bytes: u64,
}

/// Git, the console and the registries.
const HOSTS: usize = 2 + names::REGISTRIES.len();

/// The counters themselves. Nothing is decided by them, so their order does not matter.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hosts: [Host; HOSTS],
    refused: [AtomicU64; 4],
    failed_handshakes: AtomicU64,
}

#[derive(Debug, Default)]
struct Host {
    succeeded: AtomicU64,
    unauthenticated: AtomicU64,
    failed: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Counters {
    /// Counts an answer of `status` under the name `host`.
    pub(super) fn answered(&self, host: &str, status: u16) {
        let Some(host) = self.host(host) else { return };
        match status {
            401 => add(&host.unauthenticated, 1),
            status if status < 400 => add(&host.succeeded, 1),
            _ => add(&host.failed, 1),
        }
    }

    /// Counts a piece of an answer.
    pub(super) fn sent(&self, host: &str, bytes: u64) {
        if let Some(host) = self.host(host) {
            add(&host.sent_bytes, bytes);
        }
    }

    /// Counts a request that was not passed on.
    pub(super) fn refused(&self, refusal: Refusal) {
        add(&self.refused[slot(refusal)], 1);
    }

    /// Counts a connection without a request.
    pub(super) fn handshake_failed(&self) {
        add(&self.failed_handshakes, 1);
    }

    /// Reads all of them; names nobody asked for are left out.
    pub(super) fn read(&self) -> Counts {
        let hosts = names::all().into_iter().zip(&self.hosts).map(|(name, host)| {
            let counts = HostCounts {
                succeeded: get(&host.succeeded),
                unauthenticated: get(&host.unauthenticated),
                failed: get(&host.failed),
                sent_bytes: get(&host.sent_bytes),
            };
            (name.to_owned(), counts)
        });
        let refused = |refusal| get(&self.refused[slot(refusal)]);
        Counts {
            hosts: hosts.filter(|(_, counts)| *counts != HostCounts::default()).collect(),
            unknown_host: refused(Refusal::UnknownHost),
            unknown_path: refused(Refusal::UnknownPath),
            refused_method: refused(Refusal::Method),
            disguised: refused(Refusal::Disguised),
            failed_handshakes: get(&self.failed_handshakes),
        }
    }

    fn host(&self, host: &str) -> Option<&Host> {
        let host = host.strip_suffix(":443").unwrap_or(host);
        let index = names::all().iter().position(|name| name.eq_ignore_ascii_case(host))?;
        self.hosts.get(index)
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn slot(refusal: Refusal) -> usize {
    match refusal {
        Refusal::UnknownHost => 0,
        Refusal::UnknownPath => 1,
        Refusal::Method => 2,
        Refusal::Disguised => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_counter_of_its_own() {
        let counters = Counters::default();
        assert_eq!(names::all().len(), HOSTS);
        counters.answered("ghcr.io:443", 200);
        counters.answered("GHCR.io", 401);
        counters.answered("github.com", 502);
        counters.refused(Refusal::UnknownHost);
        let counts = counters.read();
        let ghcr = counts.hosts["ghcr.io"];
        assert_eq!((ghcr.succeeded, ghcr.unauthenticated, ghcr.failed), (1, 1, 0));
        assert_eq!(counts.hosts["github.com"].failed, 1);
        assert_eq!(counts.unknown_host, 1);
        assert_eq!(counts.hosts.len(), 2);
    }
}
