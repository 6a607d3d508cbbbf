//! Builds tools one at a time: one lock, own Go caches, `.partial` then rename.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::eta::Eta;
use super::{BUILD_FAILED, Entry, MODULE_REFUSED, MODULE_TIMEOUT, room};
use crate::hold::Hold;
use crate::paths::{Cache, private_dir, remove_dir};
use crate::problem::{self, Problem, Result};
use crate::process::{Failure, Invocation};

/// No build took a third of this on a busy machine.
const BUILD_TIMEOUT: Duration = Duration::from_secs(90 * 60);
/// Pauses between tries after a time-out of the module proxy.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];
/// How often [`Progress::Working`] is reported.
const TICK: Duration = Duration::from_secs(1);

/// What is happening, for a progress display. Durations are honest estimates, not promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Another process builds in the same cache; its process id, if it said so.
    Waiting {
        /// The other builder's process id.
        holder: Option<u32>,
    },
    /// About a second of work on one tool went by.
    Working {
        /// The tool's name.
        tool: String,
        /// Its version.
        version: String,
        /// Which of the missing tools it is, from 1.
        index: usize,
        /// How many tools were missing.
        total: usize,
        /// Time spent on it so far.
        elapsed: Duration,
        /// Time it may still need.
        left: Duration,
        /// Time all missing tools may still need.
        left_in_all: Duration,
    },
    /// The module proxy did not answer and is asked again.
    Retrying {
        /// The tool's name.
        tool: String,
        /// The last words of the failed try.
        cause: String,
    },
    /// One tool is done.
    Built {
        /// The tool's name.
        tool: String,
        /// Its version.
        version: String,
        /// Which of the missing tools it is, from 1.
        index: usize,
        /// How many tools were missing.
        total: usize,
        /// How long it took.
        took: Duration,
    },
    /// The builds' own caches are being removed in the background.
    Cleaning,
}

type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Builds every entry that is not complete.
pub(super) async fn ensure(cache: &Cache, entries: &[Entry], report: Report<'_>) -> Result<()> {
    let lock = cache.tools().join("lock");
    if entries.iter().all(Entry::is_complete) {
        // A builder of other pins may be at work in the build folder: then it cleans up itself.
        let idle = cache.root().exists().then(|| Hold::try_take(&lock)).transpose()?.flatten();
        return if idle.is_some() { clean(cache, report) } else { Ok(()) };
    }
    private_dir(&cache.tools())?;
    let hold = Hold::take(&lock, &|holder| report(Progress::Waiting { holder })).await?;
    // Another builder may have done it while we waited.
    let missing: Vec<_> = entries.iter().filter(|entry| !entry.is_complete()).collect();
    let needed = room::needed_bytes(entries, &missing);
    room::check(cache.root(), room::used_bytes(&cache.build()), needed)?;
    let mut eta = Eta::new(missing.iter().map(|entry| entry.pin.seconds));
    for (done, entry) in missing.iter().enumerate() {
        let turn = Turn { entry, index: done + 1, total: missing.len() };
        let began = Instant::now();
        turn.run(cache, &hold, &eta, report).await?;
        eta.finished(began.elapsed());
        report(Progress::Built {
            tool: entry.pin.name.clone(),
            version: entry.pin.version.clone(),
            index: turn.index,
            total: turn.total,
            took: began.elapsed(),
        });
    }
    clean(cache, report)
}

/// One tool's place in the row.
struct Turn<'a> {
    entry: &'a Entry,
    index: usize,
    total: usize,
}

impl Turn<'_> {
    async fn run(&self, cache: &Cache, hold: &Hold, eta: &Eta, report: Report<'_>) -> Result<()> {
        let began = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let work = self.build(cache, hold, report);
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                _ = tick.tick() => {
                    let elapsed = began.elapsed();
                    report(Progress::Working {
                        tool: self.entry.pin.name.clone(),
                        version: self.entry.pin.version.clone(),
                        index: self.index,
                        total: self.total,
                        elapsed,
                        left: eta.current_left(elapsed),
                        left_in_all: eta.left(elapsed),
                    });
                }
            }
        }
    }

    async fn build(&self, cache: &Cache, hold: &Hold, report: Report<'_>) -> Result<()> {
        let Entry { pin, dir, .. } = self.entry;
        let partial = dir.with_extension("partial");
        remove_dir(&partial)?;
        private_dir(&partial.join("bin"))?;
        let go = Go::prepare(cache, pin)?;
        for binary in &pin.binaries {
            let out = partial.join("bin").join(&binary.name);
            // Killed, we must not let a second builder in while our compiler still writes.
            let build = go.build(pin, &out, &binary.package).stdin_file(hold.file());
            patiently(&pin.name, &build, report).await?;
        }
        for asset in &pin.assets {
            let source = go.module_dir(&asset.module).await?;
            copy_tree(&source.join(&asset.from), &partial.join(&asset.to))?;
        }
        let complete = partial.join("complete");
        open_for_reading(&partial)?;
        std::fs::write(&complete, format!("{} {}\n", pin.name, pin.version))
            .map_err(|error| problem::file("write", &complete, error))?;
        // An incomplete folder of the final name was made by hand or by a failing disk.
        remove_dir(dir)?;
        std::fs::rename(&partial, dir).map_err(|error| problem::file("rename", &partial, error))
    }
}

