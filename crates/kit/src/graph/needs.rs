//! What the objects of a release need from elsewhere: kinds, namespaces, Secrets, Services, classes.

use std::borrow::Cow;

use super::edges::{EvidenceKind, When};
use crate::facts::{Facts, Release};
use crate::kinds;
use crate::object::Object;
use crate::refs;
use crate::yaml::Node;

/// Group of CRDs.
const CRD: &str = "apiextensions.k8s.io";

/// What is needed, or made: an object, by what identifies it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Want<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: Option<Cow<'a, str>>,
    pub(super) name: Cow<'a, str>,
}

impl<'a> Want<'a> {
    pub(super) fn of(object: &'a Object) -> Self {
        Self {
            group: object.group(),
            kind: &object.kind,
            namespace: object.namespace.as_deref().map(Cow::from),
            name: object.name.as_str().into(),
        }
    }

    /// The definition of a custom kind, under a name that users of the kind know.
    pub(super) fn definition(group: &str, kind: &str) -> Self {
        let name = format!("{kind}.{group}").into();
        Self { group: CRD, kind: "CustomResourceDefinition", namespace: None, name }
    }

    pub(super) fn namespace(name: &'a str) -> Self {
        Self { group: "", kind: "Namespace", namespace: None, name: name.into() }
    }

    /// An object of Kubernetes' first group.
    pub(super) fn core(kind: &'a str, namespace: Option<&'a str>, name: &'a str) -> Self {
        Self { group: "", kind, namespace: namespace.map(Cow::from), name: name.into() }
    }

    /// As a person says it.
    pub(super) fn title(&self) -> String {
        match (&self.namespace, self.group) {
            (_, CRD) => format!("the kind {}", self.name),
            (Some(namespace), _) => format!("{} {namespace}/{}", self.kind, self.name),
            (None, _) => format!("{} {}", self.kind, self.name),
        }
    }

    fn evidence(&self) -> EvidenceKind {
        match self.kind {
            "CustomResourceDefinition" => EvidenceKind::CustomResource,
            "Namespace" => EvidenceKind::Namespace,
            "Secret" => EvidenceKind::Secret,
            "ConfigMap" => EvidenceKind::ConfigMap,
            "Service" => EvidenceKind::Service,
            "Issuer" | "ClusterIssuer" => EvidenceKind::Issuer,
            kind if kind.ends_with("Class") => EvidenceKind::Class,
            _ => EvidenceKind::Object,
        }
    }
}

/// One thing that one object needs.
#[derive(Debug, Clone)]
pub(super) struct Need<'a> {
    pub(super) kind: EvidenceKind,
    pub(super) want: Want<'a>,
    pub(super) when: When,
    /// Who needs it.
    pub(super) object: &'a Object,
    /// Where that is said, in the object.
    pub(super) node: &'a Node,
}

/// Everything a release needs, its own things included.
pub(super) fn of_release<'a>(facts: &'a Facts, at: usize, objects: &[&'a Object]) -> Vec<Need<'a>> {
    let release = &facts.releases[at];
    let mut all = Vec::new();
    of_declaration(facts.declaration(release), release, &mut all);
    of_lookups(facts.declaration(release), release, &mut all);
    for object in objects {
        of_object(object, &release.declared.target_namespace, &mut all);
    }
    all
}

/// What the HelmRelease itself says: its target namespace, and where its values come from.
fn of_declaration<'a>(object: &'a Object, release: &'a Release, all: &mut Vec<Need<'a>>) {
    let declared = &release.declared;
    let node = object.node.at("spec/targetNamespace").unwrap_or(&object.node);
    let want = Want::namespace(&declared.target_namespace);
    push(all, want, When::Apply, object, node);
    for from in object.node.items_at("spec/valuesFrom") {
        let optional = from.get("optional").and_then(Node::bool).unwrap_or(false);
        let (Some(kind), Some(name)) = (from.str_at("kind"), from.get("name")) else { continue };
        let Some(text) = name.text().filter(|_| !optional) else { continue };
        let want = Want::core(kind, Some(&declared.namespace), text);
        push(all, want, When::Apply, object, name);
    }
}

