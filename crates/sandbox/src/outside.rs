//! The backends behind every front: Gitea, the public and the private registry, and the CA.
//!
//! One set per installation, on loopback only, each process a user of its own ([`Outside::up`]). A
//! Sovereign never talks to them directly: the [`front`](crate::front) of its link does, under the
//! names the real world uses. What they serve is put there by [`publish`](crate::publish).

pub mod ca;
pub mod certs_d;
mod credentials;
mod git;
mod gitea;
mod registry;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::paths::{private_dir, record, recorded};
use crate::problem::{self, Code, Result};
use crate::supervisor::{Launcher, Patience, Role, Spec, Status, Supervisor, ports};

pub use credentials::PullCredentials;
pub use git::Published;

/// The installation's CA is damaged or cannot sign.
pub const CA: Code = Code::new(
    3150,
    "the installation's certificate authority cannot be used",
    "Remove the folder `outside/ca` below the state folder; a new one is made, and running Sovereigns must be started anew.",
);
/// Gitea runs and its set-up failed.
pub const GITEA: Code = Code::new(
    3151,
    "the outside's Gitea could not be set up",
    "The cause carries Gitea's answer. `catalyst sandbox outside down` and `up` tries again.",
);
/// The private registry's credentials are damaged.
pub const CREDENTIALS: Code = Code::new(
    3152,
    "the credentials of the outside cannot be used",
    "Remove the folder `outside/credentials` below the state folder; new ones are made.",
);
/// What Flux shall read could not be pushed.
pub const GIT: Code = Code::new(
    3153,
    "the kit could not be pushed to the outside's git",
    "The cause carries git's own words. Check that `git` is installed and the checkout has `clusters/`.",
);

/// The codes of the outside.
pub const CODES: &[&Code] = &[&CA, &GITEA, &CREDENTIALS, &GIT];

/// Holds the ports, for the fronts.
const PORTS_FILE: &str = "ports.json";
/// The repository every Sovereign is bootstrapped from.
pub const ORGANISATION: &str = "openova-io";
/// Its name within [`ORGANISATION`].
pub const REPOSITORY: &str = "openova";

/// Where the backends listen, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Where catalystd takes kubeconfigs; not a part of the outside, but every front must know it.
    pub postback: u16,
    /// Gitea's web and git port.
    pub gitea: u16,
    /// The registry anybody may pull from.
    pub public: u16,
    /// The registry that asks for credentials.
    pub private: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { postback: 7081, gitea: 7082, public: 7083, private: 7084 }
    }
}

impl Ports {
    /// The ports the outside of this folder was last started with; the defaults before that.
    ///
    /// # Errors
    /// CAT-3000 when the record cannot be read.
    pub fn recorded(outside: &Path) -> Result<Self> {
        recorded(&outside.join(PORTS_FILE))
    }

    fn record(self, outside: &Path) -> Result<()> {
        record(&self, &outside.join(PORTS_FILE))
    }

    /// The address of a loopback port.
    pub fn local(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

/// The programs of the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The folder of the tool `gitea`: `bin/gitea` and `static/`.
    pub gitea: PathBuf,
    /// The binary `registry`.
    pub registry: PathBuf,
}

/// What the outside is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder of its state, `Home::outside()`.
    pub dir: PathBuf,
    /// `outside`, but in tests.
    pub role: Role,
    /// How to call ourselves.
    pub launcher: Launcher,
    /// Where it listens.
    pub ports: Ports,
    /// What it runs.
    pub programs: Programs,
    /// User ids from here on are given to its processes; they belong to no account.
    pub first_user: u32,
}

/// Between the range Debian gives to accounts and the one it gives to user namespaces.
pub const FIRST_USER: u32 = 77_080;

/// The outside of one installation.
#[derive(Debug, Clone)]
pub struct Outside {
    config: Config,
    supervisor: Supervisor,
}

impl Outside {
    /// Names the outside; nothing is started or created.
    pub fn new(config: Config) -> Self {
        let dir = config.dir.join("supervisor");
        let supervisor = Supervisor::new(config.role.clone(), dir, Patience::default());
        Self { config, supervisor }
    }

