//! L52: every route leads somewhere: a listener takes it, its Service has Pods, and nobody else claims
//! its host.

mod backend;
mod claims;
mod parent;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::yaml::Node;
use claims::Claim;

pub(super) const RULE: Rule = Rule {
    id: "L52",
    title: "every route has a listener, a Service with Pods, and a host of its own",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the route is accepted and answers 404 or 503: no object says that it leads nowhere",
    fix: "name a Service and a port that the kit renders in that namespace",
    page: include_str!("../../../../docs/rules/L52.md"),
    check,
};

/// Group of Gateways and their routes.
const GATEWAY: &str = "gateway.networking.k8s.io";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut claims = Vec::new();
    for object in facts.applied() {
        if object.is("networking.k8s.io", "Ingress") {
            ingress(facts, object, &mut claims, &mut findings);
        } else if object.group() == GATEWAY && object.kind.ends_with("Route") {
            route(facts, object, &mut claims, &mut findings);
        }
    }
    claims::judge(facts, &claims, &mut findings);
    findings
}

/// Whether a whole kit is judged: then what is not here is nowhere. A chart alone is asked only for what
/// it must bring itself.
fn is_whole(facts: &Facts) -> bool {
    !facts.builds.is_empty()
}

fn ingress<'a>(
    facts: &'a Facts,
    object: &'a Object,
    claims: &mut Vec<Claim<'a>>,
    findings: &mut Vec<Finding>,
) {
    let class = object.node.at("spec/ingressClassName");
    if let Some(node) = class.filter(|_| is_whole(facts))
        && let Some(name) = node.text()
        && facts.find("networking.k8s.io", "IngressClass", None, name).is_none()
    {
        let message = format!("{}: nothing here makes IngressClass `{name}`", object.title());
        let finding = RULE.at(object.spot(node), message).cause("no controller looks at the route");
        findings.push(
            finding.fix("install the controller with this kit, or declare the class as `given`"),
        );
    }
    let mut backends: Vec<&Node> =
        object.node.at("spec/defaultBackend/service").into_iter().collect();
    for rule in object.node.items_at("spec/rules") {
        for path in rule.items_at("http/paths") {
            backends.extend(path.at("backend/service"));
            claims.push(Claim::of_ingress(object, class.and_then(Node::text), rule, path));
        }
    }
    for service in backends {
        let port = service.at("port/number").or_else(|| service.at("port/name"));
        let wanted = backend::Wanted { name: service.get("name"), port, namespace: None };
        findings.extend(backend::judge(facts, object, &wanted));
    }
}

fn route<'a>(
    facts: &'a Facts,
    object: &'a Object,
    claims: &mut Vec<Claim<'a>>,
    findings: &mut Vec<Finding>,
) {
    for reference in object.node.items_at("spec/parentRefs") {
        findings.extend(parent::judge(facts, object, reference));
    }
    for rule in object.node.items_at("spec/rules") {
        for reference in rule.items_at("backendRefs") {
            let is_service = reference.str_at("kind").is_none_or(|kind| kind == "Service")
                && reference.str_at("group").is_none_or(str::is_empty);
            if is_service {
                let wanted = backend::Wanted {
                    name: reference.get("name"),
                    port: reference.get("port"),
                    namespace: reference.get("namespace"),
                };
                findings.extend(backend::judge(facts, object, &wanted));
            }
        }
        if object.kind == "HTTPRoute" {
            claims.extend(Claim::of_route(facts, object, rule));
        }
    }
}
