//! The roles of the binary, one module each, and how each of them is started.

mod api;
mod gateway;
mod job;
mod pause;
mod reflect;
mod token;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// `EX_CONFIG`: what is missing is a setting.
const MISCONFIGURED: u8 = 78;

/// A role: what this process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Serves catalyst-api and the console.
    Api(Box<crate::config::ApiArgs>),
    /// Makes access for people and programs, asked of the daemon that runs here.
    Token(token::Args),
    /// Serves language models to customers, and channels, keys and credit to operators.
    Gateway(Box<gateway::Args>),
    /// Copies Secrets and ConfigMaps to the namespaces that their annotations name.
    Reflect(reflect::Args),
    /// Does one piece of work for a chart.
    Job(job::Args),
    /// Waits until it is told to end: the process of a Pod's sandbox.
    Pause,
}

/// Runs a role until it is done or a signal ends it.
///
/// # Errors
/// What the role could not do, with its causes.
pub(crate) fn run(role: Role) -> Result<()> {
    if let Role::Pause = role {
        return block_on(pause::run());
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed already"))?;
    match role {
        Role::Api(args) => api::start(*args),
        Role::Gateway(args) => gateway::start(*args),
        Role::Token(args) => block_on(token::run(args)),
        Role::Reflect(args) => block_on(reflect::run(args)),
        Role::Job(args) => block_on(job::run(args)),
        Role::Pause => Ok(()),
    }
}

/// What the process ends with when its role failed so.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<gateway::Unset>() { ExitCode::from(MISCONFIGURED) } else { ExitCode::FAILURE }
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Cancels `stop` at SIGTERM or SIGINT; returns once it is cancelled, whoever did it.
fn stop_on_signal(stop: &CancellationToken) -> impl Future<Output = Result<()>> {
    let stop = stop.clone();
    async move {
        let guard = stop.clone().drop_guard();
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stop.cancelled() => {}
        }
        tracing::info!("told to stop");
        drop(guard);
        Ok(())
    }
}

/// One thread is enough for a role that waits for most of its life.
fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(work)
}

/// Waits for SIGTERM, which is how a Pod is told to end.
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Without a handler the signal's default ends the process, which is as good.
        Err(_) => std::future::pending().await,
    }
}
