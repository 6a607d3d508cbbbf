//! The audit: lock file, slot files and rendered objects against each other.

use std::path::Path;
use std::sync::Arc;

use catalyst_kit::audit::{Audit, AuditError, audit};
use catalyst_kit::{DerivedGraph, Options, Tree, assemble, output};

use crate::kit::{Kit, THINGS, after};
use crate::renderer::{facts, renderer};

const LOCK: &str = "scripts/expected-bootstrap-deps.yaml";
const CCM: &str = "slots/55-hcloud-ccm.yaml";

async fn audited(kit: &Kit) -> Audit {
    audit(&facts(kit.root(), &renderer().await).await, None).unwrap()
}

/// What is to be mended, each with its fix.
fn told(audit: &Audit) -> Vec<String> {
    let findings = audit.outcome().findings;
    findings
        .iter()
        .map(|f| format!("{}:{}: {}; {}", f.spot.file, f.spot.line, f.message, f.fix))
        .collect()
}

/// The kit of the seeds, with slot 55 on the disk.
fn with_slot_55() -> Kit {
    let kit = Kit::copy("audit/kit");
    let release = kit.read("slots/28-reloader.yaml").replace("bp-reloader", "bp-hcloud-ccm");
    kit.write(CCM, &release);
    kit.edit("slots/kustomization.yaml", "  - 80-", "  - 55-hcloud-ccm.yaml\n  - 80-");
    kit
}

#[tokio::test]
async fn the_kit_of_the_seeds_is_counted_from_its_slot_files() {
    let audit = audited(&Kit::copy("audit/kit")).await;
    assert_eq!(told(&audit), Vec::<String>::new());
    assert_eq!(
        audit.summary(),
        "✓ 55 declared, 42 present, 13 deferred, 0 drift, 0 cycles, 0 missing edges"
    );
    let deferred: Vec<&str> = audit.deferred.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!((deferred[0], deferred[12]), ("bp-stunner", "bp-librechat"));
}

#[tokio::test]
async fn a_slot_that_nobody_declared_is_drift_and_its_one_line_mends_it() {
    let kit = with_slot_55();
    let audit = audited(&kit).await;
    assert_eq!(
        audit.summary(),
        "✕ 55 declared, 42 present, 13 deferred, 1 drift, 0 cycles, 0 missing edges"
    );
    let line = "- {slot: 55, name: bp-hcloud-ccm, depends_on: [], wave: present}";
    assert_eq!(
        told(&audit),
        [format!(
            "{CCM}:3: `bp-hcloud-ccm` has a slot file and is not declared; \
             add `{line}` to `slots` in {LOCK}"
        )]
    );
    kit.write(LOCK, &format!("{}  {line}\n", kit.read(LOCK)));
    assert_eq!(
        audited(&kit).await.summary(),
        "✓ 56 declared, 43 present, 13 deferred, 0 drift, 0 cycles, 0 missing edges"
    );
}

#[tokio::test]
async fn each_difference_names_the_line_to_write() {
    let platform = "slots/13-catalyst-platform.yaml";
    let edges = "[bp-gitea, bp-crossplane-claims]";
    for (path, old, new, wanted) in [
        (
            LOCK,
            edges,
            "[bp-gitea]",
            "slots/13-catalyst-platform.yaml:5: `bp-catalyst-platform` waits for \
             `bp-crossplane-claims`, which is not declared; add `bp-crossplane-claims` to \
             `depends_on` of `bp-catalyst-platform` in scripts/expected-bootstrap-deps.yaml:17:44",
        ),
        (
            platform,
            ", {name: bp-crossplane-claims}",
            "",
            "slots/13-catalyst-platform.yaml:5: `bp-catalyst-platform` does not wait for \
             `bp-crossplane-claims`, as it is declared to; add `- name: bp-crossplane-claims` to \
             `dependsOn` in slots/13-catalyst-platform.yaml:5:3, or take it away in \
             scripts/expected-bootstrap-deps.yaml:17:67",
        ),
        (
            LOCK,
            "{slot: 51,",
            "{slot: 36,",
            "scripts/expected-bootstrap-deps.yaml:55: slot 36 is declared twice; keep one of",
        ),
        (
            LOCK,
            "bp-grafana, depends_on: [bp-cnpg",
            "bp-grafana, depends_on: [bp-cnpgg",
            "`bp-grafana` waits for `bp-cnpgg`, which is not declared; write `bp-cnpg` in",
        ),
        (
            LOCK,
            "bp-cilium, depends_on: []",
            "bp-cilium, depends_on: [bp-flux]",
            "declared releases wait in a circle: bp-cilium → bp-flux → bp-cert-manager → bp-cilium",
        ),
        (
            platform,
            "name: bp-catalyst-platform",
            "name: bp-gitea",
            "`bp-gitea` has two slot files; keep one of",
        ),
    ] {
        let kit = Kit::copy("audit/kit");
        kit.edit(path, old, new);
        let told = told(&audited(&kit).await);
        assert!(told.iter().any(|one| one.contains(wanted)), "{wanted}:\n{told:#?}");
    }
}

