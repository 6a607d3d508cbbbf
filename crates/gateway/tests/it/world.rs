//! A gateway with a vendor upstream, an Organization with credit, and a key.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use catalyst_gateway::{
    Currency, Gateway, Ledger, LedgerConfig, Patience, Reach, RealDisk, RunningLedger, Settings,
    Sqlite, SystemClock, serve_admin, serve_customer,
};
use secrecy::{SecretSlice, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    vendor::{MODELS, Vendor},
    wire::{Answer, request, send},
};

pub(crate) const MASTER: &str = "master-canary-1";
pub(crate) const TOKEN: &str = "machine-canary-2";
pub(crate) const VENDOR_KEY: &str = "vendor-canary-3";

/// A gateway that runs.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) vendor: Vendor,
    pub(crate) customer: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// A key of the Organization.
    pub(crate) key: String,
    /// The Organization's account.
    pub(crate) account: u64,
    served: Option<Served>,
}

/// The gateway's tasks and where its ports are.
pub(crate) struct Served {
    pub(crate) customer: SocketAddr,
    pub(crate) admin: SocketAddr,
    running: RunningLedger,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Served {
    /// Serves what is kept in `dir`.
    pub(crate) async fn start(dir: &Path, reach: Reach, reveals_keys: bool) -> Self {
        let running = ledger(dir);
        let customer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = (customer.local_addr().unwrap(), admin.local_addr().unwrap());
        let settings = settings(at, reach, reveals_keys);
        let gateway = Gateway::open(running.ledger().clone(), settings).await.unwrap();
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let drain = Duration::from_secs(1);
        serving.spawn(serve_customer(gateway.clone(), customer, stop.clone(), drain));
        serving.spawn(serve_admin(gateway.clone(), admin, stop.clone(), drain));
        let following = stop.clone();
        serving.spawn(async move {
            gateway.follow(following).await;
            gateway.finish(Duration::from_secs(5)).await;
        });
        Self { customer: at.0, admin: at.1, running, stop, serving }
    }

    /// Ends the gateway as a signal does.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
        let close = move || self.running.close(Duration::from_secs(10));
        tokio::task::spawn_blocking(close).await.unwrap();
    }
}

