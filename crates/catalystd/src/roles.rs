//! The roles of the binary, one module each, and how each of them is started.

mod api;
mod job;
mod pause;
mod reflect;
mod token;

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;

/// A role: what this process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Serves catalyst-api and the console.
    Api(Box<crate::config::ApiArgs>),
    /// Makes access for people and programs, asked of the daemon that runs here.
    Token(token::Args),
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
        Role::Token(args) => block_on(token::run(args)),
        Role::Reflect(args) => block_on(reflect::run(args)),
        Role::Job(args) => block_on(job::run(args)),
        Role::Pause => Ok(()),
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
