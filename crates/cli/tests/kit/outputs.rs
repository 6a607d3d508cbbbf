//! What `kit` prints is a golden: a reviewer reads what a change makes people and programs see.

use catalyst_testkit::golden;
use serde_json::Value;

use crate::place::{Place, tests};

fn hold(name: &str, actual: &str) {
    golden::hold(&tests().join("golden").join(name), actual);
}

#[test]
fn findings_are_told_to_people() {
    let said = Place::new().lint(&[]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    hold("lint.txt", &said.out);
    assert_eq!(said.err, "`catalyst kit explain L18` says more of a rule.\n");
}

#[test]
fn findings_are_told_to_programs() {
    for (form, name) in [("json", "lint.json"), ("github", "lint.github.txt")] {
        let said = Place::new().lint(&["-o", form]);
        assert_eq!(said.code, Some(1), "{form}: {}", said.err);
        hold(name, &said.out);
    }
}

#[test]
fn sarif_names_every_rule_and_every_finding() {
    let said = Place::new().lint(&["-o", "sarif"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let mut sarif: Value = serde_json::from_str(&said.out).unwrap();
    let rules = sarif.pointer_mut("/runs/0/tool/driver/rules").unwrap().as_array_mut().unwrap();
    assert!(rules.len() > 10, "{rules:#?}");
    // Rules come and go, and their pages are goldens of nobody.
    rules.retain(|rule| rule["id"] == "L18");
    rules[0]["help"]["markdown"] = "(the page)".into();
    hold("lint.sarif.json", &(serde_json::to_string_pretty(&sarif).unwrap() + "\n"));
}

#[test]
fn what_would_be_applied_is_printed_under_its_origin() {
    let place = Place::new();
    let said = place.run(&["render", "--release", "setup"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    hold("render.yaml", &said.out);
    let said = place.run(&["render", "-o", "json"]);
    let all: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let kinds: Vec<_> = all.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    let wanted =
        ["HelmRelease", "HelmRelease", "Role", "Secret", "PersistentVolumeClaim", "Deployment"];
    assert_eq!(kinds, wanted);
}

#[test]
fn a_variable_given_by_hand_wins_over_the_file() {
    let said = Place::new().run(&["render", "--set-substitute", "SOVEREIGN_FQDN=mine.test"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("host: web.mine.test"), "{}", said.out);
    assert!(!said.out.contains("example.org"), "{}", said.out);
}

#[test]
fn images_are_listed_with_pin_secrets_and_line() {
    let place = Place::new();
    let said = place.run(&["images"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    hold("images.txt", &said.out);
    let said = place.run(&["images", "-o", "json"]);
    hold("images.json", &said.out);
}

#[test]
fn a_rule_is_explained_and_all_are_listed() {
    let place = Place::new();
    let page = place.run(&["explain", "l18"]);
    assert!(page.out.starts_with("# L18: "), "{}", page.out);
    let list = place.run(&["explain"]);
    assert!(list.out.lines().any(|line| line.starts_with("L18   error")), "{}", list.out);
    let all: Vec<Value> = serde_json::from_str(&place.run(&["explain", "-o", "json"]).out).unwrap();
    assert_eq!(all.len() + 1, list.out.lines().count());
}

#[test]
fn the_schema_lists_the_members_of_the_file() {
    let place = Place::new();
    let schema: Value = serde_json::from_str(&place.run(&["schema", "-o", "json"]).out).unwrap();
    let members = schema["properties"].as_object().unwrap();
    let told = place.run(&["schema"]).out;
    for name in members.keys() {
        assert!(told.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {told}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn lints_help_teaches_with_examples_and_exit_codes() {
    let place = Place::new();
    let told = place.help("lint");
    assert_eq!(told.code, Some(0), "{}", told.err);
    hold("lint.help.txt", &told.out);
}
