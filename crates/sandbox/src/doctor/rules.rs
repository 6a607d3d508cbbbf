//! Judges what was seen: one function per line.

use std::net::Ipv4Addr;

use super::facts::{Cgroups, Facts, Interface, PortState, Wire};
use super::{
    COMMAND_MISSING, DISK_FULL, KERNEL, Level, Line, MEMORY, NOT_ROOT, PORT_TAKEN, SUBNET_TAKEN,
    WRONG_SYSTEM,
};
use crate::problem::Code;

const GIB: u64 = 1 << 30;
/// One Sovereign with the sandbox kit, its data and its images.
const SOVEREIGN_BYTES: u64 = 4 * GIB;
/// One Sovereign with the sandbox kit took 2.5 GiB; below this the kernel kills something.
const LEAST_MEMORY_BYTES: u64 = 3 * GIB;
/// Room for builds and a second Sovereign.
const GOOD_MEMORY_BYTES: u64 = 6 * GIB;

/// Whether a command is needed.
enum Need {
    /// Nothing works without it.
    Always,
    /// It is missed when tools are built.
    ToBuild,
    /// It is missed in one place.
    Sometimes,
}

/// Command, Debian package, need, what for.
const COMMANDS: &[(&str, &str, Need, &str)] = &[
    ("ip", "iproute2", Need::Always, "links and network namespaces"),
    ("nsenter", "util-linux", Need::Always, "entering a Sovereign's namespaces"),
    ("unshare", "util-linux", Need::Always, "making them"),
    ("mount", "mount", Need::Always, "mounts inside a Sovereign"),
    ("git", "git", Need::Always, "giving the kit to the outside's Gitea"),
    ("apt-get", "apt", Need::Always, "downloading Debian packages"),
    ("apt-cache", "apt", Need::Always, "finding their versions"),
    ("dpkg-deb", "dpkg", Need::Always, "unpacking them"),
    ("go", "golang", Need::Always, "building the pinned tools, and knowing them again"),
    ("gcc", "gcc libc6-dev", Need::ToBuild, "building Gitea with SQLite"),
    ("cargo", "rustup", Need::Sometimes, "building Catalyst from its checkout"),
    ("node", "nodejs", Need::Sometimes, "building the console from its checkout"),
    ("npm", "npm", Need::Sometimes, "building the console from its checkout"),
    ("strip", "binutils", Need::Sometimes, "smaller images"),
    ("tar", "tar", Need::Sometimes, "the tests of the images"),
    ("chromium", "chromium", Need::Sometimes, "the console's tests in a real browser"),
];

/// Feature, what it is for, how to get it.
const FEATURES: &[(&str, &str, &str)] = &[
    ("netns", "a Sovereign's own network", "allow the process CAP_SYS_ADMIN and CAP_NET_ADMIN"),
    ("veth", "the link between host and Sovereign", "modprobe veth"),
    ("bridge", "the Pods' network", "modprobe bridge"),
    ("overlay", "the containers' files", "modprobe overlay"),
    ("br_netfilter", "Services between Pods of one node", "modprobe br_netfilter"),
    ("nftables", "the firewall of the link", "modprobe nf_tables"),
];

/// Every line, in the order a person mends things.
pub fn examine(facts: &Facts) -> Vec<Line> {
    let mut lines = vec![system(facts), release(facts), root(facts)];
    lines.extend(
        COMMANDS.iter().map(|(name, package, need, why)| command(facts, name, package, need, why)),
    );
    lines.extend(FEATURES.iter().map(|(name, why, how)| feature(facts, name, why, how)));
    lines.push(cgroups(facts));
    lines.push(cache_disk(facts));
    lines.push(home_disk(facts));
    lines.push(memory(facts));
    lines.extend(facts.ports.iter().map(|(port, what, state)| port_line(*port, what, state)));
    lines.extend(facts.question.links.iter().map(|wire| subnet(facts, wire)));
    lines.push(forwarding(facts));
    lines
}

fn fine(subject: &str, says: impl Into<String>) -> Line {
    let says = says.into();
    Line { subject: subject.into(), level: Level::Fine, says, remedy: String::new(), code: None }
}

fn warning(subject: &str, says: impl Into<String>, remedy: impl Into<String>) -> Line {
    Line { level: Level::Warning, remedy: remedy.into(), ..fine(subject, says) }
}

fn missing(
    code: &'static Code,
    subject: &str,
    says: impl Into<String>,
    remedy: impl Into<String>,
) -> Line {
    let remedy = remedy.into();
    Line { level: Level::Missing, remedy, code: Some(code), ..fine(subject, says) }
}

