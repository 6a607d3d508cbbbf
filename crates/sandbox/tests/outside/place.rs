//! Where the test plays: folders, ports, a namespace and a link that nobody else uses.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use catalyst_sandbox::firewall::{Firewall, Nft};
use catalyst_sandbox::front::{self, Backends, Front};
use catalyst_sandbox::outside::{self, Outside, Ports, Programs};
use catalyst_sandbox::paths::NodeName;
use catalyst_sandbox::supervisor::{Launcher, Role};

pub(crate) const NETNS: &str = "catalyst-otest";
pub(crate) const LINK: &str = "cotest0";
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 209, 77, 1);
pub(crate) const PORTS: Ports =
    Ports { postback: POSTBACK, gitea: 17_082, public: 17_083, private: 17_084 };
pub(crate) const POSTBACK: u16 = 17_081;

pub(crate) struct Place {
    pub(crate) home: tempfile::TempDir,
    tools: Tools,
}

struct Tools {
    gitea: PathBuf,
    registry: PathBuf,
    coredns: PathBuf,
    nft: Nft,
}

impl Place {
    /// What is needed, or why it is not there.
    pub(crate) fn find() -> Result<Self, String> {
        if !rustix::process::getuid().is_root() {
            return Err("needs root".into());
        }
        for program in ["ip", "nsenter", "unshare", "setpriv", "curl", "git"] {
            if !run("sh", &["-c", &format!("command -v {program}")]).status.success() {
                return Err(format!("needs `{program}`"));
            }
        }
        let cache = std::env::var_os("CATALYST_CACHE").map(PathBuf::from).unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/catalyst")
        });
        let tool = |name: &str| {
            newest(&cache.join("tools").join(name))
                .ok_or(format!("needs the tool `{name}` in `{}`", cache.display()))
        };
        let debian = newest(&cache.join("debian")).map(|dir| dir.join("root"));
        let debian = debian.filter(|root| root.join("usr/sbin/nft").exists());
        let root = debian.ok_or_else(|| "needs the unpacked Debian packages".to_owned())?;
        let tools = Tools {
            gitea: tool("gitea")?,
            registry: tool("registry")?.join("bin/registry"),
            coredns: tool("coredns")?.join("bin/coredns"),
            nft: Nft::in_tree(&root),
        };
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        Ok(Self { home, tools })
    }

    pub(crate) fn launcher() -> Launcher {
        let program = std::env::current_exe().unwrap();
        Launcher { program, args: vec!["daemon".into()] }
    }

    pub(crate) fn outside(&self) -> Outside {
        Outside::new(outside::Config {
            dir: self.home.path().join("outside"),
            role: Role::new("outside-otest").unwrap(),
            launcher: Self::launcher(),
            ports: PORTS,
            programs: Programs {
                gitea: self.tools.gitea.clone(),
                registry: self.tools.registry.clone(),
            },
            first_user: outside::FIRST_USER + 20,
        })
    }

    pub(crate) fn front(&self) -> Front {
        Front::new(front::Config {
            name: NodeName::new("otest").unwrap(),
            address: HOST,
            dir: self.home.path().join("front"),
            launcher: Self::launcher(),
            coredns: self.tools.coredns.clone(),
            backends: Backends {
                git: Ports::local(PORTS.gitea),
                public_registry: Ports::local(PORTS.public),
                private_registry: Ports::local(PORTS.private),
                postback: Ports::local(POSTBACK),
            },
            first_user: outside::FIRST_USER + 20,
        })
        .unwrap()
    }

    pub(crate) fn firewall(&self) -> Firewall {
        Firewall::new(self.tools.nft.clone(), LINK, HOST)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A checkout with a kit in it.
    pub(crate) fn checkout(&self) -> PathBuf {
        let checkout = self.path("checkout");
        std::fs::create_dir_all(checkout.join("clusters/_template")).unwrap();
        std::fs::write(checkout.join("clusters/_template/a.yaml"), "a: 1\n").unwrap();
        checkout
    }
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.join("complete").exists())
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

pub(crate) fn must(program: &str, args: &[&str]) {
    let output = run(program, args);
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// Makes the namespace and the link, without addresses on the inside that lead elsewhere.
pub(crate) fn make_link() {
    must("ip", &["netns", "add", NETNS]);
    must("ip", &["link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", NETNS]);
    must("ip", &["addr", "add", &format!("{HOST}/24"), "dev", LINK]);
    must("ip", &["link", "set", LINK, "up"]);
    must("ip", &["-n", NETNS, "addr", "add", "10.209.77.2/24", "dev", "eth0"]);
    must("ip", &["-n", NETNS, "link", "set", "lo", "up"]);
    must("ip", &["-n", NETNS, "link", "set", "eth0", "up"]);
    must("ip", &["-n", NETNS, "route", "add", "default", "via", &HOST.to_string()]);
}

pub(crate) fn remove_link() {
    run("ip", &["link", "del", LINK]);
    run("ip", &["netns", "del", NETNS]);
}

/// Runs a shell line inside the namespace, with the link's DNS as its resolver.
pub(crate) fn inside(place: &Place, line: &str) -> Output {
    let resolv = place.path("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {HOST}\noptions timeout:2 attempts:1\n")).unwrap();
    let script = format!("mount --bind {} /etc/resolv.conf && cd / && {line}", resolv.display());
    let netns = format!("--net=/run/netns/{NETNS}");
    let ca = place.path("outside/ca/ca.crt");
    Command::new("nsenter")
        .args([&netns, "unshare", "--mount", "sh", "-c", &script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", place.home.path())
        .env("CURL_CA_BUNDLE", &ca)
        .env("GIT_SSL_CAINFO", &ca)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap()
}

/// What a shell line inside the namespace prints; fails when the line fails.
pub(crate) fn said(place: &Place, line: &str) -> String {
    let output = inside(place, line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The status code of a request made inside the namespace.
pub(crate) fn status(place: &Place, request: &str) -> String {
    said(place, &format!("curl -s -m 10 -o /dev/null -w '%{{http_code}}' {request}"))
}
