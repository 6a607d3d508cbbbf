//! What a NetworkPolicy lets through, as far as labels, namespaces and ports tell.

use crate::facts::Facts;
use crate::object::Object;
use crate::yaml::{Entry, Node};

/// Which way is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    /// Out of the caller.
    Out,
    /// Into what is called.
    In,
}

impl Direction {
    /// The member of a policy with its rules.
    pub(super) fn rules(self) -> &'static str {
        match self {
            Self::Out => "egress",
            Self::In => "ingress",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Out => "Egress",
            Self::In => "Ingress",
        }
    }

    fn peers(self) -> &'static str {
        match self {
            Self::Out => "to",
            Self::In => "from",
        }
    }
}

/// A caller and the Service it calls.
pub(super) struct Ends<'a> {
    pub(super) facts: &'a Facts,
    pub(super) caller: &'a Object,
    pub(super) service: &'a Object,
    /// The Service's port, if it is known which.
    pub(super) port: Option<i64>,
}

/// The policy that drops the call, if one does.
pub(super) fn forbids<'a>(
    ends: &Ends<'_>,
    policies: &[&'a Object],
    direction: Direction,
) -> Option<&'a Object> {
    let targets = targets(ends);
    // Without Pods nothing is known of the other end; of a Service without a selector neither.
    let target = targets.first()?;
    // What answers itself by its own Service's name is not the matter here.
    if targets.iter().any(|target| std::ptr::eq(*target, ends.caller)) {
        return None;
    }
    let (subject, other) = match direction {
        Direction::Out => (ends.caller, *target),
        Direction::In => (*target, ends.caller),
    };
    let holding = holding(ends.facts, policies, subject, direction);
    let ports = ports(ends, target);
    let lets = |policy: &&&Object| {
        let rules = policy.node.get("spec").map(|spec| spec.items_at(direction.rules()));
        rules.unwrap_or_default().iter().any(|rule| {
            let peers = rule.items_at(direction.peers());
            let fits = |peer: &Node| is_peer(ends.facts, policy, peer, other);
            (peers.is_empty() || peers.iter().any(fits)) && takes_port(rule, &ports, "TCP")
        })
    };
    (!holding.iter().any(|policy| lets(&policy))).then(|| holding.first().copied()).flatten()
}

/// The policy that keeps a caller from the cluster's name server.
pub(super) fn forbids_names<'a>(
    facts: &Facts,
    caller: &Object,
    policies: &[&'a Object],
) -> Option<&'a Object> {
    let holding = holding(facts, policies, caller, Direction::Out);
    let lets = |policy: &&&Object| {
        let rules = policy.node.get("spec").map(|spec| spec.items_at("egress")).unwrap_or_default();
        rules
            .iter()
            .any(|rule| takes_port(rule, &[Port::Number(53), Port::Name("dns".to_owned())], "UDP"))
    };
    (!holding.iter().any(|policy| lets(&policy))).then(|| holding.first().copied()).flatten()
}

/// The policies that hold for an object's Pods in a direction.
fn holding<'a>(
    facts: &Facts,
    policies: &[&'a Object],
    subject: &Object,
    direction: Direction,
) -> Vec<&'a Object> {
    let holds = |policy: &&&Object| {
        let types = policy.node.at("spec/policyTypes").map(Node::items).unwrap_or_default();
        let stated = types.iter().any(|kind| kind.text() == Some(direction.title()));
        // Without types a policy is one of ingress, and of egress where it has such rules.
        let meant = types.is_empty()
            && (direction == Direction::In || policy.node.at("spec/egress").is_some());
        (stated || meant)
            && facts.home(policy) == facts.home(subject)
            && selects(policy.node.at("spec/podSelector"), subject.pod_labels())
    };
    policies.iter().filter(|policy| holds(policy)).copied().collect()
}

