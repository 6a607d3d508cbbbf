//! Downloads, checks and unpacks the locked packages.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::lock::{Lock, Locked, Use};
use super::{DOWNLOAD, Progress, VERSION_GONE, WRONG_HASH};
use crate::hold::Hold;
use crate::paths::{Cache, private_dir, remove_dir};
use crate::problem::{self, Problem, Result};
use crate::process::Invocation;

/// For all packages together on a slow line.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// For one `dpkg-deb -x`.
const UNPACK_TIMEOUT: Duration = Duration::from_secs(120);
/// Debian makes these by its alternatives system when the package is installed.
const XTABLES_LINKS: &[&str] = &[
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Makes `dir` hold the unpacked packages of `lock`.
pub(super) async fn ensure(
    cache: &Cache,
    lock: &Lock,
    dir: &Path,
    report: Report<'_>,
) -> Result<()> {
    let archives = cache.debian().join("archives");
    private_dir(&archives)?;
    let waiting = |holder| report(Progress::Waiting { holder });
    let _hold = Hold::take(&cache.debian().join("lock"), &waiting).await?;
    if dir.join("complete").is_file() {
        return Ok(());
    }
    download(lock, &archives, report).await?;
    report(Progress::Unpacking { packages: lock.packages.len() });
    let partial = dir.with_extension("partial");
    remove_dir(&partial)?;
    let root = partial.join("root");
    private_dir(&root)?;
    for locked in lock.of(Use::Host) {
        unpack(&archives.join(locked.file_name()), &root).await?;
    }
    link_xtables(&root)?;
    for locked in lock.of(Use::Image) {
        let folder = partial.join("packages").join(&locked.name);
        private_dir(&folder)?;
        unpack(&archives.join(locked.file_name()), &folder).await?;
    }
    let complete = partial.join("complete");
    std::fs::write(&complete, &lock.release)
        .map_err(|error| problem::file("write", &complete, error))?;
    remove_dir(dir)?;
    std::fs::rename(&partial, dir).map_err(|error| problem::file("rename", &partial, error))?;
    report(Progress::Done);
    Ok(())
}

async fn download(lock: &Lock, archives: &Path, report: Report<'_>) -> Result<()> {
    let absent: Vec<&Locked> =
        lock.packages.iter().filter(|locked| !is_there(locked, archives)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let mut offered = offers(&absent).await?;
    if !gone(&absent, &offered).is_empty() {
        report(Progress::Updating);
        update().await?;
        offered = offers(&absent).await?;
    }
    let gone = gone(&absent, &offered);
    if !gone.is_empty() {
        return Err(VERSION_GONE.because(gone.join("; ")));
    }
    let bytes = absent.iter().map(|locked| locked.size).sum();
    report(Progress::Downloading { packages: absent.len(), bytes });
    let wanted = absent.iter().map(|locked| format!("{}={}", locked.name, locked.version));
    let apt = apt("apt-get").arg("download").args(wanted).cwd(archives).timeout(DOWNLOAD_TIMEOUT);
    apt.run().await.map_err(|failure| DOWNLOAD.because(failure.to_string()).source(failure))?;
    absent.iter().try_for_each(|locked| verify(locked, archives))
}

/// An apt command; the proxy settings of the machine's apt files apply as they are.
pub(super) fn apt(program: &str) -> Invocation {
    Invocation::new(program)
        .args(["-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"])
        .inherit("http_proxy")
        .inherit("https_proxy")
        .inherit("HOME")
}

/// Runs `apt-get update`, which needs root.
pub(super) async fn update() -> Result<()> {
    let apt = apt("apt-get").arg("update").timeout(DOWNLOAD_TIMEOUT);
    match apt.run().await {
        Ok(_) => Ok(()),
        Err(failure) => Err(DOWNLOAD.because(failure.to_string()).source(failure)),
    }
}

/// The versions the mirrors offer, by package.
async fn offers(packages: &[&Locked]) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let names = packages.iter().map(|locked| locked.name.as_str());
    let madison = Invocation::new("apt-cache").arg("madison").args(names);
    match madison.run().await {
        Ok(output) => Ok(parse_madison(&output.text())),
        // With no lists at all apt-cache ends with a failure; that is what the update is for.
        Err(failure) if !failure.is_missing() => Ok(BTreeMap::new()),
        Err(failure) => Err(DOWNLOAD.because(failure.to_string()).source(failure)),
    }
}

fn parse_madison(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut offers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split('|').map(str::trim);
        if let (Some(name), Some(version)) = (parts.next(), parts.next()) {
            offers.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    offers
}

/// One line for every locked version that is not offered any more.
fn gone(wanted: &[&Locked], offers: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let line = |locked: &&Locked| -> Option<String> {
        let offered = offers.get(&locked.name);
        if offered.is_some_and(|versions| versions.contains(&locked.version)) {
            return None;
        }
        let versions: Vec<_> = offered.into_iter().flatten().map(String::as_str).collect();
        let now = if versions.is_empty() { "nothing".to_owned() } else { versions.join(", ") };
        Some(format!("`{}` {} is locked, {now} is offered", locked.name, locked.version))
    };
    wanted.iter().filter_map(line).collect()
}

fn is_there(locked: &Locked, archives: &Path) -> bool {
    let path = archives.join(locked.file_name());
    path.metadata().is_ok_and(|meta| meta.len() == locked.size) && verify(locked, archives).is_ok()
}

fn verify(locked: &Locked, archives: &Path) -> Result<()> {
    let path = archives.join(locked.file_name());
    let found = sha256_of(&path).map_err(|error| problem::file("read", &path, error))?;
    if found == locked.sha256 {
        return Ok(());
    }
    Err(WRONG_HASH.because(format!(
        "`{}` has SHA-256 {found}, {} is locked",
        path.display(),
        locked.sha256
    )))
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

async fn unpack(archive: &Path, into: &Path) -> Result<()> {
    let dpkg = Invocation::new("dpkg-deb").arg("-x").arg(archive).arg(into);
    dpkg.timeout(UNPACK_TIMEOUT).run().await.map(|_| ()).map_err(Problem::from)
}

fn link_xtables(root: &Path) -> Result<()> {
    let sbin: PathBuf = root.join("usr/sbin");
    if !sbin.join("xtables-nft-multi").exists() {
        return Ok(());
    }
    for name in XTABLES_LINKS {
        let link = sbin.join(name);
        std::os::unix::fs::symlink("xtables-nft-multi", &link)
            .map_err(|error| problem::file("create the link", &link, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, version: &str) -> Locked {
        Locked {
            name: name.into(),
            version: version.into(),
            architecture: "amd64".into(),
            sha256: hex::encode(Sha256::digest(b"deb")),
            size: 3,
            uses: BTreeSet::from([Use::Host]),
            depends: BTreeSet::new(),
        }
    }

    #[test]
    fn a_version_that_left_the_mirror_is_named_with_the_one_that_took_its_place() {
        let offers = parse_madison(" runc | 1.1.5+b2 | http://x bookworm/main amd64 Packages\n");
        let (old, same) = (locked("runc", "1.1.5+b1"), locked("runc", "1.1.5+b2"));
        assert_eq!(gone(&[&old], &offers), ["`runc` 1.1.5+b1 is locked, 1.1.5+b2 is offered"]);
        assert!(gone(&[&same], &offers).is_empty());
        let never = locked("nowhere", "1");
        assert_eq!(gone(&[&never], &offers), ["`nowhere` 1 is locked, nothing is offered"]);
    }

    #[test]
    fn a_file_of_the_right_size_and_wrong_content_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let package = locked("a", "1");
        let path = dir.path().join(package.file_name());
        std::fs::write(&path, "deb").unwrap();
        assert!(is_there(&package, dir.path()));
        std::fs::write(&path, "bed").unwrap();
        assert!(!is_there(&package, dir.path()));
        assert_eq!(verify(&package, dir.path()).unwrap_err().code(), &WRONG_HASH);
    }
}
