//! Where a kit's rendering names images.

use std::collections::{BTreeMap, BTreeSet};

use super::{NewTag, Refused};
use crate::facts::Facts;
use crate::finding::Spot;
use crate::object::{Object, Owner};

/// An image as it is named once.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// As written.
    pub(super) name: String,
    /// Without tag and digest.
    pub(super) repository: String,
    /// Empty when there is none.
    pub(super) tag: String,
    pub(super) digest: Option<String>,
    pub(super) owner: Owner,
    pub(super) spot: Spot,
}

/// The images of a kit, those of a group apart.
pub(super) struct Mentions {
    /// Every mention of an image of the group, also in arguments, ConfigMaps and custom objects.
    pub(super) group: Vec<Reference>,
    /// How often every other image is there.
    others: BTreeMap<String, usize>,
}

impl Mentions {
    /// Finds the images whose repository ends with `pattern`.
    pub(super) fn of(facts: &Facts, pattern: &str) -> Result<Self, Refused> {
        let (inside, others): (Vec<_>, Vec<_>) =
            containers(facts).into_iter().partition(|one| fits(pattern, &one.repository));
        if inside.is_empty() {
            let known: BTreeSet<_> = others.iter().map(|one| one.repository.clone()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join("`, `");
            let name = pattern.to_owned();
            return Err(Refused::NoImage { name, known: format!("`{known}`") });
        }
        let repositories: BTreeSet<String> =
            inside.iter().map(|one| one.repository.clone()).collect();
        let mut group = inside;
        for object in facts.applied() {
            elsewhere(object, &repositories, &mut group);
        }
        let mut counted = BTreeMap::new();
        for one in others {
            *counted.entry(one.name).or_default() += 1;
        }
        Ok(Self { group, others: counted })
    }

    /// The mentions that are not as ordered.
    ///
    /// # Errors
    /// One without a tag, or whose digest and the order's do not go together.
    pub(super) fn open(&self, new: &NewTag) -> Result<Vec<&Reference>, Refused> {
        let mut open = Vec::new();
        for one in &self.group {
            let (image, spot) = (one.name.clone(), one.spot.clone());
            match (&one.digest, &new.digest) {
                (None, _) if one.tag.is_empty() => return Err(Refused::NoTag { image, spot }),
                (Some(_), None) => return Err(Refused::Pinned { image, spot }),
                (None, Some(_)) => return Err(Refused::NotPinned { image, spot }),
                _ => {
                    // One that is named by its digest alone stays so.
                    let has_tag = one.tag.is_empty() || one.tag == new.tag;
                    if !has_tag || one.digest != new.digest {
                        open.push(one);
                    }
                }
            }
        }
        Ok(open)
    }

    /// The group's names, sorted.
    pub(super) fn group_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.group.iter().map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Names of other images that are less often there in `after`.
    pub(super) fn others_lost(&self, after: &Self) -> BTreeSet<String> {
        let left = |name: &String| after.others.get(name).copied().unwrap_or_default();
        let lost = self.others.iter().filter(|(name, count)| left(name) < **count);
        lost.map(|(name, _)| name.clone()).collect()
    }
}

/// Names of images that belong to none of the groups.
pub(super) fn outside(facts: &Facts, patterns: &[&str]) -> BTreeSet<String> {
    let is_inside = |one: &Reference| patterns.iter().any(|name| fits(name, &one.repository));
    containers(facts).into_iter().filter(|one| !is_inside(one)).map(|one| one.name).collect()
}

/// A character of a tag.
pub(super) fn is_tag(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn containers(facts: &Facts) -> Vec<Reference> {
    let mut all = Vec::new();
    for object in facts.applied() {
        for container in object.containers() {
            let Some(node) = container.get("image") else { continue };
            let Some(name) = node.text().filter(|name| !name.is_empty()) else { continue };
            all.push(Reference::read(name, object.owner, object.spot(node)));
        }
    }
    all
}

impl Reference {
    fn read(name: &str, owner: Owner, spot: Spot) -> Self {
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (name, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (rest, ""),
        };
        let (repository, tag) = (repository.to_owned(), tag.to_owned());
        Self { name: name.to_owned(), repository, tag, digest, owner, spot }
    }
}

/// Adds what an object's other texts say of known repositories.
fn elsewhere(object: &Object, repositories: &BTreeSet<String>, found: &mut Vec<Reference>) {
    let images: Vec<_> =
        object.containers().into_iter().filter_map(|container| container.get("image")).collect();
    object.node.walk(&mut |node| {
        let Some(text) = node.str() else { return };
        if images.iter().any(|image| std::ptr::eq(*image, node)) {
            return;
        }
        for repository in repositories {
            for (at, _) in text.match_indices(repository.as_str()) {
                let before = &text[..at];
                let joins = |c: char| is_tag(c) || c == '/' || c == ':';
                if before.ends_with(joins) && !before.ends_with("://") {
                    continue;
                }
                let is_part = |c: char| is_tag(c) || c == ':' || c == '@';
                let rest = &text[at + repository.len()..];
                let tail = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let tail = rest[..tail].trim_end_matches(['.', ':']);
                if tail.starts_with(':') || tail.starts_with('@') {
                    let name = format!("{repository}{tail}");
                    found.push(Reference::read(&name, object.owner, object.spot(node)));
                }
            }
        }
    });
}

/// Whether a repository ends with the segments of a pattern.
pub(super) fn fits(pattern: &str, repository: &str) -> bool {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let has: Vec<&str> = repository.split('/').collect();
    wanted.len() <= has.len()
        && wanted.iter().rev().zip(has.iter().rev()).all(|(wanted, has)| segment(wanted, has))
}

/// Whether a segment is as a pattern with stars says.
fn segment(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_the_end_of_a_repository() {
        let repository = "ghcr.io/openova-io/openova/services-auth";
        for (pattern, wanted) in [
            ("services-auth", true),
            ("services-*", true),
            ("*-auth", true),
            ("s*-a*h", true),
            ("openova/services-*", true),
            ("ghcr.io/openova-io/openova/services-auth", true),
            ("services", false),
            ("auth", false),
            ("services-*-auth", false),
            ("x/ghcr.io/openova-io/openova/services-auth", false),
        ] {
            assert_eq!(fits(pattern, repository), wanted, "{pattern}");
        }
    }
}