/// What may differ between worlds.
pub(crate) struct Setup {
    /// Units of credit.
    pub(crate) credit: &'static str,
    pub(crate) on_disconnect: Value,
    pub(crate) reveals_keys: bool,
    pub(crate) also_reach_vendor: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            credit: "1000",
            on_disconnect: json!("cancel"),
            reveals_keys: true,
            also_reach_vendor: true,
        }
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vendor = Vendor::start(dir.path()).await;
        let also = if setup.also_reach_vendor { vec![vendor.at] } else { Vec::new() };
        let reach = Reach { also, ..Reach::default() };
        let served = Served::start(dir.path(), reach, setup.reveals_keys).await;
        let mut world = Self::over(dir, vendor, (served.customer, served.admin), Some(served));
        world.furnish(&setup).await;
        world
    }

    /// A world whose gateway is at those ports: this process's own, or another's.
    pub(crate) fn over(
        dir: TempDir,
        vendor: Vendor,
        (customer, admin): (SocketAddr, SocketAddr),
        served: Option<Served>,
    ) -> Self {
        Self { dir, vendor, customer, admin, key: String::new(), account: 0, served }
    }

    /// Lets the world's gateway be this one.
    pub(crate) fn take(&mut self, served: Served) {
        (self.customer, self.admin) = (served.customer, served.admin);
        self.served = Some(served);
    }

    /// Prices, a key, credit and a channel.
    pub(crate) async fn furnish(&mut self, setup: &Setup) {
        let lines: Vec<_> = MODELS
            .iter()
            .map(|model| json!({"model": model, "input": "1", "output": "2"}))
            .collect();
        self.master("PUT", "/api/v1/admin/prices", &json!({"lines": lines})).await;
        let user = self.sign_up("alice", "acme").await;
        self.key = user["api_key"].as_str().unwrap().to_owned();
        self.account = user["account_id"].as_u64().unwrap();
        let path = format!("/api/v1/admin/accounts/{}/credits", self.account);
        self.master("POST", &path, &json!({"amount": setup.credit, "reference": "first"})).await;
        let mut channel = self.channel("main");
        channel["on_disconnect"] = setup.on_disconnect.clone();
        let added = self.master("POST", "/api/channel/", &channel).await;
        assert_eq!(added.json()["data"]["status"], 1, "{added:?}");
    }

    /// A channel to the vendor, as it is posted.
    pub(crate) fn channel(&self, name: &str) -> Value {
        json!({
            "name": name, "type": "vllm", "base_url": format!("http://{}", self.vendor.at),
            "key": VENDOR_KEY, "models": MODELS, "groups": "default", "status": 1,
            "dialects": ["chat", "completions", "embeddings", "messages"],
            "model_mapping": {"other-name": "good"},
            "attestation": {"kind": "in-cluster", "owner": "acme"},
        })
    }

    pub(crate) async fn sign_up(&self, external_id: &str, tenant: &str) -> Value {
        let body = json!({"external_id": external_id, "email": "a@example.org",
            "tenant_id": tenant, "tier": "free", "metadata": {"kc_realm": "sme"}});
        let made = self.ask("POST", "/api/v1/admin/users", TOKEN, &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    }

    /// Asks the admin port.
    pub(crate) async fn ask(&self, method: &str, path: &str, bearer: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        send(self.admin, &request(method, path, bearer, "", body.as_bytes())).await
    }

    /// Asks the admin port with the master key, which succeeds.
    pub(crate) async fn master(&self, method: &str, path: &str, body: &Value) -> Answer {
        let answer = self.ask(method, path, MASTER, body).await;
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer
    }

    /// Posts a body to the customer port with the key.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        send(self.customer, &request("POST", path, &self.key, "", body.as_bytes())).await
    }

    /// Asks for a chat.
    pub(crate) async fn chat(&self, model: &str, streams: bool) -> Answer {
        self.post("/v1/chat/completions", &chat(model, streams)).await
    }

    /// Gets a path of the customer port with the key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.customer, &request("GET", path, &self.key, "", b"")).await
    }

    /// What the account's requests came to, once nothing is open any more.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        let path = format!("/api/v1/admin/accounts/{}", self.account);
        for _ in 0..200 {
            let ledger = self.master("GET", "/api/v1/admin/ledger", &Value::Null).await.json();
            let rows = self.master("GET", &format!("{path}/entries"), &Value::Null).await.json();
            let rows = rows["data"].as_array().unwrap().clone();
            let of = self.master("GET", &path, &Value::Null).await.json();
            let settled = of["data"]["settled"].as_str().unwrap().to_owned();
            let sum: i64 = rows.iter().map(|row| row["amount_nano"].as_i64().unwrap()).sum();
            // All that is settled has been shipped when nothing changes over a look.
            if ledger["data"]["open_requests"] == 0 {
                tokio::time::sleep(Duration::from_millis(150)).await;
                let again = self.master("GET", &path, &Value::Null).await.json();
                if again["data"]["settled"] == settled.as_str() && settled == units(sum) {
                    return rows;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("requests stay open");
    }

    /// Every entry of the account, page by page.
    pub(crate) async fn all_entries(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let path =
                format!("/api/v1/admin/accounts/{}/entries?after={}", self.account, all.len());
            let rows = self.master("GET", &path, &Value::Null).await.json();
            let rows = rows["data"].as_array().unwrap().clone();
            if rows.is_empty() {
                return all;
            }
            all.extend(rows);
        }
    }

    /// The only entry there is; one that costs nothing shows in no sum, so it is waited for.
    pub(crate) async fn entry(&self) -> Value {
        for _ in 0..50 {
            let entries = self.entries().await;
            assert!(entries.len() <= 1, "{entries:?}");
            if let [entry] = entries.as_slice() {
                return entry.clone();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing was charged");
    }

    /// Ends the gateway and checks every rule of the book.
    pub(crate) async fn end(mut self) -> TempDir {
        self.served.take().unwrap().end().await;
        let mut book = Sqlite::open(&self.dir.path().join("book.sqlite")).unwrap();
        let audit = catalyst_gateway::Book::audit(&mut book).unwrap();
        assert_eq!(audit.findings, Vec::<String>::new());
        self.dir
    }
}

/// A chat's body.
pub(crate) fn chat(model: &str, streams: bool) -> String {
    let messages = json!([{"role": "user", "content": "hello there"}]);
    json!({"model": model, "stream": streams, "max_tokens": 64, "messages": messages}).to_string()
}

/// Nano-units as the admin port writes amounts.
pub(crate) fn units(nano: i64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

fn ledger(dir: &Path) -> RunningLedger {
    let disk = RealDisk::lock(&dir.join("log")).unwrap();
    let book = Sqlite::open(&dir.join("book.sqlite")).unwrap();
    let mut config = LedgerConfig::new("gateway-0".parse().unwrap());
    config.segment_bytes = 1 << 20;
    Ledger::start(config, disk, Box::new(book), Arc::new(SystemClock)).unwrap()
}

fn settings(at: (SocketAddr, SocketAddr), reach: Reach, reveals_keys: bool) -> Settings {
    Settings {
        crypto_secret: SecretSlice::from(b"0123456789abcdef".to_vec()),
        master_key: Some(SecretString::from(MASTER)),
        admin_token: Some(SecretString::from(TOKEN)),
        reveals_keys,
        currency: Currency::USD,
        max_output: 256,
        trusted_proxies: vec![],
        customer: at.0,
        admin: at.1,
        reach,
        patience: Patience {
            body: Duration::from_secs(2),
            head: Duration::from_secs(2),
            silence: Duration::from_secs(2),
            afterwards: Duration::from_millis(500),
        },
    }
}