/// Whatever makes the Pods behind the Service.
fn targets<'a>(ends: &Ends<'a>) -> Vec<&'a Object> {
    let selector = ends.service.node.at("spec/selector").filter(|node| !node.entries().is_empty());
    let Some(selector) = selector else { return Vec::new() };
    let fits = |object: &&Object| {
        object
            .pod_labels()
            .is_some_and(|labels| selector.entries().iter().all(|one| has(labels, one)))
            && object.namespace == ends.service.namespace
    };
    ends.facts.objects.iter().filter(fits).collect()
}

fn has(labels: &Node, wanted: &Entry) -> bool {
    labels.get(wanted.name()).and_then(Node::text) == wanted.value.text()
}

/// Whether a selector takes labels; expressions are taken to fit.
fn selects(selector: Option<&Node>, labels: Option<&Node>) -> bool {
    let wanted = selector.and_then(|selector| selector.get("matchLabels"));
    let wanted = wanted.map(Node::entries).unwrap_or_default();
    wanted.iter().all(|one| labels.is_some_and(|labels| has(labels, one)))
}

fn is_peer(facts: &Facts, policy: &Object, peer: &Node, other: &Object) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        return block.str_at("cidr").is_some_and(|cidr| cidr.ends_with("/0"));
    }
    let space = facts.home(other).unwrap_or("default");
    let in_space = match peer.get("namespaceSelector") {
        Some(selector) => {
            let wanted = selector.get("matchLabels").map(Node::entries).unwrap_or_default();
            wanted.iter().all(|label| namespace_has(facts, space, label))
        }
        None => facts.home(policy) == facts.home(other),
    };
    in_space && selects(peer.get("podSelector"), other.pod_labels())
}

/// Whether a namespace has a label; one that is not here may have any.
fn namespace_has(facts: &Facts, space: &str, label: &Entry) -> bool {
    if label.name() == "kubernetes.io/metadata.name" {
        return label.value.text() == Some(space);
    }
    let known = facts.find("", "Namespace", None, space);
    known.is_none_or(|known| known.label(label.name()) == label.value.text())
}

/// A port of a Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    Number(i64),
    Name(String),
}

/// The Pod's ports behind the Service, by number and by name.
fn ports(ends: &Ends<'_>, target: &Object) -> Vec<Port> {
    let mut all = Vec::new();
    for port in ends.service.node.items_at("spec/ports") {
        let number = port.get("port").and_then(Node::int);
        if ends.port.is_some() && number != ends.port {
            continue;
        }
        let behind = port.get("targetPort");
        all.extend(
            behind.and_then(Node::int).or(number.filter(|_| behind.is_none())).map(Port::Number),
        );
        all.extend(behind.and_then(Node::str).map(|name| Port::Name(name.to_owned())));
    }
    for port in target.containers().into_iter().flat_map(|one| one.items_at("ports")) {
        let number = port.get("containerPort").and_then(Node::int).map(Port::Number);
        let name = port.str_at("name").map(|name| Port::Name(name.to_owned()));
        let (Some(number), Some(name)) = (number, name) else { continue };
        if all.contains(&name) {
            all.push(number);
        } else if all.contains(&number) {
            all.push(name);
        }
    }
    all
}

/// Whether a rule lets one of the ports through.
fn takes_port(rule: &Node, ports: &[Port], protocol: &str) -> bool {
    let listed = rule.items_at("ports");
    let takes = |entry: &Node| {
        let of_protocol = entry.str_at("protocol").unwrap_or("TCP") == protocol;
        let Some(port) = entry.get("port") else { return of_protocol };
        let end = entry.get("endPort").and_then(Node::int);
        let fits = |wanted: &Port| match (wanted, port.int()) {
            (Port::Number(number), Some(from)) => (from..=end.unwrap_or(from)).contains(number),
            (Port::Name(name), None) => port.text() == Some(name.as_str()),
            _ => false,
        };
        of_protocol && (ports.is_empty() || ports.iter().any(fits))
    };
    listed.is_empty() || listed.iter().any(takes)
}
