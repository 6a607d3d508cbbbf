//! What Pods refer to: Secrets, ConfigMaps, claims, accounts, and from where.

use crate::yaml::Node;

/// One reference of a Pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ref<'a> {
    /// Secret, ConfigMap, PersistentVolumeClaim or ServiceAccount.
    pub(crate) kind: &'static str,
    /// The name, at its place.
    pub(crate) name: &'a Node,
    /// Whether the Pod starts without it.
    pub(crate) optional: bool,
    /// The list of keys it must have, or the one key.
    keys: Option<&'a Node>,
}

impl<'a> Ref<'a> {
    /// The keys it must have, at their places.
    pub(crate) fn keys(&self) -> Vec<&'a Node> {
        match self.keys {
            Some(node) if node.text().is_some() => vec![node],
            Some(list) => list.items().iter().filter_map(|item| item.get("key")).collect(),
            None => Vec::new(),
        }
    }
}

/// Everything without which a Pod of this specification does not start.
pub(crate) fn of_pod(spec: &Node) -> Vec<Ref<'_>> {
    let mut all = Vec::new();
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount"));
    if let Some(name) = account.filter(|name| name.text().is_some_and(|text| !text.is_empty())) {
        all.push(Ref { kind: "ServiceAccount", name, optional: false, keys: None });
    }
    for volume in spec.items_at("volumes") {
        volume_refs(volume, &mut all);
        for source in volume.items_at("projected/sources") {
            push(source, "secret", "name", "Secret", &mut all);
            push(source, "configMap", "name", "ConfigMap", &mut all);
        }
    }
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.items_at(kind) {
            container_refs(container, &mut all);
        }
    }
    all
}

fn volume_refs<'a>(volume: &'a Node, all: &mut Vec<Ref<'a>>) {
    push(volume, "secret", "secretName", "Secret", all);
    push(volume, "configMap", "name", "ConfigMap", all);
    push(volume, "persistentVolumeClaim", "claimName", "PersistentVolumeClaim", all);
    push(volume, "csi/nodePublishSecretRef", "name", "Secret", all);
}

fn container_refs<'a>(container: &'a Node, all: &mut Vec<Ref<'a>>) {
    for variable in container.items_at("env") {
        push(variable, "valueFrom/secretKeyRef", "name", "Secret", all);
        push(variable, "valueFrom/configMapKeyRef", "name", "ConfigMap", all);
    }
    for source in container.items_at("envFrom") {
        push(source, "secretRef", "name", "Secret", all);
        push(source, "configMapRef", "name", "ConfigMap", all);
    }
}

fn push<'a>(node: &'a Node, path: &str, member: &str, kind: &'static str, all: &mut Vec<Ref<'a>>) {
    let Some(source) = node.at(path) else { return };
    let Some(name) = source.get(member).filter(|name| name.text().is_some()) else { return };
    let optional = source.get("optional").and_then(Node::bool).unwrap_or(false);
    let keys = source.get("key").or_else(|| source.get("items"));
    all.push(Ref { kind, name, optional, keys });
}

/// The names of the pull secrets of a Pod's specification.
pub(crate) fn pull_secrets(spec: &Node) -> impl Iterator<Item = &Node> {
    spec.items_at("imagePullSecrets").iter().filter_map(|item| item.get("name"))
}
