//! `catalyst sandbox outside up|down|status|publish`.

use std::path::PathBuf;

use anyhow::Context as _;
use catalyst_sandbox::charts;
use catalyst_sandbox::debian::Debian;
use catalyst_sandbox::front::{Counts, Front};
use catalyst_sandbox::images::{Images, Specs};
use catalyst_sandbox::outside::{Config, FIRST_USER, Outside, Ports, Programs};
use catalyst_sandbox::paths::NodeName;
use catalyst_sandbox::publish::{self, Progress, Sent};
use catalyst_sandbox::supervisor::{ChildStatus, Launcher, Role, Status};
use catalyst_sandbox::tools::{Pins, Tools};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use crate::commands::Context;
use crate::commands::up::installation_to_end;
use crate::output::table;

/// The world beyond a Sovereign's link: git and the registries, as processes on this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start what is missing of it; run again to change a port.
    #[command(after_help = "Example:\n  catalyst sandbox outside up --gitea-port 7182")]
    Up(Up),
    /// Put everything a Sovereign pulls into it: images, charts, the kit's git content.
    #[command(after_help = "Example:\n  catalyst sandbox outside publish")]
    Publish(Publish),
    /// End all its processes; what it keeps stays.
    #[command(after_help = "Example:\n  catalyst sandbox outside down")]
    Down,
    /// Show its processes, the mothership's and those of the links' fronts.
    #[command(after_help = "Example:\n  catalyst sandbox outside status -o yaml")]
    Status,
}

/// Ports not given stay what they were the last time.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Gitea's port on 127.0.0.1 [default: 7082].
    #[arg(long, env = "CATALYST_GITEA_PORT", value_name = "PORT")]
    gitea_port: Option<u16>,
    /// The public registry's port on 127.0.0.1 [default: 7083].
    #[arg(long, env = "CATALYST_PUBLIC_REGISTRY_PORT", value_name = "PORT")]
    public_registry_port: Option<u16>,
    /// The private registry's port on 127.0.0.1 [default: 7084].
    #[arg(long, env = "CATALYST_PRIVATE_REGISTRY_PORT", value_name = "PORT")]
    private_registry_port: Option<u16>,
    /// Where catalystd takes kubeconfigs on 127.0.0.1 [default: 7081].
    #[arg(long, env = "CATALYST_POSTBACK_PORT", value_name = "PORT")]
    postback_port: Option<u16>,
}

/// What is published is made first, from built tools and unpacked packages.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The static `catalystd` of our own images [default: beside this program].
    #[arg(long, env = "CATALYST_CATALYSTD", value_name = "FILE")]
    catalystd: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up(args, context).await,
        Command::Publish(args) => publish(args, context).await,
        Command::Down => {
            // The programs are not needed to end what runs.
            let programs = Programs { gitea: PathBuf::new(), registry: PathBuf::new() };
            outside(context, Ports::default(), programs)?.down().await?;
            context.output.say("the outside is down");
            context.output.data(&json!({ "ended": ["the outside world"] }))
        }
        Command::Status => status(context),
    }
}

impl Up {
    /// The ports given, the others as they were.
    pub(crate) fn over(&self, known: Ports) -> Ports {
        Ports {
            postback: self.postback_port.unwrap_or(known.postback),
            gitea: self.gitea_port.unwrap_or(known.gitea),
            public: self.public_registry_port.unwrap_or(known.public),
            private: self.private_registry_port.unwrap_or(known.private),
        }
    }
}

async fn up(args: Up, context: &Context<'_>) -> anyhow::Result<()> {
    let ports = args.over(Ports::recorded(&context.roots.home.outside())?);
    let tools = tools(context).await?;
    outside(context, ports, programs(&tools)?)?.up().await?;
    status(context)
}

