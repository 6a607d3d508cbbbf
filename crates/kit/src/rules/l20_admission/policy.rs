//! Kyverno's policies: whom a rule is about, and what of it can be evaluated from files.

use crate::facts::Facts;
use crate::object::Object;
use crate::yaml::Node;

use super::KYVERNO;
use super::pattern::{glob, hold_text};

/// One rule of a policy.
pub(super) struct Policy<'a> {
    /// The policy.
    pub(super) object: &'a Object,
    /// The rule.
    pub(super) rule: &'a Node,
}

/// What a rule asks for.
pub(super) enum Judged<'a> {
    /// It refuses nothing.
    Nothing,
    /// One of these must hold.
    Patterns(Vec<&'a Node>),
    /// It asks in a form that is not evaluated here.
    Unknown(&'a Node, &'static str),
}

/// Namespaces that Kyverno's own configuration leaves out.
const LEFT_OUT: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "kyverno"];
/// Members of a filter that are evaluated.
const FILTERS: [&str; 8] = [
    "kinds",
    "name",
    "names",
    "namespaces",
    "annotations",
    "selector",
    "namespaceSelector",
    "operations",
];
/// Forms of `validate` that are not evaluated here.
const FORMS: [&str; 6] = ["deny", "foreach", "cel", "podSecurity", "manifests", "assert"];

impl<'a> Policy<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.rule.get("name").and_then(Node::text).unwrap_or_default()
    }

    /// Whether it refuses; else it reports.
    pub(super) fn enforces(&self) -> bool {
        let own = self.rule.at("validate/failureAction");
        let action = own.or_else(|| self.object.node.at("spec/validationFailureAction"));
        action.and_then(Node::text).is_some_and(|text| text.eq_ignore_ascii_case("enforce"))
    }

    /// What the rule asks for, as far as it can be evaluated.
    pub(super) fn judged(&self) -> Judged<'a> {
        if let Some(images) = self.rule.get("verifyImages") {
            return Judged::Unknown(
                images,
                "asks registries for signatures, which files do not show",
            );
        }
        let Some(validate) = self.rule.get("validate") else { return Judged::Nothing };
        for name in ["preconditions", "context", "celPreconditions"] {
            if let Some(node) = self.rule.get(name) {
                return Judged::Unknown(node, "has conditions that are not evaluated here");
            }
        }
        if let Some(node) = FORMS.iter().find_map(|form| validate.get(form)) {
            return Judged::Unknown(node, "asks in a form that is not evaluated here");
        }
        let sides = ["match", "exclude"].into_iter().filter_map(|side| self.rule.get(side));
        for filter in sides.flat_map(filters) {
            let odd = filter.entries().iter().find(|entry| !matches!(entry.name(), "resources"));
            let resources = filter.get("resources").map(Node::entries).unwrap_or_default();
            let odd =
                odd.or_else(|| resources.iter().find(|entry| !FILTERS.contains(&entry.name())));
            if let Some(odd) = odd {
                return Judged::Unknown(&odd.key, "is about who asks, which files do not show");
            }
        }
        let patterns: Vec<&Node> = match validate.get("anyPattern") {
            Some(any) => any.items().iter().collect(),
            None => validate.get("pattern").into_iter().collect(),
        };
        let has_variable = |node: &&Node| {
            let mut found = false;
            node.walk(&mut |inner| {
                found |=
                    inner.text().is_some_and(|text| text.contains("{{") || text.starts_with("$("));
            });
            found
        };
        match patterns.iter().copied().find(has_variable) {
            Some(node) => Judged::Unknown(node, "has variables that are not evaluated here"),
            None if patterns.is_empty() => {
                Judged::Unknown(validate, "asks in a form that is not evaluated here")
            }
            None => Judged::Patterns(patterns),
        }
    }

    /// Whether an object is judged by this policy at all.
    pub(super) fn is_about(&self, facts: &Facts, object: &Object) -> bool {
        let namespace = object.namespace.as_deref();
        let is_near =
            self.object.kind == "ClusterPolicy" || self.object.namespace.as_deref() == namespace;
        is_near
            && object.group() != KYVERNO
            && !namespace.is_some_and(|namespace| LEFT_OUT.contains(&namespace))
            && !self.is_excepted(facts, object)
    }

    /// The parts of an object that the rule is about: itself, and the Pods it makes.
    pub(super) fn parts(&self, facts: &'a Facts, object: &'a Object) -> Vec<&'a Node> {
        let template = match object.kind.as_str() {
            "CronJob" => object.node.at("spec/jobTemplate/spec/template"),
            "Pod" => None,
            _ if object.pod_spec().is_some() => object.node.at("spec/template"),
            _ => None,
        };
        let whole = Subject { facts, object, node: &object.node, is_template: false };
        let pods = template.map(|node| Subject { facts, object, node, is_template: true });
        let subjects = std::iter::once(whole).chain(pods);
        subjects.filter(|subject| self.selects(subject)).map(|subject| subject.node).collect()
    }

    fn selects(&self, subject: &Subject<'_>) -> bool {
        let side = |name: &str| self.rule.get(name).is_some_and(|side| matches_side(side, subject));
        side("match") && !side("exclude")
    }

    fn is_excepted(&self, facts: &Facts, object: &Object) -> bool {
        facts.of_kind(KYVERNO, "PolicyException").any(|exception| {
            let names = |one: &Node| {
                one.str_at("policyName") == Some(&self.object.name)
                    && one
                        .items_at("ruleNames")
                        .iter()
                        .filter_map(Node::text)
                        .any(|rule| glob(rule, self.name()))
            };
            let subject = Subject { facts, object, node: &object.node, is_template: false };
            exception.node.items_at("spec/exceptions").iter().any(names)
                && exception.node.at("spec/match").is_some_and(|side| matches_side(side, &subject))
        })
    }
}

