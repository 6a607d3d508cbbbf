//! The TLS front and the DNS of one link: what a Sovereign takes for the internet.
//!
//! [`Front`] starts and ends both on the host's end of a link, under a supervisor of their own;
//! [`serve::run`] is the TLS process itself. It speaks for the names in [`names`], passes on what
//! [`route`] allows and nothing else, and counts what it does ([`Counts`]). It can read public
//! things and hand in a kubeconfig; it cannot write to anything behind it.

mod body;
mod counts;
mod dns;
pub mod names;
mod proxy;
pub mod route;
pub mod serve;
mod tls;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::outside::ca::Authority;
use crate::outside::{FIRST_USER, Ports};
use crate::paths::{Home, NodeName, private_dir, write_private, write_public};
use crate::problem::{self, Code, Problem, Result};
use crate::supervisor::{
    Bind, Child, Confine, Launcher, Patience, Ready, Role, Spec, Status, Supervisor, ports,
};

pub use counts::Counts;

/// The front cannot serve.
pub const FRONT: Code = Code::new(
    3160,
    "the front of a link could not be started",
    "The cause names what is missing. The link must exist before its front: `catalyst sandbox up` makes both.",
);

/// The codes of fronts.
pub const CODES: &[&Code] = &[&FRONT];

/// Where a front passes requests on to; loopback addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backends {
    /// Gitea.
    pub git: SocketAddr,
    /// The registry anybody may pull from.
    pub public_registry: SocketAddr,
    /// The registry that asks for credentials.
    pub private_registry: SocketAddr,
    /// Where catalystd takes kubeconfigs.
    pub postback: SocketAddr,
}

/// What a front is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whose link it is.
    pub name: NodeName,
    /// The host's end of the link.
    pub address: Ipv4Addr,
    /// The folder of its files: certificate, zone, counts, logs.
    pub dir: PathBuf,
    /// How to call ourselves.
    pub launcher: Launcher,
    /// The binary `coredns`.
    pub coredns: PathBuf,
    /// Where it passes requests on to.
    pub backends: Backends,
    /// User ids from here on are given to its two processes.
    pub first_user: u32,
}

impl Config {
    /// The front of a Sovereign's link, kept in the Sovereign's own folder, before the backends the
    /// outside of this installation was last started with.
    ///
    /// # Errors
    /// CAT-3000 when the outside's ports cannot be read.
    pub fn of_link(
        home: &Home,
        name: &NodeName,
        address: Ipv4Addr,
        launcher: Launcher,
        coredns: PathBuf,
    ) -> Result<Self> {
        let Ports { postback, gitea, public, private } = Ports::recorded(&home.outside())?;
        let backends = Backends {
            git: Ports::local(gitea),
            public_registry: Ports::local(public),
            private_registry: Ports::local(private),
            postback: Ports::local(postback),
        };
        let dir = folder(home, name);
        let first_user = FIRST_USER;
        Ok(Self { name: name.clone(), address, dir, launcher, coredns, backends, first_user })
    }
}

/// Where a Sovereign's front keeps its files.
fn folder(home: &Home, name: &NodeName) -> PathBuf {
    home.sovereign(name).join("front")
}

/// The settings file of the TLS process, as it sees the world from inside its confinement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it passes requests on to.
    pub backends: Backends,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Where it writes its counts.
    pub counts: PathBuf,
}

/// The front of one link.
#[derive(Debug, Clone)]
pub struct Front {
    config: Config,
    supervisor: Supervisor,
    role: Role,
}

impl Front {
    /// Names a front; nothing is started or created.
    ///
    /// # Errors
    /// CAT-3141 never for a valid name.
    pub fn new(config: Config) -> Result<Self> {
        let role = role(&config.name)?;
        let supervisor =
            Supervisor::new(role.clone(), config.dir.join("supervisor"), Patience::default());
        Ok(Self { config, supervisor, role })
    }

    /// Starts TLS and DNS on the link and waits until both serve; the link must have its address.
    ///
    /// # Errors
    /// CAT-3140 when 53 or 443 of the link is taken or the link is not there, CAT-3142, CAT-3150,
    /// CAT-3160.
    pub async fn up(&self, authority: &Authority) -> Result<Status> {
        if self.supervisor.status().is_none() {
            // Orphans of a killed supervisor still hold our own ports.
            self.supervisor.down().await?;
            for port in [53, 443] {
                let address = SocketAddr::from((self.config.address, port));
                ports::check_free(address, "another network with `--network-prefix`")?;
            }
        }
        let children = vec![self.tls_child(authority)?, self.dns_child()?];
        let spec = Spec {
            role: self.role.clone(),
            launcher: self.config.launcher.clone(),
            stamp: self.stamp(authority)?,
            children,
        };
        self.supervisor.up(&spec).await
    }

    /// Ends both; nothing of them stays but their folder.
    ///
    /// # Errors
    /// CAT-3143.
    pub async fn down(&self) -> Result<()> {
        self.supervisor.down().await
    }