/// What its templates ask the cluster for while they are rendered.
fn of_lookups<'a>(object: &'a Object, release: &'a Release, all: &mut Vec<Need<'a>>) {
    let chart = object.node.at("spec/chart/spec/chart").or_else(|| object.node.at("spec/chartRef"));
    let lookups = release.rendering.as_ref().map(|one| one.lookups.as_slice()).unwrap_or_default();
    for lookup in lookups {
        let group = lookup.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let namespace = Some(lookup.namespace.as_str()).filter(|name| !name.is_empty());
        let (kind, name) = (lookup.kind.as_str(), lookup.name.as_str());
        let want = Want { group, ..Want::core(kind, namespace, name) };
        push(all, want, When::Apply, object, chart.unwrap_or(&object.node));
    }
}

fn of_object<'a>(object: &'a Object, home: &str, all: &mut Vec<Need<'a>>) {
    let group = object.group();
    if group == CRD {
        return;
    }
    let is_custom = !kinds::is_core(group, &object.kind) && group.contains('.');
    if is_custom && !kinds::is_flux(group) {
        let node = object.node.get("kind").unwrap_or(&object.node);
        push(all, Want::definition(group, &object.kind), When::Apply, object, node);
        of_members(object, &object.node, all);
    }
    let stated = object.node.at("metadata/namespace");
    if let (Some(namespace), Some(node)) = (object.namespace.as_deref(), stated)
        && namespace != home
    {
        push(all, Want::namespace(namespace), When::Apply, object, node);
    }
    of_pods(object, all);
    of_references(object, all);
    of_texts(object, all);
}

fn push<'a>(
    all: &mut Vec<Need<'a>>,
    want: Want<'a>,
    when: When,
    object: &'a Object,
    node: &'a Node,
) {
    if !want.name.is_empty() {
        all.push(Need { kind: want.evidence(), want, when, object, node });
    }
}

fn of_pods<'a>(object: &'a Object, all: &mut Vec<Need<'a>>) {
    let Some(spec) = object.pod_spec() else { return };
    let namespace = object.namespace.as_deref();
    let pulls = refs::pull_secrets(spec).map(|name| ("Secret", name));
    let others = refs::of_pod(spec).into_iter().filter(|one| !one.optional);
    for (kind, name) in others.map(|one| (one.kind, one.name)).chain(pulls) {
        let want = Want::core(kind, namespace, name.text().unwrap_or_default());
        push(all, want, When::Start, object, name);
    }
    let classes = [
        ("priorityClassName", "scheduling.k8s.io", "PriorityClass"),
        ("runtimeClassName", "node.k8s.io", "RuntimeClass"),
    ];
    for (member, group, kind) in classes {
        if let Some(node) = spec.get(member)
            && let Some(name) = node.text().filter(|name| !name.starts_with("system-"))
        {
            let want = Want { group, kind, namespace: None, name: name.into() };
            push(all, want, When::Start, object, node);
        }
    }
}

/// Group of Ingresses.
const NET: &str = "networking.k8s.io";
/// Group of cert-manager's kinds.
const CERT: &str = "cert-manager.io";
/// Group of Gateways.
const GATEWAY: &str = "gateway.networking.k8s.io";
/// Group of storage's kinds.
const STORAGE: &str = "storage.k8s.io";
/// Group of the External Secrets Operator's kinds.
const ESO: &str = "external-secrets.io";

/// Members of one kind that name an object of another: group and kind that have the member; where it
/// is, with `*` for every item of a list; the member with the name; group and kind that are named,
/// unless a member `kind` beside the name says another; when it is needed.
type Reference = (&'static str, &'static str, &'static str, &'static str, Kind, When);
/// A group and a kind.
type Kind = (&'static str, &'static str);

const REFERENCES: &[Reference] = &[
    ("", "PersistentVolumeClaim", "spec", "storageClassName", STORAGE_CLASS, When::Start),
    ("apps", "StatefulSet", CLAIM_TEMPLATES, "storageClassName", STORAGE_CLASS, When::Start),
    (NET, "Ingress", "spec", "ingressClassName", INGRESS_CLASS, When::Run),
    (NET, "Ingress", ANNOTATIONS, "kubernetes.io/ingress.class", INGRESS_CLASS, When::Run),
    (NET, "Ingress", ANNOTATIONS, "cert-manager.io/issuer", ISSUER, When::Run),
    (NET, "Ingress", ANNOTATIONS, "cert-manager.io/cluster-issuer", CLUSTER_ISSUER, When::Run),
    (CERT, "Certificate", "spec/issuerRef", "name", ISSUER, When::Run),
    (GATEWAY, "Gateway", "spec", "gatewayClassName", (GATEWAY, "GatewayClass"), When::Run),
    (GATEWAY, "HTTPRoute", "spec/parentRefs/*", "name", (GATEWAY, "Gateway"), When::Run),
    (ESO, "ExternalSecret", "spec/secretStoreRef", "name", (ESO, "SecretStore"), When::Run),
];
const ANNOTATIONS: &str = "metadata/annotations";
const CLAIM_TEMPLATES: &str = "spec/volumeClaimTemplates/*/spec";
const STORAGE_CLASS: Kind = (STORAGE, "StorageClass");
const INGRESS_CLASS: Kind = (NET, "IngressClass");
const ISSUER: Kind = (CERT, "Issuer");
const CLUSTER_ISSUER: Kind = (CERT, "ClusterIssuer");

