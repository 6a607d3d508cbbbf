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
        ClusterFact::Causes(causes) => format!("{} causes", causes.len()),
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

fn cause(subject: &str) -> Cause {
    Cause {
        kind: CauseKind::ImageNotFound,
        subject: subject.to_owned(),
        headline: subject.to_owned(),
        evidence: Vec::new(),
        fix: String::new(),
        since: None,
        releases: Vec::new(),
        waiting: Vec::new(),
    }
}

#[test]
fn a_cause_is_told_once_it_has_lasted_and_its_end_at_once() {
    let mut settling = Settling::default();
    let begin = Instant::now();
    let subjects = |causes: Vec<Cause>| -> Vec<String> {
        causes.into_iter().map(|cause| cause.subject).collect()
    };
    assert!(settling.settled(vec![cause("a")], begin).is_empty());
    assert!(settling.is_pending());
    let later = begin + Settling::GRACE;
    let told = settling.settled(vec![cause("b"), cause("a")], later);
    assert_eq!(subjects(told), ["a"]);
    assert!(settling.settled(Vec::new(), later).is_empty());
    assert!(!settling.is_pending());
    assert!(settling.settled(vec![cause("a")], later).is_empty(), "one that comes back is new");
}

#[test]
fn causes_are_told_when_they_change_and_again_after_a_loss() {
    let mut cursor = Cursor::default();
    let mut sick = view(Connection::Live, false, &[]);
    sick.causes = vec![cause("a")];
    assert_eq!(told(&mut cursor, &sick), ["1 causes"]);
    assert!(told(&mut cursor, &sick).is_empty());
    assert_eq!(told(&mut cursor, &view(stale(), true, &[])), ["lost: gone"]);
    assert_eq!(told(&mut cursor, &view(Connection::Live, false, &[])), ["0 causes"]);
}
