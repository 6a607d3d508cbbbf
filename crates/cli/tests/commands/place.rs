//! The program in folders of its own, with a machine around it that lacks one thing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of one test.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a refused command said.
#[derive(Debug)]
pub(crate) struct Refusal {
    exit: Option<i32>,
    said: String,
}

impl Place {
    /// Folders that any user may look into; the checkout is one in name only.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(folder.path().join("checkout/sandbox/tools")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, its folders below ours, no choice of the user's own in the way.
    pub(crate) fn catalyst(&self, args: &[&str]) -> Command {
        self.wrapped(&[], Path::new(env!("CARGO_BIN_EXE_catalyst")), args)
    }

    /// The program started by other words; `{}` in them is our folder.
    pub(crate) fn inside(&self, words: &[&str], args: &[&str]) -> Command {
        self.wrapped(words, Path::new(env!("CARGO_BIN_EXE_catalyst")), args)
    }

    /// As [`Place::inside`], with the program where anybody may run it.
    pub(crate) fn as_anybody(&self, words: &[&str], args: &[&str]) -> Command {
        let program = self.path("catalyst");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_catalyst"), &program).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.wrapped(words, &program, args)
    }

    fn wrapped(&self, words: &[&str], program: &Path, args: &[&str]) -> Command {
        let here = self.folder.path().display().to_string();
        let mut all: Vec<String> = words.iter().map(|word| word.replace("{}", &here)).collect();
        all.push(program.display().to_string());
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).args(args).current_dir("/").env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.path("user"));
        command.env("CATALYST_HOME", self.path("home")).env("CATALYST_CACHE", self.path("cache"));
        command.env("CATALYST_SOURCE", self.path("checkout"));
        command
    }

    /// Every file below a folder of ours, by its path from there.
    pub(crate) fn files(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.path(name);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let path = entry.path();
                        found.push(path.strip_prefix(&root).unwrap().display().to_string());
                    }
                }
            }
        }
        found.sort();
        found
    }
}

/// Runs a command that must be refused.
pub(crate) fn refused(command: &mut Command) -> Refusal {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{command:?} was not refused: {said}");
    Refusal { exit: output.status.code(), said }
}

impl Refusal {
    /// It is one problem of this code, with cause and fix, and the cause or the fix has these words.
    pub(crate) fn is(&self, code: &str, words: &[&str]) {
        let headlines = self.said.matches("failed:").count();
        assert_eq!(headlines, 1, "{}", self.said);
        let last = self.said.rsplit("failed:").next().unwrap_or_default();
        assert!(last.trim_start().starts_with(code), "{}", self.said);
        for part in ["cause: ", "fix: "].iter().chain(words) {
            assert!(last.contains(part), "no `{part}` in {}", self.said);
        }
        assert!(!last.contains("panicked") && !last.contains("RUST_BACKTRACE"), "{}", self.said);
        assert_eq!(self.exit, Some(5), "this machine lacks something");
    }
}