    /// Starts whatever is missing and waits until all of it serves, Gitea set up with an empty
    /// public repository `openova-io/openova`. Doing it again changes nothing.
    ///
    /// # Errors
    /// CAT-3140 when a port is taken, CAT-3142, CAT-3150 to CAT-3152.
    pub async fn up(&self) -> Result<Status> {
        private_dir(&self.config.dir)?;
        ca::Authority::open_or_create(&self.ca_dir())?;
        let children = vec![
            gitea::child(&self.config)?,
            registry::child(&self.config, registry::Kind::Public)?,
            registry::child(&self.config, registry::Kind::Private)?,
        ];
        let spec = Spec {
            role: self.config.role.clone(),
            launcher: self.config.launcher.clone(),
            stamp: String::new(),
            children,
        };
        if self.supervisor.status().is_none() {
            // Orphans of a killed supervisor still hold our own ports.
            self.supervisor.down().await?;
        }
        self.check_ports()?;
        self.config.ports.record(&self.config.dir)?;
        let status = self.supervisor.up(&spec).await?;
        gitea::set_up(&self.config).await?;
        Ok(status)
    }

    /// Ends every process of the outside; its state stays.
    ///
    /// # Errors
    /// CAT-3143.
    pub async fn down(&self) -> Result<()> {
        self.supervisor.down().await
    }

    /// What runs; `None` when the outside is down.
    pub fn status(&self) -> Option<Status> {
        self.supervisor.status()
    }

    /// Pushes the folders `paths` of the checkout `source` to `openova-io/openova`, branch `main`.
    /// Nothing is pushed, and no commit made, when `main` has the same content already.
    ///
    /// # Errors
    /// CAT-3153 with git's words.
    pub async fn publish_tree(&self, source: &Path, paths: &[&str]) -> Result<Published> {
        git::publish(&self.config, source, paths).await
    }

    /// The credentials of `ghcr.io/openova-io`, made on first use.
    ///
    /// # Errors
    /// CAT-3152, CAT-3000.
    pub fn pull_credentials(&self) -> Result<PullCredentials> {
        PullCredentials::open_or_create(&self.pull_credentials_file())
    }

    /// The 0600 file that holds them as JSON.
    pub fn pull_credentials_file(&self) -> PathBuf {
        credentials::file(&self.config.dir)
    }

    /// The CA's folder.
    pub fn ca_dir(&self) -> PathBuf {
        self.config.dir.join("ca")
    }

    /// The CA, made on first use.
    ///
    /// # Errors
    /// CAT-3150, CAT-3000.
    pub fn authority(&self) -> Result<ca::Authority> {
        ca::Authority::open_or_create(&self.ca_dir())
    }

    /// What runs it.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// What it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every port that is not held by our own running processes must be free.
    fn check_ports(&self) -> Result<()> {
        let held = match self.supervisor.status() {
            Some(_) => Some(Ports::recorded(&self.config.dir)?),
            None => None,
        };
        let Ports { gitea, public, private, postback: _ } = self.config.ports;
        let settings = [
            (gitea, held.map(|held| held.gitea), "gitea"),
            (public, held.map(|held| held.public), "public-registry"),
            (private, held.map(|held| held.private), "private-registry"),
        ];
        for (port, held, name) in settings {
            if held != Some(port) {
                let setting = format!("another port with `catalyst up --{name}-port PORT`");
                ports::check_free(Ports::local(port), &setting)?;
            }
        }
        Ok(())
    }
}

/// Makes a folder that belongs to one confined user alone; what is in it keeps its owner.
fn owned_dir(path: &Path, user: u32) -> Result<()> {
    private_dir(path)?;
    own(path, user)
}

/// Gives a file or folder to a confined user.
fn own(path: &Path, user: u32) -> Result<()> {
    std::os::unix::fs::chown(path, Some(user), Some(user))
        .map_err(|error| problem::file("give away", path, error))
}

/// As many random bytes as a key of 256 bits has, in unpadded URL-safe base64.
fn random_secret() -> Result<String> {
    use base64::Engine;
    use rand::TryRng;
    let mut bytes = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| CREDENTIALS.because("the system gives no random bytes").source(error))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
