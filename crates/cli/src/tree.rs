//! A Sovereign as a tree of lines: what is drawn live on a terminal and printed by `get`. Pure:
//! state, time and width in, lines out.

use jiff::Timestamp;
use owo_colors::Style;

use crate::api::wire::{Component, Phase, Resource, Sovereign};
use crate::output::Output;

/// The mark of a state: a sign and a colour, never colour alone.
fn mark(state: &str) -> (&'static str, Style) {
    match state {
        "done" | "created" | "installed" | "ready" => ("✓", Style::new().green()),
        "working" | "creating" | "installing" | "destroying" | "provisioning" | "tofu-applying"
        | "phase1-watching" => ("◐", Style::new().blue()),
        "waiting" | "planned" | "pending" | "awaiting-kubeconfig" | "destroyed" => {
            ("◌", Style::new().dimmed())
        }
        "degraded" | "missing" => ("▲", Style::new().yellow()),
        "failed" | "timed-out" | "flux-not-reconciling" => ("✕", Style::new().red()),
        _ => ("?", Style::new().purple()),
    }
}

/// The whole tree.
pub(crate) fn lines(
    sovereign: &Sovereign,
    now: Timestamp,
    width: usize,
    out: &Output,
) -> Vec<String> {
    let mut lines = vec![headline(sovereign, now, out)];
    let answer = &sovereign.answer;
    // What is well has no cause and needs no fix: there it is only the particulars.
    let label = if sovereign.status == "ready" { "" } else { "cause: " };
    for (label, text) in [(label, &answer.cause), ("fix: ", &answer.fix)] {
        if let Some(text) = text {
            lines.push(clip(&format!("  {label}{text}"), width));
        }
    }
    for phase in &sovereign.phases {
        lines.push(phase_line(phase, now, width, out));
        match phase.id.as_str() {
            "infrastructure" => {
                lines.extend(
                    sovereign.resources.iter().map(|item| resource_line(item, now, width, out)),
                );
            }
            "kit" => {
                let name = sovereign.components.iter().map(|item| item.name.chars().count()).max();
                let name = name.unwrap_or(0);
                lines.extend(
                    sovereign
                        .components
                        .iter()
                        .map(|item| component_line(item, name, now, width, out)),
                );
            }
            _ => {}
        }
    }
    lines
}

/// The answer to "is it ready?", with since when.
pub(crate) fn headline(sovereign: &Sovereign, now: Timestamp, out: &Output) -> String {
    let (sign, style) = mark(&sovereign.status);
    let elapsed = elapsed(sovereign.started_at, sovereign.finished_at, now);
    let headline = match sovereign.answer.headline.as_str() {
        "" => sovereign.status.as_str(),
        headline => headline,
    };
    let name = out.paint(&sovereign.name, Style::new().bold());
    format!("{} {name} {}  {headline}{elapsed}", out.paint(sign, style), sovereign.fqdn)
}

fn phase_line(phase: &Phase, now: Timestamp, width: usize, out: &Output) -> String {
    let detail = phase.detail.as_deref().map(|text| format!("  {text}")).unwrap_or_default();
    let text = format!("{}{detail}", phase.title);
    row("  ", &phase.state, &text, &elapsed(phase.started_at, phase.finished_at, now), width, out)
}

fn resource_line(item: &Resource, now: Timestamp, width: usize, out: &Output) -> String {
    let message = match (item.state.as_str(), &item.message) {
        ("failed", Some(message)) => format!("  {message}"),
        _ => String::new(),
    };
    let text = format!("{}{message}", item.address);
    row("      ", &item.state, &text, &elapsed(item.started_at, item.finished_at, now), width, out)
}

fn component_line(
    item: &Component,
    name: usize,
    now: Timestamp,
    width: usize,
    out: &Output,
) -> String {
    let since = item.started_at.filter(|_| item.state != "pending");
    let message = match (item.state.as_str(), &item.message) {
        ("installed", _) | (_, None) => "",
        (_, Some(message)) => message,
    };
    let text = format!("{:<name$}  {message}", item.name);
    row("      ", &item.state, text.trim_end(), &elapsed(since, item.ready_at, now), width, out)
}

fn row(indent: &str, state: &str, text: &str, time: &str, width: usize, out: &Output) -> String {
    let (sign, style) = mark(state);
    let room = width.saturating_sub(indent.chars().count() + 2 + time.chars().count());
    format!("{indent}{} {}{time}", out.paint(sign, style), clip(text, room))
}

fn elapsed(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> String {
    let Some(started) = started else { return String::new() };
    let seconds = finished.unwrap_or(now).duration_since(started).as_secs().max(0);
    format!("  {}", duration(seconds))
}

/// Seconds as a person says them: `42s`, `3m07s`, `2h05m`.
pub(crate) fn duration(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Cuts a line to a width in characters; control characters become spaces, so that a message from
/// a cluster cannot steer the terminal.
pub(crate) fn clip(text: &str, width: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= width {
        return clean;
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::{Answer, Kit};

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(1_000_000 + seconds).unwrap())
    }

    #[test]
    fn the_tree_says_what_is_done_what_moves_and_why_it_waits() {
        let sovereign = Sovereign {
            name: "sov1".into(),
            fqdn: "sov1.catalyst.test".into(),
            status: "phase1-watching".into(),
            started_at: at(0),
            answer: Answer {
                headline: "installing the kit: 1 of 2 ready".into(),
                ..Answer::default()
            },
            phases: vec![
                Phase {
                    id: "infrastructure".into(),
                    title: "Infrastructure".into(),
                    state: "done".into(),
                    started_at: at(0),
                    finished_at: at(12),
                    detail: None,
                },
                Phase {
                    id: "kit".into(),
                    title: "Kit".into(),
                    state: "working".into(),
                    started_at: at(20),
                    ..Phase::default()
                },
                Phase {
                    id: "ready".into(),
                    title: "Ready".into(),
                    state: "waiting".into(),
                    ..Phase::default()
                },
            ],
            resources: vec![Resource {
                address: "terraform_data.node".into(),
                state: "created".into(),
                started_at: at(1),
                finished_at: at(9),
                message: None,
            }],
            kit: Some(Kit { commit: "abc".into(), total: 2, ready: 1 }),
            components: vec![
                Component {
                    name: "bp-reflector".into(),
                    state: "installed".into(),
                    started_at: at(21),
                    ready_at: at(25),
                    ..Component::default()
                },
                Component {
                    name: "bp-gitea".into(),
                    state: "installing".into(),
                    started_at: at(26),
                    message: Some("Deployment gitea: 0 of 1 available".into()),
                    ..Component::default()
                },
            ],
            ..Sovereign::default()
        };
        let text = lines(&sovereign, at(90).unwrap(), 80, &Output::plain()).join("\n");
        insta::assert_snapshot!(text, @"
        ◐ sov1 sov1.catalyst.test  installing the kit: 1 of 2 ready  1m30s
          ✓ Infrastructure  12s
              ✓ terraform_data.node  8s
          ◐ Kit  1m10s
              ✓ bp-reflector  4s
              ◐ bp-gitea      Deployment gitea: 0 of 1 available  1m04s
          ◌ Ready
        ");
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(clip("a\u{1b}[2Jb\nc", 20), "a [2Jb c");
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}
