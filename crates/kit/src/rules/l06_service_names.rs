//! L06: a name of a Service in a text is that of a Service which is there, with that port, and in time.

mod known;
mod names;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::yaml::Node;

use names::Name;

pub(super) const RULE: Rule = Rule {
    id: "L06",
    title: "a Service named in a text is there, with that port, before a hook needs it",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the name does not resolve; the program tries again for ever, and nothing else is in its log",
    fix: "name the Service as it is rendered, or declare it as `given` in catalyst-kit.yaml",
    page: include_str!("../../../../docs/rules/L06.md"),
    check,
};

/// One mention of a Service.
struct Mention<'a> {
    object: &'a Object,
    name: Name<'a>,
    spot: Spot,
    /// Said in a hook or in an init container: whoever says it waits for an answer.
    waits: bool,
}

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied().filter(|object| is_read(object)) {
        let mut all = Vec::new();
        collect(object, &mut all);
        for mention in all {
            if known::is_made_elsewhere(facts, &mention.name) {
                continue;
            }
            let service =
                facts.find("", "Service", Some(mention.name.namespace), mention.name.service);
            match service {
                None if is_whole(facts, object, mention.name.namespace) => {
                    findings.push(missing(facts, &mention));
                }
                None => {}
                Some(service) => {
                    findings.extend(port(&mention, service));
                    findings.extend(order(facts, &mention, service));
                }
            }
        }
    }
    findings
}

/// Whether names in an object are meant to be asked for. Definitions explain, certificates name what
/// may be, and Services are the matter itself.
fn is_read(object: &Object) -> bool {
    !matches!(object.kind.as_str(), "CustomResourceDefinition" | "Certificate" | "Service")
}

/// Whether everything that may be in the namespace is known: of a chart alone only its own is, and not
/// where a release could not be rendered.
fn is_whole(facts: &Facts, object: &Object, namespace: &str) -> bool {
    let is_open = |release: &crate::facts::Release| {
        release.rendering.is_none() && release.declared.target_namespace == namespace
    };
    let is_own = object.namespace.as_deref() == Some(namespace);
    (!facts.builds.is_empty() || is_own) && !facts.releases.iter().any(is_open)
}

fn collect<'a>(object: &'a Object, all: &mut Vec<Mention<'a>>) {
    let init = object.pod_spec().and_then(|spec| spec.get("initContainers"));
    let spans: Vec<&Node> = init.into_iter().collect();
    let is_hook = object.hook.is_some() && object.pod_spec().is_some();
    let mut visit = |node: &'a Node, waits: bool| {
        let Some(text) = node.str() else { return };
        if !text.contains(".svc") {
            return;
        }
        for (line, content) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for name in names::in_line(content) {
                let spot = object.spot_in(node, line, name.text);
                all.push(Mention { object, name, spot, waits });
            }
        }
    };
    let mut open = vec![(&*object.node, false)];
    while let Some((node, in_init)) = open.pop() {
        let waits = in_init || spans.iter().any(|init| std::ptr::eq(*init, node));
        visit(node, waits || is_hook);
        open.extend(node.items().iter().map(|item| (item, waits)));
        let told = node.entries().iter().filter(|entry| entry.name() != "description");
        open.extend(told.map(|entry| (&entry.value, waits)));
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';']) || line.trim_start().starts_with("//")
}

fn missing(facts: &Facts, mention: &Mention<'_>) -> Finding {
    let Name { service, namespace, .. } = mention.name;
    let message = format!(
        "{} asks for Service `{namespace}/{service}`, which nothing here makes",
        mention.object.title()
    );
    let finding = RULE.at(mention.spot.clone(), message);
    match nearest(facts, service, namespace) {
        Some(near) => {
            let namespace = near.namespace.as_deref().unwrap_or_default();
            let fix = format!("did you mean `{}.{namespace}.svc`?", near.name);
            finding.fix(fix).related(near.place(), "a Service of a similar name")
        }
        None => finding,
    }
}

/// The Service of that name elsewhere, else one of a similar name in that namespace.
fn nearest<'a>(facts: &'a Facts, service: &str, namespace: &str) -> Option<&'a Object> {
    let same = facts.of_kind("", "Service").find(|object| object.name == service);
    let is_there = |object: &&Object| object.namespace.as_deref() == Some(namespace);
    let distance = |object: &Object| {
        let is_part = object.name.contains(service) || service.contains(&object.name);
        if is_part { 0 } else { crate::graph::distance(&object.name, service) }
    };
    let near = facts.of_kind("", "Service").filter(is_there).min_by_key(|object| distance(object));
    same.or(near.filter(|object| distance(object) <= 3))
}

/// A port that is asked for and that the Service does not have.
fn port(mention: &Mention<'_>, service: &Object) -> Option<Finding> {
    let ports: Vec<i64> = service
        .node
        .items_at("spec/ports")
        .iter()
        .filter_map(|port| port.get("port")?.int())
        .collect();
    let is_headless = service.node.str_at("spec/clusterIP") == Some("None");
    let is_alias = service.node.str_at("spec/type") == Some("ExternalName");
    let wanted = mention.name.port?;
    if ports.contains(&i64::from(wanted)) || is_headless || is_alias || ports.is_empty() {
        return None;
    }
    let list: Vec<String> = ports.iter().map(i64::to_string).collect();
    let (who, what) = (mention.object.title(), service.title());
    let message = format!("{who} asks for port {wanted} of {what}, which has {}", list.join(", "));
    let finding = RULE.at(mention.spot.clone(), message);
    let finding = finding.cause("nothing answers on that port: the connection times out");
    let place =
        service.node.at("spec/ports").map_or_else(|| service.place(), |node| service.spot(node));
    Some(finding.fix("ask for a port the Service has").related(place, "the Service's ports"))
}

/// A hook or init container waits for a Service; the release that brings it must be there before.
fn order(facts: &Facts, mention: &Mention<'_>, service: &Object) -> Option<Finding> {
    let (true, Owner::Release(user), Owner::Release(provider)) =
        (mention.waits, mention.object.owner, service.owner)
    else {
        return None;
    };
    let (who, what) = (mention.object.title(), service.title());
    if user == provider {
        let is_before =
            |hook: &crate::object::Hook| hook.events.iter().any(|event| event == "pre-install");
        let too_early =
            mention.object.hook.as_ref().is_some_and(is_before) && service.hook.is_none();
        let message = format!("{who} runs pre-install and asks for {what} of its own release");
        let finding = RULE.at(mention.spot.clone(), message);
        let finding = finding.cause("nothing of the release is there yet when the hook runs");
        let finding =
            finding.fix("run it `post-install`, or bring the Service in a release before");
        return too_early.then(|| finding.related(service.place(), "applied after the hook"));
    }
    if facts.upstream(user).contains(&provider) {
        return None;
    }
    let (own, other) =
        (&facts.releases[user].declared.name, &facts.releases[provider].declared.name);
    let message =
        format!("{who} waits for {what} of release `{other}`, for which `{own}` does not wait");
    let mut finding = RULE.at(mention.spot.clone(), message);
    if facts.upstream(provider).contains(&user) {
        finding = finding
            .cause(format!("`{other}` itself waits for `{own}`: neither is ever ready"))
            .fix("move the work that needs the Service into a release after both");
    } else {
        finding = finding
            .cause("the hook or init container runs into its time-out while the other is not there")
            .fix(format!("add `- name: {other}` to `dependsOn` of `{own}`"));
    }
    Some(finding.related(service.place(), "the Service"))
}
