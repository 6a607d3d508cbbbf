//! L03: templates come out the same wherever and whenever they are rendered.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release, Rendering};
use crate::finding::{Finding, Severity, Spot};
use crate::go_template::{self, Action};
use crate::kinds;
use crate::object::{Object, Owner, Source};

pub(super) const RULE: Rule = Rule {
    id: "L03",
    title: "templates do not ask the cluster and do not roll dice",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "what is rendered in a check, at the first install and at an upgrade are three different \
            things: no check sees what will run",
    fix: "decide by a value; have what must be made once made by a Job or an operator",
    page: include_str!("../../../../docs/rules/L03.md"),
    check,
};

/// Functions of which no two results are the same.
const RANDOM: &[&str] = &[
    "randAlphaNum",
    "randAlpha",
    "randAscii",
    "randNumeric",
    "randBytes",
    "randInt",
    "uuidv4",
    "shuffle",
    "genPrivateKey",
    "genCA",
    "genCAWithKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "bcrypt",
    "encryptAES",
    "now",
    "ago",
];
/// Kinds whose absence stops nothing: observation, and what other platforms have of their own.
const OBSERVING: &[&str] = &[
    "monitoring.coreos.com",
    "grafana.integreatly.org",
    "operator.victoriametrics.com",
    "openshift.io",
];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, release) in facts.releases.iter().enumerate() {
        let Some(rendering) = &release.rendering else { continue };
        let templates = templates(facts, release);
        lookups(facts, at, rendering, &templates, &mut findings);
        for number in &rendering.unstable {
            random(facts, release, &facts.objects[*number], &templates, &mut findings);
        }
        templates.iter().for_each(|file| capabilities(file, &mut findings));
    }
    findings.retain(|finding| seen.insert((finding.spot.clone(), finding.message.clone())));
    findings
}

/// One template of a chart.
struct Template {
    path: String,
    actions: Vec<Action>,
}

fn templates(facts: &Facts, release: &Release) -> Vec<Template> {
    let files = release.chart.as_ref().map(|chart| chart.files.as_slice()).unwrap_or_default();
    let wanted = files.iter().filter(|path| path.split('/').any(|step| step == "templates"));
    wanted
        .filter_map(|path| {
            let actions = go_template::actions(&facts.tree.file(path).ok()?.text());
            Some(Template { path: path.clone(), actions })
        })
        .collect()
}

/// Questions to the cluster that were really asked.
fn lookups(
    facts: &Facts,
    at: usize,
    rendering: &Rendering,
    templates: &[Template],
    findings: &mut Vec<Finding>,
) {
    if rendering.lookups.is_empty() {
        return;
    }
    let rendered: BTreeSet<&str> = facts.of_release(at).filter_map(path_of).collect();
    let mut found = false;
    for file in templates {
        for action in file.actions.iter().filter(|action| go_template::uses(&action.text, "lookup"))
        {
            let words = go_template::texts_after(&action.text, "lookup");
            let was_asked = rendering.lookups.iter().any(|asked| {
                words.first().is_none_or(|version| asked.api_version == *version)
                    && words.get(1).is_none_or(|kind| asked.kind == *kind)
            });
            if !was_asked {
                continue;
            }
            found = true;
            let spot = Spot::line(file.path.as_str(), action.line);
            let is_silent = file.path.ends_with(".yaml") && !rendered.contains(file.path.as_str());
            findings.push(if is_silent {
                let message = "nothing of this template is rendered unless the cluster holds what it looks up";
                RULE.at(spot, message)
                    .cause("every check renders it to nothing and is green about objects that nobody has seen")
            } else {
                RULE.at(spot, "this template comes out as the cluster happens to be (`lookup`)")
            });
        }
    }
    if !found {
        let release = &facts.releases[at];
        let what = &rendering.lookups[0];
        let message = format!(
            "a template of this chart looks up {} `{}` in the cluster",
            what.kind, what.name
        );
        findings.push(RULE.at(chart_spot(facts, release), message));
    }
}

fn path_of(object: &Object) -> Option<&str> {
    match &object.source {
        Source::Template { path, .. } => Some(path),
        _ => None,
    }
}

