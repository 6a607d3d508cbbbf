//! Black-box suites against a real local Sovereign: they know the command line, the HTTP API and
//! `kubectl`, and nothing of the crates behind them.
//!
//! The suites need root and the tools of `catalyst sandbox tools build`; they run when
//! `CATALYST_E2E=1` is set (`make test` sets it) and say that they were skipped otherwise.

mod machine;

pub use machine::{Leftovers, snapshot};

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Whether the suites run; a reason is printed when they do not.
pub fn enabled(suite: &str) -> bool {
    let wanted = std::env::var_os("CATALYST_E2E").is_some_and(|value| value == "1");
    if !wanted {
        say(&format!("skipped: {suite}: set CATALYST_E2E=1 (needs root and built tools)"));
    }
    wanted
}

/// The command line under test.
#[derive(Debug, Clone)]
pub struct Catalyst {
    program: PathBuf,
}

impl Catalyst {
    /// The program that `CATALYST_BIN` names.
    ///
    /// # Errors
    /// When it names none.
    pub fn from_environment() -> anyhow::Result<Self> {
        let program = std::env::var_os("CATALYST_BIN").context("CATALYST_BIN names no program")?;
        Ok(Self { program: program.into() })
    }

    /// Runs it, passing its talk through, and gives its data.
    ///
    /// # Errors
    /// When it exits with anything but 0.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        say(&format!("$ catalyst {}", args.join(" ")));
        let output = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("start catalyst")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "catalyst {}: {}: {text}", args.join(" "), output.status);
        Ok(text)
    }

    /// Runs it expecting a refusal; gives exit code and all it said.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn refused(&self, args: &[&str]) -> anyhow::Result<(i32, String)> {
        say(&format!("$ catalyst {}  (to be refused)", args.join(" ")));
        let output = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .context("start")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code().unwrap_or(-1), said))
    }

    /// One Sovereign as the API tells it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn sovereign(&self, name: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.run(&["sovereign", "get", name, "-o", "json"])?)?)
    }
}

/// `kubectl` with the kubeconfig of one Sovereign.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Fetches the kubeconfig through the public API.
    ///
    /// # Errors
    /// When the API gives none or `CATALYST_KUBECTL` is not set.
    pub fn of(catalyst: &Catalyst, name: &str) -> anyhow::Result<Self> {
        let program =
            std::env::var_os("CATALYST_KUBECTL").context("CATALYST_KUBECTL names no program")?;
        let file = std::env::temp_dir().join(format!("e2e-{}-{name}.yaml", std::process::id()));
        let path = file.display().to_string();
        catalyst.run(&["sovereign", "kubeconfig", name, "--to", &path])?;
        Ok(Self { program: program.into(), kubeconfig: file })
    }

    /// `kubectl get … -o json`.
    ///
    /// # Errors
    /// With kubectl's words.
    pub fn get(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.program)
            .arg("get")
            .args(args)
            .args(["-o", "json", "--request-timeout=20s"])
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .context("start kubectl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl get {}: {said}", args.join(" "));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The items of a list.
    ///
    /// # Errors
    /// As [`Kubectl::get`].
    pub fn list(&self, args: &[&str]) -> anyhow::Result<Vec<Value>> {
        Ok(self.get(args)?["items"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// Whether a condition of an object is `True`.
pub fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == kind && c["status"] == "True"))
}

/// Its name, with its namespace when it has one.
pub fn name(object: &Value) -> String {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or("?");
    meta["namespace"].as_str().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

#[expect(clippy::print_stdout, reason = "a suite's transcript is its output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
