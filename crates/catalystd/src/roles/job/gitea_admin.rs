//! `catalystd job gitea-admin`: keeps the password of Gitea's administrator equal to a Secret.
//!
//! Gitea's own command takes a password only as an argument, which any process list shows. So the
//! account is made with a password nobody knows, and this job sets the one from the mounted Secret
//! through Gitea's API: at first with a token that the Pod's first container left in a file, later,
//! when the Secret changes, with the password that worked before. Tokens of that kind are revoked as
//! soon as a sign-in works. The role is ready while the Secret's password works.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::probes::{self, Readiness};

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks while the password does not work yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pause between two looks at the Secret's files while it works.
const LOOK_LATER: Duration = Duration::from_secs(60);
/// Names of the tokens that the Pod's first container makes begin so.
const BOOTSTRAP_PREFIX: &str = "bootstrap-";

/// Where Gitea and the Secret are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Base URL of Gitea.
    #[arg(long)]
    url: Url,
    /// Folder of the mounted Secret: files `username` and `password`.
    #[arg(long)]
    credentials_dir: PathBuf,
    /// File of the first container's token.
    #[arg(long)]
    bootstrap_token_file: PathBuf,
    /// Address of the probe endpoints.
    #[arg(long, env = "CATALYST_PROBE_LISTEN")]
    probe_listen: SocketAddr,
}

/// Runs until the process is ended.
///
/// # Errors
/// When the probe address cannot be bound or no client can be made.
pub(crate) async fn run(args: Args) -> Result<()> {
    let ready = Readiness::default();
    let gitea = Gitea::new(args.url)?;
    tokio::select! {
        served = probes::serve(args.probe_listen, ready.clone()) => served,
        () = keep(&gitea, &args.credentials_dir, &args.bootstrap_token_file, &ready) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
        () = crate::roles::terminated() => Ok(()),
    }
}

async fn keep(gitea: &Gitea, credentials_dir: &Path, token_file: &Path, ready: &Readiness) {
    let mut worked: Option<Credentials> = None;
    let mut last_problem = String::new();
    loop {
        let outcome = look(gitea, credentials_dir, token_file, worked.as_ref()).await;
        ready.set(outcome.is_ok());
        match outcome {
            Ok(credentials) => {
                if worked.is_none() || !last_problem.is_empty() {
                    tracing::info!("the administrator's password is the Secret's");
                }
                last_problem.clear();
                worked = Some(credentials);
                tokio::time::sleep(LOOK_LATER).await;
            }
            Err(error) => {
                let problem = format!("{error:#}");
                if problem != last_problem {
                    tracing::warn!("{problem}");
                    last_problem = problem;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// One look: signs in with the Secret's password, and sets it first if Gitea refuses it.
async fn look(
    gitea: &Gitea,
    credentials_dir: &Path,
    token_file: &Path,
    worked: Option<&Credentials>,
) -> Result<Credentials> {
    let credentials = Credentials::read(credentials_dir)?;
    if !gitea.accepts(&credentials).await? {
        let authority = match worked {
            Some(before) => Authority::Password(before),
            None => Authority::Token(read_secret(token_file)?),
        };
        gitea.set_password(&authority, &credentials).await?;
        if !gitea.accepts(&credentials).await? {
            bail!("gitea took the new password and refuses it all the same");
        }
    }
    if worked.is_none() {
        gitea.revoke_bootstrap_tokens(&credentials).await?;
    }
    Ok(credentials)
}

struct Credentials {
    username: String,
    password: SecretString,
}

impl Credentials {
    fn read(folder: &Path) -> Result<Self> {
        let username = read_secret(&folder.join("username"))?;
        let password = read_secret(&folder.join("password"))?;
        Ok(Self { username: username.expose_secret().to_owned(), password })
    }
}

fn read_secret(path: &Path) -> Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if text.trim().is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(SecretString::from(text.trim().to_owned()))
}

/// With what right the password is set.
enum Authority<'a> {
    Password(&'a Credentials),
    Token(SecretString),
}

/// The few calls of Gitea's API that are needed.
struct Gitea {
    base: Url,
    client: Client,
}

#[derive(Deserialize)]
struct AccessToken {
    id: i64,
    name: String,
}

impl Gitea {
    fn new(base: Url) -> Result<Self> {
        let client =
            Client::builder().timeout(REQUEST_TIMEOUT).build().context("make an HTTP client")?;
        Ok(Self { base, client })
    }

    fn url(&self, path: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(["api", "v1"]).extend(path);
            }
            Err(()) => bail!("{} is no base for a path", self.base),
        }
        Ok(url)
    }

    /// Whether Gitea lets this account in.
    async fn accepts(&self, credentials: &Credentials) -> Result<bool> {
        let response = self
            .client
            .get(self.url(&["user"])?)
            .basic_auth(&credentials.username, Some(credentials.password.expose_secret()))
            .send()
            .await
            .context("ask gitea who we are")?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
            status => bail!("gitea answered {status} to a sign-in"),
        }
    }

    async fn set_password(&self, authority: &Authority<'_>, wanted: &Credentials) -> Result<()> {
        let request = self.client.patch(self.url(&["admin", "users", &wanted.username])?).json(
            &serde_json::json!({
                "source_id": 0,
                "login_name": wanted.username,
                "password": wanted.password.expose_secret(),
                "must_change_password": false,
            }),
        );
        let request = match authority {
            Authority::Password(before) => {
                request.basic_auth(&before.username, Some(before.password.expose_secret()))
            }
            Authority::Token(token) => {
                request.header("authorization", format!("token {}", token.expose_secret()))
            }
        };
        let status = request.send().await.context("set the password")?.status();
        if !status.is_success() {
            bail!("gitea answered {status} to setting the password");
        }
        tracing::info!(username = %wanted.username, "set the administrator's password");
        Ok(())
    }

    async fn revoke_bootstrap_tokens(&self, credentials: &Credentials) -> Result<()> {
        let Credentials { username, password } = credentials;
        let tokens: Vec<AccessToken> = self
            .client
            .get(self.url(&["users", username, "tokens"])?)
            .basic_auth(username, Some(password.expose_secret()))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .context("list the administrator's tokens")?
            .json()
            .await
            .context("read the administrator's tokens")?;
        for token in tokens.iter().filter(|token| token.name.starts_with(BOOTSTRAP_PREFIX)) {
            self.client
                .delete(self.url(&["users", username, "tokens", &token.id.to_string()])?)
                .basic_auth(username, Some(password.expose_secret()))
                .send()
                .await
                .and_then(reqwest::Response::error_for_status)
                .context("revoke a bootstrap token")?;
        }
        Ok(())
    }
}
