//! One installation on this machine: its folders, programs and ports, and how the neighbours in
//! this crate are built from them. What `catalyst up`, the sandbox verbs and the steps of
//! `infra/sandbox` share, so that a port or a path is decided in one place.

pub mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use self::settings::Settings;

use crate::charts::{self, Chart};
use crate::debian::Debian;
use crate::first_boot::progress::StepReport;
use crate::front::{self, Front};
use crate::images::{ImageSet, Images, Specs};
use crate::lifecycle::{Data, Machine, Record, Wish, refuse_without_root};
use crate::link::Link;
use crate::mothership::{self, Mothership};
use crate::node::{Layout, NodeSpec, NodeTools};
use crate::outside::{self, Outside};
use crate::paths::{Home, NodeName, Roots};
use crate::problem::Result;
use crate::supervisor::{Group, Launcher, Role};
use crate::tools::{Pins, Tools};

/// The image that is imported; all others are pulled.
const PAUSE: &str = "pause";
/// Flux controllers whose CRDs a node applies before the controllers.
const CRDS_OF: &[&str] = &["source-controller", "kustomize-controller", "helm-controller"];

/// Every port this installation listens on, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// API and console.
    pub api: u16,
    /// The post-back and the outside's.
    pub outside: outside::Ports,
}

impl Default for Ports {
    fn default() -> Self {
        Self { api: Settings::default().api_port, outside: outside::Ports::default() }
    }
}

impl Ports {
    fn mothership(self) -> mothership::Ports {
        mothership::Ports { api: self.api, postback: self.outside.postback }
    }

    /// Each port with what listens on it.
    pub fn all(self) -> Vec<(u16, String)> {
        let Self { api, outside: outside::Ports { postback, gitea, public, private } } = self;
        let named = [
            (api, "the mothership's API and console"),
            (postback, "the mothership's kubeconfig post-back"),
            (gitea, "the outside's Gitea"),
            (public, "the outside's public registry"),
            (private, "the outside's private registry"),
        ];
        named.into_iter().map(|(port, what)| (port, what.to_owned())).collect()
    }
}

/// The pids of everything that runs in the background for the installation of this folder, the
/// Sovereigns' own processes aside.
///
/// # Errors
/// CAT-3144 when no control groups are mounted.
pub fn background(home: &Home) -> Result<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for (role, dir) in [("mothership", home.mothership()), ("outside", home.outside())] {
        let group = Group::of(&Role::new(role)?, &dir.join("supervisor"))?;
        all.extend(group.members().iter().map(|member| member.pid));
    }
    Ok(all)
}

/// One installation.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Its folders.
    pub roots: Roots,
    /// What was chosen for it.
    pub settings: Settings,
    /// Its ports.
    pub ports: Ports,
    /// The pinned tools, built or not.
    pub tools: Tools,
    /// The locked Debian parts, unpacked or not.
    pub debian: Debian,
    program: PathBuf,
    path: String,
}

impl Installation {
    /// Looks at what is pinned; touches nothing. `outside` are the ports its outside is to have,
    /// `program` is this very command line, `path` where programs are found.
    ///
    /// # Errors
    /// CAT-3100 without Go, CAT-3104 and CAT-3113 for broken pins.
    pub async fn open(
        roots: Roots,
        settings: Settings,
        outside: outside::Ports,
        program: PathBuf,
        path: String,
    ) -> Result<Self> {
        let tools = Tools::locate(&roots.cache, Pins::embedded()?).await?;
        let debian = Debian::embedded(&roots.cache)?;
        let ports = Ports { api: settings.api_port, outside };
        Ok(Self { roots, settings, ports, tools, debian, program, path })
    }

    /// As [`Installation::open`], to look at things and to end them: Go is not asked, so no tool is
    /// known, and none is needed for that.
    ///
    /// # Errors
    /// CAT-3104 and CAT-3113 for broken pins.
    pub fn open_to_end(
        roots: Roots,
        settings: Settings,
        outside: outside::Ports,
        program: PathBuf,
        path: String,
    ) -> Result<Self> {
        let tools = Tools::at(&roots.cache, Pins::embedded()?, "");
        let debian = Debian::embedded(&roots.cache)?;
        let ports = Ports { api: settings.api_port, outside };
        Ok(Self { roots, settings, ports, tools, debian, program, path })
    }

