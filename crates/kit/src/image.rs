//! The images of a kit: what is pulled, from where, with which secrets, and which line says so.

use crate::facts::Facts;
use crate::finding::Spot;
use crate::object::Object;
use crate::refs;
use crate::yaml::Node;

/// One mention of an image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The reference as the kubelet gets it.
    pub name: String,
    /// The object that names it.
    pub object: String,
    /// Where the reference stands.
    pub spot: Spot,
    /// Names of the Pod's pull secrets, and of its account's.
    pub pull_secrets: Vec<String>,
}

impl Image {
    /// The registry; nothing when the reference states none.
    pub fn registry(&self) -> Option<&str> {
        registry(&self.name)
    }

    /// The digest it is pinned by.
    pub fn digest(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, digest)| digest)
    }
}

/// The registry of a reference; nothing when it states none, so that the runtime's default is meant.
pub(crate) fn registry(name: &str) -> Option<&str> {
    let (first, _) = name.split_once('/')?;
    (first.contains('.') || first.contains(':') || first == "localhost").then_some(first)
}

/// Every image that Pods of the kit run, hooks and init containers included.
pub fn images(facts: &Facts) -> Vec<Image> {
    let mut all = Vec::new();
    for object in facts.applied() {
        for container in object.containers() {
            let Some(image) = container.get("image") else { continue };
            let Some(name) = image.text().filter(|name| !name.is_empty()) else { continue };
            all.push(Image {
                name: name.to_owned(),
                object: object.title(),
                spot: object.spot(image),
                pull_secrets: pull_secrets(facts, object),
            });
        }
    }
    all
}

/// Names of the pull secrets that a Pod of the object is given.
pub(crate) fn pull_secrets(facts: &Facts, object: &Object) -> Vec<String> {
    let Some(spec) = object.pod_spec() else { return Vec::new() };
    let mut names: Vec<String> =
        refs::pull_secrets(spec).filter_map(Node::text).map(str::to_owned).collect();
    let account = spec.str_at("serviceAccountName").unwrap_or("default");
    let account = facts.find("", "ServiceAccount", object.namespace.as_deref(), account);
    if let Some(account) = account {
        names.extend(refs::pull_secrets(&account.node).filter_map(Node::text).map(str::to_owned));
    }
    names
}
