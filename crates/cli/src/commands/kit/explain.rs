//! `catalyst kit explain`.

use catalyst_kit::{Decidability, RULES, Rule, Severity};
use serde_json::{Value, json};

use super::super::Context;
use crate::output::table;

/// Tell what a rule is about: why, what is checked, how to mend it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit explain         all rules
  catalyst kit explain L18     the page of one")]
pub(crate) struct Args {
    /// The rule's name; all rules when left out.
    #[arg(value_parser = rule)]
    rule: Option<&'static Rule>,
}

/// A rule by its name.
pub(super) fn rule(name: &str) -> Result<&'static Rule, String> {
    let unknown = || "there is no such rule; `catalyst kit explain` lists them".to_owned();
    Rule::named(name).ok_or_else(unknown)
}

pub(super) fn run(args: &Args, context: &Context<'_>) -> anyhow::Result<()> {
    match args.rule {
        Some(rule) => context.output.value(&value(rule), || rule.page.trim_end().to_owned()),
        None => {
            let all: Vec<_> = RULES.iter().map(|rule| value(rule)).collect();
            context.output.value(&all, list)
        }
    }
}

fn list() -> String {
    let row = |rule: &&Rule| {
        vec![rule.id.to_owned(), severity(rule.severity).to_owned(), rule.title.to_owned()]
    };
    let rows: Vec<_> = RULES.iter().map(row).collect();
    table(&["RULE", "SEVERITY", "WHAT HOLDS"], &rows)
}

fn value(rule: &Rule) -> Value {
    let decided = match rule.decidability {
        Decidability::Files => "files",
        Decidability::Declared => "files and catalyst-kit.yaml",
        Decidability::Undecidable => "not by files",
    };
    json!({
        "id": rule.id,
        "title": rule.title,
        "severity": severity(rule.severity),
        "decidedBy": decided,
        "cause": rule.cause,
        "fix": rule.fix,
        "page": rule.page,
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