    /// The outside of this installation.
    ///
    /// # Errors
    /// CAT-3103 when its tools are not built.
    pub fn outside(&self) -> Result<Outside> {
        Ok(Outside::new(outside::Config {
            dir: self.roots.home.outside(),
            role: Role::new("outside")?,
            launcher: self.launcher(),
            ports: self.ports.outside,
            programs: outside::Programs {
                gitea: self.tools.dir("gitea")?.to_owned(),
                registry: self.tools.bin("registry")?,
            },
            first_user: outside::FIRST_USER,
        }))
    }

    /// The front of one link.
    ///
    /// # Errors
    /// CAT-3103 when CoreDNS is not built, CAT-3000.
    pub fn front(&self, name: &NodeName, link: &Link) -> Result<Front> {
        let coredns = self.tools.bin("coredns")?;
        let home = &self.roots.home;
        Front::new(front::Config::of_link(home, name, link.host_ip(), self.launcher(), coredns)?)
    }

    /// The mothership of this installation; `source` is the checkout with `infra/sandbox`, and
    /// `catalystd` lies beside this program.
    ///
    /// # Errors
    /// CAT-3103 when its tools are not built.
    pub fn mothership(&self, source: &Path) -> Result<Mothership> {
        Mothership::new(mothership::Config {
            dir: self.roots.home.mothership(),
            launcher: self.launcher(),
            ports: self.ports.mothership(),
            settings: self.settings,
            catalystd: self.catalystd(),
            catalyst: self.program.clone(),
            tofu: self.tools.bin("tofu")?,
            kustomize: self.tools.bin("kustomize")?,
            module: source.join("infra/sandbox"),
            home: self.roots.home.root().to_owned(),
            cache: self.roots.cache.root().to_owned(),
            pull_credentials: self.outside()?.pull_credentials_file(),
            path: self.path.clone(),
        })
    }

    /// The mothership as far as it takes to look at it and to end it: works without any tool.
    ///
    /// # Errors
    /// None that a person can meet.
    pub fn mothership_to_end(&self) -> Result<Mothership> {
        Mothership::new(mothership::Config {
            dir: self.roots.home.mothership(),
            launcher: self.launcher(),
            ports: self.ports.mothership(),
            settings: self.settings,
            catalystd: self.catalystd(),
            catalyst: self.program.clone(),
            tofu: PathBuf::new(),
            kustomize: PathBuf::new(),
            module: PathBuf::new(),
            home: self.roots.home.root().to_owned(),
            cache: self.roots.cache.root().to_owned(),
            pull_credentials: PathBuf::new(),
            path: self.path.clone(),
        })
    }

    /// This machine with every program a node needs.
    ///
    /// # Errors
    /// CAT-3201 without root; CAT-3103, CAT-3114 and CAT-3120 when something is not built.
    pub async fn machine(&self) -> Result<Machine> {
        refuse_without_root()?;
        let pause = self.images()?.ensure_only(&|name| name == PAUSE, &|_| {}).await?;
        let mut crds = Vec::new();
        for tool in CRDS_OF {
            crds.push(self.tools.dir(tool)?.join("crds"));
        }
        let ca = self.outside()?.authority()?.certificate_file();
        Ok(Machine {
            roots: self.roots.clone(),
            tools: NodeTools {
                catalyst: self.program.clone(),
                kubernetes: self.tools.dir("kubernetes")?.join("bin"),
                etcd: self.tools.dir("etcd")?.join("bin"),
                debian: self.debian.tree()?.root(),
                crds,
                images: vec![pause.get(PAUSE)?.archive()?],
            },
            outside_ca: Some(ca),
        })
    }

