//! A copy of the small tree, and the program run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The rules that the tree breaks on purpose: others may come and find more.
pub(crate) const RULES: [&str; 6] = ["--rule", "L16", "--rule", "L18", "--rule", "L54"];

/// One copy of the tree.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kit")
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&tests().join("tree"), &folder.path().join("tree"));
        Self { folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Writes a file of the tree.
    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path), text).unwrap();
    }

    /// Replaces a part of a file that must be there.
    pub(crate) fn edit(&self, path: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.root().join(path)).unwrap();
        assert!(text.contains(old), "{path} has no `{old}`");
        self.write(path, &text.replace(old, new));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalyst"));
        command.arg("kit").args(args).env_clear().current_dir(self.root());
        for name in ["PATH", "HOME", "XDG_CACHE_HOME", "CATALYST_CACHE", "GOPROXY", "GOSUMDB"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        command.env("CATALYST_SOURCE", checkout);
        command.env("CATALYST_HOME", self.folder.path().join("state"));
        command.stdin(Stdio::null());
        command
    }

    /// Help of a verb; it tells what the environment holds, so there is none.
    pub(crate) fn help(&self, verb: &str) -> Said {
        said(self.command(&[verb, "--help"]).env_clear())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    /// `lint` with the rules the tree breaks on purpose.
    pub(crate) fn lint(&self, args: &[&str]) -> Said {
        self.run(&[&["lint", "."], &RULES[..], args].concat())
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Said { code: output.status.code(), out, err }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
