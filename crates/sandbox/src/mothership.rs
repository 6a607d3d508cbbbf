//! The mothership on this machine: `catalystd api` in the background, kept running by a
//! supervisor, with its records below the state folder.
//!
//! It plays the part of a real one: people and programs reach it on 127.0.0.1, nodes reach only its
//! kubeconfig post-back, through their link's front.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::installation::Settings;
use crate::paths::{Home, private_dir};
use crate::problem::{Code, Result, file};
use crate::supervisor::{Child, Launcher, Patience, Ready, Role, Spec, Status, Supervisor, ports};

/// What it writes for the people and tools of this machine cannot be read.
pub const HANDOUT: Code = Code::new(
    3180,
    "the mothership's login link or token cannot be read",
    "Start it again: `catalyst down`, then `catalyst up`; both are written at every start.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&HANDOUT];

/// Draining requests (5 s) and putting work down (20 s), with a little room.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// The name of the process in status and logs.
const CHILD: &str = "catalystd";

/// Where it listens, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// API and console.
    pub api: u16,
    /// Kubeconfigs of nodes, by way of the fronts.
    pub postback: u16,
}

/// What the mothership is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder of its state, `Home::mothership()`.
    pub dir: PathBuf,
    /// How to call ourselves as a supervisor.
    pub launcher: Launcher,
    /// Where it listens.
    pub ports: Ports,
    /// Which links its Sovereigns may have.
    pub settings: Settings,
    /// The program `catalystd`.
    pub catalystd: PathBuf,
    /// The program `catalyst`, which the module `infra/sandbox` calls.
    pub catalyst: PathBuf,
    /// The program `tofu`.
    pub tofu: PathBuf,
    /// The program `kustomize`.
    pub kustomize: PathBuf,
    /// The folder of the module `infra/sandbox`.
    pub module: PathBuf,
    /// The state folder of this installation.
    pub home: PathBuf,
    /// The cache of this installation.
    pub cache: PathBuf,
    /// The registry credentials a Sovereign gets, a 0600 file.
    pub pull_credentials: PathBuf,
    /// Where programs that are run find others.
    pub path: String,
}

/// The mothership of one installation.
#[derive(Debug, Clone)]
pub struct Mothership {
    config: Config,
    supervisor: Supervisor,
}

impl Mothership {
    /// Names it; nothing is started or created.
    ///
    /// # Errors
    /// CAT-3141 never for this fixed role.
    pub fn new(config: Config) -> Result<Self> {
        let patience = Patience { stop: STOP_WITHIN, ..Patience::default() };
        let dir = config.dir.join("supervisor");
        let supervisor = Supervisor::new(Role::new("mothership")?, dir, patience);
        Ok(Self { config, supervisor })
    }

    /// Starts it, or starts it anew when its program has changed, and waits until it serves.
    ///
    /// # Errors
    /// CAT-3140 when a port is taken, CAT-3142 when it does not come up.
    pub async fn up(&self) -> Result<Status> {
        private_dir(&self.config.dir)?;
        if self.supervisor.status().is_none() {
            // Orphans of a killed supervisor still hold our own ports.
            self.supervisor.down().await?;
            let Ports { api, postback } = self.config.ports;
            ports::check_free(local(api), "another port with `catalyst up --port PORT`")?;
            ports::check_free(
                local(postback),
                "another port with `catalyst up --postback-port PORT`",
            )?;
        }
        self.supervisor.up(&self.spec()?).await
    }

    /// Ends it; its records stay.
    ///
    /// # Errors
    /// CAT-3143.
    pub async fn down(&self) -> Result<()> {
        self.supervisor.down().await
    }

    /// What runs; `None` when it is down.
    pub fn status(&self) -> Option<Status> {
        self.supervisor.status()
    }

    /// Where people and programs reach it.
    pub fn url(&self) -> String {
        format!("http://{}", local(self.config.ports.api))
    }

