//! `kit bump` changes all or nothing, and says so.

use crate::place::Place;

#[test]
fn a_dry_run_shows_the_change_and_the_next_run_makes_it() {
    let place = Place::new();
    let read = |path: &str| std::fs::read_to_string(place.root().join(path)).unwrap();
    let (chart, template) = ("charts/web/Chart.yaml", "charts/web/templates/web.yaml");
    let before = read(template);
    let order = ["bump", "--image", "tools=9.9.9", "--charts"];
    let said = place.run(&[&order[..], &["--dry-run"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("--- a/") && said.out.contains(":9.9.9"), "{}", said.out);
    assert!(said.err.contains("not written"), "{}", said.err);
    assert_eq!(read(template), before);
    let version = read(chart);
    let said = place.run(&order);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.ends_with(": written\n"), "{}", said.err);
    assert_ne!(read(chart), version);
    let said = place.run(&order);
    assert_eq!((said.code, said.out.trim()), (Some(0), ""), "{}", said.err);
    assert!(said.err.contains("as ordered already"), "{}", said.err);
}

#[test]
fn what_is_refused_is_refused_with_its_place() {
    let place = Place::new();
    let cases: [&[&str]; 4] = [
        &["bump"],
        &["bump", "--image", "web"],
        &["bump", "--image", "web=a b"],
        &["bump", "--image", "nothing-of-this=1"],
    ];
    for args in cases {
        let said = place.run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {} {}", said.out, said.err);
        assert!(said.err.contains("--image") || said.err.contains("web"), "{args:?}: {}", said.err);
    }
}
