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

/// The parts of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// The registry, if one is stated.
    pub(crate) registry: Option<&'a str>,
    /// The repository with its registry, without tag and digest.
    pub(crate) repository: &'a str,
    /// The tag.
    pub(crate) tag: Option<&'a str>,
    /// The digest, with its algorithm.
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads a reference; nothing for what no runtime would take.
    pub(crate) fn read(name: &'a str) -> Option<Self> {
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (name, None),
        };
        let last = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[last..].find(':') {
            Some(at) => (&rest[..last + at], Some(&rest[last + at + 1..])),
            None => (rest, None),
        };
        let registry = registry(name);
        let path = registry
            .map_or(repository, |host| repository.get(host.len() + 1..).unwrap_or_default());
        let is_part = |part: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            !part.is_empty() && part.chars().all(fits)
        };
        let is_tag = |tag: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.chars().all(fits)
        };
        let is_digest = |digest: &str| {
            digest.split_once(':').is_some_and(|(kind, hex)| {
                !kind.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
            })
        };
        let is_whole =
            path.split('/').all(is_part) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
        is_whole.then_some(Self { registry, repository, tag, digest })
    }
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

/// Whether a container's image is one of those nobody may pull without a pull secret.
pub(crate) fn is_private(facts: &Facts, container: &Node) -> bool {
    container.str_at("image").is_some_and(|name| has_private_prefix(facts, name))
}

/// Whether a reference begins with one of the prefixes that are declared private.
pub(crate) fn has_private_prefix(facts: &Facts, name: &str) -> bool {
    facts.settings.private_images.iter().any(|prefix| {
        let rest = name.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_in_its_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let name = format!("localhost:5000/a/b:1.2@{digest}");
        let read = Reference::read(&name).unwrap();
        assert_eq!(
            (read.registry, read.repository),
            (Some("localhost:5000"), "localhost:5000/a/b")
        );
        assert_eq!((read.tag, read.digest), (Some("1.2"), Some(digest.as_str())));
        assert_eq!(Reference::read("busybox").unwrap().registry, None);
        assert_eq!(Reference::read("quay.io/a/b").unwrap().tag, None);
    }

    #[test]
    fn what_no_runtime_takes_is_no_reference() {
        for text in
            ["a:", "quay.io/a:", "quay.io//a:1", "Quay.io/A:1", "a b", "a@sha256:x", "<no value>"]
        {
            assert_eq!(Reference::read(text), None, "{text}");
        }
    }
}
