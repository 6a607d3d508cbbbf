//! `graph`, `audit` and `diff`, as people and programs see them.

use catalyst_testkit::golden;

use crate::changes::{git, repository};
use crate::place::{Place, Said, tests};

const WEB: &str = "clusters/kit/20-web.yaml";
const EDGE: &str = "  dependsOn:\n    - name: setup\n";
const LOCK: &str = "scripts/expected-bootstrap-deps.yaml";

/// The tree with a Service of one release that the other one calls, and no edge between them.
fn without_edge() -> Place {
    let place = Place::new();
    place.write(
        "charts/setup/templates/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\nspec:\n  ports:\n    - port: 80\n",
    );
    place.write(
        "charts/web/templates/call.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: call\ndata:\n  api: http://api.setup.svc:80/\n",
    );
    place.edit(WEB, EDGE, "");
    place
}

/// A lock of two releases, of which `edges` are the second one's, and one that is to come.
fn lock(place: &Place, edges: &str) {
    std::fs::create_dir_all(place.root().join("scripts")).unwrap();
    let text = format!(
        "slots:\n  - {{slot: 10, name: setup, depends_on: [], wave: present}}\n  \
         - {{slot: 20, name: web, depends_on: [{edges}], wave: present}}\n  \
         - {{slot: 30, name: mail, depends_on: [web], wave: W2}}\n"
    );
    place.write(LOCK, &text);
}

fn hold(name: &str, said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{name}: {} {}", said.out, said.err);
    golden::hold(&tests().join("golden").join(name), &said.out);
}

#[test]
fn a_graph_is_told_to_people_and_programs_and_drawn() {
    let place = without_edge();
    for (name, args) in [
        ("graph.txt", &["graph"][..]),
        ("graph.json", &["graph", "-o", "json"][..]),
        ("graph.dot", &["graph", "--draw", "dot"][..]),
        ("graph.mmd", &["graph", "--draw", "mermaid"][..]),
    ] {
        hold(name, &place.run(args), 1);
    }
    place.edit(WEB, "  chart:\n", &format!("{EDGE}  chart:\n"));
    let said = place.run(&["graph"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(
        said.out.contains("✓ 2 releases, 1 declared edge, 1 from evidence, 0 missing"),
        "{}",
        said.out
    );
}

#[test]
fn an_audit_names_each_line_to_write() {
    let place = without_edge();
    lock(&place, "setup");
    hold("audit.txt", &place.run(&["audit"]), 1);
    hold("audit.json", &place.run(&["audit", "-o", "json"]), 1);
    place.edit(WEB, "  chart:\n", &format!("{EDGE}  chart:\n"));
    let said = place.run(&["audit"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert_eq!(
        said.out,
        format!(
            "lock: {LOCK}\ndeferred (W2): 30 mail\n\
             ✓ 3 declared, 2 present, 1 deferred, 0 drift, 0 cycles, 0 missing edges\n"
        )
    );
}

#[test]
fn an_audit_without_a_lock_or_of_what_cannot_be_rendered_promises_nothing() {
    let place = Place::new();
    let said = place.run(&["audit"]);
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains("no `expected-bootstrap-deps.yaml`"), "{}", said.err);
    lock(&place, "setup");
    let said = place.run(&["audit", "--expected", "nowhere.yaml"]);
    assert_eq!(said.code, Some(2), "{}", said.out);
    place.edit("charts/web/templates/web.yaml", "kind: Deployment", "kind: {{ fail \"no\" }}");
    for verb in ["audit", "graph"] {
        let said = place.run(&[verb]);
        assert_eq!(said.code, Some(2), "{verb}: {} {}", said.out, said.err);
        assert!(said.out.contains("so this is not all"), "{verb}: {}", said.out);
    }
}

#[test]
fn a_change_is_shown_by_what_it_makes_of_the_objects() {
    let place = repository();
    place.edit(WEB, "timeout: 15m", "timeout: 20m");
    place.edit("charts/web/Chart.yaml", "version: ", "version: 1");
    place.edit("charts/web/values.yaml", "host: \"\"", "host: a\nsmtp: hush");
    let template =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: mail\nstringData:\n  p: hush\n";
    place.write("charts/setup/templates/mail.yaml", template);
    let said = place.run(&["diff", "main"]);
    hold("diff.txt", &said, 0);
    assert!(!said.out.contains("hush"), "{}", said.out);
    let said = place.run(&["diff", "main", "-o", "json"]);
    hold("diff.json", &said, 0);
    assert!(!said.out.contains("hush"), "{}", said.out);
    // Committed, it is the same between the two revisions, and nothing against the files.
    git(&place, &["checkout", "--quiet", "-b", "topic"]);
    git(&place, &["add", "."]);
    git(&place, &["commit", "--quiet", "-m", "a change"]);
    let same = place.run(&["diff", "main", "--to", "topic", "-o", "json"]);
    assert_eq!((same.code, same.out), (Some(0), said.out));
    assert_eq!(place.run(&["diff", "topic"]).out, "nothing differs\n");
}

#[test]
fn two_folders_are_compared_and_an_unknown_revision_is_bad_usage() {
    let (old, new) = (Place::new(), Place::new());
    new.edit(WEB, "timeout: 15m", "timeout: 20m");
    let folder = old.root().display().to_string();
    let said = new.run(&["diff", &folder]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("spec/timeout: 15m → 20m"), "{}", said.out);
    let said = repository().run(&["diff", "zz"]);
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains("no revision `zz`"), "{}", said.err);
}

#[test]
fn help_teaches_with_examples_and_exit_codes() {
    let place = Place::new();
    for verb in ["graph", "audit", "diff"] {
        hold(&format!("{verb}.help.txt"), &place.help(verb), 0);
    }
}
