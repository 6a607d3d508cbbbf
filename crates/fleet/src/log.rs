//! The last lines of containers that fail or hold up a release.
//!
//! A hook's log is followed while the hook runs: its Pod is deleted with its Job, and the log goes
//! with it. Entry points: [`read`], which tells whenever there is more to tell, and [`Logs`], which
//! keeps a bounded number of tails, also of Pods that are gone.

use std::time::Duration;

use catalyst_diagnosis::words::clipped;
use catalyst_diagnosis::{Key, Tail};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::{Instant, timeout, timeout_at};

use crate::cluster::{Cluster, RequestError};

/// Lines that are asked for and kept.
const LINES: usize = 20;
const LONGEST_LINE: usize = 2000;
/// A program that writes without an end of line is cut here.
const LONGEST_RAW: usize = 16 << 10;
/// Changes within this time are told together.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// A hook that is silent for longer is asked anew.
const SILENCE: Duration = Duration::from_secs(240);

/// A container whose last lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wanted {
    /// Its Pod.
    pub(crate) pod: Key,
    /// Its name.
    pub(crate) container: String,
    /// Kind and name of the workload the Pod belongs to.
    pub(crate) owner: (String, String),
    /// How it is read.
    pub(crate) reading: Reading,
    /// How often it was started again: each life has a log of its own.
    pub(crate) restarts: i64,
}

/// How a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// As it is written, to its end.
    Follow,
    /// Once, of the life that ended.
    Previous,
    /// Once, of a container that ended and was not started again.
    Now,
}

impl Wanted {
    fn path(&self) -> String {
        let Key { namespace, name } = &self.pod;
        let how = match self.reading {
            Reading::Follow => "&follow=true",
            Reading::Previous => "&previous=true",
            Reading::Now => "",
        };
        let container = &self.container;
        format!(
            "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&tailLines={LINES}{how}"
        )
    }
}

/// Reads the log to its end, calling `tell` with the last lines whenever they changed.
pub(crate) async fn read<F: Future<Output = ()>>(
    cluster: &Cluster,
    wanted: &Wanted,
    tell: impl Fn(Tail) -> F,
) {
    let mut tail = Tail { owner: wanted.owner.clone(), ..Tail::default() };
    if let Err(error) = follow(cluster, wanted, &mut tail, &tell).await {
        tracing::debug!(pod = %wanted.pod, container = wanted.container, %error, "log not read");
        if tail.lines.is_empty() {
            tail.unreadable = Some(error.to_string());
        }
    }
    tell(tail).await;
}

async fn follow<F: Future<Output = ()>>(
    cluster: &Cluster,
    wanted: &Wanted,
    tail: &mut Tail,
    tell: &impl Fn(Tail) -> F,
) -> Result<(), RequestError> {
    let mut body: Body = cluster.stream(&wanted.path()).await?;
    let mut rest = Vec::new();
    let mut tell_at: Option<Instant> = None;
    loop {
        let frame = match tell_at {
            Some(at) => match timeout_at(at, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => {
                    tell(tail.clone()).await;
                    tell_at = None;
                    continue;
                }
            },
            None => match timeout(SILENCE, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Ok(()),
            },
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| RequestError::Unreachable(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        take_lines(&mut rest, &mut tail.lines);
        tell_at.get_or_insert_with(|| Instant::now() + TELL_EVERY);
    }
    if !rest.is_empty() {
        rest.push(b'\n');
        take_lines(&mut rest, &mut tail.lines);
    }
    Ok(())
}

/// Moves whole lines from `rest` to `lines`, of which the last are kept.
fn take_lines(rest: &mut Vec<u8>, lines: &mut Vec<String>) {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        let line: String =
            line.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').collect();
        lines.push(clipped(&line, LONGEST_LINE));
    }
    if rest.len() > LONGEST_RAW {
        rest.clear();
    }
    lines.drain(..lines.len().saturating_sub(LINES));
}

/// The tails that are kept, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    tails: Vec<(Key, String, Tail)>,
}

impl Logs {
    const MOST: usize = 32;

    pub(crate) fn put(&mut self, pod: Key, container: String, tail: Tail) {
        let is_same = |known: &&mut (Key, String, Tail)| known.0 == pod && known.1 == container;
        if let Some(known) = self.tails.iter_mut().find(is_same) {
            // What was read before tells more than that it cannot be read any more.
            if !tail.lines.is_empty() || known.2.lines.is_empty() {
                known.2 = tail;
            }
            return;
        }
        if self.tails.len() == Self::MOST {
            self.tails.remove(0);
        }
        self.tails.push((pod, container, tail));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &str, &Tail)> {
        self.tails.iter().map(|(pod, container, tail)| (pod, container.as_str(), tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_whole_and_control_characters_dropped() {
        let (mut rest, mut lines) = (b"one\ntwo\x1b[0m\nthr".to_vec(), Vec::new());
        take_lines(&mut rest, &mut lines);
        assert_eq!(
            (lines.as_slice(), rest.as_slice()),
            (&["one".to_owned(), "two[0m".to_owned()][..], &b"thr"[..])
        );
        for n in 0..30 {
            rest.extend_from_slice(format!("{n}\n").as_bytes());
        }
        take_lines(&mut rest, &mut lines);
        assert_eq!((lines.len(), lines[0].as_str(), lines[19].as_str()), (20, "10", "29"));
        let mut endless = vec![b'x'; LONGEST_RAW + 1];
        take_lines(&mut endless, &mut lines);
        assert!(endless.is_empty());
    }

    #[test]
    fn the_tails_of_pods_that_are_gone_are_kept_within_a_bound() {
        let tail = |line: &str| Tail { lines: vec![line.to_owned()], ..Tail::default() };
        let mut logs = Logs::default();
        for n in 0..40 {
            logs.put(Key::new("a", format!("pod-{n}")), "c".to_owned(), tail("x"));
        }
        logs.put(Key::new("a", "pod-39"), "c".to_owned(), tail("last words"));
        logs.put(Key::new("a", "pod-39"), "c".to_owned(), Tail::default());
        assert_eq!(logs.iter().count(), Logs::MOST);
        assert_eq!(logs.iter().last().unwrap().2.lines, ["last words"]);
    }
}