fn system(facts: &Facts) -> Line {
    let says = format!("{} on {}", facts.system, facts.architecture);
    if facts.system == "linux" && facts.architecture == "x86_64" {
        return fine("system", says);
    }
    missing(&WRONG_SYSTEM, "system", says, "use a Linux machine or virtual machine on x86_64")
}

fn release(facts: &Facts) -> Line {
    let says = format!("{} {}", facts.release.id, facts.release.version);
    match (facts.release.id.as_str(), facts.release.version.as_str()) {
        ("debian", "12") => fine("distribution", says),
        _ => missing(
            &WRONG_SYSTEM,
            "distribution",
            format!("`{}` is not Debian 12", says.trim()),
            "the locked packages are those of Debian 12 (bookworm): use it, also as a virtual machine",
        ),
    }
}

fn root(facts: &Facts) -> Line {
    if facts.is_root {
        return fine("root", "yes");
    }
    missing(&NOT_ROOT, "root", "this is not root", "run it with sudo")
}

fn command(facts: &Facts, name: &str, package: &str, need: &Need, why: &str) -> Line {
    if facts.commands.contains(name) {
        return match (&facts.go, name) {
            (Some(version), "go") => fine(name, version.clone()),
            (None, "go") => missing(
                &COMMAND_MISSING,
                name,
                "it is there and does not answer",
                "`go env GOVERSION` must work",
            ),
            _ => fine(name, "found"),
        };
    }
    let says = format!("not found; needed for {why}");
    let remedy = match name {
        "go" => "install Go 1.26 or newer and put it in PATH".to_owned(),
        "cargo" => "install Rust with rustup".to_owned(),
        _ => format!("apt-get install {package}"),
    };
    let building = facts.question.build_bytes > 0;
    match need {
        Need::Always => missing(&COMMAND_MISSING, name, says, remedy),
        Need::ToBuild if building => missing(&COMMAND_MISSING, name, says, remedy),
        Need::ToBuild | Need::Sometimes => warning(name, says, remedy),
    }
}

fn feature(facts: &Facts, name: &str, why: &str, how: &str) -> Line {
    match facts.kernel.get(name) {
        Some(true) => fine(name, "works"),
        Some(false) => missing(&KERNEL, name, format!("does not work; needed for {why}"), how),
        None => warning(name, "could not be tried here", "it shows when a Sovereign starts"),
    }
}

fn cgroups(facts: &Facts) -> Line {
    match facts.cgroups {
        Cgroups::V1 => fine("control groups", "version 1 is used"),
        Cgroups::V2 => fine("control groups", "version 2 is used, with a delegated subtree"),
        Cgroups::None => {
            missing(&KERNEL, "control groups", "none are mounted", "mount them at /sys/fs/cgroup")
        }
    }
}

fn cache_disk(facts: &Facts) -> Line {
    let (free, needed) = (facts.free_cache_bytes, facts.question.build_bytes);
    let place = facts.question.cache.root().display();
    let says = format!("{} GiB free in `{place}`", free / GIB);
    if needed == 0 {
        return fine("disk for tools", format!("{says}; nothing is to be built"));
    }
    let says = format!("{says}, {} GiB needed during the builds", needed.div_ceil(GIB));
    if free >= needed {
        return fine("disk for tools", says);
    }
    missing(
        &DISK_FULL,
        "disk for tools",
        says,
        "free some space, or set CATALYST_CACHE to a larger disk",
    )
}

fn home_disk(facts: &Facts) -> Line {
    let free = facts.free_home_bytes;
    let place = facts.question.home.root().display();
    let says = format!("{} GiB free in `{place}`", free / GIB);
    if free >= SOVEREIGN_BYTES {
        return fine("disk for Sovereigns", says);
    }
    let says = format!("{says}, {} GiB needed", SOVEREIGN_BYTES / GIB);
    missing(
        &DISK_FULL,
        "disk for Sovereigns",
        says,
        "free some space, or set CATALYST_HOME to a larger disk",
    )
}

fn memory(facts: &Facts) -> Line {
    let free = facts.free_memory_bytes;
    let says = format!("{:.1} GiB available", free as f64 / GIB as f64);
    if free >= GOOD_MEMORY_BYTES {
        fine("memory", says)
    } else if free >= LEAST_MEMORY_BYTES {
        warning(
            "memory",
            says,
            "enough for one Sovereign; 6 GiB leave room for builds and a second",
        )
    } else {
        missing(&MEMORY, "memory", says, "3 GiB must be available for one Sovereign")
    }
}