#[tokio::test]
async fn a_slot_file_that_cannot_be_read_is_never_counted_as_deferred() {
    let kit = Kit::copy("audit/kit");
    kit.edit("slots/34-velero.yaml", "metadata: {", "metadata: [");
    let audit = audited(&kit).await;
    assert!(!audit.is_clean() && !audit.problems.is_empty());
    assert_eq!((audit.present, audit.deferred.len()), (41, 13));
    let told = told(&audit);
    let lost = "`bp-velero` is declared as present and has no slot file";
    assert!(told.iter().any(|one| one.contains(lost)), "{told:#?}");
    assert!(told.iter().any(|one| one.starts_with("slots/34-velero.yaml:")), "{told:#?}");
}

#[tokio::test]
async fn an_edge_that_lock_and_slot_file_both_leave_out_is_found() {
    let kit = Kit::new();
    let thing = "apiVersion: example.test/v1\nkind: Thing\nmetadata: {name: a}\n";
    kit.release("cnpg", "", THINGS).release("powerdns", &after(&["cert-manager"]), thing);
    kit.release("cert-manager", "", "");
    let mut lock = "slots:\n".to_owned();
    let mut list = "resources:\n".to_owned();
    for (slot, name, edges) in
        [("2", "cert-manager", ""), ("16", "cnpg", ""), ("11", "powerdns", "cert-manager")]
    {
        let file = format!("{slot}-{name}.yaml");
        kit.write(&file, &kit.read(&format!("{name}.yaml")));
        list.push_str(&format!("  - {file}\n"));
        lock.push_str(&format!(
            "  - {{slot: {slot}, name: {name}, depends_on: [{edges}], wave: present}}\n"
        ));
    }
    kit.write("kustomization.yaml", &list).write(LOCK, &lock);
    let audit = audited(&kit).await;
    assert_eq!(
        told(&audit),
        [
            "11-powerdns.yaml:5: `powerdns` needs the kind Thing.example.test of `cnpg` and does not wait \
          for it; add `- name: cnpg` to `dependsOn` in 11-powerdns.yaml:5, and `cnpg` to \
          `depends_on` in scripts/expected-bootstrap-deps.yaml:4:32"
        ]
    );
    assert_eq!(
        audit.summary(),
        "✕ 3 declared, 3 present, 0 deferred, 0 drift, 0 cycles, 1 missing edges"
    );
    let places: Vec<String> =
        audit.edges[0].related.iter().map(|one| format!("{} {}", one.spot, one.message)).collect();
    assert_eq!(places.len(), 2, "{places:#?}");
    assert!(places[0].starts_with("charts/powerdns/templates/all.yaml:2:"), "{places:#?}");
    assert!(output::github(&audit.outcome()).contains("title=audit"));
}

#[tokio::test]
async fn a_kit_without_a_lock_is_told_so() {
    let kit = Kit::new();
    kit.release("a", "", "");
    let facts = kit.facts(&renderer().await).await;
    assert_eq!(audit(&facts, None).unwrap_err(), AuditError::NoLock(".".to_owned()));
    let missing = audit(&facts, Some("nowhere.yaml")).unwrap_err();
    assert!(matches!(missing, AuditError::Unreadable(_)), "{missing}");
}

#[tokio::test]
async fn our_own_kit_agrees_with_its_lock_and_every_edge_has_evidence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Arc::new(Tree::open(&root).unwrap());
    let options = Options { target: "clusters/_template".to_owned(), ..Options::default() };
    let facts = assemble(tree, &options, &renderer().await).await.unwrap();
    let audit = audit(&facts, None).unwrap();
    assert_eq!(told(&audit), Vec::<String>::new());
    assert_eq!(audit.lock, LOCK);
    assert_eq!(audit.present + audit.deferred.len(), audit.declared);
    let graph = DerivedGraph::of(&facts);
    assert!(!graph.declared.is_empty());
    for edge in &graph.declared {
        assert!(edge.has_evidence, "{}: nothing asks for it", edge.spot);
    }
}
