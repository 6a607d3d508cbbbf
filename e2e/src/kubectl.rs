//! `kubectl` with the kubeconfig of one Sovereign.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{Catalyst, setting};

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
    /// When the API gives none.
    pub fn of(catalyst: &Catalyst, name: &str) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("e2e-{}-{name}.yaml", std::process::id()));
        let path = file.display().to_string();
        catalyst.run(&["sovereign", "kubeconfig", name, "--to", &path])?;
        Ok(Self { program: setting("CATALYST_KUBECTL")?, kubeconfig: file })
    }

    /// The file, for other programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `kubectl get … -o json`.
    ///
    /// # Errors
    /// With kubectl's words.
    pub fn get(&self, args: &[&str]) -> anyhow::Result<Value> {
        let text =
            self.run(&[&["get"], args, &["-o", "json", "--request-timeout=20s"]].concat(), "")?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The items of a list.
    ///
    /// # Errors
    /// As [`Kubectl::get`].
    pub fn list(&self, args: &[&str]) -> anyhow::Result<Vec<Value>> {
        Ok(self.get(args)?["items"].as_array().cloned().unwrap_or_default())
    }

    /// Any call, `input` on its standard input; gives its output.
    ///
    /// # Errors
    /// With kubectl's words.
    pub fn run(&self, args: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input says itself what is wrong.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().context("wait for kubectl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {}: {said}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// One decoded value of a Secret.
    ///
    /// # Errors
    /// There is no such Secret or key.
    pub fn secret(&self, namespace: &str, name: &str, key: &str) -> anyhow::Result<String> {
        let template = format!("-o=go-template={{{{index .data \"{key}\" | base64decode}}}}");
        self.run(&["get", "secret", name, "-n", namespace, &template], "")
    }

    /// A port of loopback that leads to `port` of a Service's Pod, as long as it lives.
    ///
    /// # Errors
    /// With kubectl's words.
    pub fn forward(&self, namespace: &str, service: &str, port: u16) -> anyhow::Result<Forward> {
        let (target, port) = (format!("service/{service}"), format!(":{port}"));
        let args = ["port-forward", "-n", namespace, "--address=127.0.0.1", &target, &port];
        let mut child = self
            .command(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start kubectl port-forward")?;
        let stdout = BufReader::new(child.stdout.take().context("its output")?);
        let mut forward = Forward { child, stdout, port: 0 };
        let mut line = String::new();
        forward.stdout.read_line(&mut line)?;
        // `Forwarding from 127.0.0.1:43211 -> 3000`
        let local = line.split(" -> ").next().and_then(|left| left.rsplit(':').next());
        forward.port = local
            .and_then(|port| port.parse().ok())
            .with_context(|| format!("kubectl port-forward said `{line}`"))?;
        Ok(forward)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("KUBECONFIG", &self.kubeconfig);
        // Its cache would be written to the user's own home folder.
        command.arg(format!("--cache-dir={}.cache", self.kubeconfig.display()));
        command
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
        let _ = std::fs::remove_dir_all(format!("{}.cache", self.kubeconfig.display()));
    }
}

/// A forwarded port; closed when dropped.
#[derive(Debug)]
pub struct Forward {
    child: Child,
    /// Kept open: it says a line for every connection, and would die of a closed pipe.
    stdout: BufReader<ChildStdout>,
    /// The port on 127.0.0.1.
    pub port: u16,
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
