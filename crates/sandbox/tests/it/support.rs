//! The real cache, daemons that end with their test, and free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use catalyst_sandbox::debian::Debian;
use catalyst_sandbox::paths::Cache;
use catalyst_sandbox::process::Invocation;
use catalyst_sandbox::tools::{Pins, Tools};

/// The checkout this test was built from.
pub fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The cache that `make up` uses.
pub fn cache() -> Cache {
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let named = std::env::var_os("CATALYST_CACHE").map(PathBuf::from);
    Cache::new(named.unwrap_or_else(|| home().join(".cache/catalyst")))
}

/// Says why a test shows nothing here.
pub fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// Whether this process may mount and change roots.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Tools and packages of the real cache, and an empty cache for what the test makes.
pub struct Parts {
    /// The tools.
    pub tools: Tools,
    /// The packages.
    pub debian: Debian,
    /// An empty cache.
    pub scratch: Cache,
    _dir: tempfile::TempDir,
}

/// The parts, if the named tools and all packages are in the real cache.
pub async fn parts(tools_needed: &[&str]) -> Option<Parts> {
    let pins = Pins::from_checkout(checkout()).unwrap();
    let Ok(tools) = Tools::locate(&cache(), pins).await else {
        skip("Go is not installed");
        return None;
    };
    let debian = Debian::from_checkout(&cache(), checkout()).unwrap();
    if !debian.is_complete() {
        skip("the Debian packages are not in the cache");
        return None;
    }
    for tool in tools_needed {
        if tools.dir(tool).is_err() {
            skip(&format!("`{tool}` is not in the cache"));
            return None;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let scratch = Cache::new(dir.path().join("cache"));
    Some(Parts { tools, debian, scratch, _dir: dir })
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A command that runs until its test ends; the whole process group goes with it.
pub struct Daemon {
    _tasks: tokio::task::JoinSet<()>,
}

impl Daemon {
    /// Starts it; what it says when it ends by itself goes to the test's output.
    pub fn start(command: Invocation) -> Self {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            match command.run().await {
                Ok(output) => eprintln!("{} ended: {}", command.shown(), output.text()),
                Err(failure) => eprintln!("{failure}"),
            }
        });
        Self { _tasks: tasks }
    }
}

/// A client that gives up.
pub fn http_client() -> reqwest::Client {
    // A second caller finds a provider installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap()
}

/// Waits until something answers there with success.
pub async fn wait_for_http(port: u16, path: &str) {
    let client = http_client();
    let began = Instant::now();
    loop {
        let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nothing answers on {port}{path}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A real registry on loopback; with an account when a line of an htpasswd file is given.
pub async fn registry(parts: &Parts, account: Option<&str>) -> (Daemon, u16) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = free_port();
    let dir = parts.scratch.root().join("registry");
    std::fs::create_dir_all(&dir).unwrap();
    let mut config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: \"127.0.0.1:{port}\", relativeurls: true}}\n",
        dir.join("data").display()
    );
    if let Some(line) = account {
        let htpasswd = dir.join("htpasswd");
        std::fs::write(&htpasswd, format!("{line}\n")).unwrap();
        config += &format!("auth: {{htpasswd: {{realm: r, path: {}}}}}\n", htpasswd.display());
    }
    std::fs::write(dir.join("config.yml"), config).unwrap();
    let registry = Invocation::new(parts.tools.bin("registry").unwrap()).arg("serve");
    let registry = registry.arg(dir.join("config.yml")).env("OTEL_TRACES_EXPORTER", "none");
    let daemon = Daemon::start(registry.timeout(Duration::from_secs(300)));
    wait_for_http(port, "/").await;
    (daemon, port)
}