/// What Go takes from our own environment: where it is, and how modules are reached.
pub(super) const MACHINES_OWN: &[&str] = &[
    "PATH",
    "HOME",
    "GOENV",
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOTOOLCHAIN",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// `go` with caches of its own, in a folder that holds one tool's `go.mod` and `go.sum`.
struct Go {
    build: PathBuf,
    module: PathBuf,
    cgo: bool,
}

impl Go {
    fn prepare(cache: &Cache, pin: &super::Pin) -> Result<Self> {
        let build = cache.build();
        let module = build.join("pins").join(&pin.name);
        for folder in [&module, &build.join("tmp"), &build.join("home")] {
            private_dir(folder)?;
        }
        for (name, text) in [("go.mod", &pin.go_mod), ("go.sum", &pin.go_sum)] {
            let path = module.join(name);
            std::fs::write(&path, text).map_err(|error| problem::file("write", &path, error))?;
        }
        Ok(Self { build, module, cgo: pin.cgo })
    }

    /// A `go` command that writes nowhere but into the build folder. How modules are reached is
    /// the machine's own setting: HOME is passed on for Go's settings file.
    fn command(&self) -> Invocation {
        let go = Invocation::new("go").cwd(&self.module).timeout(BUILD_TIMEOUT);
        let go = MACHINES_OWN.iter().fold(go, Invocation::inherit);
        go.env("GOPATH", self.build.join("home"))
            .env("GOMODCACHE", self.build.join("modules"))
            .env("GOCACHE", self.build.join("objects"))
            .env("GOTMPDIR", self.build.join("tmp"))
            .env("CGO_ENABLED", if self.cgo { "1" } else { "0" })
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
    }

    fn build(&self, pin: &super::Pin, out: &Path, package: &str) -> Invocation {
        let mut go = self.command().args(["build", "-trimpath", "-buildvcs=false", "-ldflags"]);
        go = go.arg(&pin.ldflags);
        if !pin.tags.is_empty() {
            go = go.arg("-tags").arg(&pin.tags);
        }
        go.arg("-o").arg(out).arg(package)
    }

    async fn module_dir(&self, module: &str) -> Result<PathBuf> {
        let list = self.command().args(["list", "-m", "-f", "{{.Dir}}", module]);
        Ok(PathBuf::from(list.run().await?.text()))
    }
}

/// Runs a build; asks again after a time-out of the module proxy, never after a refusal.
async fn patiently(tool: &str, build: &Invocation, report: Report<'_>) -> Result<()> {
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        let failure = match build.run().await {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        match (Verdict::of(&failure), pauses.next()) {
            (Verdict::TimedOut, Some(pause)) => {
                let cause = failure.tail().last().cloned().unwrap_or_else(|| failure.to_string());
                report(Progress::Retrying { tool: tool.to_owned(), cause });
                tokio::time::sleep(*pause).await;
            }
            (verdict, _) => return Err(verdict.problem(tool, failure)),
        }
    }
}

/// What a failed build means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing answered: the same call may go through later.
    TimedOut,
    /// Something said no.
    Refused,
    /// The compiler did.
    Broken,
}

impl Verdict {
    fn of(failure: &Failure) -> Self {
        if matches!(failure, Failure::TimedOut { .. }) {
            return Self::TimedOut;
        }
        let said = |words: &[&str]| {
            failure.tail().iter().any(|line| words.iter().any(|word| line.contains(word)))
        };
        const REFUSALS: &[&str] =
            &["403 Forbidden", "404 Not Found", "410 Gone", "SECURITY ERROR", "checksum mismatch"];
        const TIME_OUTS: &[&str] = &[
            "i/o timeout",
            "TLS handshake timeout",
            "deadline exceeded",
            "Client.Timeout",
            "connection reset",
            "connection refused",
            "unexpected EOF",
            "stream error",
            "no such host",
            "500 Internal Server Error",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "504 Gateway",
        ];
        if said(REFUSALS) {
            Self::Refused
        } else if said(TIME_OUTS) {
            Self::TimedOut
        } else {
            Self::Broken
        }
    }

