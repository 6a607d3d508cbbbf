//! The files a node's daemons read: kubeconfigs, kubelet, containerd, CNI, resolver.
//!
//! Entry point: [`write_all`], run by PID 1 before anything starts; every file is written anew at
//! every start, so that a new version of this program is never met by an old file.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::daemons::{CONTAINERD_SOCKET, cluster_dns};
use super::{Layout, NodeSpec, POD_RANGE, SERVICE_IP, SPEC};
use crate::outside::certs_d;
use crate::paths::{private_dir, write_private, write_public};
use crate::problem::{Result, file};

/// The image that holds a Pod's namespaces; the only one that is imported and not pulled.
pub const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10";

/// Writes every file and makes every folder of the node; keys first.
///
/// # Errors
/// CAT-3000 or CAT-3220.
pub fn write_all(spec: &NodeSpec) -> Result<()> {
    let layout = spec.layout();
    layout.pki().ensure(&spec.name, spec.node_ip, SERVICE_IP)?;
    let etc = layout.etc();
    for folder in [etc.clone(), etc.join("cni"), layout.log(), layout.tmp()] {
        private_dir(&folder)?;
    }
    write_private(&layout.kubeconfig(), &kubeconfig(spec, "admin")?)?;
    for name in ["controller-manager", "scheduler", "kubelet", "proxy"] {
        let path = etc.join(format!("{name}.kubeconfig"));
        write_private(&path, &kubeconfig(spec, name)?)?;
    }
    write_public(&etc.join("kubelet.yaml"), &json_bytes(&kubelet(spec))?)?;
    write_public(&etc.join("containerd.toml"), containerd(spec).as_bytes())?;
    write_public(&etc.join("cni/10-catalyst.conflist"), &json_bytes(&cni())?)?;
    let resolver = format!("nameserver {}\noptions timeout:2 attempts:2\n", spec.host_ip);
    write_public(&etc.join("resolv.conf"), resolver.as_bytes())?;
    let hosts = format!("127.0.0.1 localhost\n{} {}\n", spec.node_ip, spec.name);
    write_public(&etc.join("hosts"), hosts.as_bytes())?;
    match &spec.outside_ca {
        Some(ca) => certs_d::write(&etc.join("certs.d"), ca),
        None => Ok(()),
    }
}

/// A kubeconfig with the certificate and key called `client` inside.
///
/// # Errors
/// CAT-3000 when a key cannot be read.
pub fn kubeconfig(spec: &NodeSpec, client: &str) -> Result<Vec<u8>> {
    let pki = spec.layout().pki();
    let encoded = |path: PathBuf| -> Result<String> {
        let bytes = fs::read(&path).map_err(|error| file("read", &path, error))?;
        Ok(STANDARD.encode(bytes))
    };
    json_bytes(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": spec.name,
        "clusters": [{"name": spec.name, "cluster": {
            "server": spec.api_server(),
            "certificate-authority-data": encoded(pki.cert("ca"))?,
        }}],
        "users": [{"name": client, "user": {
            "client-certificate-data": encoded(pki.cert(client))?,
            "client-key-data": encoded(pki.key(client))?,
        }}],
        "contexts": [{"name": spec.name, "context": {"cluster": spec.name, "user": client}}],
    }))
}

fn kubelet(spec: &NodeSpec) -> serde_json::Value {
    let pki = spec.layout().pki();
    let etc = spec.layout().etc();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": spec.node_ip.to_string(),
        "healthzBindAddress": "127.0.0.1",
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.cert("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.cert("kubelet-server"),
        "tlsPrivateKeyFile": pki.key("kubelet-server"),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [cluster_dns()],
        "resolvConf": etc.join("resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", spec.layout().label()),
        "failCgroupV1": false,
        "failSwapOn": false,
        // A negative value needs CAP_SYS_RESOURCE, which not every machine grants.
        "oomScoreAdj": 0,
        // The disk is the user's: its fill level is not this node's affair.
        "evictionHard": {
            "nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi",
        },
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "podLogsDir": "/var/log/pods",
        "staticPodPath": "",
        "serializeImagePulls": false,
        "maxParallelImagePulls": 4,
        "registryPullQPS": 0,
        "nodeStatusReportFrequency": "10s",
        "nodeStatusUpdateFrequency": "4s",
        "syncFrequency": "10s",
        "protectKernelDefaults": false,
        "enableDebuggingHandlers": true,
        "shutdownGracePeriod": "0s",
        "logging": {"verbosity": 1},
    })
}

fn containerd(spec: &NodeSpec) -> String {
    let etc = spec.layout().etc();
    let bin = spec.tools.debian.join("usr/lib/cni");
    let runc = spec.tools.debian.join("usr/sbin/runc");
    let quoted = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned()).to_string();
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
stream_server_address = "127.0.0.1"
# A negative oom_score_adj is refused without CAP_SYS_RESOURCE, and then no Pod starts at all.
restrict_oom_score_adj = true
# CoreDNS runs as an ordinary user on port 53.
enable_unprivileged_ports = true
enable_unprivileged_icmp = true
device_ownership_from_security_context = false

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = {runc}
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {bin}
conf_dir = {cni}

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {certs}
"#,
        runc = quoted(&runc),
        bin = quoted(&bin),
        cni = quoted(&etc.join("cni")),
        certs = quoted(&etc.join("certs.d")),
    )
}

fn cni() -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "catalyst",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni/networks",
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn json_bytes(value: &serde_json::Value) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| SPEC.because(error.to_string()).source(error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Where `layout`'s files for the mount namespace are: the node's own resolver and hosts.
pub fn private_files(layout: &Layout) -> [(&'static str, PathBuf); 2] {
    [
        ("/etc/resolv.conf", layout.etc().join("resolv.conf")),
        ("/etc/hosts", layout.etc().join("hosts")),
    ]
}
