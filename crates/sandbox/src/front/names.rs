//! The names a front answers for: what a Sovereign pulls from and reports to.

/// Git.
pub const GIT: &str = "github.com";
/// The registry whose `openova-io` is private.
pub const GHCR: &str = "ghcr.io";
/// Every registry name, `ghcr.io` among them.
pub const REGISTRIES: [&str; 7] = [
    GHCR,
    "docker.io",
    "registry-1.docker.io",
    "index.docker.io",
    "auth.docker.io",
    "quay.io",
    "registry.k8s.io",
];
/// The mothership, of which a Sovereign sees one path.
pub const CONSOLE: &str = "console.openova.io";

/// All of them, for certificate and DNS.
pub fn all() -> Vec<&'static str> {
    let mut names = vec![GIT, CONSOLE];
    names.extend(REGISTRIES);
    names
}
