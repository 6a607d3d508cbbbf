//! What to write, from what is there: [`plan`], without any effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::ByteString;

use super::rules::{Grant, Mark, Origin};

/// The two kinds that are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// Its kind.
    pub(super) kind: Kind,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What is copied. Its `Debug` names keys only.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Content {
    /// The type of a Secret; it can never be changed on an object.
    pub(super) secret_type: Option<String>,
    /// A Secret's `data`, a ConfigMap's `binaryData`.
    pub(super) bytes: BTreeMap<String, ByteString>,
    /// A ConfigMap's `data`.
    pub(super) texts: BTreeMap<String, String>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("secret_type", &self.secret_type)
            .field("keys", &self.bytes.keys().chain(self.texts.keys()).collect::<Vec<_>>())
            .finish()
    }
}

/// An object that may be copied.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Which object.
    pub(super) key: Key,
    /// Where it may go.
    pub(super) grant: Grant,
    /// Its resource version.
    pub(super) version: String,
    /// What is copied.
    pub(super) content: Arc<Content>,
}

/// An object that is there.
#[derive(Debug, Clone)]
pub(super) struct Existing {
    /// Which object.
    pub(super) key: Key,
    /// Its resource version: a write is refused if it has changed meanwhile.
    pub(super) version: String,
    /// Its identity: a deletion is refused if another object has taken the name.
    pub(super) uid: String,
    /// Whose copy it is; none: not ours to touch.
    pub(super) mark: Option<Mark>,
    /// What it holds; empty for an object that is not ours.
    pub(super) content: Arc<Content>,
}

/// One write.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Make a copy.
    Create { target: Key, source: Source },
    /// Give a copy its source's content.
    Update { target: Key, version: String, source: Source },
    /// Take a copy away.
    Delete { target: Key, version: String, uid: String, reason: Reason },
}

/// Why a copy is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is no such source any more.
    SourceGone,
    /// The source no longer permits this namespace.
    PermissionWithdrawn,
    /// The type of a Secret cannot be changed; the next round makes it anew.
    TypeChanged,
}

/// What a round does, and what it cannot do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Writes, in no particular order: each stands for itself.
    pub(super) actions: Vec<Action>,
    /// Wanted copies whose place is taken by an object of somebody else.
    pub(super) conflicts: BTreeSet<Key>,
}

/// Compares what should be with what is.
///
/// `namespaces` are those that can take an object: not the terminating ones. `existing` holds every
/// Secret and ConfigMap, for a copy must not take the place of an object that is not ours. Two sources
/// that want one place: the one that has it keeps it, else the first by namespace gets it.
pub(super) fn plan(
    sources: &[Source],
    namespaces: &BTreeSet<String>,
    existing: &[Existing],
) -> Plan {
    let sources: BTreeMap<&Key, &Source> =
        sources.iter().map(|source| (&source.key, source)).collect();
    let there: BTreeMap<&Key, &Existing> =
        existing.iter().map(|object| (&object.key, object)).collect();
    let mut plan = Plan::default();
    for object in existing.iter().filter(|object| namespaces.contains(&object.key.namespace)) {
        if let Some(mark) = &object.mark {
            plan.actions.extend(keep_or_take_away(object, mark, &sources));
        }
    }
    let mut claimed = BTreeSet::new();
    for source in sources.values() {
        for target in wanted(source, namespaces) {
            match there.get(&target) {
                None if claimed.insert(target.clone()) => {
                    plan.actions.push(Action::Create { target, source: (*source).clone() });
                }
                Some(object) if is_copy_of(object, &source.key) => {}
                None | Some(_) => {
                    plan.conflicts.insert(target);
                }
            }
        }
    }
    plan
}

/// Where the source shall be copied unasked.
fn wanted(source: &Source, namespaces: &BTreeSet<String>) -> impl Iterator<Item = Key> {
    namespaces
        .iter()
        .filter(|namespace| {
            **namespace != source.key.namespace && source.grant.pushes_to(namespace)
        })
        .map(|namespace| Key { namespace: namespace.clone(), ..source.key.clone() })
}

fn is_copy_of(object: &Existing, source: &Key) -> bool {
    object.mark.as_ref().is_some_and(|mark| {
        mark.source_namespace == source.namespace && mark.source_name == source.name
    })
}

fn keep_or_take_away(
    object: &Existing,
    mark: &Mark,
    sources: &BTreeMap<&Key, &Source>,
) -> Option<Action> {
    let take_away = |reason| Action::Delete {
        target: object.key.clone(),
        version: object.version.clone(),
        uid: object.uid.clone(),
        reason,
    };
    let source_key = Key {
        kind: object.key.kind,
        namespace: mark.source_namespace.clone(),
        name: mark.source_name.clone(),
    };
    let source = sources.get(&source_key);
    let namespace = &object.key.namespace;
    let permitted = source.is_some_and(|source| match mark.origin {
        Origin::Pushed => source.grant.pushes_to(namespace),
        Origin::Requested => source.grant.allows(namespace),
    });
    match (mark.origin, source) {
        (Origin::Pushed, None) => Some(take_away(Reason::SourceGone)),
        (Origin::Pushed, Some(_)) if !permitted => Some(take_away(Reason::PermissionWithdrawn)),
        (_, Some(source)) if permitted && object.content != source.content => {
            if object.content.secret_type == source.content.secret_type {
                Some(Action::Update {
                    target: object.key.clone(),
                    version: object.version.clone(),
                    source: (*source).clone(),
                })
            } else {
                // A person's own object is not taken away, even to be made anew.
                (mark.origin == Origin::Pushed).then(|| take_away(Reason::TypeChanged))
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