    fn problem(self, tool: &str, failure: Failure) -> Problem {
        let code = match self {
            Self::TimedOut => &MODULE_TIMEOUT,
            Self::Refused => &MODULE_REFUSED,
            Self::Broken => &BUILD_FAILED,
        };
        code.because(format!("`{tool}`: {failure}")).source(failure)
    }
}

/// Removes the builds' caches without making anybody wait: they hold a million small files. They
/// are moved aside first, so that a build that begins meanwhile starts with empty ones.
fn clean(cache: &Cache, report: Report<'_>) -> Result<()> {
    let build = cache.build();
    if build.exists() {
        let aside = cache.root().join(format!("build.removing-{}", std::process::id()));
        std::fs::rename(&build, &aside).map_err(|error| problem::file("rename", &build, error))?;
    }
    let mut doomed: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(cache.root()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("build.removing-") {
            doomed.push(entry.path());
        }
    }
    if doomed.is_empty() {
        return Ok(());
    }
    report(Progress::Cleaning);
    // Go's module cache is read-only. The remover outlives us on purpose, in a group of its own.
    let mut remover = std::process::Command::new("/bin/sh");
    remover.args(["-c", "chmod -R u+w -- \"$@\"; exec rm -rf -- \"$@\"", "remove"]).args(&doomed);
    remover.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut remover, 0);
    remover.spawn().map_err(|error| problem::file("remove", &doomed[0], error))?;
    Ok(())
}

/// Copies a folder's files; modes become ordinary, for a module's files are read-only.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.map_err(|error| problem::file("read", from, error.into()))?;
        let below = entry.path().strip_prefix(from).expect("walkdir yields paths below its root");
        let target = to.join(below);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target)
                .map_err(|error| problem::file("create", &target, error))?;
        } else if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path())
                .map_err(|error| problem::file("read", entry.path(), error))?;
            std::fs::write(&target, bytes)
                .map_err(|error| problem::file("write", &target, error))?;
        }
    }
    Ok(())
}

/// Lets every user read and run what was built, whatever the mask: the outside's programs run as
/// users of their own, and nothing in a tool is secret.
fn open_for_reading(folder: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.map_err(|error| problem::file("read", folder, error.into()))?;
        let path = entry.path();
        let failed = |error| problem::file("change the mode of", path, error);
        let metadata = entry.metadata().map_err(|error| failed(error.into()))?;
        let runs = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_can_be_read_and_run_by_every_user() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, text) = (dir.path().join("bin/gitea"), dir.path().join("static/app.css"));
        for (path, mode) in [(&bin, 0o700), (&text, 0o400)] {
            private_dir(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        open_for_reading(dir.path()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(dir.path()), mode(bin.parent().unwrap()), mode(&bin)),
            (0o755, 0o755, 0o755)
        );
        assert_eq!((mode(text.parent().unwrap()), mode(&text)), (0o755, 0o644));
    }

    fn failed(line: &str) -> Failure {
        let status = std::os::unix::process::ExitStatusExt::from_raw(256);
        Failure::Exit { command: "go build".into(), status, tail: vec![line.into()] }
    }

    #[test]
    fn a_time_out_is_tried_again_and_a_refusal_is_final() {
        let verdict = |line: &str| Verdict::of(&failed(line));
        assert_eq!(
            verdict("Get \"https://x/y.zip\": net/http: TLS handshake timeout"),
            Verdict::TimedOut
        );
        assert_eq!(verdict("dial tcp 1.2.3.4:443: i/o timeout"), Verdict::TimedOut);
        assert_eq!(verdict("reading https://x/y.zip: 403 Forbidden"), Verdict::Refused);
        assert_eq!(verdict("reading https://x/y.mod: 404 Not Found"), Verdict::Refused);
        assert_eq!(verdict("main.go:3:1: syntax error"), Verdict::Broken);
    }

    #[tokio::test]
    async fn complete_tools_are_left_alone_and_old_build_caches_go() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let tools = super::super::Tools::at(&cache, super::super::Pins::embedded().unwrap(), "go1");
        for entry in tools.entries() {
            std::fs::create_dir_all(&entry.dir).unwrap();
            std::fs::write(entry.dir.join("complete"), "").unwrap();
        }
        std::fs::create_dir_all(cache.build().join("objects")).unwrap();
        tools.ensure(&|_| {}).await.unwrap();
        assert!(!cache.build().exists());
        for _ in 0..200 {
            if std::fs::read_dir(dir.path()).unwrap().count() == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the build caches are still there");
    }
}
