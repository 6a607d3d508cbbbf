//! `catalyst sovereign why`, also `catalyst why`: the named causes, with evidence, fix and reach.

use jiff::Timestamp;
use owo_colors::Style;
use serde_json::json;

use super::{Context, find};
use crate::api::wire::{Cause, Sovereign};
use crate::output::Output;
use crate::tree::{clip, duration, headline};

/// Why a Sovereign is not well: each cause, what was read, what to do, and who waits for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  catalyst why sov1")]
pub(crate) struct Args {
    /// Name, domain or id.
    sovereign: String,
}

/// A log has long lines; more than this of one does not fit beside anything.
const WIDTH: usize = 220;

pub(crate) async fn run(args: Args, context: &Context<'_>) -> anyhow::Result<()> {
    let found = find(&context.client()?, &args.sovereign).await?;
    let data = json!({
        "name": found.name, "status": found.status, "answer": found.answer, "causes": found.causes,
    });
    context.output.value(&data, || lines(&found, Timestamp::now(), context.output).join("\n"))
}

fn lines(sovereign: &Sovereign, now: Timestamp, out: &Output) -> Vec<String> {
    let mut lines = vec![headline(sovereign, now, out)];
    if sovereign.causes.is_empty() {
        // Nothing to name is not the same as being well: the headline says which it is.
        let text = match &sovereign.answer.cause {
            Some(cause) => format!("  {cause}"),
            None => "  no cause of trouble is known".to_owned(),
        };
        lines.push(clip(&text, WIDTH));
    }
    for (number, cause) in (1..).zip(&sovereign.causes) {
        lines.push(String::new());
        lines.extend(cause_lines(number, cause, now, out));
    }
    lines
}

fn cause_lines(number: usize, cause: &Cause, now: Timestamp, out: &Output) -> Vec<String> {
    let since = cause.since.map(|since| duration(now.duration_since(since).as_secs().max(0)));
    let since = since.map(|since| format!("  since {since}")).unwrap_or_default();
    let head = clip(&cause.headline, WIDTH);
    let mut lines =
        vec![format!("{number}. {}{since}  {}", out.paint(&head, Style::new().bold()), cause.code)];
    for evidence in &cause.evidence {
        let at = evidence.at.map(|at| format!("{} ", at.strftime("%H:%M:%S")));
        let at = at.unwrap_or_default();
        lines.push(clip(&format!("   {at}{}", evidence.source), WIDTH));
        lines.extend(evidence.text.lines().map(|line| clip(&format!("      {line}"), WIDTH)));
    }
    lines.push(clip(&format!("   fix: {}", cause.fix), WIDTH));
    if !cause.releases.is_empty() {
        lines.push(clip(&format!("   in: {}", cause.releases.join(", ")), WIDTH));
    }
    let waiting = match cause.waiting.as_slice() {
        [] => "nothing waits behind it".to_owned(),
        names => format!("{} wait behind it: {}", names.len(), names.join(", ")),
    };
    lines.push(clip(&format!("   {waiting}"), WIDTH));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::Evidence;

    #[test]
    fn every_cause_is_told_with_evidence_fix_and_reach() {
        let evidence = Evidence {
            source: "Event Failed of Pod gitea/gitea-0".into(),
            at: Some("2026-01-01T00:00:02Z".parse().unwrap()),
            text: "not found\n\u{1b}[2Jat all".into(),
        };
        let cause = Cause {
            code: "CAT-2232".into(),
            headline: "image a:1 not found in ghcr.io".into(),
            evidence: vec![evidence],
            fix: "Push the tag.".into(),
            since: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            releases: vec!["bp-gitea".into()],
            waiting: vec!["bp-x".into(), "bp-y".into()],
            ..Cause::default()
        };
        let sovereign = Sovereign { causes: vec![cause.clone(), cause], ..Sovereign::default() };
        let out = Output::plain();
        let text = lines(&sovereign, "2026-01-01T00:01:05Z".parse().unwrap(), &out).join("\n");
        for part in [
            "1. image a:1 not found in ghcr.io  since 1m05s  CAT-2232",
            "00:00:02 Event Failed of Pod gitea/gitea-0",
            "      at all",
            "fix: Push the tag.",
            "in: bp-gitea",
            "2 wait behind it: bp-x, bp-y",
            "2. image a:1",
        ] {
            let plain = text.replace(" [2J", "");
            assert!(plain.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
