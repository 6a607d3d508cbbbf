//! `catalyst kit render`.

use catalyst_kit::{Facts, Object, Owner, yaml_text};
use serde_json::Value;

use super::super::Context;
use super::judged::{Judged, whole};
use crate::args::Format;
use crate::problem::Explained;

/// Print every object that would be applied, each under its origin.
///
/// Objects of charts are those Helm would send, hooks included, with the values the releases give
/// them. What cannot be built or rendered is told at the end, and the exit code is then 2.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit render clusters/_template --profile profiles/sandbox
  catalyst kit render --release bp-gitea -o json
  catalyst kit render charts/bp-gitea --set-substitute SOVEREIGN_FQDN=a.test")]
pub(crate) struct Args {
    /// Only the objects of this HelmRelease, by its name or as namespace/name.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    #[command(flatten)]
    judged: Judged,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let facts = args.judged.facts(context).await?;
    let objects = match &args.release {
        Some(name) => of_release(&facts, name)?,
        None => facts.applied().collect(),
    };
    match context.output.format {
        Format::Json => {
            let all: Vec<Value> = objects.iter().map(|object| object.node.to_json()).collect();
            context.output.value(&all, String::new)?;
        }
        Format::Table | Format::Yaml => {
            for object in objects {
                context.output.line(&document(&facts, object))?;
            }
        }
    }
    whole(&facts, context)
}

/// The objects of every release of that name: a kit may hold one a profile.
fn of_release<'a>(facts: &'a Facts, name: &str) -> anyhow::Result<Vec<&'a Object>> {
    let called = |at: usize| {
        let declared = &facts.releases[at].declared;
        declared.name == name || format!("{}/{}", declared.namespace, declared.name) == name
    };
    if !(0..facts.releases.len()).any(called) {
        let known: Vec<_> = facts.releases.iter().map(|one| one.declared.name.as_str()).collect();
        let fix = match known.as_slice() {
            [] => "There are no releases here.".to_owned(),
            _ => format!("These are here: {}.", known.join(", ")),
        };
        return Err(Explained::new(format!("there is no release `{name}` here"), fix).into());
    }
    let fits = |object: &&Object| matches!(object.owner, Owner::Release(at) if called(at));
    Ok(facts.objects.iter().filter(fits).collect())
}

fn document(facts: &Facts, object: &Object) -> String {
    let owner = facts.owner_title(object.owner);
    let text = yaml_text(&object.node.to_json());
    format!("---\n# {owner}, {}\n{}", object.place(), text.trim_end())
}
