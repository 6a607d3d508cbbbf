//! `catalyst sovereign create`.

use serde_json::json;

use super::Context;
use super::watch::{self, Hope};
use crate::api::Client;
use crate::api::wire::Created;

/// Create a Sovereign, and follow it unless --detach.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  catalyst sovereign create sov2 --org-name 'Bank of Examples'")]
pub(crate) struct Args {
    /// Short name: a letter, then letters, digits and hyphens, 15 at most.
    pub(crate) name: String,
    /// Its domain [default: <name>.catalyst.test].
    #[arg(long)]
    pub(crate) fqdn: Option<String>,
    /// Where it runs.
    #[arg(long, default_value = "sandbox", value_parser = ["sandbox", "existing", "hetzner"])]
    pub(crate) provider: String,
    /// The organisation that owns it.
    #[arg(long, default_value = "Example Organization")]
    pub(crate) org_name: String,
    /// Whom to write to about it.
    #[arg(long, default_value = "owner@catalyst.test")]
    pub(crate) org_email: String,
    /// Return at once; follow later with `catalyst sovereign watch NAME`.
    #[arg(long)]
    pub(crate) detach: bool,
}

impl Args {
    /// What `catalyst up` asks for.
    pub(crate) fn local(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fqdn: None,
            provider: "sandbox".to_owned(),
            org_name: "Example Organization".to_owned(),
            org_email: "owner@catalyst.test".to_owned(),
            detach: true,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let client = context.client()?;
    let created = post(&client, &args).await?;
    if args.detach {
        return context.output.value(&created, || format!("{} {}", created.name, created.id));
    }
    watch::run(&client, &created.id, Hope::None, context.output).await
}

/// Sends the request.
pub(crate) async fn post(client: &Client, args: &Args) -> anyhow::Result<Created> {
    let fqdn = args.fqdn.clone().unwrap_or_else(|| format!("{}.catalyst.test", args.name));
    let body = json!({
        "provider": args.provider,
        "name": args.name,
        "sovereignFQDN": fqdn,
        "sovereignDomainMode": "byo-manual",
        "orgName": args.org_name,
        "orgEmail": args.org_email,
        "region": "local",
    });
    client.create(&body).await
}
