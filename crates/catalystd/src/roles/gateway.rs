//! `catalystd gateway`: the LLM gateway with its two ports.
//!
//! What it cannot run without is named in one line and ends it with 78 (`EX_CONFIG`): a database
//! is never chosen for whoever forgot to name one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use catalyst_gateway::{
    Currency, Gateway, Ledger, LedgerConfig, LedgerState, Patience, Range, Reach, RealDisk,
    ReplicaId, RunningLedger, Settings, Sqlite, SystemClock, serve_admin, serve_customer,
};
use clap::ValueEnum;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio_util::sync::CancellationToken;

use super::{bind, stop_on_signal};

/// Ports where nothing else is said.
const CUSTOMER_PORT: u16 = 3000;
const ADMIN_PORT: u16 = 3001;
/// A request may take this long to end once the process is told to; streams are long.
const DRAIN: Duration = Duration::from_secs(25);
/// The ledger may take this long to close its leases and ship the rest.
const CLOSE: Duration = Duration::from_secs(10);

/// What the gateway is set to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The database: `sqlite:///path/of/the/file`. There is no default.
    #[arg(long, env = "SQL_DSN", hide_env_values = true)]
    sql_dsn: Option<SecretString>,
    /// Where the log of use is kept; beside the database when not given.
    #[arg(long, env = "CATALYST_GATEWAY_LOG_DIR")]
    log_dir: Option<PathBuf>,
    /// The replica's name; its log is its alone.
    #[arg(long, env = "CATALYST_GATEWAY_REPLICA", default_value = "gateway-0")]
    replica: ReplicaId,
    /// Where customers ask; every other default address is this one's.
    #[arg(long, env = "CATALYST_GATEWAY_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where operators and machines ask.
    #[arg(long, env = "CATALYST_GATEWAY_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// The Pod's own address.
    #[arg(long, env = "POD_IP", hide = true)]
    pod_ip: Option<IpAddr>,
    /// The API server, which no channel ever reaches.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", hide = true)]
    kubernetes_service_host: Option<IpAddr>,
    /// Encrypts keys and signs price books; at least 16 bytes.
    #[arg(long, env = "CRYPTO_SECRET", hide_env_values = true)]
    crypto_secret: Option<SecretString>,
    /// May do everything on the admin port.
    #[arg(long, env = "MASTER_KEY", hide_env_values = true)]
    master_key: Option<SecretString>,
    /// May keep channels and issue keys.
    #[arg(long, env = "ADMIN_API_TOKEN", hide_env_values = true)]
    admin_api_token: Option<SecretString>,
    /// Whether an issued key can be shown again.
    #[arg(long, env = "CATALYST_GATEWAY_KEYS_REVEAL", default_value = "always")]
    keys_reveal: Reveal,
    /// The currency of accounts and prices.
    #[arg(long, env = "CATALYST_GATEWAY_CURRENCY", default_value = "USD")]
    currency: Currency,
    /// Output tokens a choice gets where neither request nor key says how many.
    #[arg(long, env = "CATALYST_GATEWAY_MAX_OUTPUT", default_value_t = 4_096)]
    max_output: u64,
    /// Proxies whose X-Forwarded-For is believed, as `10.0.0.0/8`.
    #[arg(long, env = "CATALYST_GATEWAY_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<Range>,
    /// Addresses of upstreams that are reached although they are this machine's own.
    #[arg(long, env = "CATALYST_GATEWAY_REACH_ALSO", value_delimiter = ',')]
    reach_also: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Reveal {
    Always,
    Never,
}

/// A setting without which nothing starts.
#[derive(Debug)]
pub(crate) struct Unset(&'static str);

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unset {}

/// Where things are kept.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    book: PathBuf,
    log: PathBuf,
}

impl Args {
    fn places(&self) -> Result<Places> {
        let dsn = self.sql_dsn.as_ref().map_or("", |dsn| dsn.expose_secret());
        let path = match dsn.split_once("://") {
            Some(("sqlite", path)) if path.starts_with('/') => PathBuf::from(path),
            Some(("sqlite", _)) => bail!(Unset("SQL_DSN: the path after sqlite:// begins with /")),
            Some(("postgres" | "postgresql", _)) => {
                bail!(Unset("SQL_DSN: this build keeps its book in SQLite: sqlite:///path"))
            }
            _ if dsn.is_empty() => {
                bail!(Unset("SQL_DSN is not set: name a database, such as sqlite:///data/book.db"))
            }
            _ => bail!(Unset("SQL_DSN is no address of a database: sqlite:///path")),
        };
        let log = self.log_dir.clone().unwrap_or_else(|| path.with_file_name("ledger"));
        Ok(Places { book: path, log })
    }