    /// The newest one-time login link.
    ///
    /// # Errors
    /// CAT-3180.
    pub fn login_link(&self) -> Result<SecretString> {
        read(&self.login_link_file())
    }

    /// The bearer token of this machine's own tools.
    ///
    /// # Errors
    /// CAT-3180.
    pub fn token(&self) -> Result<SecretString> {
        read(&self.token_file())
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.supervisor.log(CHILD)
    }

    fn login_link_file(&self) -> PathBuf {
        self.config.dir.join("login-link")
    }

    fn token_file(&self) -> PathBuf {
        token_file(&self.config.dir)
    }

    fn spec(&self) -> Result<Spec> {
        let child = Child {
            name: CHILD.to_owned(),
            program: self.config.catalystd.clone(),
            args: vec!["api".to_owned()],
            env: self.env(),
            cwd: self.config.dir.clone(),
            confine: None,
            ready: Ready::Http { address: local(self.config.ports.api), path: "/healthz".into() },
            stop_within: STOP_WITHIN,
        };
        Ok(Spec {
            role: Role::new("mothership")?,
            launcher: self.config.launcher.clone(),
            stamp: stamp(&self.config.catalystd)?,
            children: vec![child],
        })
    }

    /// Its whole environment; secrets only as the paths of their files.
    fn env(&self) -> BTreeMap<String, String> {
        let Config {
            dir,
            ports,
            settings,
            catalyst,
            tofu,
            kustomize,
            module,
            home,
            cache,
            pull_credentials,
            path,
            ..
        } = &self.config;
        let text = |path: &Path| path.display().to_string();
        let pairs = [
            ("CATALYST_LISTEN", local(ports.api).to_string()),
            ("CATALYST_POSTBACK_LISTEN", local(ports.postback).to_string()),
            ("CATALYST_DEPLOYMENTS_DIR", text(&dir.join("deployments"))),
            ("CATALYST_KUBECONFIGS_DIR", text(&dir.join("kubeconfigs"))),
            ("CATALYST_AUTH_DIR", text(&dir.join("auth"))),
            ("CATALYST_TOFU_WORKDIR", text(&dir.join("tofu"))),
            ("CATALYST_LOGIN_LINK_FILE", text(&self.login_link_file())),
            ("CATALYST_TOKEN_FILE", text(&self.token_file())),
            ("CATALYST_PROVISIONING", "enabled".to_owned()),
            ("CATALYST_TOFU_BIN", text(tofu)),
            ("CATALYST_KUSTOMIZE_BIN", text(kustomize)),
            ("CATALYST_TOFU_MODULE_PATH", text(module)),
            ("CATALYST_BIN", text(catalyst)),
            ("CATALYST_HOME", text(home)),
            ("CATALYST_CACHE", text(cache)),
            ("CATALYST_NETWORK_BASE", settings.network_base.to_string()),
            ("CATALYST_FIRST_LINK", settings.first_link.to_string()),
            ("CATALYST_GHCR_PULL_CREDENTIALS_FILE", text(pull_credentials)),
            ("HOME", text(dir)),
            ("PATH", path.clone()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The bearer token of this machine's own tools, wherever its mothership listens.
///
/// # Errors
/// CAT-3180 when there never was one, or it is somebody else's to read.
pub fn local_token(home: &Home) -> Result<SecretString> {
    read(&token_file(&home.mothership()))
}

fn token_file(dir: &Path) -> PathBuf {
    dir.join("local.token")
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A new build of the program is another program.
fn stamp(program: &Path) -> Result<String> {
    let facts = program.metadata().map_err(|error| file("look at", program, error))?;
    Ok(format!("{} {} {}", facts.ino(), facts.size(), facts.mtime()))
}

fn read(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        HANDOUT.because(format!("cannot read `{}`: {error}", path.display())).source(error)
    })?;
    Ok(SecretString::from(text.trim()))
}
