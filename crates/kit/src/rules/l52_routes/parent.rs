//! The Gateway a route hangs on, and the listener that takes it.

use super::{GATEWAY, RULE, is_whole};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::object::Object;
use crate::yaml::Node;

pub(super) fn judge(facts: &Facts, route: &Object, reference: &Node) -> Option<Finding> {
    let gateway = match gateway(facts, route, reference)? {
        Ok(gateway) => gateway,
        Err(name) => {
            if !is_whole(facts) {
                return None;
            }
            let text = name.text().unwrap_or_default();
            let space = reference.str_at("namespace").or(facts.home(route));
            let message = format!(
                "{}: there is no Gateway `{}/{text}`",
                route.title(),
                space.unwrap_or("default")
            );
            let finding = RULE.at(route.spot(name), message).cause("nothing takes the route");
            return Some(
                finding.fix("name the Gateway with its namespace, or declare it as `given`"),
            );
        }
    };
    let listeners = listeners(gateway, reference);
    if listeners.is_empty() {
        let node =
            reference.get("sectionName").or_else(|| reference.get("port")).unwrap_or(reference);
        let text = node.text().unwrap_or_default();
        let message = format!("{}: {} has no listener `{text}`", route.title(), gateway.title());
        let finding = RULE.at(route.spot(node), message).related(gateway.place(), "the Gateway");
        return Some(finding.fix("name one of the Gateway's listeners"));
    }
    let open = |listener: &&&Node| takes_namespace(facts, gateway, listener, route);
    if !listeners.iter().any(|listener| open(&listener)) {
        let message = format!("{}: no listener takes routes of its namespace", route.title());
        let node = reference.get("name").unwrap_or(reference);
        let finding = RULE.at(route.spot(node), message).related(gateway.place(), "the Gateway");
        let cause =
            "a listener takes routes of its own namespace only, unless `allowedRoutes` says more";
        return Some(finding.cause(cause).fix("set `allowedRoutes.namespaces` of the listener"));
    }
    let hosts: Vec<&Node> = route.node.items_at("spec/hostnames").iter().collect();
    let serves = |host: &&&Node| {
        let host = host.text().unwrap_or_default();
        listeners.iter().any(|listener| {
            listener.str_at("hostname").is_none_or(|own| own.is_empty() || meet(own, host))
        })
    };
    let lost = hosts.iter().find(|host| !serves(host))?;
    let message =
        format!("{}: no listener serves host `{}`", route.title(), lost.text().unwrap_or_default());
    let finding = RULE.at(route.spot(lost), message).related(gateway.place(), "the Gateway");
    Some(finding.fix("add a listener for the host, or take a host that a listener serves"))
}

/// The Gateway of a reference; its name, if it is not here; nothing for another kind of parent.
fn gateway<'a, 'n>(
    facts: &'a Facts,
    route: &Object,
    reference: &'n Node,
) -> Option<Result<&'a Object, &'n Node>> {
    if reference.str_at("kind").is_some_and(|kind| kind != "Gateway") {
        return None;
    }
    let name = reference.get("name")?;
    let namespace = reference.str_at("namespace").or(facts.home(route));
    let wanted = name.text()?;
    let fits = |one: &&Object| one.name == wanted && facts.home(one) == namespace;
    Some(facts.of_kind(GATEWAY, "Gateway").find(fits).ok_or(name))
}

/// The listeners a reference means.
pub(super) fn listeners<'a>(gateway: &'a Object, reference: &Node) -> Vec<&'a Node> {
    let section = reference.get("sectionName").and_then(Node::text);
    let port = reference.get("port").and_then(Node::int);
    let fits = |listener: &&Node| {
        section.is_none_or(|name| listener.str_at("name") == Some(name))
            && port.is_none_or(|port| listener.get("port").and_then(Node::int) == Some(port))
    };
    gateway.node.items_at("spec/listeners").iter().filter(fits).collect()
}

/// The hosts that the listeners of a route serve; none where they do not say.
pub(super) fn served<'a>(facts: &'a Facts, route: &Object) -> Vec<&'a str> {
    let mut all = Vec::new();
    for reference in route.node.items_at("spec/parentRefs") {
        if let Some(Ok(gateway)) = gateway(facts, route, reference) {
            let hosts = listeners(gateway, reference).into_iter();
            all.extend(hosts.filter_map(|listener| listener.str_at("hostname")));
        }
    }
    all
}

fn takes_namespace(facts: &Facts, gateway: &Object, listener: &Node, route: &Object) -> bool {
    match listener.str_at("allowedRoutes/namespaces/from") {
        Some("All") => true,
        Some("Selector") => {
            let wanted = listener.at("allowedRoutes/namespaces/selector/matchLabels");
            let name = facts.home(route).unwrap_or("default");
            let space = facts.find("", "Namespace", None, name);
            let has = |entry: &crate::yaml::Entry| {
                let label = match entry.name() {
                    "kubernetes.io/metadata.name" => Some(name),
                    // A namespace that is not here may have any label.
                    key => match space {
                        Some(space) => space.label(key),
                        None => entry.value.text(),
                    },
                };
                label == entry.value.text()
            };
            wanted.is_none_or(|wanted| wanted.entries().iter().all(has))
        }
        _ => facts.home(gateway) == facts.home(route),
    }
}

/// Whether two host names, either of which may begin with `*.`, have a host in common.
pub(super) fn meet(one: &str, other: &str) -> bool {
    let within = |wild: &str, host: &str| {
        wild.strip_prefix('*').is_some_and(|end| host.ends_with(end) && host.len() > end.len())
    };
    one == other || within(one, other) || within(other, one)
}
