//! Facts about the decision, each on the smallest cluster that shows it.

use super::*;

const PREFIX: &str = "reflector.v1.k8s.emberstack.com";

fn key(namespace: &str, name: &str) -> Key {
    Key { kind: Kind::Secret, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn grant(allowed: &str, auto: Option<&str>) -> Grant {
    let mut annotations = BTreeMap::from([
        (format!("{PREFIX}/reflection-allowed"), "true".to_owned()),
        (format!("{PREFIX}/reflection-allowed-namespaces"), allowed.to_owned()),
    ]);
    if let Some(auto) = auto {
        annotations.insert(format!("{PREFIX}/reflection-auto-enabled"), "true".to_owned());
        annotations.insert(format!("{PREFIX}/reflection-auto-namespaces"), auto.to_owned());
    }
    Grant::read(&annotations).unwrap()
}

fn content(value: &str) -> Arc<Content> {
    Arc::new(Content {
        secret_type: Some("kubernetes.io/dockerconfigjson".to_owned()),
        bytes: BTreeMap::from([("k".to_owned(), ByteString(value.as_bytes().to_vec()))]),
        texts: BTreeMap::new(),
    })
}

/// `flux-system/ghcr-pull`, pushed to the namespaces of the list.
fn source(auto: &str, value: &str) -> Source {
    Source {
        key: key("flux-system", "ghcr-pull"),
        grant: grant("", Some(auto)),
        version: "7".to_owned(),
        content: content(value),
    }
}

fn object(namespace: &str, mark: Option<(&str, Origin)>, value: &str) -> Existing {
    Existing {
        key: key(namespace, "ghcr-pull"),
        version: "3".to_owned(),
        uid: "u".to_owned(),
        mark: mark.map(|(source_namespace, origin)| Mark {
            source_namespace: source_namespace.to_owned(),
            source_name: "ghcr-pull".to_owned(),
            origin,
        }),
        content: content(value),
    }
}

fn pushed(namespace: &str, value: &str) -> Existing {
    object(namespace, Some(("flux-system", Origin::Pushed)), value)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The plan in words, so that a case is a line.
fn check(sources: &[Source], namespaces: &[&str], existing: &[Existing], expected: &[&str]) {
    let plan = plan(sources, &names(namespaces), existing);
    let mut words: Vec<String> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::Create { target, source } => {
                format!("create {} from {}", target.namespace, source.key.namespace)
            }
            Action::Update { target, version, .. } => {
                format!("update {} at {version}", target.namespace)
            }
            Action::Delete { target, reason, .. } => {
                format!("delete {} {reason:?}", target.namespace)
            }
        })
        .collect();
    words.extend(plan.conflicts.iter().map(|key| format!("conflict {}", key.namespace)));
    words.sort();
    assert_eq!(words, expected);
}

#[test]
fn a_copy_is_made_where_the_list_says_and_nowhere_else() {
    check(
        &[source("gitea,harbor", "a")],
        &["default", "flux-system", "gitea", "harbor"],
        &[object("flux-system", None, "a")],
        &["create gitea from flux-system", "create harbor from flux-system"],
    );
}

#[test]
fn a_source_is_not_copied_onto_itself() {
    check(&[source("", "a")], &["flux-system"], &[object("flux-system", None, "a")], &[]);
}

#[test]
fn a_namespace_that_appears_gets_its_copy() {
    let source = source("team-.*", "a");
    check(std::slice::from_ref(&source), &["flux-system"], &[], &[]);
    check(&[source], &["flux-system", "team-1"], &[], &["create team-1 from flux-system"]);
}

#[test]
fn equal_copies_are_left_alone() {
    check(&[source("gitea", "a")], &["gitea"], &[pushed("gitea", "a")], &[]);
}

#[test]
fn a_changed_source_changes_its_copies() {
    check(&[source("gitea", "b")], &["gitea"], &[pushed("gitea", "a")], &["update gitea at 3"]);
}

#[test]
fn a_copy_goes_with_its_source() {
    check(&[], &["gitea"], &[pushed("gitea", "a")], &["delete gitea SourceGone"]);
}

#[test]
fn a_copy_goes_with_its_permission() {
    check(
        &[source("harbor", "a")],
        &["gitea", "harbor"],
        &[pushed("gitea", "a"), pushed("harbor", "a")],
        &["delete gitea PermissionWithdrawn"],
    );
}

#[test]
fn an_object_of_somebody_else_is_never_touched() {
    check(
        &[source("gitea", "a")],
        &["gitea"],
        &[object("gitea", None, "theirs")],
        &["conflict gitea"],
    );
    check(&[], &["gitea"], &[object("gitea", None, "theirs")], &[]);
}

#[test]
fn a_copy_of_another_source_keeps_its_place() {
    let other = Source { key: key("aaa", "ghcr-pull"), ..source("gitea", "z") };
    check(&[other, source("gitea", "a")], &["gitea"], &[pushed("gitea", "a")], &["conflict gitea"]);
}

#[test]
fn of_two_sources_the_first_by_namespace_gets_a_free_place() {
    let other = Source { key: key("aaa", "ghcr-pull"), ..source("gitea", "z") };
    check(
        &[source("gitea", "a"), other],
        &["gitea"],
        &[],
        &["conflict gitea", "create gitea from aaa"],
    );
}

#[test]
fn a_requested_copy_is_filled_and_never_taken_away() {
    let requested = |value| object("gitea", Some(("flux-system", Origin::Requested)), value);
    let allowed = Source { grant: grant("gitea", None), ..source("", "b") };
    let refused = Source { grant: grant("harbor", None), ..source("", "b") };
    check(&[allowed], &["gitea"], &[requested("a")], &["update gitea at 3"]);
    check(&[refused], &["gitea"], &[requested("a")], &[]);
    check(&[], &["gitea"], &[requested("a")], &[]);
}

#[test]
fn a_secret_of_another_type_is_made_anew() {
    let mut changed = source("gitea", "a");
    changed.content = Arc::new(Content {
        secret_type: Some("Opaque".to_owned()),
        ..Content::clone(&changed.content)
    });
    check(&[changed], &["gitea"], &[pushed("gitea", "a")], &["delete gitea TypeChanged"]);
}

#[test]
fn a_terminating_namespace_is_left_to_go() {
    check(&[], &["default"], &[pushed("gitea", "a")], &[]);
    check(&[source("gitea", "b")], &["default"], &[pushed("gitea", "a")], &[]);
}

#[test]
fn kinds_do_not_meet() {
    let mut config_map = pushed("gitea", "a");
    config_map.key.kind = Kind::ConfigMap;
    check(
        &[source("gitea", "a")],
        &["gitea"],
        &[config_map],
        &["create gitea from flux-system", "delete gitea SourceGone"],
    );
}

#[test]
fn carrying_a_plan_out_leaves_nothing_to_do() {
    let sources = [source("gitea,harbor", "b")];
    let existing = [pushed("gitea", "a"), pushed("newapi", "a")];
    let first = plan(&sources, &names(&["gitea", "harbor", "newapi"]), &existing);
    assert_eq!(first.actions.len(), 3);
    let after = [pushed("gitea", "b"), pushed("harbor", "b")];
    check(&sources, &["gitea", "harbor", "newapi"], &after, &[]);
}

#[test]
fn debug_output_holds_no_value() {
    let text = format!("{:?}", source("gitea", "hunter2"));
    assert!(!text.contains("hunter2") && !text.contains("104, 117"), "{text}");
}
