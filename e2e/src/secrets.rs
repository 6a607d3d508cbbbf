//! Whether a secret of the installation is where anybody may read: a log, an argument list, an
//! environment.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

/// Files of an installation that hold a secret, by their names.
const HOLDERS: &[&str] = &["credentials.json", "ghcr-pull.json", "gitea-token", "local.token"];
/// Shorter words of those files are names, not secrets.
const SECRET_CHARS: usize = 24;

/// Where a secret of the installation in `home` is that it should not be; only the places are named.
///
/// # Errors
/// When no secret is found to look for.
pub fn leaks(home: &Path) -> anyhow::Result<Vec<String>> {
    let files = files_below(home);
    let is_holder = |file: &&PathBuf| {
        file.file_name().is_some_and(|name| HOLDERS.iter().any(|holder| *holder == name))
    };
    let secrets: Vec<String> =
        files.iter().filter(is_holder).flat_map(|file| words(file)).collect();
    ensure!(secrets.len() >= 3, "only {} secrets were found to look for", secrets.len());
    let logs = files.iter().filter(|file| file.extension().is_some_and(|end| end == "log"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let processes = processes.flat_map(|folder| [folder.join("cmdline"), folder.join("environ")]);
    let places = logs.cloned().chain(processes.filter(|file| file.exists()));
    // A process that has ended meanwhile shows nothing.
    let holds = |file: &PathBuf| {
        let text = fs::read(file).unwrap_or_default();
        secrets
            .iter()
            .any(|secret| text.windows(secret.len()).any(|part| part == secret.as_bytes()))
    };
    Ok(places.filter(holds).map(|file| file.display().to_string()).collect())
}

fn words(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.len() >= SECRET_CHARS)
        .map(str::to_owned)
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}
