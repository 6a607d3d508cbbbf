//! Who makes what: objects that are applied, namespaces that releases create, and what operators,
//! copies and programs make of other objects.

use std::collections::HashMap;

use super::needs::Want;
use crate::facts::Facts;
use crate::flux::HELM;
use crate::object::{Object, Owner};
use crate::shell;
use crate::yaml::Node;

/// Annotations of Secrets and ConfigMaps that are copied into other namespaces.
const REFLECTION: &str = "reflector.v1.k8s.emberstack.com/reflection-auto-";

/// One who makes something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maker<'a> {
    pub(super) owner: Owner,
    pub(super) object: &'a Object,
    /// Where it is said, in the object.
    pub(super) node: &'a Node,
}

impl<'a> Maker<'a> {
    fn of(object: &'a Object) -> Self {
        let node = object.node.at("metadata/name").unwrap_or(&object.node);
        Self { owner: object.owner, object, node }
    }
}

/// What an operator makes of an object: group and kind, the member with the name (the object's own
/// where there is none), what is put behind it, and the kind of what is made.
const OPERATORS: &[(&str, &str, &str, &str, &str)] = &[
    ("bitnami.com", "SealedSecret", "", "", "Secret"),
    ("cert-manager.io", "Certificate", "spec/secretName", "", "Secret"),
    ("external-secrets.io", "ExternalSecret", "spec/target/name", "", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-app", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-ca", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-replication", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-server", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-superuser", "Secret"),
    ("postgresql.cnpg.io", "Cluster", "", "-r", "Service"),
    ("postgresql.cnpg.io", "Cluster", "", "-ro", "Service"),
    ("postgresql.cnpg.io", "Cluster", "", "-rw", "Service"),
];

/// Everything that is made, by what identifies it.
#[derive(Debug)]
pub(super) struct Makers<'a> {
    facts: &'a Facts,
    by_want: HashMap<Want<'a>, Vec<Maker<'a>>>,
    /// Objects that are copied, with the namespaces they are copied to; none: to all.
    copied: Vec<(&'a Object, Vec<&'a str>)>,
    /// Objects whose programs write other objects.
    programs: Vec<&'a Object>,
}