async fn publish(args: Publish, context: &Context<'_>) -> anyhow::Result<()> {
    let checkout = context.checkout()?;
    let cache = &context.roots.cache;
    let tools = tools(context).await?;
    let debian = Debian::from_checkout(cache, &checkout)?;
    let own = match args.catalystd {
        Some(path) => path,
        None => std::env::current_exe().context("find this program")?.with_file_name("catalystd"),
    };
    let specs = Specs::from_checkout(&checkout)?;
    let images = Images::new(cache, specs, tools.clone(), debian, own).ensure(&|_| {}).await?;
    let charts = charts::package_all(cache, &checkout, &tools, &images).await?;
    let ports = Ports::recorded(&context.roots.home.outside())?;
    let outside = outside(context, ports, programs(&tools)?)?;
    let report = |progress| {
        if let Progress::Done { name, was_there: false } = progress {
            context.output.say(&format!("published {name}"));
        }
    };
    let Sent { images, charts, git } =
        publish::everything(&outside, &checkout, &images, &charts, &report).await?;
    context
        .output
        .say(&format!("{images} images and {charts} charts sent; main is at {}", git.commit));
    context.output.data(&json!({ "images": images, "charts": charts, "commit": git.commit }))
}

async fn tools(context: &Context<'_>) -> anyhow::Result<Tools> {
    let pins = match context.checkout() {
        Ok(checkout) => Pins::from_checkout(&checkout)?,
        Err(_) => Pins::embedded()?,
    };
    Ok(Tools::locate(&context.roots.cache, pins).await?)
}

fn programs(tools: &Tools) -> anyhow::Result<Programs> {
    Ok(Programs { gitea: tools.dir("gitea")?.to_owned(), registry: tools.bin("registry")? })
}

fn outside(context: &Context<'_>, ports: Ports, programs: Programs) -> anyhow::Result<Outside> {
    Ok(Outside::new(Config {
        dir: context.roots.home.outside(),
        role: Role::new("outside")?,
        launcher: launcher()?,
        ports,
        programs,
        first_user: FIRST_USER,
    }))
}

/// This program, as something to be started in the background.
pub(crate) fn launcher() -> anyhow::Result<Launcher> {
    let program = std::env::current_exe().context("find this program")?;
    Ok(Launcher { program, args: ["sandbox", "daemon"].map(String::from).to_vec() })
}

/// What runs in the background as it is.
#[derive(Debug, Serialize)]
struct Report {
    ports: Ports,
    mothership: Option<Status>,
    outside: Option<Status>,
    fronts: Vec<FrontReport>,
}

#[derive(Debug, Serialize)]
struct FrontReport {
    sovereign: String,
    status: Option<Status>,
    counts: Option<Counts>,
}

fn status(context: &Context<'_>) -> anyhow::Result<()> {
    let installation = installation_to_end(context)?;
    let ports = installation.ports.outside;
    let mothership = installation.mothership_to_end()?.status();
    let outside = installation.outside_to_end()?.status();
    let mut fronts = Vec::new();
    for entry in std::fs::read_dir(context.roots.home.sovereigns()).into_iter().flatten().flatten()
    {
        let Some(name) = entry.file_name().to_str().and_then(|name| NodeName::new(name).ok())
        else {
            continue;
        };
        let (status, counts) = Front::look(&context.roots.home, &name);
        fronts.push(FrontReport { sovereign: name.to_string(), status, counts });
    }
    fronts.sort_by(|a, b| a.sovereign.cmp(&b.sovereign));
    let report = Report { ports, mothership, outside, fronts };
    context.output.value(&report, || shown(&report))
}

fn shown(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut add = |whose: &str, status: Option<&Status>| match status {
        Some(status) => rows.extend(status.children.iter().map(|child| row(whose, child))),
        None => rows.push(vec![whose.into(), "-".into(), "down".into(), "-".into(), "-".into()]),
    };
    add("mothership", report.mothership.as_ref());
    add("outside", report.outside.as_ref());
    for front in &report.fronts {
        add(&front.sovereign, front.status.as_ref());
    }
    table(&["WHOSE", "PROCESS", "STATE", "PID", "RESTARTS"], &rows)
}

fn row(whose: &str, child: &ChildStatus) -> Vec<String> {
    let state = serde_json::to_value(child.phase).ok();
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or_default().to_owned();
    let pid = child.pid.map_or("-".into(), |pid| pid.to_string());
    vec![whose.into(), child.name.clone(), state, pid, child.restarts.to_string()]
}
