use super::*;

fn one(text: &str) -> Node {
    let loaded = load(text.as_bytes());
    assert_eq!(loaded.faults, [], "{text}");
    loaded.documents[0].root.clone()
}

#[test]
fn words_mean_what_they_mean_to_helm() {
    for (word, meaning) in [
        ("yes", "true"),
        ("on", "true"),
        ("y", "true"),
        ("Off", "false"),
        ("0755", "493"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("1e3", "1000.0"),
        ("~", "null"),
        ("1:30", "\"1:30\""),
        ("2026-01-01", "\"2026-01-01\""),
        ("v1.2", "\"v1.2\""),
        ("1.4.0", "\"1.4.0\""),
        ("'0755'", "\"0755\""),
        ("!!str 5", "\"5\""),
        ("+", "\"+\""),
        (".5", "0.5"),
        ("9007199254740993", "9007199254740993"),
    ] {
        let node = one(&format!("a: {word}\n"));
        assert_eq!(node.get("a").unwrap().to_json().to_string(), meaning, "{word}");
    }
}

#[test]
fn every_node_knows_its_place_in_the_whole_file() {
    let loaded = load(b"---\na: 1\n---\n# note\nb:\n  - name: x\n    v: \"y z\"\n");
    let node = loaded.documents[1].root.at("b/0/v").unwrap();
    assert_eq!((node.span.line, node.span.column, node.span.end_column), (7, 8, 13));
    assert_eq!(loaded.comments[0].text, "note");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, line, words) in [
        (&b"a: 1\nb:\n\t- c\n"[..], 3, "tab"),
        (b"a: 1\nb: 2\na: 3\n", 3, "`a` is there twice, first in line 1"),
        (b"a: [1, 2\n", 1, "unclosed"),
        (b"a: 1\n b: 2\n", 2, ""),
        (b"a: \xff\n", 1, "not UTF-8"),
        (b"a: *nowhere\n", 1, ""),
        (b"x: 1\n---\na: {b: c\n", 3, "unclosed"),
    ] {
        let shown = String::from_utf8_lossy(text).into_owned();
        let faults = load(text).faults;
        assert_eq!(faults.first().map(|fault| fault.line), Some(line), "{shown}: {faults:?}");
        assert!(faults[0].reason.contains(words), "{shown}: {faults:?}");
    }
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let loaded = load(b"a: 1\n---\nb: [\n---\nc: 3\n");
    assert_eq!((loaded.documents.len(), loaded.faults.len()), (2, 1));
}

#[test]
fn an_alias_bomb_is_refused_and_a_merge_is_carried_out() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (now, before) in ('b'..='j').zip('a'..) {
        let list = vec![format!("*{before}"); 9].join(", ");
        bomb.push_str(&format!("{now}: &{now} [{list}]\n"));
    }
    let faults = load(bomb.as_bytes()).faults;
    assert!(faults[0].reason.contains("aliases stand for more"), "{faults:?}");
    let merged = one("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n");
    assert_eq!(merged.get("own").unwrap().to_json().to_string(), r#"{"x":1,"y":3}"#);
}

#[test]
fn a_path_found_in_one_version_is_followed_in_another_by_names() {
    let new = one("l:\n- name: b\n  v: 2\n- name: a\n  v: 1\n");
    let old = one("l:\n- name: a\n  v: 7\n");
    let path = new.path_to(new.at("l/1/v").unwrap()).unwrap();
    let (found, complete) = old.follow(&path);
    assert!(complete);
    assert_eq!(found.text(), Some("7"));
}
