//! What the annotations of an object permit: [`Grant`] for a source, [`Mark`] for a copy.

use std::collections::BTreeMap;

use regex::Regex;

/// The source may be copied at all.
const ALLOWED: &str = "reflector.v1.k8s.emberstack.com/reflection-allowed";
/// Where it may be copied; absent or empty: everywhere.
const ALLOWED_NAMESPACES: &str = "reflector.v1.k8s.emberstack.com/reflection-allowed-namespaces";
/// It is copied without being asked for.
const AUTO_ENABLED: &str = "reflector.v1.k8s.emberstack.com/reflection-auto-enabled";
/// Where it is copied without being asked for; absent or empty: wherever it may be.
const AUTO_NAMESPACES: &str = "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces";
/// On a copy: its source, `namespace/name`.
pub(super) const REFLECTS: &str = "reflector.v1.k8s.emberstack.com/reflects";
/// On a copy: the source's resource version that it was made from.
pub(super) const REFLECTED_VERSION: &str = "reflector.v1.k8s.emberstack.com/reflected-version";
/// On a copy: made by the reflector and not asked for by a person.
pub(super) const AUTO_REFLECTS: &str = "reflector.v1.k8s.emberstack.com/auto-reflects";

/// Longest entry of a list, and the compiled size of its expression, in bytes.
const PATTERN_LIMIT_BYTES: usize = 256;
const COMPILED_LIMIT_BYTES: usize = 1 << 16;

type Annotations = BTreeMap<String, String>;

/// Where a source may be copied, and where it is copied unasked.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    allowed: Namespaces,
    auto: Option<Namespaces>,
}

impl Grant {
    /// The grant in these annotations; none if copying is not allowed.
    pub(super) fn read(annotations: &Annotations) -> Option<Self> {
        if !is_true(annotations.get(ALLOWED)) {
            return None;
        }
        let auto = is_true(annotations.get(AUTO_ENABLED))
            .then(|| Namespaces::read(annotations.get(AUTO_NAMESPACES)));
        Some(Self { allowed: Namespaces::read(annotations.get(ALLOWED_NAMESPACES)), auto })
    }

    /// Whether a copy may be in this namespace.
    pub(super) fn allows(&self, namespace: &str) -> bool {
        self.allowed.contains(namespace)
    }

    /// Whether a copy shall be in this namespace without anybody asking.
    pub(super) fn pushes_to(&self, namespace: &str) -> bool {
        self.allows(namespace) && self.auto.as_ref().is_some_and(|auto| auto.contains(namespace))
    }
}

/// A list of namespaces: names or expressions that must match the whole name.
#[derive(Debug, Clone)]
enum Namespaces {
    All,
    Matching(Vec<Regex>),
}

impl Namespaces {
    /// Reads a comma list. An entry that is no expression, or too large a one, matches nothing: what
    /// cannot be understood permits nothing.
    fn read(list: Option<&String>) -> Self {
        let entries: Vec<&str> = list
            .map(|list| list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect())
            .unwrap_or_default();
        if entries.is_empty() {
            return Self::All;
        }
        Self::Matching(entries.into_iter().filter_map(anchored).collect())
    }

    fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.is_match(namespace)),
        }
    }
}

fn anchored(entry: &str) -> Option<Regex> {
    if entry.len() > PATTERN_LIMIT_BYTES {
        return None;
    }
    // The group keeps an alternative inside the anchors: `a|b` must not mean `^a` or `b$`.
    regex::RegexBuilder::new(&format!("^(?:{entry})$"))
        .size_limit(COMPILED_LIMIT_BYTES)
        .build()
        .ok()
}

fn is_true(value: Option<&String>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The mark of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Namespace of the source.
    pub(super) source_namespace: String,
    /// Name of the source.
    pub(super) source_name: String,
    /// Who wanted the copy.
    pub(super) origin: Origin,
}

/// Who wanted a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The reflector made it: it takes it away again.
    Pushed,
    /// A person made it and asked for the content: it is filled, and never taken away.
    Requested,
}

impl Mark {
    /// The mark in these annotations; none if the object is nobody's copy.
    pub(super) fn read(annotations: &Annotations) -> Option<Self> {
        let (namespace, name) = annotations.get(REFLECTS)?.split_once('/')?;
        let origin = match is_true(annotations.get(AUTO_REFLECTS)) {
            true => Origin::Pushed,
            false => Origin::Requested,
        };
        Some(Self { source_namespace: namespace.to_owned(), source_name: name.to_owned(), origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn pushed(allowed: &str, auto: &str) -> impl Fn(&str) -> bool {
        let grant = Grant::read(&annotations(&[
            (ALLOWED, "true"),
            (ALLOWED_NAMESPACES, allowed),
            (AUTO_ENABLED, "True"),
            (AUTO_NAMESPACES, auto),
        ]))
        .unwrap();
        move |namespace| grant.pushes_to(namespace)
    }

    #[test]
    fn nothing_is_granted_without_the_word() {
        for value in ["", "false", "yes", "1"] {
            assert!(Grant::read(&annotations(&[(ALLOWED, value)])).is_none(), "{value}");
        }
        assert!(Grant::read(&annotations(&[(AUTO_ENABLED, "true")])).is_none());
    }

    #[test]
    fn allowed_alone_pushes_nowhere() {
        let grant = Grant::read(&annotations(&[(ALLOWED, "true")])).unwrap();
        assert!(grant.allows("anywhere"));
        assert!(!grant.pushes_to("anywhere"));
    }

    #[test]
    fn empty_lists_mean_everywhere() {
        assert!(pushed("", "")("anywhere"));
        assert!(pushed(" , ", "gitea")("gitea"));
    }

    #[test]
    fn a_push_needs_both_lists() {
        let pushed = pushed("gitea,harbor", "gitea,newapi");
        assert!(pushed("gitea"));
        assert!(!pushed("harbor"));
        assert!(!pushed("newapi"));
    }

    #[test]
    fn entries_match_whole_names() {
        let pushed = pushed("", "gitea, team-[0-9]+ ,a|b");
        for namespace in ["gitea", "team-12", "a", "b"] {
            assert!(pushed(namespace), "{namespace}");
        }
        for namespace in ["gitea-2", "my-gitea", "team-", "team-1x", "ab", "xb", "ax"] {
            assert!(!pushed(namespace), "{namespace}");
        }
    }

    #[test]
    fn what_is_no_expression_permits_nothing() {
        assert!(!pushed("", "(")("("));
        assert!(!pushed("(", "")("anything"));
        assert!(pushed("", "(,gitea")("gitea"));
        assert!(!pushed("", &"a".repeat(300))(&"a".repeat(300)));
    }

    #[test]
    fn a_mark_names_source_and_origin() {
        let mark = Mark::read(&annotations(&[(REFLECTS, "flux-system/ghcr-pull")])).unwrap();
        assert_eq!(mark.source_namespace, "flux-system");
        assert_eq!(mark.source_name, "ghcr-pull");
        assert_eq!(mark.origin, Origin::Requested);
        let pushed = annotations(&[(REFLECTS, "a/b"), (AUTO_REFLECTS, "True")]);
        assert_eq!(Mark::read(&pushed).unwrap().origin, Origin::Pushed);
        assert!(Mark::read(&annotations(&[(REFLECTS, "no slash")])).is_none());
        assert!(Mark::read(&annotations(&[])).is_none());
    }
}
