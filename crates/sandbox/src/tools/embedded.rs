//! The pins as they were when this program was built, so that an installed binary needs no checkout.

/// `tool.toml`, `go.mod` and `go.sum` of one tool.
pub(super) struct EmbeddedPin {
    pub(super) tool: &'static str,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
}

macro_rules! pin {
    ($name:literal) => {
        EmbeddedPin {
            tool: pinned!($name, "tool.toml"),
            go_mod: pinned!($name, "go.mod"),
            go_sum: pinned!($name, "go.sum"),
        }
    };
}

macro_rules! pinned {
    ($name:literal, $file:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../sandbox/tools/",
            $name,
            "/",
            $file
        ))
    };
}

/// In the order of building: what a Sovereign needs first comes first, and neighbours share
/// packages.
pub(super) const PINS: &[(&str, EmbeddedPin)] = &[
    ("kubernetes", pin!("kubernetes")),
    ("etcd", pin!("etcd")),
    ("registry", pin!("registry")),
    ("coredns", pin!("coredns")),
    ("source-controller", pin!("source-controller")),
    ("kustomize-controller", pin!("kustomize-controller")),
    ("helm-controller", pin!("helm-controller")),
    ("local-path-provisioner", pin!("local-path-provisioner")),
    ("helm", pin!("helm")),
    ("kustomize", pin!("kustomize")),
    ("gitea", pin!("gitea")),
    ("opentofu", pin!("opentofu")),
];