/// What a filter is held against: an object, or the Pods one makes.
struct Subject<'a> {
    facts: &'a Facts,
    object: &'a Object,
    node: &'a Node,
    is_template: bool,
}

/// The filters of `match` or `exclude`, in whatever form they are written.
fn filters(side: &Node) -> Vec<&Node> {
    let lists = side.items_at("any").iter().chain(side.items_at("all"));
    let all: Vec<&Node> = lists.collect();
    if all.is_empty() { vec![side] } else { all }
}

fn matches_side(side: &Node, subject: &Subject<'_>) -> bool {
    let fits =
        |filter: &Node| filter.get("resources").is_some_and(|one| matches_filter(one, subject));
    let (any, all) = (side.items_at("any"), side.items_at("all"));
    match (any.is_empty(), all.is_empty()) {
        (true, true) => fits(side),
        _ => (any.is_empty() || any.iter().any(fits)) && all.iter().all(fits),
    }
}

fn matches_filter(filter: &Node, subject: &Subject<'_>) -> bool {
    let texts =
        |name: &str| filter.items_at(name).iter().filter_map(Node::text).collect::<Vec<_>>();
    let within = |name: &str, text: &str| {
        let all = texts(name);
        all.is_empty() || all.iter().any(|one| glob(one, text))
    };
    let operations = texts("operations");
    let is_write =
        operations.is_empty() || operations.iter().any(|one| matches!(*one, "CREATE" | "UPDATE"));
    let own = |part: &str, name: &str| {
        subject.node.get("metadata")?.get(part)?.get(name)?.text().map(str::to_owned)
    };
    // Pods are called as what makes them, and something after it.
    let name = match subject.is_template {
        true => format!("{}-0", subject.object.name),
        false => subject.object.name.clone(),
    };
    let named = filter.get("name").and_then(Node::text).is_none_or(|wanted| glob(wanted, &name));
    let is_named = named && within("names", &name);
    let annotations = filter.get("annotations").map(Node::entries).unwrap_or_default();
    let has_annotations = annotations.iter().all(|wanted| {
        let have = own("annotations", wanted.name());
        have.is_some_and(|have| hold_text(wanted.value.text().unwrap_or_default(), &have))
    });
    let namespace = subject.object.namespace.as_deref();
    let is_in =
        texts("namespaces").is_empty() || namespace.is_some_and(|one| within("namespaces", one));
    let selector =
        filter.get("selector").is_none_or(|one| selects(one, &|name| own("labels", name)));
    let of_namespace = |name: &str| {
        let space = subject.facts.find("", "Namespace", None, namespace?);
        let label = space.and_then(|space| space.label(name).map(str::to_owned));
        label.or_else(|| {
            (name == "kubernetes.io/metadata.name")
                .then(|| namespace.unwrap_or_default().to_owned())
        })
    };
    let space = filter
        .get("namespaceSelector")
        .is_none_or(|one| namespace.is_some() && selects(one, &of_namespace));
    let kinds = texts("kinds");
    let is_kind = kinds.iter().any(|kind| is_of_kind(kind, subject));
    is_kind && is_write && is_named && has_annotations && is_in && selector && space
}

/// `Pod`, `v1/Pod`, `apps/v1/Deployment`, all with wildcards; `Pod/exec` is about no object.
fn is_of_kind(wanted: &str, subject: &Subject<'_>) -> bool {
    let (version, kind) = match subject.is_template {
        true => ("v1", "Pod"),
        false => (subject.object.api_version.as_str(), subject.object.kind.as_str()),
    };
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    match wanted.split('/').collect::<Vec<_>>().as_slice() {
        [one] => glob(one, kind),
        [first, second] if second.starts_with(|c: char| c.is_ascii_uppercase() || c == '*') => {
            glob(first, version) && glob(second, kind)
        }
        [first, second, third] => glob(first, group) && glob(second, version) && glob(third, kind),
        _ => false,
    }
}

/// Whether labels are as a selector asks; both keys and values may hold wildcards.
fn selects(selector: &Node, label: &dyn Fn(&str) -> Option<String>) -> bool {
    let wanted = selector.get("matchLabels").map(Node::entries).unwrap_or_default();
    let labels = wanted.iter().all(|entry| {
        label(entry.name()).is_some_and(|have| glob(entry.value.text().unwrap_or_default(), &have))
    });
    let terms = selector.items_at("matchExpressions").iter().all(|term| {
        let have = label(term.str_at("key").unwrap_or_default());
        let among = || {
            have.as_deref().is_some_and(|have| {
                term.items_at("values").iter().filter_map(Node::text).any(|value| glob(value, have))
            })
        };
        match term.str_at("operator") {
            Some("In") => among(),
            Some("NotIn") => !among(),
            Some("Exists") => have.is_some(),
            Some("DoesNotExist") => have.is_none(),
            _ => false,
        }
    });
    labels && terms
}