fn port_line(port: u16, what: &str, state: &PortState) -> Line {
    let subject = format!("port {port}");
    match state {
        PortState::Free => fine(&subject, format!("free for {what}")),
        PortState::Ours => fine(&subject, format!("used by {what}")),
        PortState::Taken(holder) => {
            let holder = holder.as_deref().unwrap_or("another program");
            missing(
                &PORT_TAKEN,
                &subject,
                format!("taken by {holder}; wanted for {what}"),
                "end that program, or choose other ports: `catalyst up --help` names the flags",
            )
        }
    }
}

fn subnet(facts: &Facts, wire: &Wire) -> Line {
    let [a, b, c] = wire.network;
    let network = Ipv4Addr::new(a, b, c, 0);
    let subject = "subnet";
    let other = |one: &&Interface| !(wire.ours && one.name == wire.interface);
    let clash = facts.interfaces.iter().filter(other).find(|one| overlaps(one, network));
    match clash {
        None if wire.ours => {
            fine(subject, format!("{network}/24 is ours, on `{}`", wire.interface))
        }
        None => fine(subject, format!("{network}/24 is free")),
        Some(other) => missing(
            &SUBNET_TAKEN,
            subject,
            format!("{network}/24 meets `{}` with {}/{}", other.name, other.address, other.prefix),
            "choose another link with `catalyst up --first-link`, or other networks with `--network-base`",
        ),
    }
}

/// Whether an interface's network and `ours`, a /24, have an address in common.
fn overlaps(other: &Interface, ours: Ipv4Addr) -> bool {
    let shorter = other.prefix.min(24);
    let mask = u32::MAX.checked_shl(32 - u32::from(shorter)).unwrap_or(0);
    u32::from(other.address) & mask == u32::from(ours) & mask
}

