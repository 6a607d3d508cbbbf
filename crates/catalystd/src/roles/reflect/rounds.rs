//! Round after round: [`repeat`] compares and writes whenever something may have changed.
//!
//! A round takes no input. An event, the timer and a failure all lead to the same one; events that
//! come close together lead to one round.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, bail};
use futures::future::{Fuse, FusedFuture, FutureExt};
use futures::stream::StreamExt;
use kube::Client;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::plan::{Key, Plan, plan};
use crate::probes::Readiness;

/// Events within this time of the first make one round.
const GATHER: Duration = Duration::from_millis(50);
/// A round is made at least this often, whatever the watches say.
const RESYNC: Duration = Duration::from_secs(300);
/// First and longest pause after a round in which a write failed.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Writes at one time: enough to hide the way to the API server, too few to be a burden.
const WRITES_AT_ONCE: usize = 4;

/// What came of a round.
struct Outcome {
    failures: usize,
    conflicts: BTreeSet<Key>,
}

/// Makes rounds until a watch ends for good; `ready` is set after the first round without a failure.
///
/// # Errors
/// When a watch ends, which only a broken client brings about.
pub(super) async fn repeat(client: Client, ready: &Readiness) -> Result<()> {
    let (cluster, mut events) = Cluster::watch(client);
    let mut whole = Box::pin(cluster.whole().fuse());
    let mut round: Fuse<Pin<Box<dyn Future<Output = Outcome>>>> = Fuse::terminated();
    let mut due: Option<Instant> = None;
    let mut retry = RETRY_FIRST;
    let mut conflicts = BTreeSet::new();
    loop {
        let may_start = due.is_some() && round.is_terminated();
        let timer = tokio::time::sleep_until(due.unwrap_or_else(Instant::now));
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(())) if whole.is_terminated() => {
                    let soon = Instant::now() + GATHER;
                    due = Some(due.map_or(soon, |at| at.min(soon)));
                }
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(error = &error as &dyn std::error::Error,
                    "a watch failed and starts again"),
                None => bail!("the watches ended"),
            },
            synced = &mut whole, if !whole.is_terminated() => {
                synced?;
                due = Some(Instant::now());
            }
            () = timer, if may_start => {
                due = None;
                round = (Box::pin(one(cluster.clone())) as Pin<Box<dyn Future<Output = _>>>).fuse();
            }
            outcome = &mut round, if !round.is_terminated() => {
                let pause = if outcome.failures == 0 {
                    ready.set(true);
                    retry = RETRY_FIRST;
                    RESYNC
                } else {
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_LONGEST);
                    pause
                };
                let at = Instant::now() + pause;
                due = Some(due.map_or(at, |earlier| earlier.min(at)));
                report(&conflicts, &outcome.conflicts);
                conflicts = outcome.conflicts;
            }
        }
    }
}

/// One round: looks, decides, writes.
async fn one(cluster: Cluster) -> Outcome {
    let view = cluster.view();
    let Plan { actions, conflicts } = plan(&view.sources, &view.namespaces, &view.existing);
    let failures = futures::stream::iter(actions)
        .map(|action| {
            let cluster = &cluster;
            async move {
                match cluster.carry_out(&action).await {
                    Ok(()) => 0,
                    Err(error) => {
                        tracing::warn!("{error:#}");
                        1
                    }
                }
            }
        })
        .buffer_unordered(WRITES_AT_ONCE)
        .fold(0, |sum, failed| async move { sum + failed })
        .await;
    Outcome { failures, conflicts }
}

/// Says once that a place is taken, and once that it is free again.
fn report(before: &BTreeSet<Key>, now: &BTreeSet<Key>) {
    for target in now.difference(before) {
        tracing::warn!(%target, "a copy is wanted here, but the object belongs to somebody else");
    }
    for target in before.difference(now) {
        tracing::info!(%target, "the place of a copy is no longer taken");
    }
}
