//! `catalyst up`: the outside, the mothership and a ready Sovereign, or whatever of it is missing.
//!
//! The Sovereign itself is asked for through the public API, as anybody would; this command only
//! provides what the mothership needs to make one here.

pub(crate) mod progress;

use anyhow::Context as _;
use catalyst_sandbox::doctor;
use catalyst_sandbox::installation::{Installation, Settings};
use catalyst_sandbox::lifecycle::Record;
use catalyst_sandbox::mothership::Mothership;
use catalyst_sandbox::outside;
use catalyst_sandbox::publish;
use secrecy::ExposeSecret as _;
use serde_json::json;

use self::progress::Progress;
use super::Context;
use super::sandbox::outside::Up as OutsidePorts;
use super::sovereign::watch::Hope;
use super::sovereign::{create, retry, watch};
use crate::api::Client;
use crate::api::wire::Sovereign;
use crate::output::Output;

/// Bring up a mothership and a ready Sovereign on this machine; run again to resume.
///
/// Builds what is missing (the first time takes about half an hour and 25 GB of room for a while),
/// prints the link to watch in a browser, then follows the Sovereign until it is ready. Everything
/// keeps running afterwards; `catalyst down` ends it.
///
/// With -o json every event is one line and the last line is the Sovereign's state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  catalyst up                  a Sovereign called sov1
  catalyst up lab --port 8080  another name, and the console on another port")]
pub(crate) struct Args {
    /// The Sovereign's name.
    #[arg(default_value = "sov1")]
    name: String,
    /// Everything but the Sovereign: create one yourself in the console.
    #[arg(long)]
    without_sovereign: bool,
    #[command(flatten)]
    place: Place,
}

/// Where this installation stands on this machine. What is not given stays what it was the last
/// time, so a second installation (another --home) is told once where it has room.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ports and links")]
struct Place {
    /// The port of API and console on 127.0.0.1 [default: 7080].
    #[arg(long, env = "CATALYST_PORT", value_name = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    outside: OutsidePorts,
    /// The first of the links sv0 to sv15 that Sovereigns of this installation may have
    /// [default: 0].
    #[arg(long, env = "CATALYST_FIRST_LINK", value_name = "N")]
    first_link: Option<u8>,
    /// The links' addresses: 210 gives sv0 the network 10.210.0.0/24, sv1 10.211.0.0/24
    /// [default: 210].
    #[arg(long, env = "CATALYST_NETWORK_BASE", value_name = "N")]
    network_base: Option<u8>,
}

