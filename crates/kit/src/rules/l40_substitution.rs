//! L40: Flux's substitution leaves nothing behind: every variable has a value, no `${`, no placeholder.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::substitute::SubstituteError;
use crate::yaml::{Node, ScalarKind, Style};

pub(super) const RULE: Rule = Rule {
    id: "L40",
    title: "substitution is strict: every variable has a value and nothing is left over",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "Flux replaces an unknown variable by nothing, and what is left over is taken literally",
    fix: "give the variable a value in `postBuild`, or a default as in `${NAME:-text}`",
    page: include_str!("../../../../docs/rules/L40.md"),
    check,
};

/// Words that stand where a value should.
const PLACEHOLDERS: [&str; 4] = ["_PLACEHOLDER", "CHANGEME", "REPLACE_ME", "<placeholder>"];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for failed in &facts.substitutions {
        let what = match &failed.error {
            SubstituteError::Unset { name, .. } => format!("`${{{name}}}` has no value"),
            SubstituteError::Malformed { text, .. } => format!("`${{{text}` is no substitution"),
            SubstituteError::Function { name, function, .. } => {
                format!("`${{{name}{function}…}}` uses a function that is not supported")
            }
        };
        let title = facts.objects[failed.object].title();
        findings.push(RULE.at(failed.spot.clone(), format!("{title}: {what}")));
    }
    let failed = |at: usize| facts.substitutions.iter().any(|failed| failed.object == at);
    for (at, object) in facts.objects.iter().enumerate() {
        let is_built = matches!(object.owner, Owner::Build(_));
        if is_built && !failed(at) {
            left_over(object, &mut findings);
            retyped(object, &mut findings);
        }
    }
    findings
}

/// Text that substitution should have replaced.
fn left_over(object: &Object, findings: &mut Vec<Finding>) {
    object.node.walk(&mut |node| {
        let Some(text) = node.str() else { return };
        let variable = text.contains("${") && !is_script(object, text);
        let placeholder = PLACEHOLDERS.iter().find(|word| text.contains(**word));
        let message = match (variable, placeholder) {
            (_, Some(word)) => {
                format!("{}: `{word}` is left where a value should be", object.title())
            }
            (true, None) => format!("{}: `${{` is left after substitution", object.title()),
            (false, None) => return,
        };
        findings.push(RULE.at(object.spot(node), message));
    });
}

/// Programs in ConfigMaps and arguments have variables of their own.
fn is_script(object: &Object, text: &str) -> bool {
    text.contains('\n') || object.is("", "ConfigMap")
}

/// A value that changes its type by being replaced: `${ON}` in place of a word becomes a boolean.
fn retyped(object: &Object, findings: &mut Vec<Finding>) {
    let labels = ["metadata/labels", "metadata/annotations"];
    for entry in labels.iter().filter_map(|path| object.node.at(path)).flat_map(Node::entries) {
        let Some(scalar) = entry.value.scalar() else { continue };
        if scalar.kind != ScalarKind::Str && scalar.style == Style::Plain {
            let spot: Spot = object.spot(&entry.value);
            let message = format!("{}: `{}` becomes no text", object.title(), entry.name());
            let finding = RULE.at(spot, message).cause("labels and annotations take texts only");
            findings.push(finding.fix("put the value in quotes"));
        }
    }
}