    fn settings(self) -> Result<Settings> {
        let ip = self.pod_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let customer = self.listen.unwrap_or(SocketAddr::new(ip, CUSTOMER_PORT));
        let admin = self.admin_listen.unwrap_or(SocketAddr::new(customer.ip(), ADMIN_PORT));
        for address in [customer, admin] {
            if address.ip().is_unspecified() {
                bail!(Unset("a port listens on one address of this machine, not on every one"));
            }
        }
        let given = |secret: Option<SecretString>| {
            secret.filter(|secret| !secret.expose_secret().trim().is_empty())
        };
        let crypto_secret = given(self.crypto_secret).ok_or(Unset("CRYPTO_SECRET is not set"))?;
        let (master_key, admin_token) = (given(self.master_key), given(self.admin_api_token));
        if master_key.is_none() && admin_token.is_none() {
            bail!(Unset("neither MASTER_KEY nor ADMIN_API_TOKEN is set: nobody could be let in"));
        }
        Ok(Settings {
            crypto_secret: SecretSlice::from(crypto_secret.expose_secret().as_bytes().to_vec()),
            master_key,
            admin_token,
            reveals_keys: self.keys_reveal == Reveal::Always,
            currency: self.currency,
            max_output: self.max_output,
            trusted_proxies: self.trusted_proxies,
            customer,
            admin,
            reach: Reach {
                own: Vec::new(),
                never: self.kubernetes_service_host.into_iter().collect(),
                also: self.reach_also,
            },
            patience: Patience::default(),
        })
    }
}

/// Runs until a signal ends it, or the ledger can never serve again.
///
/// # Errors
/// A setting is missing, an address is taken, the log or the book cannot be used; or the ledger
/// stopped.
pub(crate) fn start(args: Args) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(run(args))
}

async fn run(args: Args) -> Result<()> {
    // What is in memory are customers' prompts and keys.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .context("turn core dumps off")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("turn dumps off")?;
    let (places, replica) = (args.places()?, args.replica.clone());
    let settings = args.settings()?;
    let (customer, admin) = (bind(settings.customer).await?, bind(settings.admin).await?);
    tracing::info!(customer = %settings.customer, admin = %settings.admin, "listening");
    let opening = tokio::task::spawn_blocking(move || open(&places, replica));
    let running = opening.await.context("start the ledger")??;
    let gateway = Gateway::open(running.ledger().clone(), settings).await;
    let gateway = gateway.context("start the gateway")?;
    let stop = CancellationToken::new();
    let follow = async {
        gateway.follow(stop.clone()).await;
        stop.cancel();
    };
    let ((), (), (), signalled) = tokio::join!(
        serve_customer(gateway.clone(), customer, stop.clone(), DRAIN),
        serve_admin(gateway.clone(), admin, stop.clone(), DRAIN),
        follow,
        stop_on_signal(&stop),
    );
    signalled?;
    gateway.finish(CLOSE).await;
    let closing = tokio::task::spawn_blocking(move || running.close(CLOSE));
    match closing.await.context("close the ledger")? {
        LedgerState::Closed => Ok(()),
        state => Err(anyhow!("the ledger ended {state:?}; the next start goes on from its log")),
    }
}

fn open(places: &Places, replica: ReplicaId) -> Result<RunningLedger> {
    let disk = RealDisk::lock(&places.log).context("open the log")?;
    let book = Sqlite::open(&places.book).context("open the book")?;
    let config = LedgerConfig::new(replica);
    let running = Ledger::start(config, disk, Box::new(book), Arc::new(SystemClock));
    let running = running.context("start the ledger")?;
    let recovery = running.recovery();
    for settled in &recovery.unresolved {
        tracing::warn!(
            request = %settled.request,
            amount = %settled.amount,
            "was open when the last process ended; input and last progress were charged"
        );
    }
    tracing::info!(epoch = %recovery.epoch, cut = recovery.cut, "the ledger runs");
    Ok(running)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn args(arguments: &[&str]) -> Args {
        let all = std::iter::once("gateway").chain(arguments.iter().copied());
        Alone::try_parse_from(all).unwrap().args
    }

    #[test]
    fn no_database_is_ever_chosen_for_whoever_named_none() {
        for dsn in ["", "sqlite://relative.db", "postgres://user:pw@h/db", "mysql://h/db", "x"] {
            let error = args(&["--sql-dsn", dsn]).places().unwrap_err();
            let text = error.to_string();
            assert!(error.is::<Unset>() && text.starts_with("SQL_DSN"), "{dsn}: {text}");
            assert!(!text.contains('\n') && !text.contains("pw"), "{text}");
        }
        assert!(args(&[]).places().unwrap_err().is::<Unset>());
        let places = args(&["--sql-dsn=sqlite:///data/book.db"]).places().unwrap();
        assert_eq!(places.log, PathBuf::from("/data/ledger"));
        assert_eq!(places.book, PathBuf::from("/data/book.db"));
    }

    #[test]
    fn without_its_secret_or_anybody_to_let_in_it_does_not_start() {
        let secret = "--crypto-secret=0123456789abcdef";
        assert!(args(&["--master-key=m"]).settings().unwrap_err().is::<Unset>());
        assert!(args(&[secret]).settings().unwrap_err().is::<Unset>());
        assert!(args(&[secret, "--master-key= "]).settings().unwrap_err().is::<Unset>());
        let every = [secret, "--master-key=m", "--listen=0.0.0.0:80"];
        assert!(args(&every).settings().unwrap_err().is::<Unset>());
    }

    #[test]
    fn in_a_pod_it_listens_on_the_pods_address_and_never_reaches_the_api_server() {
        let settings = args(&[
            "--crypto-secret=0123456789abcdef",
            "--admin-api-token=t",
            "--pod-ip=10.244.0.7",
            "--kubernetes-service-host=10.96.0.1",
        ])
        .settings()
        .unwrap();
        assert_eq!(settings.customer.to_string(), "10.244.0.7:3000");
        assert_eq!(settings.admin.to_string(), "10.244.0.7:3001");
        assert!(!settings.reach.permits("10.96.0.1:443".parse().unwrap(), true));
    }
}
