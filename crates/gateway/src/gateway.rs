//! The gateway as one thing: ledger, directory, upstreams and what they are set to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::Error as TlsError;
use secrecy::{SecretSlice, SecretString};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    book::BookError,
    clock::{Clock, SystemClock},
    customer_key::Vault,
    directory::Directory,
    ledger::Ledger,
    money::Currency,
    net::{Range, Reach},
    price::{PriceError, PriceSigner},
    shared::LedgerState,
    upstream::Upstreams,
};

/// How often the book is asked what changed.
const REFRESH: Duration = Duration::from_secs(1);

/// How long anything may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A client's body must be here by then (30 s).
    pub body: Duration,
    /// An upstream's head must be here by then (120 s).
    pub head: Duration,
    /// An upstream may say nothing for so long (120 s).
    pub silence: Duration,
    /// After the end of an answer its usage may come for so long (5 s).
    pub afterwards: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            body: Duration::from_secs(30),
            head: Duration::from_mins(2),
            silence: Duration::from_mins(2),
            afterwards: Duration::from_secs(5),
        }
    }
}

/// What a gateway is set to.
#[derive(Debug)]
pub struct Settings {
    /// The secret under which keys are encrypted and price books signed.
    pub crypto_secret: SecretSlice<u8>,
    /// What may do everything.
    pub master_key: Option<SecretString>,
    /// What may keep channels and issue keys.
    pub admin_token: Option<SecretString>,
    /// Whether an issued key can be shown again.
    pub reveals_keys: bool,
    /// The currency of accounts and prices.
    pub currency: Currency,
    /// Output tokens a choice gets where neither request nor key says how many (4,096).
    pub max_output: u64,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Range>,
    /// Where the customer port listens; upstreams are never there.
    pub customer: SocketAddr,
    /// Where the admin port listens; upstreams are never there.
    pub admin: SocketAddr,
    /// Which addresses upstreams may have.
    pub reach: Reach,
    /// How long anything may take.
    pub patience: Patience,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// `CRYPTO_SECRET` is too short, or nothing can be made of it.
    #[error("CRYPTO_SECRET must have at least 16 bytes")]
    Secret,
    /// Price books cannot be signed.
    #[error("price books cannot be signed")]
    Prices(#[source] PriceError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// The book could not be read.
    #[error("the book could not be read")]
    Book(#[from] BookError),
}

/// The gateway's parts.
#[derive(Debug)]
pub struct Gateway {
    ledger: Ledger,
    directory: Directory,
    upstreams: Upstreams,
    vault: Vault,
    signer: PriceSigner,
    settings: Settings,
    clock: SystemClock,
    tasks: TaskTracker,
}

impl Gateway {
    /// Sets a gateway up over a running ledger and reads the book.
    ///
    /// # Errors
    /// A setting does not do, or the book is not available.
    pub async fn open(ledger: Ledger, mut settings: Settings) -> Result<Arc<Self>, GatewayError> {
        use secrecy::ExposeSecret as _;
        if settings.crypto_secret.expose_secret().len() < 16 {
            return Err(GatewayError::Secret);
        }
        let vault = Vault::new(&settings.crypto_secret).map_err(|_| GatewayError::Secret)?;
        let signer = PriceSigner::new(vault.price_seed()).map_err(GatewayError::Prices)?;
        settings.reach.own.extend([settings.customer, settings.admin]);
        let upstreams = Upstreams::new(settings.reach.clone()).map_err(GatewayError::Tls)?;
        let directory = Directory::new(signer.public_key());
        directory.refresh(&ledger, &vault).await?;
        let (clock, tasks) = (SystemClock, TaskTracker::new());
        Ok(Arc::new(Self { ledger, directory, upstreams, vault, signer, settings, clock, tasks }))
    }

    /// Follows the book until `stop` is cancelled. Ends early when the ledger can never serve
    /// again: the process must then end, too.
    pub async fn follow(&self, stop: CancellationToken) {
        let mut beat = tokio::time::interval(REFRESH);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = beat.tick() => {}
            }
            if matches!(self.ledger.state(), LedgerState::Stopped | LedgerState::Fenced) {
                return;
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the book could not be read again");
            }
        }
    }

    /// Waits at most `within` for what still runs without its client.
    pub async fn finish(&self, within: Duration) {
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::info!("leaving answers that nobody waits for to the next start");
        }
    }

    /// Reads what changed in the book.
    pub(crate) async fn refresh(&self) -> Result<(), BookError> {
        self.directory.refresh(&self.ledger, &self.vault).await
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn signer(&self) -> &PriceSigner {
        &self.signer
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    /// What outlives its connection runs here.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}
