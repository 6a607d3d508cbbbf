//! Everything `catalystd api` can be told, and what follows from it.
//!
//! [`ApiArgs`] is what arguments and environment say, with the names that a catalyst-api of old
//! knows; [`Settings`] is what remains once defaults are filled in and contradictions are refused.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use catalyst_control::{ControlConfig, Deadlines, Provisioning, ProvisioningConfig};
use catalyst_model::Provider;
use clap::{Args, ValueEnum};
use secrecy::SecretString;

const API_PORT: u16 = 7080;
const POSTBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7081);

const PUBLIC_URL: &str = "https://console.openova.io/sovereign";

/// What an older catalyst-api read, and why this one does not. A name that is set is logged.
const IGNORED: &[(&str, &str)] = &[
    (
        "CATALYST_PHASE1_MIN_BOOTSTRAP_KIT_HRS",
        "the expected set is the kit's own, by name, and never a count",
    ),
    ("CATALYST_EXECUTIONS_DIR", "a deployment's events are its log"),
    ("CATALYST_K8SCACHE_SNAPSHOT_DIR", "a watch begins with a listing"),
    ("POOL_DOMAIN_MANAGER_URL", "pool domains are not offered yet"),
    ("DYNADOT_API_KEY", "registrars are not driven yet"),
];

/// How the API is told to run.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// Where the API and the console listen; 127.0.0.1:7080, or PORT at the Pod's own address.
    #[arg(long, env = "CATALYST_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where kubeconfigs are posted back; 127.0.0.1:7081. Not inside a Pod, where one address
    /// serves both.
    #[arg(long, env = "CATALYST_POSTBACK_LISTEN")]
    postback_listen: Option<SocketAddr>,
    /// The port to listen on when no address is given.
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// The Pod's address.
    #[arg(long, env = "POD_IP", hide = true)]
    pod_ip: Option<IpAddr>,
    /// Kubernetes sets it in every Pod.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", hide = true)]
    kubernetes_service_host: Option<String>,
    /// The address people open the console at, when it is not the one listened on.
    #[arg(long, env = "CORS_ORIGIN")]
    console_url: Option<String>,

    /// Where the deployments' records are.
    #[arg(long, env = "CATALYST_DEPLOYMENTS_DIR", default_value = "/var/lib/catalyst/deployments")]
    deployments_dir: PathBuf,
    /// Where posted kubeconfigs are kept; empty refuses every post.
    #[arg(long, env = "CATALYST_KUBECONFIGS_DIR", default_value = "/var/lib/catalyst/kubeconfigs")]
    kubeconfigs_dir: PathBuf,
    /// Where sessions and tokens are kept; beside the deployments' folder when not given.
    #[arg(long, env = "CATALYST_AUTH_DIR")]
    auth_dir: Option<PathBuf>,
    /// Where a one-time login link is written at each start, mode 0600.
    #[arg(long, env = "CATALYST_LOGIN_LINK_FILE")]
    pub(crate) login_link_file: Option<PathBuf>,
    /// Where the bearer token of this machine's own tools is written at each start, mode 0600;
    /// `local.token` in the folder of sessions when not given.
    #[arg(long, env = "CATALYST_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    provisioning: ProvisioningArgs,
}