    /// Ends the front of a Sovereign of which nothing but the name is known; harmless when there is
    /// none.
    ///
    /// # Errors
    /// CAT-3143.
    pub async fn end(home: &Home, name: &NodeName) -> Result<()> {
        let dir = folder(home, name).join("supervisor");
        Supervisor::new(role(name)?, dir, Patience::default()).down().await
    }

    /// What runs; `None` when the front is down.
    pub fn status(&self) -> Option<Status> {
        self.supervisor.status()
    }

    /// What runs it.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// What runs of the front of a Sovereign, and what it has done.
    pub fn look(home: &Home, name: &NodeName) -> (Option<Status>, Option<Counts>) {
        let dir = folder(home, name);
        let status = role(name).ok().and_then(|role| {
            Supervisor::new(role, dir.join("supervisor"), Patience::default()).status()
        });
        (status, Counts::read(&dir.join("tls")))
    }

    /// What it has done since it was started; `None` before it first said so.
    pub fn counts(&self) -> Option<Counts> {
        Counts::read(&self.tls_dir())
    }

    fn tls_dir(&self) -> PathBuf {
        self.config.dir.join("tls")
    }

    /// Another program or another authority means another process.
    fn stamp(&self, authority: &Authority) -> Result<String> {
        use std::os::unix::fs::MetadataExt;
        let program = &self.config.launcher.program;
        let data = program.metadata().map_err(|error| problem::file("look at", program, error))?;
        let mut hash = Sha256::new();
        hash.update(authority.certificate());
        hash.update(format!("{} {} {}", data.ino(), data.size(), data.mtime()));
        Ok(hex::encode(hash.finalize()))
    }

    fn tls_child(&self, authority: &Authority) -> Result<Child> {
        let Config { address, launcher, backends, first_user, .. } = &self.config;
        let (dir, user) = (self.tls_dir(), first_user + 5);
        private_dir(&dir)?;
        let issued = authority.issue(&names::all(), &[IpAddr::V4(*address)])?;
        let settings = Settings {
            listen: SocketAddr::from((*address, 443)),
            backends: *backends,
            certificate: "/mnt/front/tls.crt".into(),
            key: "/mnt/front/tls.key".into(),
            counts: Path::new("/mnt/front").join(counts::FILE),
        };
        let text = serde_json::to_vec_pretty(&settings)
            .map_err(|error| FRONT.because("cannot write its settings").source(error))?;
        // A living front holds its certificate in memory; it is told apart by its stamp.
        write_private(&dir.join("tls.crt"), issued.certificate.as_bytes())?;
        write_private(&dir.join("tls.key"), issued.key.expose_secret().as_bytes())?;
        write_private(&dir.join("settings.json"), &text)?;
        for path in ["tls.crt", "tls.key", "settings.json", ""].map(|name| dir.join(name)) {
            give(&path, user)?;
        }
        let mut args = launcher.args.clone();
        args.extend(["front", "/mnt/front/settings.json"].map(String::from));
        Ok(Child {
            name: "tls".into(),
            program: "/mnt/catalyst".into(),
            args,
            env: BTreeMap::new(),
            cwd: PathBuf::from("/mnt/front"),
            confine: Some(Confine {
                user,
                capabilities: vec!["net_bind_service".into()],
                binds: vec![Bind::read(&launcher.program, "catalyst"), Bind::write(&dir, "front")],
            }),
            ready: Ready::Tcp { address: settings.listen },
            stop_within: Duration::from_secs(5),
        })
    }

    fn dns_child(&self) -> Result<Child> {
        let Config { address, coredns, first_user, .. } = &self.config;
        let (dir, user) = (self.config.dir.join("dns"), first_user + 6);
        private_dir(&dir)?;
        write_public(&dir.join("zone"), dns::zone(*address).as_bytes())?;
        write_public(&dir.join("Corefile"), dns::corefile(*address).as_bytes())?;
        give(&dir, user)?;
        Ok(Child {
            name: "dns".into(),
            program: "/mnt/coredns".into(),
            args: ["-conf", "/mnt/dns/Corefile"].map(String::from).to_vec(),
            env: BTreeMap::new(),
            cwd: PathBuf::from("/mnt/dns"),
            confine: Some(Confine {
                user,
                capabilities: vec!["net_bind_service".into()],
                binds: vec![Bind::read(coredns, "coredns"), Bind::read(&dir, "dns")],
            }),
            ready: Ready::Tcp { address: SocketAddr::from((*address, 53)) },
            stop_within: Duration::from_secs(3),
        })
    }
}

/// The role of a Sovereign's front.
fn role(name: &NodeName) -> Result<Role> {
    Role::new(format!("front-{name}"))
}

fn give(path: &Path, user: u32) -> Result<(), Problem> {
    std::os::unix::fs::chown(path, Some(user), Some(user))
        .map_err(|error| problem::file("give away", path, error))
}
