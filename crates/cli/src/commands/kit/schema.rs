//! `catalyst kit schema`.

use catalyst_kit::{SETTINGS_FILE, settings_schema};

use super::super::Context;

/// Print the JSON schema of `catalyst-kit.yaml`: its members, for people and for editors.
///
/// That file stands beside a kit, or above it, and says what the kit may take for granted. All of it
/// is optional.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit schema                              the members, one a line
  catalyst kit schema -o json > kit.schema.json    for an editor:
      # yaml-language-server: $schema=kit.schema.json")]
pub(crate) struct Args {}

pub(super) fn run(context: &Context<'_>) -> anyhow::Result<()> {
    let schema = settings_schema();
    context.output.value(&schema, || {
        let members = schema["properties"].as_object().into_iter().flatten();
        let row = |(name, one): (&String, &serde_json::Value)| {
            let kind = match one["type"].as_str() {
                Some("array") => "list",
                Some("object") => "mapping",
                Some("integer") => "number",
                _ => "text",
            };
            let about = one["description"].as_str().unwrap_or_default();
            vec![name.clone(), kind.to_owned(), about.to_owned()]
        };
        let rows: Vec<_> = members.map(row).collect();
        format!("{}\n", crate::output::table(&["MEMBER", "IS A", "WHAT IT SAYS"], &rows))
            + &format!(
                "\nAll optional, in `{SETTINGS_FILE}`; `-o json` is the schema for an editor."
            )
    })
}
