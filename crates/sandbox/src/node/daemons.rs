//! The daemons of a node: program, flags, what each waits for and how it is known to be ready.
//!
//! Entry point: [`daemons`]. Every server binds the node's address or loopback. The comments say why
//! a flag is there; a flag without one is what any Kubernetes has.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{API_PORT, DNS_IP, NodeSpec, POD_RANGE, SERVICE_RANGE};

/// containerd's socket as the node sees it; `/run` is the node's own.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// What runs the containers.
pub const CONTAINERD: &str = "containerd";
/// What starts them, again and again.
pub const KUBELET: &str = "kubelet";

/// One program that PID 1 keeps running.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// Its name in status and log.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments; never a secret.
    pub args: Vec<OsString>,
    /// Started when all of these are ready.
    pub after: &'static [&'static str],
    /// How to see that it is ready.
    pub probe: Probe,
    /// Whether it runs for ever or to a good end.
    pub kind: Kind,
}

/// How to see that a daemon is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Its process is there.
    Alive,
    /// Something accepts at this address.
    Tcp(SocketAddr),
    /// Something accepts at this socket.
    Unix(PathBuf),
    /// The API server's `/readyz` answers 200.
    ApiServer,
}

/// Whether a daemon runs for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any end is a failure: it is started again.
    Service,
    /// An end with status 0 is what was wanted; anything else is tried again.
    Task,
}

/// All daemons of the node in the order of `status`.
pub fn daemons(spec: &NodeSpec) -> Vec<Daemon> {
    vec![
        etcd(spec),
        containerd(spec),
        kube_apiserver(spec),
        kube_controller_manager(spec),
        kube_scheduler(spec),
        kubelet(spec),
        kube_proxy(spec),
        first_boot(spec),
    ]
}

/// The environment of every daemon.
pub fn environment(spec: &NodeSpec) -> Vec<(&'static str, OsString)> {
    let debian = &spec.tools.debian;
    let lib = debian.join("usr/lib/x86_64-linux-gnu");
    let own = ["usr/sbin", "usr/bin", "sbin", "bin"].map(|part| debian.join(part));
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let join = |paths: &[&Path]| {
        let shown: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
        OsString::from(shown.join(":"))
    };
    let path: Vec<&Path> = own.iter().chain(&system).map(PathBuf::as_path).collect();
    vec![
        ("PATH", join(&path)),
        ("LD_LIBRARY_PATH", join(&[&lib, &debian.join("lib/x86_64-linux-gnu")])),
        // iptables finds its matches and targets here.
        ("XTABLES_LIBDIR", lib.join("xtables").into()),
        ("HOME", "/var/lib/catalyst".into()),
        ("TMPDIR", spec.layout().tmp().into()),
        ("LC_ALL", "C.UTF-8".into()),
    ]
}

fn kubernetes(spec: &NodeSpec, name: &'static str, args: Vec<OsString>) -> Daemon {
    Daemon {
        name,
        program: spec.tools.kubernetes.join(name),
        args,
        after: &["kube-apiserver"],
        probe: Probe::Alive,
        kind: Kind::Service,
    }
}

fn etcd(spec: &NodeSpec) -> Daemon {
    Daemon {
        name: "etcd",
        program: spec.tools.etcd.join("etcd"),
        args: flags([
            ("name", "node"),
            ("data-dir", "/var/lib/etcd"),
            ("listen-client-urls", "http://127.0.0.1:2379"),
            ("advertise-client-urls", "http://127.0.0.1:2379"),
            ("listen-peer-urls", "http://127.0.0.1:2380"),
            ("initial-advertise-peer-urls", "http://127.0.0.1:2380"),
            ("initial-cluster", "node=http://127.0.0.1:2380"),
            // A sandbox may lose its last second when the machine's power fails; it is far faster.
            ("unsafe-no-fsync", "true"),
            ("log-level", "warn"),
        ]),
        after: &[],
        probe: Probe::Tcp(loopback(2379)),
        kind: Kind::Service,
    }
}

fn containerd(spec: &NodeSpec) -> Daemon {
    Daemon {
        name: CONTAINERD,
        program: spec.tools.debian.join("usr/bin/containerd"),
        args: vec!["--config".into(), spec.layout().etc().join("containerd.toml").into()],
        after: &[],
        probe: Probe::Unix(CONTAINERD_SOCKET.into()),
        kind: Kind::Service,
    }
}

fn kube_apiserver(spec: &NodeSpec) -> Daemon {
    let pki = spec.layout().pki();
    let (cert, key) = (|name| shown(&pki.cert(name)), |name| shown(&pki.key(name)));
    let ip = spec.node_ip.to_string();
    let args = flags([
        ("etcd-servers", "http://127.0.0.1:2379"),
        ("bind-address", &ip),
        ("advertise-address", &ip),
        ("secure-port", &API_PORT.to_string()),
        ("service-cluster-ip-range", SERVICE_RANGE),
        ("authorization-mode", "Node,RBAC"),
        ("enable-admission-plugins", "NodeRestriction"),
        ("allow-privileged", "true"),
        ("client-ca-file", &cert("ca")),
        ("tls-cert-file", &cert("apiserver")),
        ("tls-private-key-file", &key("apiserver")),
        ("kubelet-certificate-authority", &cert("ca")),
        ("kubelet-client-certificate", &cert("apiserver-kubelet-client")),
        ("kubelet-client-key", &key("apiserver-kubelet-client")),
        ("kubelet-preferred-address-types", "InternalIP"),
        ("service-account-issuer", "https://kubernetes.default.svc"),
        ("service-account-key-file", &shown(&pki.public())),
        ("service-account-signing-key-file", &key("service-account")),
        // Needed for anything aggregated, and for the extension-apiserver-authentication map.
        ("requestheader-client-ca-file", &cert("ca")),
        ("requestheader-allowed-names", "front-proxy-client"),
        ("requestheader-username-headers", "X-Remote-User"),
        ("requestheader-group-headers", "X-Remote-Group"),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        ("proxy-client-cert-file", &cert("front-proxy-client")),
        ("proxy-client-key-file", &key("front-proxy-client")),
        ("profiling", "false"),
    ]);
    Daemon { after: &["etcd"], probe: Probe::ApiServer, ..kubernetes(spec, "kube-apiserver", args) }
}

