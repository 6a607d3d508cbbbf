//! `down`, `sandbox down` and `sandbox status`: looking and ending need nothing but this program.

use std::fs;

use crate::program::{Program, is_root};

/// A program that finds no other: no Go, no shell.
fn alone() -> Program {
    Program::new().with("PATH", "/nonexistent")
}

#[test]
fn looking_needs_no_go_and_makes_no_folder() {
    let catalyst = alone();
    for args in [
        &["sandbox", "status"][..],
        &["sandbox", "status", "-o", "json"],
        &["sandbox", "status", "sov1"],
        &["sandbox", "logs", "sov1"],
        &["sandbox", "kubeconfig", "sov1"],
        &["sandbox", "outside", "status"],
    ] {
        let said = catalyst.run(args);
        assert!(!said.err.contains("CAT-3100"), "{args:?}: {}", said.err);
        let unknown = said.err.contains("CAT-3205");
        assert_eq!(said.code, Some(if unknown { 5 } else { 0 }), "{args:?}: {}", said.err);
    }
    assert_eq!(catalyst.run(&["sandbox", "status", "-o", "json"]).out.trim(), "[]");
    let made: Vec<_> = fs::read_dir(catalyst.folder()).unwrap().flatten().collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn down_needs_no_go() {
    if !is_root() {
        return;
    }
    let catalyst = alone();
    let said = catalyst.run(&["down"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said = catalyst.run(&["sandbox", "down", "zz-never"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("ended zz-never"), "{}", said.err);
}

#[test]
fn a_purge_leaves_the_files_of_others() {
    if !is_root() {
        return;
    }
    let catalyst = alone();
    fs::create_dir_all(catalyst.home().join("outside")).unwrap();
    fs::write(catalyst.home().join("letter.txt"), "dear").unwrap();
    let said = catalyst.run(&["down", "--purge"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("letter.txt"), "{}", said.err);
    assert_eq!(fs::read_to_string(catalyst.home().join("letter.txt")).unwrap(), "dear");
    assert!(!catalyst.home().join("outside").exists());
}

#[test]
fn one_stuck_sovereign_keeps_nothing_else_up_and_is_named() {
    if !is_root() {
        return;
    }
    let catalyst = Program::new();
    let record = |name: &str, text: &str| {
        let folder = catalyst.home().join("sovereigns").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("sovereign.json"), text).unwrap();
    };
    // A link that no rule allows cannot be removed; a damaged record stands in nobody's way.
    record(
        "zz-a-stuck",
        r#"{"name":"zz-a-stuck","index":99,"prefix":"10.210.0","deployment_id":null,"created":"2026-01-01T00:00:00Z"}"#,
    );
    record("zz-b-fine", "{");
    let said = catalyst.run(&["down", "--purge"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("could not be ended: zz-a-stuck\n"), "{}", said.err);
    assert!(said.err.contains("ended zz-b-fine"), "{}", said.err);
    assert!(said.err.contains("ended the outside world"), "{}", said.err);
    assert!(catalyst.home().join("sovereigns/zz-a-stuck").is_dir());
    assert!(!catalyst.home().join("sovereigns/zz-b-fine").exists());
}
