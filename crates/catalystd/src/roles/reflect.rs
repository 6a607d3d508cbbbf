//! `catalystd reflect`: copies Secrets and ConfigMaps to the namespaces that their annotations name.
//!
//! It honours the annotations `reflector.v1.k8s.emberstack.com/…` of the well-known reflector, of which
//! it is an independent implementation. [`rules`] reads annotations, [`plan`] decides, [`cluster`]
//! watches and writes, [`rounds`] repeats: every event, timer and failure leads to the same round, which
//! compares what should be with what is. An object that carries no annotation `reflects` is never
//! written.

mod cluster;
mod plan;
mod rounds;
mod rules;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::{Client, Config};

use crate::probes::{self, Readiness};

/// How to reflect.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the probe endpoints.
    #[arg(long, env = "CATALYST_PROBE_LISTEN")]
    probe_listen: SocketAddr,
}

/// Reflects until the process is ended.
///
/// # Errors
/// When no cluster is found, the probe address cannot be bound, or a watch ends for good.
pub(crate) async fn run(args: Args) -> Result<()> {
    let config = Config::infer().await.context("find the cluster")?;
    let client = Client::try_from(config).context("make a client")?;
    let ready = Readiness::default();
    tokio::select! {
        served = probes::serve(args.probe_listen, ready.clone()) => served,
        ended = rounds::repeat(client, &ready) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
        () = super::terminated() => Ok(()),
    }
}
