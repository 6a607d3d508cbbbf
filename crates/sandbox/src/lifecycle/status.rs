//! What there is of a Sovereign right now: the kernel's word, then the node's own.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::launch::InitProcess;
use super::{Machine, Record, group_of};
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
    pub fn status(&self, name: &NodeName) -> Result<Status> {
        let link = Record::read(&self.roots.home, name)?.link()?;
        let group = group_of(name)?;
        let init = InitProcess::find(&group);
        let layout = self.layout(name);
        // A report of a node that is gone would only mislead.
        let node = init.as_ref().and_then(|_| NodeStatus::read(&layout.status()).ok().flatten());
        let boot = init.as_ref().and_then(|_| Report::read(&layout.first_boot()).ok().flatten());
        let stage = match (&init, &node, &boot) {
            (None, ..) if Netns::of(name).exists() || link.exists() => Stage::Half,
            (None, ..) => Stage::Down,
            (Some(_), Some(node), Some(boot)) if whole(node) && boot.finished.is_some() => {
                Stage::Up
            }
            (Some(_), ..) => Stage::Starting,
        };
        Ok(Status {
            name: name.to_string(),
            index: link.index(),
            node_ip: link.node_ip(),
            stage,
            init_pid: init.map(|init| init.pid),
            processes: group.processes().len(),
            cgroups: crate::cgroup::Cgroups::detect()?.version(),
            node,
            first_boot: boot,
        })
    }

    /// Whether there is anything of this Sovereign: its folder, its namespace or a process.
    ///
    /// # Errors
    /// CAT-3210 when no control groups are mounted.
    pub fn is_there(&self, name: &NodeName) -> Result<bool> {
        let folder = self.roots.home.sovereign(name);
        let running = || Ok(!group_of(name)?.processes().is_empty());
        if folder.exists() || Netns::of(name).exists() { Ok(true) } else { running() }
    }

    /// Looks at every Sovereign recorded on this machine.
    ///
    /// # Errors
    /// Those of [`Machine::status`].
    pub fn statuses(&self) -> Result<Vec<Status>> {
        Record::names(&self.roots.home).iter().map(|name| self.status(name)).collect()
    }
}

fn whole(node: &NodeStatus) -> bool {
    let fine = |state| matches!(state, DaemonState::Ready | DaemonState::Ended);
    node.daemons.iter().all(|one| fine(one.state))
}
