//! What there is of a Sovereign right now: the kernel's word, then the node's own.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::launch::InitProcess;
use super::{Machine, Record, group_of};
use crate::firewall::Counters;
use crate::first_boot::progress::Report;
use crate::init::status::{DaemonState, NodeStatus};
use crate::netns::Netns;
use crate::paths::NodeName;
use crate::problem::Result;

/// How far a Sovereign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// No process, no link.
    Down,
    /// Its link is there, its PID 1 is not.
    Half,
    /// Its PID 1 runs, and not yet every daemon or step.
    Starting,
    /// Every daemon is ready and the first boot is done.
    Up,
}

/// One Sovereign, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The link's number.
    pub index: u8,
    /// The host's end of the link.
    pub link: String,
    /// The host's address on the link.
    pub host_ip: Ipv4Addr,
    /// The node's address.
    pub node_ip: Ipv4Addr,
    /// How far it is.
    pub stage: Stage,
    /// The pid of its PID 1 on the host.
    pub init_pid: Option<u32>,
    /// How many processes it has, Pods' included.
    pub processes: usize,
    /// The version of control groups in use.
    pub cgroups: &'static str,
    /// What the link's firewall let through and dropped since the link was made; absent without a
    /// link, or where nobody but root may ask.
    pub firewall: Option<Counters>,
    /// Its daemons.
    pub node: Option<NodeStatus>,
    /// Its first boot.
    pub first_boot: Option<Report>,
}

impl Machine {
    /// Looks at one Sovereign.
    ///
    /// # Errors
    /// CAT-3205 when there is none.
    pub async fn status(&self, name: &NodeName) -> Result<Status> {
        let link = Record::read(&self.roots.home, name)?.link()?;
        let layout = self.layout(name);
        let group = group_of(&layout)?;
        let init = InitProcess::find(&group);
        // A report of a node that is gone would only mislead.
        let node = init.as_ref().and_then(|_| NodeStatus::read(&layout.status()).ok().flatten());
        let boot = init.as_ref().and_then(|_| Report::read(&layout.first_boot()).ok().flatten());
        let stage = match (&init, &node, &boot) {
            (None, ..) if Netns::of(&layout).exists() || link.exists() => Stage::Half,
            (None, ..) => Stage::Down,
            (Some(_), Some(node), Some(boot)) if whole(node) && boot.finished.is_some() => {
                Stage::Up
            }
            (Some(_), ..) => Stage::Starting,
        };
        let firewall = match link.exists() {
            true => link.firewall(&self.nft()).counters().await.ok(),
            false => None,
        };
        Ok(Status {
            name: name.to_string(),
            index: link.index(),
            link: link.interface(),
            host_ip: link.host_ip(),
            node_ip: link.node_ip(),
            stage,
            init_pid: init.map(|init| init.pid),
            processes: group.processes().len(),
            cgroups: crate::cgroup::Cgroups::detect()?.version(),
            firewall,
            node,
            first_boot: boot,
        })
    }

    /// Whether there is anything of this Sovereign: its folder, its namespace or a process.
    ///
    /// # Errors
    /// CAT-3210 when no control groups are mounted.
    pub fn is_there(&self, name: &NodeName) -> Result<bool> {
        let layout = self.layout(name);
        let running = || Ok(!group_of(&layout)?.processes().is_empty());
        let made = layout.root().exists() || Netns::of(&layout).exists();
        if made { Ok(true) } else { running() }
    }

    /// Looks at every Sovereign recorded on this machine.
    ///
    /// # Errors
    /// Those of [`Machine::status`].
    pub async fn statuses(&self) -> Result<Vec<Status>> {
        let mut all = Vec::new();
        for name in Record::names(&self.roots.home) {
            all.push(self.status(&name).await?);
        }
        Ok(all)
    }

    /// Whether its PID 1 runs.
    ///
    /// # Errors
    /// CAT-3210 when no control groups are mounted.
    pub fn runs(&self, name: &NodeName) -> Result<bool> {
        Ok(InitProcess::find(&group_of(&self.layout(name))?).is_some())
    }
}

fn whole(node: &NodeStatus) -> bool {
    let fine = |state| matches!(state, DaemonState::Ready | DaemonState::Ended);
    node.daemons.iter().all(|one| fine(one.state))
}