impl<'a> Makers<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let mut makers =
            Self { facts, by_want: HashMap::new(), copied: Vec::new(), programs: Vec::new() };
        for object in &facts.objects {
            makers.add(object);
        }
        for (at, release) in facts.releases.iter().enumerate() {
            let object = facts.declaration(release);
            let create = object.node.at("spec/install/createNamespace");
            if let Some(node) = create.filter(|node| node.bool() == Some(true)) {
                let maker = Maker { owner: Owner::Release(at), object, node };
                makers.insert(Want::namespace(&release.declared.target_namespace), maker);
            }
        }
        makers
    }

    fn insert(&mut self, want: Want<'a>, maker: Maker<'a>) {
        self.by_want.entry(want).or_default().push(maker);
    }

    fn add(&mut self, object: &'a Object) {
        self.insert(Want::of(object), Maker::of(object));
        if object.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            let text = |path| object.node.str_at(path).unwrap_or_default();
            let want = Want::definition(text("spec/group"), text("spec/names/kind"));
            self.insert(want, Maker::of(object));
        }
        for (group, kind, member, suffix, made) in OPERATORS {
            if object.is(group, kind) {
                let named = Some(*member).filter(|path| !path.is_empty());
                let node = named.and_then(|path| object.node.at(path));
                let base = node.and_then(Node::text).unwrap_or(&object.name);
                let mut want = Want::core(made, object.namespace.as_deref(), "");
                want.name = format!("{base}{suffix}").into();
                let maker = Maker::of(object);
                self.insert(want, Maker { node: node.unwrap_or(maker.node), ..maker });
            }
        }
        let annotation = |end: &str| object.annotation(&format!("{REFLECTION}{end}"));
        if annotation("enabled") == Some("true") {
            let list = annotation("namespaces").unwrap_or_default();
            let to = list.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
            self.copied.push((object, to));
        }
        let mut programs = object.containers().into_iter().flat_map(shell::texts);
        if programs.any(shell::writes) {
            self.programs.push(object);
        }
    }

    /// Everybody who makes it.
    pub(super) fn find(&self, want: &Want<'a>) -> Vec<Maker<'a>> {
        if let Some(found) = self.by_want.get(want) {
            return found.clone();
        }
        if want.group.is_empty() && matches!(want.kind, "Secret" | "ConfigMap") {
            let copied = self.copier(want);
            return if copied.is_empty() { self.writers(want) } else { copied };
        }
        Vec::new()
    }

    /// Who copies an object of that name into the namespace: the releases that copy at all, else
    /// whoever brings what is copied.
    fn copier(&self, want: &Want<'a>) -> Vec<Maker<'a>> {
        let namespace = want.namespace.as_deref().unwrap_or_default();
        let fits = |(object, to): &&(&Object, Vec<&str>)| {
            object.is("", want.kind)
                && object.name == want.name
                && (to.is_empty() || to.contains(&namespace))
        };
        let Some((source, _)) = self.copied.iter().find(fits) else { return Vec::new() };
        let copies = |object: &&&'a Object| {
            let words = object.containers().into_iter().flat_map(shell::texts);
            let image =
                |node: &&Node| node.str_at("image").is_some_and(|i| i.contains("reflector"));
            words.into_iter().any(|word| word == "reflect") || object.containers().iter().any(image)
        };
        let deployments = self.facts.objects.iter().filter(|object| object.pod_spec().is_some());
        let found: Vec<Maker<'a>> = deployments
            .collect::<Vec<_>>()
            .iter()
            .filter(copies)
            .map(|object| Maker::of(object))
            .collect();
        if found.is_empty() { vec![Maker::of(source)] } else { found }
    }

    /// Whose program names the object and writes objects, in its namespace or naming that too.
    fn writers(&self, want: &Want<'a>) -> Vec<Maker<'a>> {
        let namespace = want.namespace.as_deref().unwrap_or_default();
        let writes = |object: &&&Object| {
            let texts: Vec<&str> = object.containers().into_iter().flat_map(shell::texts).collect();
            let names = |name: &str| texts.iter().any(|text| shell::names(text, name));
            names(&want.name)
                && (object.namespace.as_deref() == Some(namespace) || names(namespace))
        };
        self.programs.iter().filter(writes).map(|object| Maker::of(object)).collect()
    }

    /// Who judges objects of a kind before they are stored, and refuses them when it does not answer.
    pub(super) fn webhooks(&self) -> Vec<Webhook<'a>> {
        let kinds = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
        let configurations =
            kinds.iter().flat_map(|kind| self.facts.of_kind("admissionregistration.k8s.io", kind));
        configurations
            .flat_map(|object| {
                object.node.items_at("webhooks").iter().map(move |node| Webhook { object, node })
            })
            .filter(|webhook| webhook.node.str_at("failurePolicy") != Some("Ignore"))
            .collect()
    }

    /// The name under which the API serves a kind.
    pub(super) fn plural(&self, object: &Object) -> String {
        let definition = Want::definition(object.group(), &object.kind);
        let found = self.by_want.get(&definition).and_then(|makers| makers.first());
        let stated = found.and_then(|maker| maker.object.node.str_at("spec/names/plural"));
        stated.map_or_else(|| plural(&object.kind), str::to_owned)
    }
}

/// Kubernetes' own plurals.
fn plural(kind: &str) -> String {
    let word = kind.to_ascii_lowercase();
    match word.as_str() {
        "endpoints" => word,
        _ if word.ends_with('y') && !word.ends_with("ay") => {
            format!("{}ies", &word[..word.len() - 1])
        }
        _ if word.ends_with('s') => format!("{word}es"),
        _ => format!("{word}s"),
    }
}

/// One webhook of a configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Webhook<'a> {
    pub(super) object: &'a Object,
    pub(super) node: &'a Node,
}

impl Webhook<'_> {
    /// Whether it judges new objects of that group and plural. One that names no group, or one of
    /// Kubernetes' own behind a selector, judges what no file decides.
    pub(super) fn judges(&self, object: &Object, plural: &str) -> bool {
        let selects =
            |path: &str| self.node.at(path).is_some_and(|node| !node.entries().is_empty());
        let is_selective = selects("namespaceSelector") || selects("objectSelector");
        let group = object.group();
        let holds = |rule: &Node, member: &str, wanted: &[&str]| {
            rule.items_at(member).iter().filter_map(Node::text).any(|text| wanted.contains(&text))
        };
        let is_declared = group != HELM && (group.contains('.') || !is_selective);
        is_declared
            && self.node.items_at("rules").iter().any(|rule| {
                holds(rule, "apiGroups", &[group])
                    && holds(rule, "resources", &[plural, "*"])
                    && holds(rule, "operations", &["CREATE", "*"])
            })
    }
}
