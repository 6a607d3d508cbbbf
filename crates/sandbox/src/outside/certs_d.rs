//! `certs.d` of a node: tells containerd which CA the registries of this link are signed by.

use std::path::Path;

use crate::front::names;
use crate::paths::{private_dir, write_public};
use crate::problem::Result;

/// Writes `<dir>/<registry>/hosts.toml` for every registry name. `ca` is the CA's path as the
/// node's containerd sees it. containerd reads these files at every pull, so no restart is needed.
///
/// # Errors
/// CAT-3000.
pub fn write(dir: &Path, ca: &Path) -> Result<()> {
    for host in names::REGISTRIES {
        let folder = dir.join(host);
        private_dir(&folder)?;
        write_public(&folder.join("hosts.toml"), hosts_toml(host, ca).as_bytes())?;
    }
    Ok(())
}

/// `ca` stands at the top and below the host: with one of them missing, containerd reports a
/// missing image as a certificate of unknown authority.
fn hosts_toml(host: &str, ca: &Path) -> String {
    // The one registry whose images are not served under its name.
    let serving = if host == "docker.io" { "registry-1.docker.io" } else { host };
    let ca = toml::Value::String(ca.to_string_lossy().into_owned());
    format!(
        "server = \"https://{serving}\"\nca = {ca}\n\n\
         [host.\"https://{serving}\"]\n\
         capabilities = [\"pull\", \"resolve\"]\nca = {ca}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registry_names_the_ca_twice_and_never_skips_verification() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), Path::new("/etc/c a/ca.crt")).unwrap();
        for host in names::REGISTRIES {
            let text = std::fs::read_to_string(dir.path().join(host).join("hosts.toml")).unwrap();
            let table: toml::Table = text.parse().unwrap();
            assert_eq!(table["ca"].as_str(), Some("/etc/c a/ca.crt"));
            let server = table["server"].as_str().unwrap();
            assert_eq!(table["host"][server]["ca"].as_str(), Some("/etc/c a/ca.crt"));
            assert!(!text.contains("skip_verify"));
        }
        let docker = std::fs::read_to_string(dir.path().join("docker.io/hosts.toml")).unwrap();
        assert!(docker.contains("https://registry-1.docker.io"));
    }
}