/// What it takes to make Sovereigns.
#[derive(Debug, Args)]
struct ProvisioningArgs {
    /// Whether Sovereigns are made here; when not given, they are once there is a `tofu`.
    #[arg(long, env = "CATALYST_PROVISIONING")]
    provisioning: Option<Switch>,
    /// The program `tofu`.
    #[arg(long, env = "CATALYST_TOFU_BIN")]
    tofu_bin: Option<PathBuf>,
    /// The program `kustomize`, which builds the kit's expected set.
    #[arg(long, env = "CATALYST_KUSTOMIZE_BIN")]
    kustomize_bin: Option<PathBuf>,
    /// Where each deployment has its module, variables and state.
    #[arg(long, env = "CATALYST_TOFU_WORKDIR", default_value = "/var/lib/catalyst/tofu")]
    tofu_workdir: PathBuf,
    /// The module's folder; its name says for which provider, `sandbox` when it names none.
    #[arg(long, env = "CATALYST_TOFU_MODULE_PATH")]
    tofu_module_path: Option<PathBuf>,
    /// The program `catalyst`, which the sandbox's module calls.
    #[arg(long, env = "CATALYST_BIN")]
    catalyst_bin: Option<PathBuf>,
    /// The sandbox's folder of state.
    #[arg(long, env = "CATALYST_HOME")]
    catalyst_home: Option<PathBuf>,
    /// The sandbox's folder of tools and images.
    #[arg(long, env = "CATALYST_CACHE")]
    catalyst_cache: Option<PathBuf>,
    /// Where the programs that are run find others.
    #[arg(long, env = "PATH", hide = true, default_value = "/usr/sbin:/usr/bin:/sbin:/bin")]
    child_path: String,
    /// The Git repository Flux follows.
    #[arg(
        long,
        env = "CATALYST_GITOPS_REPO_URL",
        default_value = "https://github.com/openova-io/openova"
    )]
    gitops_repo_url: String,
    /// Its branch.
    #[arg(long, env = "CATALYST_GITOPS_BRANCH", default_value = "main")]
    gitops_branch: String,
    /// The address nodes post their kubeconfig to; https://console.openova.io/sovereign when not
    /// given or empty.
    #[arg(long, env = "CATALYST_API_PUBLIC_URL")]
    api_public_url: Option<String>,
    /// A file with the registry's credentials: `{"registry":…,"username":…,"password":…}`.
    #[arg(long, env = "CATALYST_GHCR_PULL_CREDENTIALS_FILE")]
    ghcr_pull_credentials_file: Option<PathBuf>,
    /// A token for `ghcr.io`, for want of a file.
    #[arg(long, env = "CATALYST_GHCR_PULL_TOKEN", hide_env_values = true, hide = true)]
    ghcr_pull_token: Option<SecretString>,
    /// The second part of the Sovereigns' addresses: 210 gives 10.210.0.0/24 and the next ones.
    #[arg(long, env = "CATALYST_NETWORK_BASE", default_value_t = 210)]
    network_base: u8,
    /// The number of the first local Sovereign; lower ones are left to other installations.
    #[arg(long, env = "CATALYST_FIRST_LINK", default_value_t = 0)]
    first_link: u8,
    /// How long the kit may take, such as `60m`.
    #[arg(long, env = "CATALYST_PHASE1_WATCH_TIMEOUT")]
    phase1_watch_timeout: Option<String>,
    /// How long Flux may take to begin, such as `15m`.
    #[arg(long, env = "CATALYST_PHASE1_FIRST_SEEN_TIMEOUT")]
    phase1_first_seen_timeout: Option<String>,
}

/// Whether something is done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    Enabled,
    Disabled,
}

/// What `catalystd api` does.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the API and the console listen.
    pub(crate) listen: SocketAddr,
    /// Where kubeconfigs are posted back, outside a Pod.
    pub(crate) postback_listen: Option<SocketAddr>,
    /// Where people open the console, without a slash at the end.
    pub(crate) console_url: String,
    /// The control plane's settings.
    pub(crate) control: ControlConfig,
    /// The program `kustomize`.
    pub(crate) kustomize_bin: PathBuf,
    /// Where kits are built.
    pub(crate) kit_dir: PathBuf,
    /// Where to write a login link.
    pub(crate) login_link_file: Option<PathBuf>,
    /// Where to write this machine's own token.
    pub(crate) token_file: PathBuf,
    /// A registry token that came without a file.
    pub(crate) ghcr_pull_token: Option<SecretString>,
}

