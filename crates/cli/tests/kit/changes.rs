//! `--changed-since` tells what a change reaches, and leaves out the rest.

use std::process::Command;

use crate::place::Place;

pub(crate) fn git(place: &Place, args: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(place.root()).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    let done = git.args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A repository whose one commit holds the tree.
pub(crate) fn repository() -> Place {
    let place = Place::new();
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    git(&place, &["add", "."]);
    git(&place, &["commit", "--quiet", "-m", "the kit"]);
    place
}

/// The rules whose findings are told, and how many are left out.
fn told(place: &Place) -> (Vec<String>, u64) {
    let said = place.lint(&["--changed-since", "main", "-o", "json"]);
    assert!(matches!(said.code, Some(0 | 1)), "{}", said.err);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    let mut rules: Vec<_> = findings.map(|f| f["rule"].as_str().unwrap().to_owned()).collect();
    rules.dedup();
    (rules, json["elsewhere"].as_u64().unwrap())
}

#[test]
fn a_tree_without_changes_has_no_findings() {
    assert_eq!(told(&repository()), (vec![], 3));
}

#[test]
fn a_changed_chart_reaches_its_release_and_whatever_waits_for_it() {
    let place = repository();
    place.edit("charts/web/values.yaml", "host: \"\"", "host: a");
    assert_eq!(told(&place), (vec!["L16".to_owned()], 2));
    let place = repository();
    place.edit("charts/setup/values.yaml", "host: \"\"", "host: a");
    assert_eq!(told(&place), (vec!["L18".to_owned(), "L16".to_owned()], 0));
}

#[test]
fn a_declaration_a_new_file_and_a_file_that_is_gone_count() {
    let place = repository();
    place.edit("clusters/kit/20-web.yaml", "interval: 15m", "interval: 16m");
    assert_eq!(told(&place), (vec!["L16".to_owned()], 2));
    let place = repository();
    place.write("charts/web/templates/NOTES.txt", "new");
    assert_eq!(told(&place), (vec!["L16".to_owned()], 2));
    let place = repository();
    std::fs::remove_file(place.root().join("charts/web/values.yaml")).unwrap();
    assert_eq!(told(&place), (vec!["L16".to_owned()], 2));
}

#[test]
fn a_kustomization_file_and_the_settings_reach_everything_of_theirs() {
    for (path, text) in
        [("clusters/kit/kustomization.yaml", "kind:"), ("catalyst-kit.yaml", "substitute:")]
    {
        let place = repository();
        place.edit(path, text, &format!("# said\n{text}"));
        assert_eq!(told(&place).1, 0, "{path}");
    }
}

#[test]
fn what_is_committed_since_counts_as_what_is_only_edited() {
    let place = repository();
    place.edit("charts/web/values.yaml", "host: \"\"", "host: a");
    git(&place, &["checkout", "--quiet", "-b", "topic"]);
    git(&place, &["commit", "--quiet", "-am", "a host"]);
    assert_eq!(told(&place), (vec!["L16".to_owned()], 2));
}

#[test]
fn a_revision_that_git_does_not_know_is_bad_usage() {
    let place = repository();
    for revision in ["zz", "--output=x", ""] {
        let said = place.lint(&[&format!("--changed-since={revision}")]);
        assert_eq!(said.code, Some(2), "{revision}: {}", said.out);
        assert!(said.err.contains("no revision") && said.err.contains("fix:"), "{}", said.err);
    }
    assert!(!place.root().join("x").exists());
    let place = Place::new();
    assert_eq!(place.lint(&["--changed-since", "main"]).code, Some(2), "no repository");
}