fn of_references<'a>(object: &'a Object, all: &mut Vec<Need<'a>>) {
    for (of, has, at, member, (group, fixed), when) in REFERENCES {
        if !object.is(of, has) {
            continue;
        }
        for holder in all_at(&object.node, at) {
            let Some(node) = holder.get(member) else { continue };
            let Some(name) = node.text() else { continue };
            let kind = holder.str_at("kind").filter(|_| *member == "name").unwrap_or(fixed);
            let is_wide = kind.starts_with("Cluster") || kind.ends_with("Class");
            let own = holder.str_at("namespace").or(object.namespace.as_deref());
            let namespace = own.filter(|_| !is_wide).map(Cow::from);
            push(all, Want { group, kind, namespace, name: name.into() }, *when, object, node);
        }
    }
}

/// The nodes at a path in which `*` stands for every item of a list.
fn all_at<'a>(node: &'a Node, path: &str) -> Vec<&'a Node> {
    match path.split_once("/*") {
        Some((list, rest)) => {
            node.items_at(list).iter().flat_map(|item| all_at(item, rest)).collect()
        }
        None => node.at(path).into_iter().collect(),
    }
}

/// Members of custom objects that name Secrets and ConfigMaps by the usual form.
fn of_members<'a>(object: &'a Object, node: &'a Node, all: &mut Vec<Need<'a>>) {
    let form = |key: &str| {
        let ends = |end: &str| {
            key.len() >= end.len()
                && key.is_char_boundary(key.len() - end.len())
                && key[key.len() - end.len()..].eq_ignore_ascii_case(end)
        };
        match () {
            () if ends("secretRef") || ends("secretKeyRef") => Some("Secret"),
            () if ends("configMapRef") || ends("configMapKeyRef") => Some("ConfigMap"),
            () => None,
        }
    };
    for entry in node.entries() {
        if let Some(kind) = form(entry.name())
            && let Some(name) = entry.value.get("name")
        {
            let namespace = entry.value.str_at("namespace").or(object.namespace.as_deref());
            let want = Want::core(kind, namespace, name.text().unwrap_or_default());
            push(all, want, When::Run, object, name);
        }
        of_members(object, &entry.value, all);
    }
    for item in node.items() {
        of_members(object, item, all);
    }
}

/// Services named as `<service>.<namespace>.svc` in any text of an object. A hook waits for what it
/// calls; anything else tries again.
fn of_texts<'a>(object: &'a Object, all: &mut Vec<Need<'a>>) {
    let when = if object.hook.is_some() { When::Start } else { When::Run };
    object.node.walk(&mut |node| {
        let Some(text) = node.text().filter(|text| text.contains(".svc")) else { return };
        for (service, namespace) in services(text) {
            push(all, Want::core("Service", Some(namespace), service), when, object, node);
        }
    });
}

/// Every `<service>.<namespace>.svc` of a text.
fn services(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let words = text.split(move |c| !is_host(c)).filter(|word| word.contains(".svc"));
    words.filter_map(|word| {
        let mut before = ["", ""];
        for label in word.split('.') {
            if label == "svc" && before.iter().all(|label| !label.is_empty()) {
                return Some((before[0], before[1]));
            }
            before = [before[1], label];
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_in_any_text() {
        for (text, found) in [
            ("http://gitea-http.gitea.svc.cluster.local:3000/api", vec![("gitea-http", "gitea")]),
            ("while ! curl a.b.svc; do sleep 5; done; nc c.d.svc 80", vec![("a", "b"), ("c", "d")]),
            ("db-0.db.data.svc:5432", vec![("db", "data")]),
            ("the svc of x.svc, .svc, a..svc and svc.example.org", vec![]),
        ] {
            assert_eq!(services(text).collect::<Vec<_>>(), found, "{text}");
        }
    }
}