impl ApiArgs {
    /// Fills in defaults.
    ///
    /// # Errors
    /// Settings that contradict each other or lack something, each by the name of its argument.
    pub(crate) fn settings(self) -> Result<Settings> {
        for (name, reason) in IGNORED {
            if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
                tracing::info!(name, "ignored: {reason}");
            }
        }
        let listen = self.listen()?;
        let in_pod = self.kubernetes_service_host.is_some();
        let postback_listen = self.postback_listen.or((!in_pod).then_some(POSTBACK));
        for address in std::iter::once(listen).chain(postback_listen) {
            ensure!(
                !address.ip().is_unspecified(),
                "`{address}` is every address of this machine; name one"
            );
        }
        let auth_dir = self.auth_dir.unwrap_or_else(|| self.deployments_dir.with_file_name("auth"));
        let console_url = self.console_url.filter(|url| url.contains("://"));
        let console_url = console_url.unwrap_or_else(|| format!("http://{listen}"));
        let ProvisioningParts { provisioning, kustomize_bin, deadlines, ghcr_pull_token } =
            self.provisioning.parts()?;
        Ok(Settings {
            listen,
            postback_listen,
            console_url: console_url.trim_end_matches('/').to_owned(),
            kustomize_bin,
            kit_dir: self.deployments_dir.with_file_name("kit"),
            login_link_file: self.login_link_file,
            token_file: self.token_file.unwrap_or_else(|| auth_dir.join("local.token")),
            ghcr_pull_token,
            control: ControlConfig {
                deployments_dir: self.deployments_dir,
                kubeconfigs_dir: given(self.kubeconfigs_dir),
                auth_dir,
                provisioning,
                deadlines,
            },
        })
    }

    fn listen(&self) -> Result<SocketAddr> {
        if let Some(address) = self.listen {
            return Ok(address);
        }
        let ip = match (self.pod_ip, &self.kubernetes_service_host) {
            (Some(ip), _) => ip,
            (None, Some(host)) => own_address_towards(host)?,
            (None, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Ok(SocketAddr::new(ip, self.port.unwrap_or(API_PORT)))
    }
}

/// Returns the address that packets to `host` leave from; none is sent.
fn own_address_towards(host: &str) -> Result<IpAddr> {
    let host: IpAddr = host.parse().context("KUBERNETES_SERVICE_HOST is not an address")?;
    let any = if host.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let find = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind(any)?;
        socket.connect((host, 443))?;
        Ok(socket.local_addr()?.ip())
    };
    find().context("find the Pod's own address; set POD_IP")
}

struct ProvisioningParts {
    provisioning: Provisioning,
    kustomize_bin: PathBuf,
    deadlines: Deadlines,
    ghcr_pull_token: Option<SecretString>,
}

impl ProvisioningArgs {
    fn parts(self) -> Result<ProvisioningParts> {
        let mut deadlines = Deadlines::default();
        if let Some(kit) = duration("CATALYST_PHASE1_WATCH_TIMEOUT", self.phase1_watch_timeout)? {
            deadlines.kit = kit;
        }
        let first_seen = self.phase1_first_seen_timeout;
        if let Some(flux) = duration("CATALYST_PHASE1_FIRST_SEEN_TIMEOUT", first_seen)? {
            deadlines.flux = flux;
        }
        let tofu_bin = self.tofu_bin.and_then(given);
        let kustomize_bin = self.kustomize_bin.and_then(given);
        let kustomize_bin = kustomize_bin.unwrap_or_else(|| PathBuf::from("kustomize"));
        let enabled = match self.provisioning {
            Some(switch) => switch == Switch::Enabled,
            None => tofu_bin.is_some(),
        };
        let provisioning = if enabled {
            Provisioning::Enabled(Box::new(ProvisioningConfig {
                tofu_bin: tofu_bin.unwrap_or_else(|| PathBuf::from("tofu")),
                tofu_dir: self.tofu_workdir,
                modules: modules(self.tofu_module_path)?,
                catalyst_bin: required("--catalyst-bin", self.catalyst_bin)?,
                catalyst_home: required("--catalyst-home", self.catalyst_home)?,
                catalyst_cache: required("--catalyst-cache", self.catalyst_cache)?,
                child_path: self.child_path,
                gitops_repo_url: self.gitops_repo_url,
                gitops_branch: self.gitops_branch,
                public_url: public_url(self.api_public_url),
                ghcr_credentials_file: self.ghcr_pull_credentials_file.and_then(given),
                network_base: self.network_base,
                first_link: self.first_link,
            }))
        } else {
            Provisioning::Disabled
        };
        let ghcr_pull_token = self.ghcr_pull_token;
        Ok(ProvisioningParts { provisioning, kustomize_bin, deadlines, ghcr_pull_token })
    }
}

fn modules(path: Option<PathBuf>) -> Result<BTreeMap<Provider, PathBuf>> {
    let path = required("--tofu-module-path", path)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let provider = name.and_then(|name| name.parse().ok()).unwrap_or(Provider::Sandbox);
    Ok(BTreeMap::from([(provider, path)]))
}

/// A chart writes an empty value where it has none; an address that is none would reach the node.
fn public_url(given: Option<String>) -> String {
    let given = given.as_deref().map(|url| url.trim().trim_end_matches('/'));
    given.filter(|url| !url.is_empty()).unwrap_or(PUBLIC_URL).to_owned()
}