fn forwarding(facts: &Facts) -> Line {
    if !facts.forwards {
        return fine("forwarding", "off, as a Sovereign needs it");
    }
    warning(
        "forwarding",
        "this machine forwards packets (ip_forward is 1)",
        "nothing to do: the link's firewall drops what a Sovereign would send through",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::facts::{COMMANDS as LOOKED_FOR, Question, Release};
    use super::super::first_problem;
    use super::*;
    use crate::paths::{Cache, Home};

    fn wire(ours: bool) -> Wire {
        Wire { network: [10, 210, 0], interface: "sv0".into(), ours }
    }

    /// A machine with everything.
    fn good() -> Facts {
        Facts {
            system: "linux".into(),
            architecture: "x86_64".into(),
            release: Release { id: "debian".into(), version: "12".into() },
            is_root: true,
            commands: LOOKED_FOR.iter().map(|&name| name.to_owned()).collect(),
            go: Some("go1.26.8".into()),
            kernel: FEATURES.iter().map(|&(name, _, _)| (name, true)).collect::<BTreeMap<_, _>>(),
            cgroups: Cgroups::V1,
            free_cache_bytes: 40 * GIB,
            free_home_bytes: 40 * GIB,
            free_memory_bytes: 20 * GIB,
            ports: vec![(7080, "the API".into(), PortState::Free)],
            interfaces: vec![Interface {
                name: "eth0".into(),
                address: Ipv4Addr::new(192, 0, 2, 2),
                prefix: 24,
            }],
            forwards: false,
            question: Question {
                cache: Cache::new("/c"),
                home: Home::new("/h"),
                path: "/bin".into(),
                ports: vec![(7080, "the API".into())],
                own: BTreeSet::new(),
                links: vec![wire(false)],
                build_bytes: 28 * GIB,
                debian: None,
            },
        }
    }

    /// The one line that differs from a good machine's.
    fn differs(change: impl FnOnce(&mut Facts)) -> Line {
        let mut facts = good();
        change(&mut facts);
        let good = examine(&good());
        let mut lines = examine(&facts).into_iter().filter(|line| !good.contains(line));
        let line = lines.next().expect("a line differs");
        assert_eq!(lines.next(), None, "only one line differs");
        line
    }

    fn refused(code: &Code, change: impl FnOnce(&mut Facts)) {
        let line = differs(change);
        assert_eq!((line.level, line.code), (Level::Missing, Some(code)), "{line:?}");
        assert!(!line.remedy.is_empty(), "{line:?}");
    }

    #[test]
    fn a_good_machine_has_only_fine_lines_and_no_problem() {
        let lines = examine(&good());
        assert!(lines.iter().all(|line| line.level == Level::Fine), "{lines:#?}");
        assert!(first_problem(&lines).is_none());
    }

    #[test]
    fn each_lack_is_one_line_with_a_code_and_a_remedy() {
        refused(&WRONG_SYSTEM, |facts| facts.system = "macos".into());
        refused(&WRONG_SYSTEM, |facts| facts.architecture = "aarch64".into());
        refused(&WRONG_SYSTEM, |facts| facts.release.version = "13".into());
        refused(&WRONG_SYSTEM, |facts| facts.release = Release::default());
        refused(&NOT_ROOT, |facts| facts.is_root = false);
        refused(&KERNEL, |facts| facts.cgroups = Cgroups::None);
        refused(&DISK_FULL, |facts| facts.free_cache_bytes = 27 * GIB);
        refused(&DISK_FULL, |facts| facts.free_home_bytes = 3 * GIB);
        refused(&MEMORY, |facts| facts.free_memory_bytes = 2 * GIB);
        refused(&PORT_TAKEN, |facts| facts.ports[0].2 = PortState::Taken(None));
        refused(&PORT_TAKEN, |facts| {
            facts.ports[0].2 = PortState::Taken(Some("`x` (pid 1)".into()));
        });
        refused(&COMMAND_MISSING, |facts| facts.go = None);
        for (name, _, _) in FEATURES {
            refused(&KERNEL, |facts| _ = facts.kernel.insert(name, false));
        }
    }

    #[test]
    fn needed_commands_are_refused_when_missing_and_others_only_warned_of() {
        for (name, _, need, _) in COMMANDS {
            let line = differs(|facts| _ = facts.commands.remove(*name));
            let expected = match need {
                Need::Always | Need::ToBuild => Level::Missing,
                Need::Sometimes => Level::Warning,
            };
            assert_eq!(line.level, expected, "{line:?}");
        }
        let mut built = good();
        built.question.build_bytes = 0;
        built.commands.remove("gcc");
        assert!(first_problem(&examine(&built)).is_none(), "nothing is to be compiled");
    }

    #[test]
    fn a_full_disk_does_not_matter_to_tools_that_are_built_already() {
        let mut facts = good();
        facts.question.build_bytes = 0;
        facts.free_cache_bytes = 0;
        assert!(first_problem(&examine(&facts)).is_none());
    }

    #[test]
    fn a_subnet_clashes_with_wider_and_narrower_networks_but_not_with_its_own_link() {
        let interface = |name: &str, address: [u8; 4], prefix| Interface {
            name: name.into(),
            address: address.into(),
            prefix,
        };
        refused(&SUBNET_TAKEN, |f| f.interfaces.push(interface("vpn0", [10, 1, 2, 3], 8)));
        refused(&SUBNET_TAKEN, |f| f.interfaces.push(interface("br0", [10, 210, 0, 129], 25)));
        // An interface of that name may be another installation's.
        refused(&SUBNET_TAKEN, |f| f.interfaces.push(interface("sv0", [10, 210, 0, 1], 24)));
        let mut facts = good();
        facts.question.links = vec![wire(true)];
        facts.interfaces.push(interface("br0", [10, 211, 0, 1], 24));
        facts.interfaces.push(interface("sv0", [10, 210, 0, 1], 24));
        assert!(first_problem(&examine(&facts)).is_none());
    }

    #[test]
    fn little_memory_and_a_forwarding_host_are_said_and_not_refused() {
        assert_eq!(differs(|facts| facts.free_memory_bytes = 4 * GIB).level, Level::Warning);
        assert_eq!(differs(|facts| facts.forwards = true).level, Level::Warning);
        assert_eq!(differs(|facts| _ = facts.kernel.remove("nftables")).level, Level::Warning);
        assert!(differs(|facts| facts.cgroups = Cgroups::V2).says.contains("version 2"));
    }

    #[test]
    fn a_port_of_this_very_installation_is_not_called_taken() {
        let line = differs(|facts| facts.ports[0].2 = PortState::Ours);
        assert_eq!((line.level, line.says.as_str()), (Level::Fine, "used by the API"));
    }

    #[test]
    fn the_first_refusal_becomes_a_problem_with_its_remedy() {
        let mut facts = good();
        facts.is_root = false;
        let problem = first_problem(&examine(&facts)).unwrap();
        assert_eq!(problem.code(), &NOT_ROOT);
        assert_eq!(problem.remedy(), "run it with sudo");
    }

    #[test]
    fn every_judged_command_is_looked_for() {
        let mut judged: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
        judged.sort_unstable();
        assert_eq!(judged, LOOKED_FOR);
    }
}
