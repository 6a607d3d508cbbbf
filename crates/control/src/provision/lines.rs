//! The lines `tofu … -json` prints, as what they say about resources and troubles.
//!
//! Pure and forgiving: a line that is not JSON, or JSON of a kind nobody knows, is text.

use catalyst_model::{DeploymentEvent, Level, ResourceState};
use serde::Deserialize;

/// The longest text that is kept of one line, in characters.
const MAX_TEXT_CHARS: usize = 2000;

/// What one line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A resource is in this state.
    Resource {
        /// The resource's address.
        address: String,
        /// Its state.
        state: ResourceState,
        /// What was said about it.
        message: Option<String>,
    },
    /// The plan takes away something that stands.
    Undoing {
        /// The resource's address.
        address: String,
        /// Whether something is made in its place.
        replaced: bool,
    },
    /// A warning or an error.
    Diagnostic {
        /// How loud.
        level: Level,
        /// Its first sentence.
        summary: String,
        /// The rest, maybe empty.
        detail: String,
        /// The resource it is about.
        address: Option<String>,
    },
    /// Something else, in words.
    Text(String),
    /// Something nobody needs to hear.
    Quiet,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "@message")]
    message: Option<String>,
    change: Option<Change>,
    hook: Option<Hook>,
    diagnostic: Option<RawDiagnostic>,
}

#[derive(Deserialize)]
struct Change {
    resource: RawResource,
    action: String,
}

#[derive(Deserialize)]
struct Hook {
    resource: RawResource,
    #[serde(default)]
    action: String,
    output: Option<String>,
}

#[derive(Deserialize)]
struct RawResource {
    addr: String,
}

#[derive(Deserialize)]
struct RawDiagnostic {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
    address: Option<String>,
}

/// Reads one line.
pub(crate) fn read(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() {
        return Line::Quiet;
    }
    match serde_json::from_str::<Raw>(line) {
        Ok(raw) => raw.meaning(),
        Err(_) => Line::Text(cut(line)),
    }
}

impl Raw {
    fn meaning(self) -> Line {
        if let Some(d) = self.diagnostic {
            let level = if d.severity == "error" { Level::Error } else { Level::Warn };
            return Line::Diagnostic {
                level,
                summary: cut(&d.summary),
                detail: cut(&d.detail),
                address: d.address,
            };
        }
        let kind = self.kind.unwrap_or_default();
        if let (Some(change), "planned_change") = (&self.change, kind.as_str()) {
            return match change.action.as_str() {
                "create" | "update" => resource(&change.resource, ResourceState::Planned, None),
                "replace" | "delete" => Line::Undoing {
                    address: change.resource.addr.clone(),
                    replaced: change.action == "replace",
                },
                _ => Line::Quiet,
            };
        }
        if let Some(hook) = self.hook {
            return hook.meaning(&kind);
        }
        match kind.as_str() {
            "version" | "log" | "outputs" | "change_summary" => Line::Quiet,
            _ => self.message.map_or(Line::Quiet, |m| Line::Text(cut(&m))),
        }
    }
}

impl Hook {
    fn meaning(self, kind: &str) -> Line {
        let removes = self.action == "delete";
        let (begun, ended) = match removes {
            true => (ResourceState::Destroying, ResourceState::Destroyed),
            false => (ResourceState::Creating, ResourceState::Created),
        };
        match kind {
            "apply_start" => resource(&self.resource, begun, None),
            "apply_complete" => resource(&self.resource, ended, None),
            "apply_errored" => resource(&self.resource, ResourceState::Failed, None),
            "refresh_complete" => resource(&self.resource, ResourceState::Created, None),
            "provision_progress" => {
                let text = self.output.as_deref().unwrap_or_default().trim();
                match text {
                    "" => Line::Quiet,
                    text => resource(&self.resource, begun, Some(cut(text))),
                }
            }
            _ => Line::Quiet,
        }
    }
}

fn resource(of: &RawResource, state: ResourceState, message: Option<String>) -> Line {
    Line::Resource { address: of.addr.clone(), state, message }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_TEXT_CHARS).collect()
}

/// The sentence of a failed provisioner's detail that says what went wrong: what the program it
/// ran printed, else the whole.
pub(crate) fn essence(detail: &str) -> String {
    let printed = detail.split_once("Output:").map_or(detail, |(_, after)| after);
    let lines: Vec<&str> = printed.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let from =
        lines.iter().rposition(|l| l.contains("CAT-")).unwrap_or(lines.len().saturating_sub(12));
    lines[from..].join("\n")
}

