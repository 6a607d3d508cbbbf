//! `catalyst kit graph`.

use catalyst_kit::DerivedGraph;
use catalyst_kit::graph::draw;
use clap::ValueEnum;

use super::super::Context;
use super::FOUND;
use super::judged::{Judged, whole};
use crate::problem::Ended;

/// Show what waits for what, and what should: the order that objects need beside the declared one.
///
/// An object that uses a kind, a namespace, a Secret, a ConfigMap, a Service or a class that another
/// release makes needs that release. Where no `dependsOn` says so, directly or through others, the
/// edge is missing, and the line to add is named. A declared edge without evidence is told as
/// information: not everything that a program needs stands in files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit graph clusters/_template
  catalyst kit graph --draw dot | dot -Tsvg > kit.svg
  catalyst kit graph -o json                   every edge with its evidence

Exit codes:
  0  nothing is missing, and nothing waits in a circle
  1  an edge is missing or leads nowhere, or releases wait in a circle
  2  something could not be read or rendered, so that this is not all;
     or the command line cannot be understood
  5  this machine lacks something: the renderer")]
pub(crate) struct Args {
    #[command(flatten)]
    judged: Judged,
    /// A picture in this language, in place of the tree.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    draw: Option<Language>,
}

/// Languages of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let facts = args.judged.facts(context).await?;
    let graph = DerivedGraph::of(&facts);
    match args.draw {
        Some(Language::Dot) => context.output.line(draw::dot(&graph).trim_end())?,
        Some(Language::Mermaid) => context.output.line(draw::mermaid(&graph).trim_end())?,
        None => context.output.value(&draw::json(&graph), || draw::text(&graph))?,
    }
    whole(&facts, context)?;
    if graph.is_clean() { Ok(()) } else { Err(Ended(FOUND).into()) }
}