/// A chart writes an empty value where it has none.
fn given(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

fn required(argument: &str, path: Option<PathBuf>) -> Result<PathBuf> {
    let path = path.and_then(given);
    path.with_context(|| format!("`{argument}` is required where Sovereigns are made"))
}

/// Reads `60m` or `1h30m`; empty is the same as absent.
fn duration(name: &str, text: Option<String>) -> Result<Option<Duration>> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let parsed: jiff::SignedDuration =
        text.parse().with_context(|| format!("{name} is not a duration: `{text}`"))?;
    if parsed <= jiff::SignedDuration::ZERO {
        bail!("{name} must be longer than nothing, not `{text}`");
    }
    Ok(Some(parsed.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: ApiArgs,
    }

    fn settings(arguments: &[&str]) -> Result<Settings> {
        let all = std::iter::once("catalystd").chain(arguments.iter().copied());
        Alone::try_parse_from(all)?.args.settings()
    }

    #[test]
    fn without_a_word_it_listens_on_loopback_and_provisions_nothing() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:7080");
        assert_eq!(settings.postback_listen, Some(POSTBACK));
        assert_eq!(settings.console_url, "http://127.0.0.1:7080");
        assert_eq!(settings.control.auth_dir, PathBuf::from("/var/lib/catalyst/auth"));
        assert_eq!(settings.token_file, PathBuf::from("/var/lib/catalyst/auth/local.token"));
        assert!(matches!(settings.control.provisioning, Provisioning::Disabled));
    }

    #[test]
    fn in_a_pod_it_listens_on_the_pods_own_address_alone() {
        let pod = ["--pod-ip=10.244.0.7", "--kubernetes-service-host=10.96.0.1", "--port=8080"];
        let settings = settings(&pod).unwrap();
        assert_eq!(settings.listen.to_string(), "10.244.0.7:8080");
        assert_eq!(settings.postback_listen, None);
    }

    #[test]
    fn every_address_at_once_is_refused() {
        for argument in ["--listen=0.0.0.0:7080", "--listen=[::]:1", "--postback-listen=0.0.0.0:1"]
        {
            let error = settings(&[argument]).unwrap_err().to_string();
            assert!(error.contains("every address"), "{error}");
        }
    }

    #[test]
    fn a_consoles_own_address_loses_its_slash_and_a_star_is_none() {
        let at =
            |origin: &str| settings(&[&format!("--console-url={origin}")]).unwrap().console_url;
        assert_eq!(at("https://console.example.org/"), "https://console.example.org");
        assert_eq!(at("*"), "http://127.0.0.1:7080");
        assert_eq!(at(""), "http://127.0.0.1:7080");
    }

    #[test]
    fn where_sovereigns_are_made_what_that_takes_is_required() {
        let error = settings(&["--provisioning=enabled"]).unwrap_err().to_string();
        assert!(error.contains("--tofu-module-path"), "{error}");
        let whole = [
            "--tofu-bin=/t/tofu",
            "--tofu-module-path=/infra/sandbox",
            "--catalyst-bin=/b/catalyst",
            "--catalyst-home=/h",
            "--catalyst-cache=/c",
            "--phase1-watch-timeout=1h30m",
            "--api-public-url=https://console.openova.io/sovereign/",
        ];
        let settings = settings(&whole).unwrap();
        assert_eq!(settings.control.deadlines.kit, Duration::from_secs(5400));
        let Provisioning::Enabled(config) = settings.control.provisioning else { panic!("off") };
        assert_eq!(config.modules[&Provider::Sandbox], PathBuf::from("/infra/sandbox"));
        assert_eq!(config.public_url, "https://console.openova.io/sovereign");
    }

    #[test]
    fn an_empty_public_address_is_the_default_one() {
        for given in [None, Some(""), Some("  "), Some("/")] {
            assert_eq!(public_url(given.map(str::to_owned)), PUBLIC_URL, "{given:?}");
        }
        let own = "https://console.sov1.example.org/sovereign";
        assert_eq!(public_url(Some(format!("{own}/"))), own);
    }

    #[test]
    fn a_time_that_is_none_stops_the_start() {
        for bad in ["soon", "0s", "-5m", "60"] {
            assert!(settings(&[&format!("--phase1-watch-timeout={bad}")]).is_err(), "{bad}");
        }
        assert!(settings(&["--phase1-watch-timeout="]).is_ok());
    }
}