/// What becomes of a resource that stands, in words.
pub(crate) fn undoing_words(replaced: bool) -> &'static str {
    if replaced { "to be replaced" } else { "to be removed" }
}

impl Line {
    /// The event that records this line, if it is worth one. `Quiet` lines and states that are
    /// known already are not.
    pub(crate) fn event(self) -> Option<DeploymentEvent> {
        match self {
            Line::Resource { address, state, message } => {
                Some(DeploymentEvent::ResourceChanged { address, state, message })
            }
            Line::Undoing { address, replaced } => Some(DeploymentEvent::ResourceChanged {
                address,
                state: ResourceState::Planned,
                message: Some(undoing_words(replaced).to_owned()),
            }),
            Line::Diagnostic { level, summary, detail, address } => {
                let about = address.map(|a| format!("{a}: ")).unwrap_or_default();
                let rest = essence(&detail);
                let colon = if rest.is_empty() { "" } else { ": " };
                let message = format!("{about}{summary}{colon}{rest}");
                Some(DeploymentEvent::ToolLine { level, message })
            }
            Line::Text(message) => Some(DeploymentEvent::ToolLine { level: Level::Info, message }),
            Line::Quiet => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Line) {
        assert_eq!(read(line), expected, "{line}");
    }

    fn of(address: &str, state: ResourceState, message: Option<&str>) -> Line {
        let message = message.map(str::to_owned);
        Line::Resource { address: address.into(), state, message }
    }

    #[test]
    fn resources_are_followed_from_plan_to_end() {
        let node = "terraform_data.node";
        let r = r#""resource":{"addr":"terraform_data.node","module":""}"#;
        check(
            &format!(r#"{{"type":"planned_change","change":{{{r},"action":"create"}}}}"#),
            of(node, ResourceState::Planned, None),
        );
        check(
            &format!(r#"{{"type":"apply_start","hook":{{{r},"action":"create"}}}}"#),
            of(node, ResourceState::Creating, None),
        );
        check(
            &format!(
                r#"{{"type":"provision_progress","hook":{{{r},"provisioner":"local-exec","output":"etcd is up\n"}}}}"#
            ),
            of(node, ResourceState::Creating, Some("etcd is up")),
        );
        check(
            &format!(
                r#"{{"type":"apply_complete","hook":{{{r},"action":"create","elapsed_seconds":1}}}}"#
            ),
            of(node, ResourceState::Created, None),
        );
        check(
            &format!(r#"{{"type":"apply_errored","hook":{{{r},"action":"create"}}}}"#),
            of(node, ResourceState::Failed, None),
        );
        check(
            &format!(r#"{{"type":"apply_complete","hook":{{{r},"action":"delete"}}}}"#),
            of(node, ResourceState::Destroyed, None),
        );
        check(
            &format!(r#"{{"type":"planned_change","change":{{{r},"action":"noop"}}}}"#),
            Line::Quiet,
        );
    }

    #[test]
    fn a_plan_that_replaces_or_removes_says_so() {
        for (action, replaced, words) in
            [("replace", true, "to be replaced"), ("delete", false, "to be removed")]
        {
            let line = format!(
                r#"{{"type":"planned_change","change":{{"resource":{{"addr":"terraform_data.node"}},"action":"{action}","reason":"tainted"}}}}"#
            );
            let address = "terraform_data.node".to_owned();
            check(&line, Line::Undoing { address: address.clone(), replaced });
            let shown = read(&line).event();
            let (state, message) = (ResourceState::Planned, Some(words.to_owned()));
            assert_eq!(shown, Some(DeploymentEvent::ResourceChanged { address, state, message }));
        }
    }

    #[test]
    fn what_is_not_json_is_text_and_nothing_is_lost_by_it() {
        check("Error: there is no such file", Line::Text("Error: there is no such file".into()));
        check("{\"half\": ", Line::Text("{\"half\":".into()));
        check("[1,2]", Line::Text("[1,2]".into()));
        check("", Line::Quiet);
        check(r#"{"type":"unheard_of","@message":"hello"}"#, Line::Text("hello".into()));
        check(r#"{"type":"version","@message":"OpenTofu 1.10.10"}"#, Line::Quiet);
    }

    #[test]
    fn the_essence_of_a_failed_provisioner_is_what_its_program_said() {
        let detail = "Error running command 'catalyst sandbox step node': exit status 1. Output: \
                      starting\nCAT-3204 the node did not start\ncause: no room\n";
        assert_eq!(essence(detail), "CAT-3204 the node did not start\ncause: no room");
        assert_eq!(essence("plain"), "plain");
        assert_eq!(essence(""), "");
    }
}
