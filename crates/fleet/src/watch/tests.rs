//! Facts about what readers are told.

use std::collections::BTreeSet;

use super::*;

fn view(connection: Connection, synced: bool, names: &[(&str, bool)]) -> ClusterView {
    let fact = |(name, suspended): &(&str, bool)| ComponentFact {
        name: name.parse().unwrap(),
        helm: Some(catalyst_model::HelmFact { suspended: *suspended, ..Default::default() }),
        inventory: None,
    };
    ClusterView {
        connection,
        synced: if synced { Kind::ALL.into_iter().collect() } else { BTreeSet::new() },
        components: names.iter().map(fact).collect(),
        ..ClusterView::default()
    }
}

fn told(cursor: &mut Cursor, view: &ClusterView) -> Vec<String> {
    let word = |fact: &ClusterFact| match fact {
        ClusterFact::Attached => "attached".to_owned(),
        ClusterFact::Lost { message } => format!("lost: {message}"),
        ClusterFact::Platform(part) => part.subject.clone(),
        ClusterFact::Component(component) => component.name.to_string(),
    };
    cursor.step(view).iter().map(word).collect()
}

fn stale() -> Connection {
    Connection::Stale { since: Timestamp::UNIX_EPOCH, message: "gone".into() }
}

#[test]
fn nothing_is_told_before_everything_is_listed() {
    let mut cursor = Cursor::default();
    assert!(told(&mut cursor, &view(Connection::Live, false, &[("bp-a", false)])).is_empty());
    assert!(told(&mut cursor, &view(Connection::Connecting, true, &[])).is_empty());
}

#[test]
fn all_are_told_at_attachment_and_then_only_what_changed() {
    let mut cursor = Cursor::default();
    let both = [("bp-a", false), ("bp-b", false)];
    let first = told(&mut cursor, &view(Connection::Live, true, &both));
    assert_eq!(first, ["attached", "bp-a", "bp-b"]);
    assert!(told(&mut cursor, &view(Connection::Live, true, &both)).is_empty());
    let changed = [("bp-a", false), ("bp-b", true)];
    assert_eq!(told(&mut cursor, &view(Connection::Live, true, &changed)), ["bp-b"]);
}

#[test]
fn a11_after_a_loss_everything_is_told_again() {
    let mut cursor = Cursor::default();
    let one = [("bp-a", false)];
    told(&mut cursor, &view(Connection::Live, true, &one));
    assert_eq!(told(&mut cursor, &view(stale(), true, &one)), ["lost: gone"]);
    assert!(told(&mut cursor, &view(stale(), true, &one)).is_empty());
    assert!(told(&mut cursor, &view(Connection::Live, false, &one)).is_empty());
    assert_eq!(told(&mut cursor, &view(Connection::Live, true, &one)), ["attached", "bp-a"]);
}

#[test]
fn pauses_double_up_to_their_bound() {
    let mut pause = Pause::new(Duration::from_millis(350));
    let millis: Vec<u128> = (0..4).map(|_| pause.next().as_millis()).collect();
    assert_eq!(millis, [100, 200, 350, 350]);
}
