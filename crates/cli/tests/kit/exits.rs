//! Exit codes: 0 clean, 1 found, 2 not all could be read, 5 the machine lacks something.

use std::io::Read as _;

use serde_json::Value;

use crate::place::{Place, RULES, said};

#[test]
fn a_clean_tree_is_green_and_says_what_was_judged() {
    let said = Place::new().run(&["lint", "--rule", "L02"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, "✓ nothing found in 6 objects of 2 releases\n");
}

#[test]
fn warnings_alone_do_not_fail() {
    let place = Place::new();
    place.edit("charts/setup/templates/role.yaml", "create, watch", "watch");
    let said = place.run(&["lint", "--rule", "L18"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.out.contains("! 0 errors, 1 warning in"), "{}", said.out);
}

#[test]
fn what_cannot_be_read_or_rendered_is_never_green() {
    let cases: &[(&str, &str, &str)] = &[
        ("clusters/kit/20-web.yaml", "metadata:", "metadata: ["),
        ("clusters/kit/20-web.yaml", "./charts/web", "./charts/none"),
        ("clusters/kit/kustomization.yaml", "20-web.yaml", "21-web.yaml"),
        ("charts/web/templates/web.yaml", "kind: Deployment", "kind: {{ fail \"no\" }}"),
        ("catalyst-kit.yaml", "privateImages", "privateImage"),
    ];
    for (path, old, new) in cases {
        let place = Place::new();
        place.edit(path, old, new);
        // No fault of the rules asked for is left, so that only the reading can fail.
        for form in ["human", "json", "github"] {
            let said = place.run(&["lint", "--rule", "L02", "-o", form]);
            assert_eq!(said.code, Some(2), "{path}: {new}: {} {}", said.out, said.err);
            assert!(!said.out.contains("nothing found"), "{}", said.out);
            let partial = said.out.contains("load") || said.out.contains("\"partial\": true");
            assert!(partial, "{path}: {new}: {}", said.out);
        }
        let baseline = place.root().join("known.json");
        let to = baseline.to_str().unwrap();
        let said = place.run(&["lint", "--rule", "L02", "--write-baseline", to]);
        assert_eq!(said.code, Some(2), "{}", said.out);
        assert!(!baseline.exists(), "a baseline of what nobody saw");
    }
}

#[test]
fn a_partial_render_prints_what_there_is_and_fails() {
    let place = Place::new();
    place.edit("charts/web/templates/web.yaml", "kind: Deployment", "kind: {{ fail \"no\" }}");
    for verb in ["render", "images"] {
        let said = place.run(&[verb]);
        assert_eq!(said.code, Some(2), "{verb}: {}", said.err);
        assert!(said.err.contains("charts/web/templates/web.yaml:13"), "{verb}: {}", said.err);
    }
}

#[test]
fn bad_usage_is_2_and_says_what_would_do() {
    let place = Place::new();
    let cases: &[(&[&str], &str)] = &[
        (&["lint", "nowhere"], "`nowhere` cannot be read"),
        (&["lint", "--rule", "L99"], "`catalyst kit explain` lists them"),
        (&["explain", "L99"], "`catalyst kit explain` lists them"),
        (&["lint", "--set-substitute", "A"], "write NAME=VALUE"),
        (&["lint", "--baseline", "nowhere.json"], "--write-baseline"),
        (&["lint", "--profile", "zz"], "`clusters/kit`"),
        (&["render", "--release", "zz"], "These are here: setup, web."),
        (&["render", "-o", "sarif"], "only `catalyst kit lint` writes them"),
        (&["explain", "-o", "github"], "only `catalyst kit lint` writes them"),
    ];
    for (args, told) in cases {
        let said = place.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {} {}", said.out, said.err);
        assert!(format!("{}{}", said.out, said.err).contains(told), "{args:?}: {said:?}");
    }
    std::fs::create_dir(place.root().join("empty")).unwrap();
    let said = place.run(&["lint", "empty"]);
    assert_eq!(said.code, Some(2), "an empty folder is not clean: {}", said.out);
}

#[test]
fn without_a_renderer_and_a_checkout_the_machine_lacks_something() {
    let place = Place::new();
    let mut command = place.command(&["lint"]);
    let cache = place.root().join("cache");
    command.env("CATALYST_CACHE", &cache).env_remove("CATALYST_SOURCE");
    let told = said(&mut command);
    assert_eq!(told.code, Some(5), "{}", told.err);
    assert!(told.err.contains("CAT-3107") && told.err.contains("scripts/kit-render"), "{told:?}");
    let mut command = place.command(&["lint", "-o", "json", "--renderer", "/nowhere"]);
    let told = said(command.env("CATALYST_CACHE", &cache));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.out.contains("cannot be run"), "{told:?}");
}

#[test]
fn a_permission_that_ended_is_an_error_and_no_baseline_holds_it() {
    let place = Place::new();
    place.edit("charts/web/templates/web.yaml", "until=2099-01-01", "until=2026-01-01");
    let told = place.lint(&["-o", "json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let json: Value = serde_json::from_str(&told.out).unwrap();
    let rules: Vec<_> = json["findings"].as_array().unwrap().iter().map(|f| &f["rule"]).collect();
    assert!(rules.contains(&&"allow".into()) && rules.contains(&&"L54".into()), "{rules:?}");
    let told = place.lint(&["--write-baseline", "known.json"]);
    assert_eq!(told.code, Some(1), "the permission is still to be decided: {}", told.out);
    let told = place.lint(&["--baseline", "known.json"]);
    assert_eq!(told.code, Some(1), "{}", told.out);
    assert!(told.out.contains("the permission for L54 ended on 2026-01-01"), "{}", told.out);
    assert!(told.out.contains("✕ 1 error, 0 warnings"), "{}", told.out);
}

#[test]
fn a_baseline_keeps_what_was_there_before_and_tells_what_is_new() {
    let place = Place::new();
    let told = place.lint(&["--write-baseline", "known.json"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let told = place.lint(&["--baseline", "known.json"]);
    assert_eq!(told.code, Some(0), "{}", told.out);
    assert!(told.out.contains("✓ nothing found in 6 objects of 2 releases"), "{}", told.out);
    assert!(told.out.contains("3 known before"), "{}", told.out);
    // What moves stays known; what is new does not hide.
    place.edit("charts/setup/templates/role.yaml", "rules:", "# a line more\nrules:");
    assert_eq!(place.lint(&["--baseline", "known.json"]).code, Some(0));
    place.edit("charts/web/templates/web.yaml", "# catalyst-allow", "# said");
    let told = place.lint(&["--baseline", "known.json"]);
    assert_eq!(told.code, Some(1), "{}", told.out);
    assert!(told.out.contains("error[L54]") && !told.out.contains("[L18]"), "{}", told.out);
}

#[test]
fn colours_and_progress_are_for_terminals_only() {
    let place = Place::new();
    let told = place.lint(&["--no-cache"]);
    assert!(!told.out.contains('\u{1b}') && !told.err.contains('\u{1b}'), "{told:?}");
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
}

#[test]
fn a_reader_that_goes_away_does_not_turn_findings_green() {
    let place = Place::new();
    let mut command = place.command(&[&["lint"], &RULES[..]].concat());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut byte).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
