//! `catalyst kit lint`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use catalyst_kit::{Baseline, Facts, Finding, Outcome, Reach, Rule, Severity};
use catalyst_kit::{lint, output, yaml_text};
use owo_colors::Style;

use super::super::Context;
use super::changed;
use super::explain::rule;
use super::judged::Judged;
use super::{FOUND, UNREAD};
use crate::args::Form;
use crate::output::{Output, OutputClosed};
use crate::problem::{Ended, Explained};

/// Hold a tree, or one chart, against the rules.
///
/// A comment on its line or above it allows a finding, with a reason and an end; past its end the
/// comment is an error:
///
/// # catalyst-allow: L18 reason="why" until=2027-01-01
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit lint clusters/_template
  catalyst kit lint charts/bp-gitea --rule L18
  catalyst kit lint --changed-since origin/main     what a branch touches
  catalyst kit lint -o sarif > findings.sarif
  catalyst kit lint --write-baseline known.json     accept what is there today,
  catalyst kit lint --baseline known.json           and fail on what is new

Exit codes:
  0  nothing of severity error was found
  1  something of severity error was found
  2  something could not be read or rendered, so that this is not all;
     or the command line cannot be understood
  5  this machine lacks something: the renderer, git")]
pub(crate) struct Args {
    /// Only this rule; may be given often.
    #[arg(long = "rule", value_name = "RULE", value_parser = rule)]
    rules: Vec<&'static Rule>,
    /// Leave out what this file says was there before.
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write what is found into this file, to be known from then on: findings that a baseline can
    /// hold no longer count for the exit code.
    #[arg(long, value_name = "FILE", conflicts_with = "changed_since")]
    write_baseline: Option<PathBuf>,
    /// Only what the files changed since this git revision reach.
    ///
    /// Everything is built, rendered and judged; left out is what stands neither in a file that
    /// differs from that revision (committed or not, new files included) nor in anything that depends
    /// on one. A changed kustomization file reaches its whole build. A release is reached by the file
    /// that declares or patches it, by its chart, its source and its `valuesFrom`, and by every
    /// release it waits for. A changed catalyst-kit.yaml reaches everything.
    #[arg(long, value_name = "REVISION")]
    changed_since: Option<String>,
    #[command(flatten)]
    judged: Judged,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let baseline = args.baseline.as_deref().map(read).transpose()?;
    let facts = args.judged.facts(context).await?;
    let today = jiff::Zoned::now().date();
    let only: Vec<String> = args.rules.iter().map(|rule| rule.id.to_owned()).collect();
    let mut outcome = lint(&facts, &only, today, baseline.as_ref());
    if let Some(revision) = &args.changed_since {
        let changed = changed::files(facts.tree.root(), revision).await?;
        outcome.narrow(&Reach::of(&facts, &changed));
    }
    match print(&outcome, &facts, context) {
        // A reader that has seen enough changes nothing of what was found.
        Err(error) if error.is::<OutputClosed>() => {}
        printed => printed?,
    }
    if outcome.is_partial() {
        return Err(Ended(UNREAD).into());
    }
    if let Some(path) = &args.write_baseline {
        let baseline = Baseline::of(&outcome.findings);
        write(path, &baseline)?;
        outcome.findings.retain(|finding| !baseline.holds(finding));
    }
    if outcome.findings.iter().any(is_error) { Err(Ended(FOUND).into()) } else { Ok(()) }
}

fn print(outcome: &Outcome, facts: &Facts, context: &Context<'_>) -> anyhow::Result<()> {
    let out = context.output;
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value);
    match context.global.output {
        Form::Table => people(outcome, facts, out),
        Form::Json => out.line(&pretty(&output::json(outcome))?),
        Form::Yaml => out.line(yaml_text(&output::json(outcome)).trim_end()),
        Form::Sarif => out.line(&pretty(&output::sarif(outcome))?),
        Form::Github => {
            out.say(&output::summary(outcome));
            let text = output::github(outcome);
            if text.is_empty() { Ok(()) } else { out.line(&text) }
        }
    }
}

/// Findings, one line that sums them up, and where to read on.
fn people(outcome: &Outcome, facts: &Facts, out: &Output) -> anyhow::Result<()> {
    let look = output::Look { colour: out.is_coloured(), width: out.columns() };
    let findings = output::human(outcome, &facts.tree, look);
    let has_error = outcome.findings.iter().any(is_error);
    let style = match (has_error, outcome.findings.is_empty()) {
        (true, _) => Style::new().red().bold(),
        (false, false) => Style::new().yellow().bold(),
        (false, true) => Style::new().green(),
    };
    out.line(&format!("{findings}{}", out.paint(&output::summary(outcome), style)))?;
    let mut known = outcome.findings.iter().filter_map(|finding| Rule::named(finding.rule));
    if let Some(Rule { id, .. }) = known.next() {
        let call = format!("catalyst kit explain {id}");
        out.say(&format!("`{call}` says more of a rule."));
    }
    Ok(())
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

fn read(path: &Path) -> anyhow::Result<Baseline> {
    let shown = path.display();
    let fix = "Write one with `catalyst kit lint --write-baseline FILE`.";
    let unreadable = |reason: String| {
        Explained::new(format!("the baseline `{shown}` cannot be used: {reason}"), fix)
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Ok(serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?)
}

fn write(path: &Path, baseline: &Baseline) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(baseline)? + "\n";
    std::fs::write(path, text).with_context(|| format!("write `{}`", path.display()))
}
