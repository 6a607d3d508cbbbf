//! `catalyst kit images`.

use std::collections::BTreeMap;

use catalyst_kit::{Facts, Image, images};
use serde::Serialize;

use super::super::Context;
use super::judged::{Judged, whole};
use crate::output::table;

/// List every image the kit pulls: how it is pinned, with which secrets, and which line names it.
///
/// Hooks and init containers count as the rest. PINNED is `digest`, `tag`, or `nothing` where the
/// registry's `latest` would be taken. With -o json every mention is told with its object.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  catalyst kit images clusters/_template --profile profiles/sandbox
  catalyst kit images -o json")]
pub(crate) struct Args {
    #[command(flatten)]
    judged: Judged,
}

/// Characters of a digest that are shown.
const DIGEST: usize = 12;

/// One mention of an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    image: String,
    registry: Option<String>,
    pinned: &'static str,
    digest: Option<String>,
    private: bool,
    pull_secrets: Vec<String>,
    object: String,
    file: String,
    line: u32,
    column: u32,
}

pub(super) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let facts = args.judged.facts(context).await?;
    let rows: Vec<Row> = images(&facts).iter().map(|image| row(&facts, image)).collect();
    context.output.value(&rows, || human(&rows))?;
    whole(&facts, context)
}

fn row(facts: &Facts, image: &Image) -> Row {
    let mut private = facts.settings.private_images.iter();
    let name = image.name.split('@').next().unwrap_or_default();
    let has_tag = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    Row {
        image: image.name.clone(),
        registry: image.registry().map(str::to_owned),
        pinned: match (image.digest(), has_tag) {
            (Some(_), _) => "digest",
            (None, true) => "tag",
            (None, false) => "nothing",
        },
        digest: image.digest().map(str::to_owned),
        private: private.any(|prefix| image.name.starts_with(prefix.as_str())),
        pull_secrets: image.pull_secrets.clone(),
        object: image.object.clone(),
        file: image.spot.file.to_string(),
        line: image.spot.line,
        column: image.spot.column,
    }
}

/// One line for each image and place: objects of one template are told once.
fn human(rows: &[Row]) -> String {
    let mut seen: BTreeMap<(&str, String), (&Row, usize)> = BTreeMap::new();
    for row in rows {
        let place = format!("{}:{}", row.file, row.line);
        seen.entry((&row.image, place)).or_insert((row, 0)).1 += 1;
    }
    let cells = |((image, place), (row, count)): (&(&str, String), &(&Row, usize))| {
        let secrets = match (row.pull_secrets.is_empty(), row.private) {
            (false, _) => row.pull_secrets.join(", "),
            (true, true) => "✕ none".to_owned(),
            (true, false) => "–".to_owned(),
        };
        let times = if *count > 1 { format!("{place} (×{count})") } else { place.clone() };
        vec![short(image), row.pinned.to_owned(), secrets, times]
    };
    let lines: Vec<_> = seen.iter().map(cells).collect();
    let loose = rows.iter().filter(|row| row.digest.is_none()).count();
    let summary = match rows.len() {
        0 => "no image is pulled".to_owned(),
        all => format!("{all} mentions, {loose} without a digest"),
    };
    format!("{}\n\n{summary}", table(&["IMAGE", "PINNED", "PULL SECRETS", "NAMED AT"], &lines))
}

/// An image whose digest is cut to what tells it apart.
fn short(image: &str) -> String {
    match image.split_once("@sha256:") {
        Some((name, digest)) if digest.len() > DIGEST => {
            let digest: String = digest.chars().take(DIGEST).collect();
            format!("{name}@sha256:{digest}…")
        }
        _ => image.to_owned(),
    }
}
