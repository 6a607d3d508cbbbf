//! The two registries: one anybody may pull from, one that asks for credentials.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    CREDENTIALS, Config, Ports, PullCredentials, credentials, own, owned_dir, random_secret,
};
use crate::paths::write_private;
use crate::problem::{self, Result};
use crate::supervisor::{Bind, Child, Confine, Ready};

/// The cheapest round: the password has 256 random bits, so slow hashing protects nothing, and the
/// registry hashes it at every request.
const BCRYPT_COST: u32 = 4;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Public,
    Private,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Public => "registry-public",
            Self::Private => "registry-private",
        }
    }

    fn port(self, ports: Ports) -> u16 {
        match self {
            Self::Public => ports.public,
            Self::Private => ports.private,
        }
    }

    fn user(self, first: u32) -> u32 {
        match self {
            Self::Public => first + 3,
            Self::Private => first + 4,
        }
    }
}

/// Writes the registry's files and describes its process.
pub(super) fn child(config: &Config, kind: Kind) -> Result<Child> {
    let dir = config.dir.join(kind.name());
    let user = kind.user(config.first_user);
    owned_dir(&dir, user)?;
    owned_dir(&dir.join("storage"), user)?;
    let secret = http_secret(&dir)?;
    let auth = kind == Kind::Private;
    if auth {
        let credentials = PullCredentials::open_or_create(&credentials::file(&config.dir))?;
        write_htpasswd(&dir.join("htpasswd"), &credentials, user)?;
    }
    let text = settings(kind.port(config.ports), &secret, auth);
    let path = dir.join("config.yml");
    write_private(&path, text.as_bytes())?;
    own(&path, user)?;
    let env = [("OTEL_TRACES_EXPORTER", "none"), ("HOME", "/mnt/data")];
    Ok(Child {
        name: kind.name().into(),
        program: "/mnt/registry".into(),
        args: vec!["serve".into(), "/mnt/data/config.yml".into()],
        env: env
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect::<BTreeMap<_, _>>(),
        cwd: PathBuf::from("/mnt/data"),
        confine: Some(Confine {
            user,
            capabilities: Vec::new(),
            binds: vec![
                Bind::read(&config.programs.registry, "registry"),
                Bind::write(&dir, "data"),
            ],
        }),
        // `/v2/` of the private one would be a failed login in its log, every few seconds.
        ready: Ready::Http { address: Ports::local(kind.port(config.ports)), path: "/".into() },
        stop_within: Duration::from_secs(5),
    })
}

/// Signs upload states; kept, so that the configuration stays the same from start to start.
fn http_secret(dir: &Path) -> Result<String> {
    let path = dir.join("http.secret");
    if !path.exists() {
        write_private(&path, random_secret()?.as_bytes())?;
    }
    fs::read_to_string(&path).map_err(|error| problem::file("read", &path, error))
}

fn write_htpasswd(path: &Path, credentials: &PullCredentials, user: u32) -> Result<()> {
    let password = credentials.password.expose_secret();
    let known = fs::read_to_string(path).unwrap_or_default();
    let fits = known
        .trim()
        .strip_prefix(&format!("{}:", credentials.username))
        .is_some_and(|hash| bcrypt::verify(password, hash).unwrap_or(false));
    if fits {
        return Ok(());
    }
    let hash = bcrypt::hash(password, BCRYPT_COST)
        .map_err(|error| CREDENTIALS.because("cannot hash the password").source(error))?;
    write_private(path, format!("{}:{hash}\n", credentials.username).as_bytes())?;
    own(path, user)
}

fn settings(port: u16, secret: &str, auth: bool) -> String {
    let mut text = format!(
        "version: 0.1\n\
         log:\n  level: warn\n  accesslog:\n    disabled: true\n\
         storage:\n  filesystem:\n    rootdirectory: /mnt/data/storage\n  delete:\n    enabled: true\n\
         http:\n  addr: 127.0.0.1:{port}\n  relativeurls: true\n  secret: {secret}\n  draintimeout: 2s\n\
         \x20 headers:\n    X-Content-Type-Options: [nosniff]\n"
    );
    if auth {
        text.push_str("auth:\n  htpasswd:\n    realm: ghcr.io\n    path: /mnt/data/htpasswd\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_yaml_on_loopback_with_relative_urls() {
        let value: serde_json::Value =
            serde_saphyr::from_str(&settings(7084, "abc", true)).unwrap();
        assert_eq!(value["http"]["addr"], "127.0.0.1:7084");
        assert_eq!(value["http"]["relativeurls"], true);
        assert_eq!(value["auth"]["htpasswd"]["realm"], "ghcr.io");
        assert!(!settings(1, "abc", false).contains("auth"));
    }
}
