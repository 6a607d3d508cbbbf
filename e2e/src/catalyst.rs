//! The command line under test.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{say, setting};

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
        Ok(Self { program: setting("CATALYST_BIN")? })
    }

    /// Runs it, passing its talk through, and gives its data.
    ///
    /// # Errors
    /// When it exits with anything but 0.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let began = Instant::now();
        say(&format!("$ catalyst {}", args.join(" ")));
        let output = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("start catalyst")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "catalyst {}: {}: {text}", args.join(" "), output.status);
        say(&format!("  ({:.1}s)", began.elapsed().as_secs_f64()));
        Ok(text)
    }

    /// Runs it and reads its data as JSON.
    ///
    /// # Errors
    /// As [`Catalyst::run`]; or it printed something else.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let text = self.run(&[args, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("catalyst {}: {text}", args.join(" ")))
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
        self.json(&["sovereign", "get", name])
    }

    /// One Sovereign as this machine tells it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn node(&self, name: &str) -> anyhow::Result<Value> {
        Ok(self.json(&["sandbox", "status", name])?[0].clone())
    }
}
