//! A push into the Gitea that runs in the Sovereign, as its administrator, and reading it back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use catalyst_e2e::Kubectl;

const NAMESPACE: &str = "gitea";
const REPOSITORY: &str = "e2e-marker";

/// What was pushed.
#[derive(Debug)]
pub(crate) struct Marker {
    commit: String,
}

/// Makes a repository and pushes one commit to it.
pub(crate) fn push_marker(kubectl: &Kubectl) -> anyhow::Result<Marker> {
    let gitea = Gitea::open(kubectl)?;
    let body = format!(r#"{{"name":"{REPOSITORY}","private":true}}"#);
    let made = gitea.call("POST", "/api/v1/user/repos", &body)?;
    ensure!(made == "201", "Gitea answered {made}");
    let folder = Folder::new()?;
    fs::write(folder.0.join("marker"), "this must survive\n")?;
    for args in [
        &["init", "-q", "-b", "main"][..],
        &["add", "marker"],
        &["-c", "user.name=e2e", "-c", "user.email=e2e@example.test", "commit", "-qm", "Mark"],
        &["push", "-q", &gitea.url(), "main"],
    ] {
        gitea.git(&folder.0, args)?;
    }
    let commit = gitea.git(&folder.0, &["rev-parse", "HEAD"])?;
    let marker = Marker { commit };
    drop(gitea);
    marker_is_there(kubectl, &marker)?;
    Ok(marker)
}

/// The commit is what Gitea has on the branch, and a stranger is not let in.
pub(crate) fn marker_is_there(kubectl: &Kubectl, marker: &Marker) -> anyhow::Result<()> {
    let gitea = Gitea::open(kubectl)?;
    let listed = gitea.git(Path::new("/"), &["ls-remote", &gitea.url(), "refs/heads/main"])?;
    ensure!(listed.starts_with(&marker.commit), "{listed} is not {}", marker.commit);
    let stranger = Gitea { header: "Authorization: Basic bm9ib2R5Om5vYm9keQ==".into(), ..gitea };
    let refused = stranger.git(Path::new("/"), &["ls-remote", &stranger.url()]);
    ensure!(refused.is_err(), "a stranger reads the repository");
    Ok(())
}

/// Its port on loopback and the administrator's word, which goes by the environment and standard
/// input only.
struct Gitea {
    forward: catalyst_e2e::Forward,
    user: String,
    header: String,
}

impl Gitea {
    fn open(kubectl: &Kubectl) -> anyhow::Result<Self> {
        let user = kubectl.secret(NAMESPACE, "gitea-admin-secret", "username")?;
        let password = kubectl.secret(NAMESPACE, "gitea-admin-secret", "password")?;
        let header = format!("Authorization: Basic {}", base64(format!("{user}:{password}")));
        Ok(Self { forward: kubectl.forward(NAMESPACE, "gitea-http", 3000)?, user, header })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/{REPOSITORY}.git", self.forward.port, self.user)
    }

    fn git(&self, folder: &Path, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .current_dir(folder)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", &self.header)
            .output()
            .context("start git")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {}: {said}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The status of a call of its API.
    fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.forward.port);
        let settings = format!("header = \"{}\"\n", self.header);
        crate::pull_secret::curl(
            &["-X", method, "-H", "Content-Type: application/json", "-d", body, &url],
            &settings,
        )
        .map(|(status, _)| status)
    }
}

pub(crate) fn base64(text: String) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for at in 0..4 {
            let digit = DIGITS[((word >> (18 - 6 * at)) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("e2e-git-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn base64_pads_as_the_rest_of_the_world_does() {
    let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
    for (text, wanted) in cases {
        assert_eq!(base64(text.to_owned()), wanted);
    }
}
