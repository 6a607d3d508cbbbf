//! What a route leads to: a Service, its port, and the Pods behind it.

use super::{GATEWAY, RULE, is_whole};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::kinds;
use crate::object::Object;
use crate::yaml::Node;

/// What a route asks for.
pub(super) struct Wanted<'a> {
    pub(super) name: Option<&'a Node>,
    pub(super) port: Option<&'a Node>,
    pub(super) namespace: Option<&'a Node>,
}

pub(super) fn judge(facts: &Facts, route: &Object, wanted: &Wanted<'_>) -> Option<Finding> {
    let node = wanted.name?;
    let name = node.text()?;
    let stated = wanted.namespace.and_then(Node::text);
    let own = facts.home(route);
    let namespace = stated.or(own);
    if let Some(other) = wanted.namespace
        && namespace != own
        && is_whole(facts)
        && !is_granted(facts, route, namespace, name)
    {
        let message = format!("{}: no ReferenceGrant lets it use that Service", route.title());
        let finding = RULE.at(route.spot(other), message);
        return Some(finding.fix("add a ReferenceGrant in the Service's namespace"));
    }
    let Some(service) = facts.find("", "Service", namespace, name) else {
        let elsewhere = namespace != own && !is_whole(facts);
        if elsewhere || has_operator(facts, namespace) {
            return None;
        }
        let place = namespace.unwrap_or("default");
        let message = format!("{}: there is no Service `{place}/{name}`", route.title());
        return Some(RULE.at(route.spot(node), message));
    };
    let port = wanted.port.map(|port| find_port(service, port).ok_or(port));
    if let Some(Err(port)) = port {
        let asked = port.text().unwrap_or_default();
        let message = format!("{}: {} has no port `{asked}`", route.title(), service.title());
        return Some(RULE.at(route.spot(port), message).related(service.place(), "the Service"));
    }
    empty(facts, service, port.and_then(Result::ok)).map(|why| {
        let message = format!("{}: {} {why}", route.title(), service.title());
        let at = service.node.at("spec/selector").unwrap_or(&service.node);
        RULE.at(route.spot(node), message).related(service.spot(at), "selects nothing")
    })
}

fn find_port<'a>(service: &'a Object, wanted: &Node) -> Option<&'a Node> {
    let mut ports = service.node.items_at("spec/ports").iter();
    let text = wanted.text();
    let fits = |port: &&Node| {
        let at = |key: &str| port.get(key).and_then(Node::text);
        at("port") == text || at("name") == text
    };
    ports.find(fits)
}

/// Why a Service has no endpoints, if it has none.
fn empty(facts: &Facts, service: &Object, port: Option<&Node>) -> Option<String> {
    let selector = service.node.at("spec/selector").filter(|node| !node.entries().is_empty())?;
    if has_operator(facts, service.namespace.as_deref()) {
        return None;
    }
    let pods: Vec<&Object> = facts
        .objects
        .iter()
        .filter(|object| object.namespace == service.namespace && selects(selector, object))
        .collect();
    if pods.is_empty() {
        return Some("selects no Pod of this kit".to_owned());
    }
    let target = port?.get("targetPort").and_then(Node::str)?;
    let names = |pod: &&Object| {
        let containers = pod.containers().into_iter();
        containers.flat_map(|one| one.items_at("ports")).any(|p| p.str_at("name") == Some(target))
    };
    let is_number = target.bytes().all(|byte| byte.is_ascii_digit());
    (!is_number && !pods.iter().any(names))
        .then(|| format!("leads to port `{target}`, which no container of its Pods names"))
}

fn selects(selector: &Node, object: &Object) -> bool {
    object.pod_labels().is_some_and(|labels| {
        let fits = |wanted: &crate::yaml::Entry| {
            labels.get(wanted.name()).and_then(Node::text) == wanted.value.text()
        };
        selector.entries().iter().all(fits)
    })
}

/// Whether a custom object lives in the namespace: its operator may make Services and Pods.
fn has_operator(facts: &Facts, namespace: Option<&str>) -> bool {
    facts.objects.iter().any(|object| {
        let group = object.group();
        let known = kinds::is_core(group, &object.kind)
            || kinds::is_flux(group)
            || group == GATEWAY
            || ["cert-manager.io", "external-secrets.io", "monitoring.coreos.com", "cilium.io"]
                .contains(&group);
        !known && facts.home(object) == namespace
    })
}

fn is_granted(facts: &Facts, route: &Object, namespace: Option<&str>, service: &str) -> bool {
    facts.of_kind(GATEWAY, "ReferenceGrant").any(|grant| {
        let from = grant.node.items_at("spec/from").iter().any(|from| {
            from.str_at("kind") == Some(&route.kind)
                && from.str_at("namespace") == facts.home(route)
        });
        let to = grant.node.items_at("spec/to").iter().any(|to| {
            to.str_at("kind") == Some("Service")
                && to.str_at("name").is_none_or(|name| name == service)
        });
        facts.home(grant) == namespace && from && to
    })
}
