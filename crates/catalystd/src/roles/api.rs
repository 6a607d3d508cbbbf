//! `catalystd api`: the control plane, its API and the console.
//!
//! Build, bind, then run: an address that is taken is found out before anything is resumed. On the
//! way out: stop accepting, let requests end, stop the control plane, go.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use catalyst_control::{Control, Provisioning, Who};
use catalyst_http::{postback_router, router, serve};
use catalyst_model::Tier;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::clusters::Clusters;
use crate::config::{ApiArgs, Settings};
use crate::roles::{bind, stop_on_signal};
use crate::secret_file;
use crate::self_check::Needs;

/// Requests are few and small; threads cost memory while they wait.
const WORKERS: usize = 2;
/// A request may take this long to end once the process is told to.
const DRAIN: Duration = Duration::from_secs(5);
/// The control plane may take this long to put its work down.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// A printed link waits for somebody to come back to their desk.
const LOGIN_LINK_TTL: Duration = Duration::from_secs(8 * 60 * 60);
/// This machine's own token is made anew at each start, so it may live long.
const LOCAL_TOKEN_TTL: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The pause before a token that could not be renewed is tried again.
const RENEW_PAUSE: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
///
/// # Errors
/// Settings that contradict each other, an address that is taken, records that cannot be opened.
pub(crate) fn start(args: ApiArgs) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(run(args))
}

async fn run(args: ApiArgs) -> Result<()> {
    let mut settings = args.settings()?;
    keep_registry_token(&mut settings)?;
    let api = bind(settings.listen).await?;
    let postback = match settings.postback_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let clusters = Clusters::new(settings.kustomize_bin.clone(), settings.kit_dir.clone());
    let control = Control::open(settings.control.clone(), Arc::new(clusters)).await;
    let control = control.context("open the records")?;
    hand_out_credentials(&control, &settings).await?;
    tracing::info!(address = %settings.listen, console = settings.console_url, "listening");

    let stop = CancellationToken::new();
    let needs = Needs::of(&settings.control.provisioning, &settings.kustomize_bin);
    for trouble in needs.missing() {
        tracing::warn!(%trouble, "not ready");
    }
    let asking = needs.clone();
    let config = catalyst_http::Config {
        self_check: Some(Arc::new(move || needs.missing())),
        console_origin: Some(settings.console_url.clone()),
        secure_cookies: settings.console_url.starts_with("https://"),
        cookie_port: Some(settings.listen.port()),
    };
    let serve_api = serve(api, router(control.clone(), config, stop.clone()), stop.clone(), DRAIN);
    let serve_postback = async {
        if let Some(listener) = postback {
            let router = postback_router(control.clone(), stop.clone());
            serve(listener, router, stop.clone(), DRAIN).await;
        }
    };
    let signalled = stop_on_signal(&stop);
    let local_token = keep_local_token(&control, &settings.token_file, &stop);
    let ((), (), (), (), signalled) =
        tokio::join!(serve_api, serve_postback, local_token, asking.ask_tofu(), signalled);
    signalled?;
    if tokio::time::timeout(SHUTDOWN, control.shutdown()).await.is_err() {
        tracing::warn!("the control plane did not stop in time; it resumes at the next start");
    }
    Ok(())
}

/// A registry token that came by the environment becomes the file that the infrastructure reads.
fn keep_registry_token(settings: &mut Settings) -> Result<()> {
    let Provisioning::Enabled(provisioning) = &mut settings.control.provisioning else {
        return Ok(());
    };
    let token = settings.ghcr_pull_token.take();
    if provisioning.ghcr_credentials_file.is_some() {
        return Ok(());
    }
    let Some(token) = token.filter(|token| !token.expose_secret().is_empty()) else {
        return Ok(());
    };
    let credentials = serde_json::json!({
        "registry": "ghcr.io", "username": "openova-io", "password": token.expose_secret(),
    });
    let file = settings.control.auth_dir.join("ghcr-pull.json");
    secret_file::write(&file, &SecretString::from(credentials.to_string()))?;
    provisioning.ghcr_credentials_file = Some(file);
    Ok(())
}

/// Writes the login link and this machine's own token; who reads the files owns the machine anyway.
async fn hand_out_credentials(control: &Control, settings: &Settings) -> Result<()> {
    renew_local_token(control, &settings.token_file).await?;
    if let Some(file) = &settings.login_link_file {
        write_login_link(control, settings, file).await?;
    }
    Ok(())
}

async fn renew_local_token(control: &Control, file: &Path) -> Result<()> {
    let token = control.renew_local_token(LOCAL_TOKEN_TTL).await;
    secret_file::write(file, &token.context("make the local token")?.secret)
}

/// Whoever signs out with this machine's own token, or revokes it, ends that token and not the
/// machine's tools: the file gets a new one.
async fn keep_local_token(control: &Control, file: &Path, stop: &CancellationToken) {
    let renewing = async {
        loop {
            control.local_token_gone().await;
            match renew_local_token(control, file).await {
                Ok(()) => tracing::info!("the token of this machine's own tools was renewed"),
                Err(error) => {
                    tracing::warn!("{error:#}");
                    tokio::time::sleep(RENEW_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = renewing => {}
        () = stop.cancelled() => {}
    }
}

async fn write_login_link(control: &Control, settings: &Settings, file: &Path) -> Result<()> {
    let owner = Who::of_this_process("owner", Tier::Owner);
    let minted = control.mint_login(&owner, Tier::Owner, LOGIN_LINK_TTL).await;
    let secret = minted.context("make a login link")?.secret;
    let link = format!("{}/auth/login?token={}", settings.console_url, secret.expose_secret());
    secret_file::write(file, &SecretString::from(link))
}