fn kube_controller_manager(spec: &NodeSpec) -> Daemon {
    let (pki, etc) = (spec.layout().pki(), spec.layout().etc());
    let config = shown(&etc.join("controller-manager.kubeconfig"));
    let args = flags([
        ("kubeconfig", config.as_str()),
        ("authentication-kubeconfig", config.as_str()),
        ("authorization-kubeconfig", config.as_str()),
        ("bind-address", "127.0.0.1"),
        ("allocate-node-cidrs", "false"),
        ("cluster-cidr", POD_RANGE),
        ("service-cluster-ip-range", SERVICE_RANGE),
        ("cluster-signing-cert-file", &shown(&pki.cert("ca"))),
        ("cluster-signing-key-file", &shown(&pki.key("ca"))),
        ("root-ca-file", &shown(&pki.cert("ca"))),
        ("service-account-private-key-file", &shown(&pki.key("service-account"))),
        ("use-service-account-credentials", "true"),
        // Alone on its cluster: a dead leader's lease would only delay the next start.
        ("leader-elect", "false"),
        ("profiling", "false"),
    ]);
    kubernetes(spec, "kube-controller-manager", args)
}

fn kube_scheduler(spec: &NodeSpec) -> Daemon {
    let config = shown(&spec.layout().etc().join("scheduler.kubeconfig"));
    let args = flags([
        ("kubeconfig", config.as_str()),
        ("authentication-kubeconfig", config.as_str()),
        ("authorization-kubeconfig", config.as_str()),
        ("bind-address", "127.0.0.1"),
        ("leader-elect", "false"),
        ("profiling", "false"),
    ]);
    kubernetes(spec, "kube-scheduler", args)
}

fn kubelet(spec: &NodeSpec) -> Daemon {
    let etc = spec.layout().etc();
    let args = flags([
        ("config", shown(&etc.join("kubelet.yaml")).as_str()),
        ("kubeconfig", &shown(&etc.join("kubelet.kubeconfig"))),
        ("root-dir", "/var/lib/kubelet"),
        ("hostname-override", &spec.name),
        ("node-ip", &spec.node_ip.to_string()),
        ("node-labels", "catalyst.openova.io/role=control-plane"),
        ("v", "1"),
    ]);
    Daemon {
        after: &["kube-apiserver", "containerd"],
        probe: Probe::Tcp(loopback(10248)),
        ..kubernetes(spec, KUBELET, args)
    }
}

fn kube_proxy(spec: &NodeSpec) -> Daemon {
    let config = shown(&spec.layout().etc().join("proxy.kubeconfig"));
    let args = flags([
        ("kubeconfig", config.as_str()),
        ("hostname-override", &spec.name),
        ("cluster-cidr", POD_RANGE),
        ("proxy-mode", "iptables"),
        // The sysctls behind these cannot be set inside a namespace.
        ("conntrack-max-per-core", "0"),
        ("conntrack-tcp-timeout-established", "0"),
        ("conntrack-tcp-timeout-close-wait", "0"),
        // A negative value needs CAP_SYS_RESOURCE, which not every machine grants.
        ("oom-score-adj", "0"),
        ("healthz-bind-address", "127.0.0.1:10256"),
        ("metrics-bind-address", "127.0.0.1:10249"),
        ("nodeport-addresses", &format!("{}/32", spec.node_ip)),
        ("iptables-min-sync-period", "100ms"),
    ]);
    Daemon { probe: Probe::Tcp(loopback(10256)), ..kubernetes(spec, "kube-proxy", args) }
}

fn first_boot(spec: &NodeSpec) -> Daemon {
    Daemon {
        name: "first-boot",
        program: spec.tools.catalyst.clone(),
        args: vec![
            "sandbox".into(),
            "first-boot".into(),
            "--spec".into(),
            spec.layout().spec().into(),
        ],
        after: &["kube-apiserver", "containerd"],
        probe: Probe::Alive,
        kind: Kind::Task,
    }
}

/// The arguments of `kubectl` that every call needs.
pub fn kubectl_flags(spec: &NodeSpec) -> Vec<OsString> {
    flags([
        ("kubeconfig", shown(&spec.layout().kubeconfig()).as_str()),
        // Its default is in the user's home folder, which is not ours.
        ("cache-dir", "/var/lib/catalyst/kube-cache"),
    ])
}

/// What Pods get as their name server.
pub fn cluster_dns() -> String {
    DNS_IP.to_string()
}

fn flags<const N: usize>(pairs: [(&str, &str); N]) -> Vec<OsString> {
    pairs.iter().map(|(name, value)| format!("--{name}={value}").into()).collect()
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