/// Where a release names its chart.
fn chart_spot(facts: &Facts, release: &Release) -> Spot {
    let object = facts.declaration(release);
    if object.owner == Owner::Given {
        return Spot::file("Chart.yaml");
    }
    let node = object.node.at("spec/chart/spec/chart").or_else(|| object.node.at("spec/chartRef"));
    node.map_or_else(|| object.place(), |node| object.spot(node))
}

/// Where an object that comes out anew each time rolls its dice.
fn random(
    facts: &Facts,
    release: &Release,
    object: &Object,
    templates: &[Template],
    findings: &mut Vec<Finding>,
) {
    let Some(path) = path_of(object) else { return };
    let mut spots = Vec::new();
    if let Some(file) = templates.iter().find(|file| file.path == path) {
        dice(file, &file.actions, templates, &mut BTreeSet::new(), &mut spots);
    }
    let what = object.title();
    let told = |(spot, word): (Spot, &str)| {
        RULE.at(spot, format!("{what} is another at every rendering (`{word}`)"))
    };
    if spots.is_empty() {
        let spot = if release.chart.as_ref().is_some_and(|chart| chart.folder.is_some()) {
            object.place()
        } else {
            chart_spot(facts, release)
        };
        findings.push(RULE.at(spot, format!("{what} is another at every rendering")));
    }
    findings.extend(spots.into_iter().map(told).map(|finding| {
        finding.cause(
            "every upgrade, and every check for drift, makes a new password, key or certificate while \
             Pods still use the old one",
        )
    }));
}

/// The random functions of actions, and of the helpers they include.
fn dice(
    file: &Template,
    actions: &[Action],
    templates: &[Template],
    seen: &mut BTreeSet<String>,
    spots: &mut Vec<(Spot, &'static str)>,
) {
    for action in actions {
        for word in RANDOM.iter().filter(|word| go_template::uses(&action.text, word)) {
            spots.push((Spot::line(file.path.as_str(), action.line), *word));
        }
        for word in
            ["include", "template"].iter().filter(|word| go_template::uses(&action.text, word))
        {
            let Some(name) = go_template::texts_after(&action.text, word).first().copied() else {
                continue;
            };
            if !seen.insert(name.to_owned()) {
                continue;
            }
            for other in templates {
                if let Some(body) = definition(other, name) {
                    dice(other, body, templates, seen, spots);
                }
            }
        }
    }
}

/// The actions of `define "name"`, up to the next definition.
fn definition<'a>(file: &'a Template, name: &str) -> Option<&'a [Action]> {
    let defines = |action: &Action| go_template::uses(&action.text, "define");
    let named = |action: &Action| {
        defines(action) && go_template::texts_after(&action.text, "define").first() == Some(&name)
    };
    let start = file.actions.iter().position(named)? + 1;
    let rest = &file.actions[start..];
    let end = rest.iter().position(defines).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The question for an API in a template.
const HAS: &str = "Capabilities.APIVersions.Has";

/// Gates by what the API serves at the moment of the install.
fn capabilities(file: &Template, findings: &mut Vec<Finding>) {
    // Helpers choose a version of an API; templates choose whether there is an object at all.
    if !file.path.ends_with(".yaml") && !file.path.ends_with(".yml") {
        return;
    }
    for (at, action) in file.actions.iter().enumerate() {
        if !action.text.contains(HAS) {
            continue;
        }
        let Some(api) = go_template::texts_after(&action.text, HAS).first().copied() else {
            continue;
        };
        let group = api.split_once('/').map_or("", |(group, _)| group);
        let is_known = kinds::has_group(group) || kinds::is_flux(group);
        let observes =
            OBSERVING.iter().any(|one| group == *one || group.ends_with(&format!(".{one}")));
        // Who says so aloud when the API is not there hides nothing.
        let is_loud =
            file.actions[at..].iter().take(3).any(|next| go_template::uses(&next.text, "fail"));
        if is_known || observes || is_loud {
            continue;
        }
        let message =
            format!("what this gate holds is silently absent where `{api}` is not served yet");
        let cause = "it is asked once, at the install: when the API comes later the objects are not added, and \
                     a check without a cluster never sees them";
        let finding = RULE.at(Spot::line(file.path.as_str(), action.line), message).cause(cause);
        findings
            .push(finding.fix("gate by a value, and depend on the release that brings the API"));
    }
}