    /// This machine as far as it takes to look at Sovereigns and to end them.
    pub fn machine_to_end(&self) -> Machine {
        let debian = self.debian.tree().map(|tree| tree.root()).unwrap_or_default();
        Machine {
            roots: self.roots.clone(),
            tools: NodeTools {
                catalyst: PathBuf::new(),
                kubernetes: PathBuf::new(),
                etcd: PathBuf::new(),
                debian,
                crds: Vec::new(),
                images: Vec::new(),
            },
            outside_ca: None,
        }
    }

    /// The images to be made; our own are made of the `catalystd` beside this program.
    ///
    /// # Errors
    /// CAT-3120 for a broken description.
    pub fn images(&self) -> Result<Images> {
        let specs = Specs::embedded()?;
        let (tools, debian) = (self.tools.clone(), self.debian.clone());
        Ok(Images::new(&self.roots.cache, specs, tools, debian, self.catalystd()))
    }

    /// Our charts, packaged with the digests of these images.
    ///
    /// # Errors
    /// CAT-3130, CAT-3103, CAT-3000.
    pub async fn charts(&self, source: &Path, images: &ImageSet) -> Result<Vec<Chart>> {
        charts::package_all(&self.roots.cache, source, &self.tools, images).await
    }

    /// The outside as far as it takes to end it: works without any tool.
    ///
    /// # Errors
    /// None that a person can meet.
    pub fn outside_to_end(&self) -> Result<Outside> {
        Ok(Outside::new(outside::Config {
            dir: self.roots.home.outside(),
            role: Role::new("outside")?,
            launcher: self.launcher(),
            ports: self.ports.outside,
            programs: outside::Programs { gitea: PathBuf::new(), registry: PathBuf::new() },
            first_user: outside::FIRST_USER,
        }))
    }

    /// The link of a recorded Sovereign with its front: DNS, git and registries answer afterwards.
    ///
    /// # Errors
    /// Those of [`Machine::link`] and [`Front::up`].
    pub async fn link(&self, name: &NodeName) -> Result<Link> {
        let link = self.machine().await?.link(name).await?;
        self.front(name, &link)?.up(&self.outside()?.authority()?).await?;
        Ok(link)
    }

    /// A Sovereign made by hand, with all its steps.
    ///
    /// # Errors
    /// Those of the steps.
    pub async fn up(&self, wish: &Wish, tell: impl FnMut(&StepReport)) -> Result<NodeSpec> {
        let machine = self.machine().await?;
        machine.host(wish).await?;
        self.link(&wish.name).await?;
        let spec = machine.node(&wish.name, &wish.boot).await?;
        machine.control_plane(&wish.name).await?;
        machine.booted(&wish.name, tell).await?;
        Ok(spec)
    }

    /// Starts a recorded Sovereign again on its own data; `false` when it runs, or was never
    /// started.
    ///
    /// # Errors
    /// Those of the steps.
    pub async fn resume(&self, name: &NodeName) -> Result<bool> {
        let machine = self.machine().await?;
        let file = Layout::at(self.roots.home.sovereign(name)).spec();
        if machine.runs(name)? {
            // Its front may have been killed, or have to follow other ports.
            let link = Record::read(&self.roots.home, name)?.link()?;
            self.front(name, &link)?.up(&self.outside()?.authority()?).await?;
            return Ok(false);
        }
        if !file.exists() {
            return Ok(false);
        }
        self.link(name).await?;
        machine.node(name, &NodeSpec::read(&file)?.boot).await?;
        machine.control_plane(name).await?;
        Ok(true)
    }

    /// Ends a Sovereign with its front; harmless when it is half there or not there at all.
    ///
    /// # Errors
    /// Those of [`Machine::down`] and [`Front::end`].
    pub async fn end(&self, name: &NodeName, data: Data) -> Result<()> {
        let fronted = Front::end(&self.roots.home, name).await;
        self.machine_to_end().down(name, data).await.and(fronted)
    }

    fn launcher(&self) -> Launcher {
        Launcher { program: self.program.clone(), args: vec!["sandbox".into(), "daemon".into()] }
    }

    fn catalystd(&self) -> PathBuf {
        self.program.with_file_name("catalystd")
    }
}
