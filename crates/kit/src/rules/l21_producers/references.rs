//! What objects refer to by name.

use crate::facts::Facts;
use crate::flux::{KUSTOMIZE, SOURCE};
use crate::image;
use crate::object::Object;
use crate::producers::Want;
use crate::refs;
use crate::yaml::Node;

const CERT_MANAGER: &str = "cert-manager.io";
const EXTERNAL_SECRETS: &str = "external-secrets.io";
const STORAGE: &str = "storage.k8s.io";

/// One reference.
#[derive(Debug)]
pub(super) struct Reference<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    /// The name, at its place.
    pub(super) name: &'a Node,
    /// Keys that must be there, at their places.
    pub(super) keys: Vec<&'a Node>,
    /// Whether a Pod does not start without it.
    pub(super) is_of_pod: bool,
}

impl<'a> Reference<'a> {
    fn new(group: &'a str, kind: &'a str, namespace: Option<&'a str>, name: &'a Node) -> Self {
        Self { group, kind, namespace, name, keys: Vec::new(), is_of_pod: false }
    }

    pub(super) fn want(&self) -> Want<'a> {
        let name = self.name.text().unwrap_or_default();
        Want { group: self.group, kind: self.kind, namespace: self.namespace, name }
    }

    /// As a person says it.
    pub(super) fn title(&self) -> String {
        let name = self.name.text().unwrap_or_default();
        match self.namespace {
            Some(namespace) => format!("{} `{namespace}/{name}`", self.kind),
            None => format!("{} `{name}`", self.kind),
        }
    }

    /// What happens without it.
    pub(super) fn cause(&self) -> String {
        let text = match self.kind {
            "StorageClass" => "the claim stays Pending, and the Pods that use it with it",
            "Issuer" | "ClusterIssuer" => {
                "the certificate is never issued, and its Secret never made"
            }
            "SecretStore" | "ClusterSecretStore" => "the Secret is never fetched",
            "PriorityClass" => "the Pods are refused",
            _ => "whoever refers to it works without it, or not at all",
        };
        text.to_owned()
    }
}

/// Everything that an object refers to and cannot do without.
pub(super) fn of<'a>(facts: &Facts, object: &'a Object) -> Vec<Reference<'a>> {
    let namespace = object.namespace.as_deref();
    let mut all = Vec::new();
    if let Some(spec) = object.pod_spec() {
        for one in refs::of_pod(spec).into_iter().filter(|one| !one.optional) {
            let reference = Reference::new("", one.kind, namespace, one.name);
            all.push(Reference { keys: one.keys(), is_of_pod: true, ..reference });
        }
        // Pull secrets of private images are the matter of L22.
        if !object.containers().iter().any(|one| image::is_private(facts, one)) {
            let names = refs::pull_secrets(spec);
            all.extend(names.map(|name| Reference::new("", "Secret", namespace, name)));
        }
        if let Some(class) = spec.get("priorityClassName")
            && class.text().is_some_and(|name| !name.is_empty() && !name.starts_with("system-"))
        {
            all.push(Reference::new("scheduling.k8s.io", "PriorityClass", None, class));
        }
    }
    match (object.group(), object.kind.as_str()) {
        ("", "PersistentVolumeClaim") => storage_class(facts, &object.node, &mut all),
        ("apps", "StatefulSet") => {
            for claim in object.node.items_at("spec/volumeClaimTemplates") {
                storage_class(facts, claim, &mut all);
            }
        }
        (CERT_MANAGER, "Certificate") => issuer(object, &mut all),
        (EXTERNAL_SECRETS, "ExternalSecret") => {
            let kind = match object.node.str_at("spec/secretStoreRef/kind") {
                Some("ClusterSecretStore") => "ClusterSecretStore",
                _ => "SecretStore",
            };
            let own = namespace.filter(|_| kind == "SecretStore");
            let name = object.node.at("spec/secretStoreRef/name");
            all.extend(name.map(|name| Reference::new(EXTERNAL_SECRETS, kind, own, name)));
        }
        ("networking.k8s.io", "Ingress") => {
            annotated_issuer(object, &mut all);
            let names =
                object.node.items_at("spec/tls").iter().filter_map(|tls| tls.get("secretName"));
            all.extend(names.map(|name| Reference::new("", "Secret", namespace, name)));
        }
        ("gateway.networking.k8s.io", "Gateway") => {
            annotated_issuer(object, &mut all);
            let listeners = object.node.items_at("spec/listeners").iter();
            for one in listeners.flat_map(|listener| listener.items_at("tls/certificateRefs")) {
                let own = one.str_at("namespace").or(namespace);
                if let Some(name) =
                    one.get("name").filter(|_| one.str_at("kind").is_none_or(|k| k == "Secret"))
                {
                    all.push(Reference::new("", "Secret", own, name));
                }
            }
        }
        (SOURCE, _) => {
            let names =
                ["spec/secretRef/name", "spec/certSecretRef/name", "spec/proxySecretRef/name"];
            let found = names.into_iter().filter_map(|path| object.node.at(path));
            all.extend(found.map(|name| Reference::new("", "Secret", namespace, name)));
        }
        (KUSTOMIZE, "Kustomization") => {
            let name = object.node.at("spec/decryption/secretRef/name");
            all.extend(name.map(|name| Reference::new("", "Secret", namespace, name)));
            for from in object.node.items_at("spec/postBuild/substituteFrom") {
                let optional = from.get("optional").and_then(Node::bool).unwrap_or(false);
                if let (Some(kind), Some(name), false) =
                    (from.str_at("kind"), from.get("name"), optional)
                {
                    all.push(Reference::new("", kind, namespace, name));
                }
            }
        }
        _ => {}
    }
    all.retain(|one| one.name.text().is_some_and(|name| !name.is_empty()));
    all
}

/// The class of a claim, unless the claim is for volumes of the kit's own.
fn storage_class<'a>(facts: &Facts, claim: &'a Node, all: &mut Vec<Reference<'a>>) {
    let Some(class) = claim.at("spec/storageClassName") else { return };
    let name = class.text().unwrap_or_default();
    let mut volumes = facts.of_kind("", "PersistentVolume");
    if volumes.any(|volume| volume.node.str_at("spec/storageClassName") == Some(name)) {
        return;
    }
    all.push(Reference::new(STORAGE, "StorageClass", None, class));
}

fn issuer<'a>(object: &'a Object, all: &mut Vec<Reference<'a>>) {
    let Some(issuer) = object.node.at("spec/issuerRef") else { return };
    let group = issuer.str_at("group").unwrap_or(CERT_MANAGER);
    let (Some(name), CERT_MANAGER) = (issuer.get("name"), group) else { return };
    all.push(match issuer.str_at("kind") {
        Some("ClusterIssuer") => Reference::new(CERT_MANAGER, "ClusterIssuer", None, name),
        _ => Reference::new(CERT_MANAGER, "Issuer", object.namespace.as_deref(), name),
    });
}

fn annotated_issuer<'a>(object: &'a Object, all: &mut Vec<Reference<'a>>) {
    let annotations = object.node.at("metadata/annotations");
    if let Some(name) = annotations.and_then(|all| all.get("cert-manager.io/cluster-issuer")) {
        all.push(Reference::new(CERT_MANAGER, "ClusterIssuer", None, name));
    } else if let Some(name) = annotations.and_then(|all| all.get("cert-manager.io/issuer")) {
        all.push(Reference::new(CERT_MANAGER, "Issuer", object.namespace.as_deref(), name));
    }
}
