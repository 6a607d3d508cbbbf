//! One Sovereign's node: what it is made of, where its files are, which daemons it runs.
//!
//! Entry point: [`NodeSpec`], plain data that the host side writes as `spec.json` and PID 1 reads.
//! `config` writes the daemons' files, `daemons` says their flags and order. Nothing here starts
//! anything: see `init` for that.

pub mod config;
pub mod daemons;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::paths::{NodeName, folder_digits, private_dir, write_private};
use crate::pki::Pki;
use crate::problem::{Code, Result, file};

/// The description of a Sovereign's node cannot be used.
pub const SPEC: Code = Code::new(
    3200,
    "the description of the Sovereign's node cannot be used",
    "The file was written by another version or by hand. `catalyst sandbox up NAME` writes it anew.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&SPEC];

/// The first address of the services' range: the API server as Pods see it.
pub const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// The range of Services, the same in every Sovereign.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The cluster's DNS.
pub const DNS_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The range of Pods, the same in every Sovereign.
pub const POD_RANGE: &str = "10.244.0.0/24";
/// The API server's port.
pub const API_PORT: u16 = 6443;

/// Everything PID 1 of one Sovereign needs to know. No secret is in it: only paths of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// The Sovereign's name, which is its node's name too.
    pub name: String,
    /// The link's number, 0 to 15.
    pub index: u8,
    /// The node's address.
    pub node_ip: Ipv4Addr,
    /// The host's end of the link: DNS, registries and git answer there.
    pub host_ip: Ipv4Addr,
    /// The Sovereign's folder on the host.
    pub folder: PathBuf,
    /// The cache with tools, Debian parts and images.
    pub cache: PathBuf,
    /// Where the programs are.
    pub tools: NodeTools,
    /// The CA that signed the outside world's TLS names; absent when there is no outside.
    pub outside_ca: Option<PathBuf>,
    /// What happens once the node runs.
    pub boot: Boot,
}

/// Folders and files of the programs of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTools {
    /// The `catalyst` binary itself: PID 1 and the first boot are subcommands of it.
    pub catalyst: PathBuf,
    /// Folder with kube-apiserver, kubelet, kubectl and so on.
    pub kubernetes: PathBuf,
    /// Folder with etcd.
    pub etcd: PathBuf,
    /// Root of the unpacked Debian packages: containerd, runc, CNI plugins, iptables.
    pub debian: PathBuf,
    /// Folders with the Flux CRDs.
    pub crds: Vec<PathBuf>,
    /// Archives imported into containerd before the first Pod: the pause image.
    pub images: Vec<PathBuf>,
}

/// What the first boot does beyond a bare cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// How far it goes.
    pub reach: Reach,
    /// The Sovereign's domain name.
    pub fqdn: String,
    /// The deployment at the mothership; absent for a Sovereign made by hand.
    pub deployment_id: Option<String>,
    /// Where the kubeconfig is put: `<url>/api/v1/deployments/<id>/kubeconfig`.
    pub catalyst_api_url: Option<String>,
    /// A 0600 file with the one-time bearer.
    pub bearer_file: Option<PathBuf>,
    /// A 0600 file with `{registry, username, password}`.
    pub ghcr_credentials_file: Option<PathBuf>,
    /// The git repository of the kit.
    pub gitops_repo_url: String,
    /// Its branch.
    pub gitops_branch: String,
    /// The folder of the kit in it.
    pub kit_path: String,
}

/// How far the first boot goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Node Ready, nothing else: needs no registry.
    #[default]
    Node,
    /// DNS and storage too.
    Cluster,
    /// Flux too.
    Flux,
    /// The kit too.
    Kit,
}

impl NodeSpec {
    /// Reads a spec file.
    ///
    /// # Errors
    /// CAT-3200 when it is not one, CAT-3000 when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| file("read", path, error))?;
        serde_json::from_slice(&text)
            .map_err(|error| SPEC.because(format!("`{}`: {error}", path.display())).source(error))
    }

    /// Writes it to its place, for its owner only.
    ///
    /// # Errors
    /// CAT-3000.
    pub fn write(&self) -> Result<PathBuf> {
        private_dir(&self.folder)?;
        let path = self.layout().spec();
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| SPEC.because(error.to_string()).source(error))?;
        text.push(b'\n');
        write_private(&path, &text)?;
        Ok(path)
    }

    /// The name, checked.
    ///
    /// # Errors
    /// CAT-3001.
    pub fn node_name(&self) -> Result<NodeName> {
        NodeName::new(&self.name)
    }

    /// Where its files are.
    pub fn layout(&self) -> Layout {
        Layout { root: self.folder.clone() }
    }

    /// `https://<node>:6443`.
    pub fn api_server(&self) -> String {
        format!("https://{}:{API_PORT}", self.node_ip)
    }
}

/// What control groups were called before a folder was a part of their name.
pub(crate) fn older_label(name: &str) -> String {
    format!("catalyst-{name}")
}

/// The folder of one Sovereign on the host.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What its control group and its network namespace are called: `catalyst-<name>-` and eight
    /// digits that stand for the folder, so that Sovereigns of one name in two installations are two.
    pub fn label(&self) -> String {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        format!("{}-{}", older_label(&name), folder_digits(&self.root))
    }

    /// What PID 1 reads.
    pub fn spec(&self) -> PathBuf {
        self.root.join("spec.json")
    }

    /// What PID 1 writes: each daemon's state.
    pub fn status(&self) -> PathBuf {
        self.root.join("status.json")
    }

    /// What the first boot writes: each step's state.
    pub fn first_boot(&self) -> PathBuf {
        self.root.join("first-boot.json")
    }

    /// One file per daemon.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The daemons' configuration files.
    pub fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// Temporary files of the daemons.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> Pki {
        Pki::at(self.root.join("pki"))
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// What the node sees as `/var/lib`, `/var/log` and `/opt`, in this order: images, etcd's data
    /// and volumes live here and survive `down`.
    pub fn covers(&self) -> [(&'static str, PathBuf); 3] {
        [("/var/lib", "var-lib"), ("/var/log", "var-log"), ("/opt", "opt")]
            .map(|(over, own)| (over, self.root.join("data").join(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sovereigns_of_one_name_in_two_installations_have_labels_of_their_own() {
        let (one, other) = (Layout::at("/a/sovereigns/sov1"), Layout::at("/b/sovereigns/sov1"));
        assert_ne!(one.label(), other.label());
        assert_eq!(one.label(), Layout::at("/a/sovereigns/sov1").label());
        assert!(one.label().starts_with("catalyst-sov1-"), "{}", one.label());
    }
}
