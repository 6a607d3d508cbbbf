//! L42: what renders here is what renders in the cluster: the same Helm, the same kustomize.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::Object;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L42",
    title: "the kit is rendered by the engines its controllers have",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "a function or a default that one version has and the other lacks passes here and fails there, \
            or the other way round",
    fix: "let both have one version: pin the controller, and build the renderer from its go.mod",
    page: include_str!("../../../../docs/rules/L42.md"),
    check,
};

/// One engine, and where its version stands.
struct Engine {
    /// The controller, as its image and its module are called.
    controller: &'static str,
    /// What people call the engine.
    name: &'static str,
    /// The engine's module.
    module: &'static str,
    /// The controller's pin.
    pin: &'static str,
}

const ENGINES: [Engine; 2] = [
    Engine {
        controller: "helm-controller",
        name: "Helm",
        module: "helm.sh/helm/v3",
        pin: include_str!("../../../../sandbox/tools/helm-controller/tool.toml"),
    },
    Engine {
        controller: "kustomize-controller",
        name: "kustomize",
        module: "sigs.k8s.io/kustomize/api",
        pin: include_str!("../../../../sandbox/tools/kustomize-controller/tool.toml"),
    },
];

/// What the renderer is built from.
const RENDERER: &str = include_str!("../../../../sandbox/tools/kit-render/go.mod");

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for engine in &ENGINES {
        controllers(facts, engine, &mut findings);
        modules(facts, engine, &mut findings);
    }
    workflows(facts, &mut findings);
    findings
}

/// Controllers the kit runs, or is given, against the one the renderer is made for.
fn controllers(facts: &Facts, engine: &Engine, findings: &mut Vec<Finding>) {
    let Some(pinned) = pinned(engine.pin) else { return };
    let own = required(RENDERER, engine.module).map_or("", |(_, version)| version);
    let runs = |object: &&Object| object.is("apps", "Deployment");
    for object in facts.objects.iter().filter(runs) {
        for image in object.containers().into_iter().filter_map(|one| one.get("image")) {
            let name = image.text().unwrap_or_default();
            let name = name.split_once('@').map_or(name, |(name, _)| name);
            let Some((repository, tag)) = name.rsplit_once(':') else { continue };
            let is_it = repository.rsplit('/').next() == Some(engine.controller);
            if !is_it || tag == pinned {
                continue;
            }
            let message = format!(
                "{} is {tag}; it was rendered here with {} {own}, which {pinned} has",
                engine.controller, engine.name
            );
            findings.push(RULE.at(object.spot(image), message));
        }
    }
}

/// Modules in the tree: a renderer's against the controller's own.
fn modules(facts: &Facts, engine: &Engine, findings: &mut Vec<Finding>) {
    let files = facts.listing.files.iter().filter(|file| file.rsplit('/').next() == Some("go.mod"));
    let texts: Vec<_> = files.filter_map(|file| facts.tree.file(file).ok()).collect();
    let controller = format!("github.com/fluxcd/{}", engine.controller);
    let of_controller = texts.iter().find_map(|file| {
        required(&file.text(), &controller)?;
        let text = file.text().into_owned();
        let (line, version) = required(&text, engine.module)?;
        Some((file, line, version.to_owned()))
    });
    let Some((source, line, wanted)) = of_controller else { return };
    for file in &texts {
        let text = file.text();
        // A renderer knows the controller's types and is not the controller.
        let renders = required(&text, &format!("{controller}/api")).is_some()
            && required(&text, &controller).is_none();
        let Some((at, version)) = required(&text, engine.module).filter(|_| renders) else {
            continue;
        };
        if version != wanted {
            let message = format!(
                "this renders with {} {version}, {} has {wanted}",
                engine.name, engine.controller
            );
            let finding = RULE.at(Spot::line(file.path.clone(), at), message);
            findings
                .push(finding.related(Spot::line(source.path.clone(), line), "the controller's"));
        }
    }
}

/// Steps of workflows that install Helm by version.
fn workflows(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some((_, own)) = required(RENDERER, ENGINES[0].module) else { return };
    let Ok(listing) = facts.tree.list(".github/workflows") else { return };
    for path in &listing.files {
        let Ok(file) = facts.tree.file(path) else { continue };
        let Some(doc) = file.yaml().documents.first() else { continue };
        let jobs = doc.root.get("jobs").map(Node::entries).unwrap_or_default();
        for step in jobs.iter().flat_map(|job| job.value.items_at("steps")) {
            let sets_up =
                step.str_at("uses").is_some_and(|uses| uses.starts_with("azure/setup-helm"));
            let Some(version) = step.at("with/version").filter(|_| sets_up) else { continue };
            let text = version.text().unwrap_or_default();
            if minor(text) != minor(own) {
                let message =
                    format!("the workflow renders with Helm {text}, the cluster with {own}");
                findings.push(RULE.at(Spot::span(file.path.clone(), version.span), message));
            }
        }
    }
}

/// The version in a pin.
fn pinned(pin: &str) -> Option<&str> {
    let line = pin.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(line.trim().trim_matches('"'))
}

/// The line, counted from 1, and the version of a module in a go.mod.
fn required<'a>(text: &'a str, module: &str) -> Option<(u32, &'a str)> {
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        (words.next()? == module).then_some(())?;
        words.next().filter(|word| word.starts_with('v')).map(|version| (number, version))
    })
}

fn minor(version: &str) -> Vec<&str> {
    version.trim_start_matches('v').split('.').take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_renderer_has_the_engines_of_the_pinned_controllers() {
        let controllers = [
            include_str!("../../../../sandbox/tools/helm-controller/go.mod"),
            include_str!("../../../../sandbox/tools/kustomize-controller/go.mod"),
        ];
        for (engine, text) in ENGINES.iter().zip(controllers) {
            let version =
                |text| required(text, engine.module).map(|(_, version)| version.to_owned());
            assert!(version(text).is_some(), "{}", engine.module);
            assert_eq!(version(RENDERER), version(text), "{}", engine.module);
            let module = format!("github.com/fluxcd/{}", engine.controller);
            let wanted = required(text, &module).map(|(_, version)| version);
            assert_eq!(pinned(engine.pin), wanted, "{module}");
        }
    }
}
