//! `catalyst doctor`: what this machine lacks, line by line with the remedy.

use catalyst_sandbox::debian::Debian;
use catalyst_sandbox::doctor::{self, Level, Line, Wire};
use catalyst_sandbox::installation::{self, Ports, Settings};
use catalyst_sandbox::link::Link;
use catalyst_sandbox::netns::Netns;
use catalyst_sandbox::node::Layout;
use catalyst_sandbox::outside;
use catalyst_sandbox::paths::NodeName;
use catalyst_sandbox::tools::{Pins, Tools};
use owo_colors::Style;
use serde_json::json;

use super::Context;
use crate::output::Output;

/// Say what this machine lacks for a local Sovereign, line by line with the remedy.
///
/// Exits with 0 when nothing stands in the way. It changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst doctor")]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context<'_>) -> anyhow::Result<()> {
    let home = &context.roots.home;
    let ports = outside::Ports::recorded(&home.outside())?;
    let lines = examine(context, Settings::recorded(home)?, ports).await?;
    let data: Vec<_> = lines.iter().map(value).collect();
    context.output.value(&data, || {
        lines.iter().map(|line| human(line, context.output)).collect::<Vec<_>>().join("\n")
    })?;
    match doctor::first_problem(&lines) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

/// Looks at the machine; changes nothing, and needs nothing that it may find missing.
pub(crate) async fn examine(
    context: &Context<'_>,
    settings: Settings,
    outside: outside::Ports,
) -> anyhow::Result<Vec<Line>> {
    let roots = &context.roots;
    let wire = |(link, name): (Link, Option<NodeName>)| Wire {
        network: link.network(),
        interface: link.interface(),
        ours: name.is_some_and(|name| Netns::of(&Layout::at(roots.home.sovereign(&name))).exists()),
    };
    let tools = Tools::locate(&roots.cache, Pins::embedded()?).await;
    let build_bytes = tools.map_or(0, |tools| tools.needed_bytes());
    let question = doctor::Question {
        cache: roots.cache.clone(),
        home: roots.home.clone(),
        path: context.path.clone(),
        ports: Ports { api: settings.api_port, outside }.all(),
        // Without control groups nothing runs, and the doctor says so in a line of its own.
        own: installation::background(&roots.home).unwrap_or_default(),
        links: settings.links(&roots.home)?.into_iter().map(wire).collect(),
        build_bytes,
        debian: Debian::embedded(&roots.cache)?.tree().ok(),
    };
    Ok(doctor::examine(&doctor::gather(question).await))
}

fn human(line: &Line, output: &Output) -> String {
    let (sign, style) = match line.level {
        Level::Fine => ("✓", Style::new().green()),
        Level::Warning => ("▲", Style::new().yellow()),
        Level::Missing => ("✕", Style::new().red()),
    };
    let mut text = format!("{} {:<22} {}", output.paint(sign, style), line.subject, line.says);
    if !line.remedy.is_empty() {
        text.push_str(&format!("\n  {:<22} → {}", "", line.remedy));
    }
    text
}

fn value(line: &Line) -> serde_json::Value {
    let level = match line.level {
        Level::Fine => "fine",
        Level::Warning => "warning",
        Level::Missing => "missing",
    };
    json!({
        "subject": line.subject,
        "level": level,
        "says": line.says,
        "remedy": line.remedy,
        "code": line.code.map(ToString::to_string),
    })
}
