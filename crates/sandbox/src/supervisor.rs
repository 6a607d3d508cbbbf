//! Long-lived helpers of the host: a detached supervisor per role that keeps its children running.
//!
//! Entry points: [`Supervisor::up`], [`Supervisor::down`] and [`Supervisor::status`] for the one who
//! commands, [`daemon::run`] for the supervisor process itself. A role's processes are known by
//! their control group `catalyst/<role>-…` and by pid and start time, never by name; so `down` finds
//! them all, whatever was killed before. Nothing here knows what a child is for.

mod confine;
pub mod daemon;
mod group;
mod host;
pub mod ports;
mod process;
mod spec;
mod status;

pub use confine::{Bind, Confine, Confined, enter};
pub use group::Group;
pub use host::{Patience, Supervisor};
pub use process::Process;
pub use spec::{Child, Launcher, Ready, Role, Spec};
pub use status::{ChildStatus, Phase, Status};

use crate::problem::Code;

/// The supervisor could not be started or did not take its children over.
pub const START: Code = Code::new(
    3141,
    "a background supervisor did not start",
    "The cause names its log. Run the command again; if it fails again, `down` and then `up`.",
);
/// A child of a supervisor does not come up.
pub const CHILD: Code = Code::new(
    3142,
    "a background process does not become ready",
    "The cause carries its last words and names its log file.",
);
/// Processes of a role could not be ended, or their control group could not be removed.
pub const STOP: Code = Code::new(
    3143,
    "background processes could not be ended",
    "Run `down` again. A process in uninterruptible sleep ends when the disk answers.",
);
/// A control group could not be made or entered.
pub const GROUP: Code = Code::new(
    3144,
    "a control group could not be used",
    "The sandbox needs root and a writable /sys/fs/cgroup. `catalyst doctor` says which kind is in use.",
);
/// A child could not be put into its own mount namespace and user.
pub const CONFINE: Code = Code::new(
    3145,
    "a process could not be confined",
    "The sandbox needs root, mount namespaces, and `unshare` and `setpriv` of util-linux.",
);

/// The codes of supervisors.
pub const CODES: &[&Code] = &[&ports::TAKEN, &START, &CHILD, &STOP, &GROUP, &CONFINE];
