//! Says line by line what this machine lacks for a local Sovereign, and how to get it.
//!
//! [`gather`] looks at the machine and changes nothing, [`examine`] judges what it saw: a pure
//! function, so that every line is tested without the machine that would show it.
//! [`first_problem`] is what `up` asks before it begins.

mod facts;
mod rules;

use crate::problem::{Code, Problem};

pub use facts::{Cgroups, Facts, Interface, PortState, Question, Release, Wire, gather};
pub use rules::examine;

/// Sandboxes are made of Linux namespaces.
pub const WRONG_SYSTEM: Code = Code::new(
    3010,
    "this system cannot hold a local Sovereign",
    "Use Debian 12 (bookworm) on x86-64, also as a virtual machine or a privileged container.",
);
/// Namespaces, mounts and links need root.
pub const NOT_ROOT: Code = Code::new(
    3011,
    "root is needed",
    "Run the command with sudo. Namespaces, mounts and network links cannot be made otherwise.",
);
/// A program of the machine is missing.
pub const COMMAND_MISSING: Code =
    Code::new(3012, "a command is missing", "Install the package that the line names.");
/// The kernel lacks something.
pub const KERNEL: Code = Code::new(
    3013,
    "the kernel lacks a feature",
    "Load the module that the line names, or use a kernel that has it.",
);
/// Somebody listens where we must.
pub const PORT_TAKEN: Code = Code::new(
    3014,
    "a port is taken",
    "End the program that listens there (`ss -ltnp` names it), or choose another port.",
);
/// Somebody uses the link's addresses.
pub const SUBNET_TAKEN: Code = Code::new(
    3015,
    "the link's subnet is taken",
    "Choose another index or base network for the Sovereign.",
);
/// The disk is too full.
pub const DISK_FULL: Code = Code::new(
    3016,
    "not enough free disk space",
    "Free some space, or put cache and state on a larger disk with CATALYST_CACHE and CATALYST_HOME.",
);
/// Memory is too small.
pub const MEMORY: Code = Code::new(
    3017,
    "not enough free memory",
    "End other programs, or give the machine more memory.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[
    &WRONG_SYSTEM,
    &NOT_ROOT,
    &COMMAND_MISSING,
    &KERNEL,
    &PORT_TAKEN,
    &SUBNET_TAKEN,
    &DISK_FULL,
    &MEMORY,
];

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Fine,
    /// It works, with less.
    Warning,
    /// It does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was looked at, in a word or two.
    pub subject: String,
    /// How it is.
    pub level: Level,
    /// What was seen.
    pub says: String,
    /// What to do about it; empty when there is nothing to do.
    pub remedy: String,
    /// The code of the problem it would be.
    pub code: Option<&'static Code>,
}

/// The first line that stands in the way, as a problem.
pub fn first_problem(lines: &[Line]) -> Option<Problem> {
    let line = lines.iter().find(|line| line.level == Level::Missing)?;
    let code = line.code?;
    let cause = format!("{}: {}", line.subject, line.says);
    Some(code.because(cause).fix(line.remedy.clone()))
}