impl Place {
    /// The settings given, the others as they were.
    fn over(&self, known: Settings) -> Settings {
        Settings {
            api_port: self.port.unwrap_or(known.api_port),
            network_base: self.network_base.unwrap_or(known.network_base),
            first_link: self.first_link.unwrap_or(known.first_link),
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let home = &context.roots.home;
    let settings = args.place.over(Settings::recorded(home)?);
    settings.check()?;
    let ports = args.place.outside.over(outside::Ports::recorded(&home.outside())?);
    let installation = installation_at(context, settings, ports).await?;
    let mothership = provide(&installation, context).await?;
    let client = Client::new(&mothership.url(), Some(mothership.token()?))?;
    resume_nodes(&installation, context).await?;
    context.output.say("");
    let link = client.login_link().await?.link;
    context.output.say(&format!("  open  {}", link.expose_secret()));
    context.output.say("        (signs you in once; `catalyst login --link` prints another)");
    context.output.say("");
    if args.without_sovereign {
        return context.output.data(&json!({ "api": mothership.url() }));
    }
    let (id, hope) = sovereign(&client, &args.name, context.output).await?;
    watch::run(&client, &id, hope, context.output).await?;
    let name = &args.name;
    context.output.say("");
    context.output.say(&format!("{name} is ready. It keeps running; `catalyst down` ends it."));
    context.output.say(&format!("  look inside   `catalyst kubectl {name} get pods -A`"));
    context.output.say("  another one   `catalyst sovereign create sov2`");
    Ok(())
}

/// This installation, from the roots and the program that runs.
pub(crate) async fn installation(context: &Context<'_>) -> anyhow::Result<Installation> {
    let home = &context.roots.home;
    let ports = outside::Ports::recorded(&home.outside())?;
    installation_at(context, Settings::recorded(home)?, ports).await
}

/// The same to look at it and to end it: that works without Go, and whatever became of the records.
pub(crate) fn installation_to_end(context: &Context<'_>) -> anyhow::Result<Installation> {
    let program = std::env::current_exe().context("find this program")?;
    let (roots, path) = (context.roots.clone(), context.path.clone());
    // Ports say where things listen; what runs is known by its folder and its control group.
    let settings = Settings::recorded(&roots.home).unwrap_or_default();
    let ports = outside::Ports::recorded(&roots.home.outside()).unwrap_or_default();
    Ok(Installation::open_to_end(roots, settings, ports, program, path)?)
}

async fn installation_at(
    context: &Context<'_>,
    settings: Settings,
    ports: outside::Ports,
) -> anyhow::Result<Installation> {
    let program = std::env::current_exe().context("find this program")?;
    let (roots, path) = (context.roots.clone(), context.path.clone());
    Ok(Installation::open(roots, settings, ports, program, path).await?)
}

/// Everything a Sovereign is made from and by, running.
async fn provide(installation: &Installation, context: &Context<'_>) -> anyhow::Result<Mothership> {
    let source = context.checkout()?;
    let running = installation.mothership_to_end()?.status().is_some();
    if !running
        && let Some(problem) = doctor::first_problem(
            &super::doctor::examine(context, installation.settings, installation.ports.outside)
                .await?,
        )
    {
        return Err(problem.into());
    }
    // Only now: what the machine cannot have is not kept.
    installation.settings.record(&context.roots.home)?;
    let progress = Progress::new(context.output);
    progress.stage("tools");
    installation.tools.ensure(&|event| progress.tools(event)).await?;
    installation.debian.ensure(&|event| progress.debian(event)).await?;
    progress.stage("images");
    let images = installation.images()?.ensure(&|event| progress.images(event)).await?;
    let charts = installation.charts(&source, &images).await?;
    progress.stage("the outside world");
    let outside = installation.outside()?;
    outside.up().await?;
    publish::everything(&outside, &source, &images, &charts, &|event| progress.publish(event))
        .await?;
    progress.stage("the mothership");
    let mothership = installation.mothership(&source)?;
    mothership.up().await?;
    progress.done();
    Ok(mothership)
}

/// Nodes that were taken down with `catalyst down` are started again on their own data.
async fn resume_nodes(installation: &Installation, context: &Context<'_>) -> anyhow::Result<()> {
    let mut resumed = Vec::new();
    for name in Record::names(&installation.roots.home) {
        if installation.resume(&name).await? {
            context.output.say(&format!("started {name} again on its own data"));
            resumed.push(name);
        }
    }
    for name in resumed {
        // Until then the API tells of the Pods as they were before.
        installation.machine().await?.booted(&name, |_| {}).await?;
    }
    Ok(())
}

/// The Sovereign of this name, and how long it is worth waiting for: created when there is none,
/// begun again where it failed or ran out of time.
async fn sovereign(client: &Client, name: &str, output: &Output) -> anyhow::Result<(String, Hope)> {
    let all = client.sovereigns().await?.deployments;
    let found = all.into_iter().find(|item| item.name == name && item.status != "destroyed");
    let Some(found) = found else {
        let created = create::post(client, &create::Args::local(name)).await?;
        return Ok((created.id, Hope::None));
    };
    if found.status == "ready" || !found.is_settled() {
        return Ok((found.id, Hope::None));
    }
    output.say(&format!("{name} is {}: {}", found.status, found.answer.headline));
    match again(client, &found).await {
        Ok(phase) => output.say(&format!("  trying again: {phase}")),
        // Nothing goes on by itself where the infrastructure failed.
        Err(refused) if found.can_be_retried() => return Err(refused),
        Err(_) => {
            output
                .say("  the mothership goes on watching it, and so does this command for a while");
            return Ok((found.id, Hope::begin()));
        }
    }
    Ok((found.id, Hope::None))
}

/// Begins again what failed; not a Sovereign that was ready and is unwell.
async fn again(client: &Client, found: &Sovereign) -> anyhow::Result<String> {
    match found.status.as_str() {
        "degraded" => anyhow::bail!("nothing of its provisioning failed"),
        _ => retry::post(client, found).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Global};
    use clap::Parser as _;

    fn output() -> Output {
        let Args { global, .. } = Args::parse_from(["catalyst", "up"]);
        Output::new(&Global { no_color: true, ..global })
    }

    /// A server whose only Sovereign is in this state, and what it answers to a retry.
    async fn chosen(status: &'static str, phase: &'static str, retry: u16) -> (bool, Vec<String>) {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut asked = Vec::new();
        let serve = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                let mut rest = String::new();
                while stream.read_line(&mut rest).await.unwrap() > 2 {}
                asked.push(line.rsplit_once(' ').unwrap().0.to_owned());
                let (code, body) = match line.starts_with("GET") {
                    true => (
                        200,
                        json!({ "deployments": [{ "id": "a", "name": "sov1",
                        "status": status, "phases": [{ "id": phase, "state": "failed" }] }] }),
                    ),
                    false => (retry, json!({})),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        };
        let client = Client::new(&url, None).unwrap();
        let output = output();
        let hopes = tokio::select! {
            () = serve => unreachable!("it serves for ever"),
            chosen = sovereign(&client, "sov1", &output) => {
                matches!(chosen, Ok((_, Hope::Until(_))))
            }
        };
        (hopes, asked)
    }

    #[tokio::test]
    async fn what_failed_is_begun_again_and_what_may_yet_be_well_is_followed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let list = "GET /api/v1/deployments".to_owned();
        let retry = |phase: &str| format!("POST /api/v1/deployments/a/phases/{phase}/retry");
        let both = |phase: &str| vec![list.clone(), retry(phase)];
        assert_eq!(chosen("failed", "infrastructure", 202).await, (false, both("infrastructure")));
        assert_eq!(chosen("failed", "infrastructure", 409).await, (false, both("infrastructure")));
        assert_eq!(chosen("timed-out", "kit", 202).await, (false, both("kit")));
        assert_eq!(chosen("timed-out", "kit", 409).await, (true, both("kit")));
        assert_eq!(chosen("degraded", "ready", 202).await, (true, vec![list.clone()]));
        assert_eq!(chosen("ready", "", 202).await, (false, vec![list]));
    }
}
