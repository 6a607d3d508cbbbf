//! Channels, users and notes: what the database itself does not let happen.

use super::*;
use crate::channel::{Attestation, Attested, tests::definition};

fn channel(name: &str, attestation: Option<Attestation>) -> NewChannel {
    NewChannel {
        definition: definition(name, "https://llm.example.org"),
        sealed: None,
        digest: [0; 32],
        attestation: attestation.map(|by| Attested { by, expires_at: None }),
        enabled: true,
        reason: String::new(),
    }
}

fn user(external_id: &str) -> (NewUser, KeySecret) {
    let text = |text: &str| text.to_owned();
    let user = NewUser {
        external_id: text(external_id),
        email: text("a@example.org"),
        tenant: text("acme"),
        tier: text("free"),
        metadata: text("{}"),
        idempotency_key: text("once"),
        currency: Currency::USD,
    };
    let digest = crate::customer_key::digest(external_id);
    (user, KeySecret { digest, sealed: None, rules: KeyRules::default() })
}

#[test]
fn the_database_itself_enables_no_channel_without_attestation() {
    let mut book = Sqlite::in_memory().unwrap();
    let owner = |owner: &str| Some(Attestation::InCluster { owner: owner.to_owned() });
    let contract = |account_id: &str, contract_ref: &str| {
        let (account_id, contract_ref) = (account_id.to_owned(), contract_ref.to_owned());
        Some(Attestation::CommercialContract { account_id, contract_ref })
    };
    for bare in [None, owner(" "), contract("a", ""), contract("", "r")] {
        let added = book.add_channel(&channel("a", bare.clone()));
        assert!(matches!(added, Err(BookError::Broken(_))), "{bare:?}");
    }
    let mut kept = channel("a", None);
    kept.enabled = false;
    let Ok(Added::Now(id)) = book.add_channel(&kept) else { panic!() };
    assert!(matches!(book.enable_channel(id, true, ""), Err(BookError::Broken(_))));
    for (name, fine) in [("b", owner("us")), ("c", contract("a", "r"))] {
        assert!(matches!(book.add_channel(&channel(name, fine)), Ok(Added::Now(_))));
    }
    let rows = book.channels().unwrap();
    assert_eq!(rows.iter().map(|row| row.enabled).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(rows[2].attestation, channel("c", contract("a", "r")).attestation);
}

#[test]
fn a_channels_number_is_never_used_again() {
    let mut book = Sqlite::in_memory().unwrap();
    let owner = || Some(Attestation::InCluster { owner: "us".to_owned() });
    let Ok(Added::Now(first)) = book.add_channel(&channel("a", owner())) else { panic!() };
    book.remove_channel(first).unwrap();
    let Ok(Added::Now(second)) = book.add_channel(&channel("a", owner())) else { panic!() };
    assert_ne!(first, second);
}

#[test]
fn a_user_has_one_key_and_a_rotation_revokes_the_one_before() {
    let mut book = Sqlite::in_memory().unwrap();
    let (alice, key) = user("alice");
    let Ok(Added::Now(made)) = book.sign_up(&alice, &key, NOW) else { panic!() };
    assert_eq!(book.sign_up(&alice, &key, NOW).unwrap(), Added::Before(made.clone()));
    let other = NewUser { idempotency_key: String::new(), ..alice };
    assert_eq!(book.sign_up(&other, &key, NOW).unwrap(), Added::Other(made.clone()));
    let (_, next) = user("next");
    let rotated = book.rotate_key(made.id, &next).unwrap();
    assert_ne!(rotated.key, made.key);
    let profiles = book.profiles_after(0, 10).unwrap();
    let revoked: Vec<_> = profiles.iter().map(|profile| profile.row.revoked).collect();
    assert_eq!(revoked, [true, false], "in the order of their changes");
    book.disable_user(made.id).unwrap();
    book.disable_user(made.id).unwrap();
    assert!(book.profiles_after(0, 10).unwrap().iter().all(|profile| profile.row.revoked));
    assert!(book.rotate_key(made.id, &user("x").1).is_err());
}

#[test]
fn a_note_is_never_changed_or_removed() {
    let mut book = Sqlite::in_memory().unwrap();
    let text = |text: &str| text.to_owned();
    let note = Note {
        number: 0,
        at: NOW,
        actor: text("master-key"),
        from: text("10.0.0.1"),
        action: text("channel.add"),
        target: text("a"),
    };
    book.note(&note).unwrap();
    let kept = Note { number: 1, ..note };
    assert_eq!(book.notes(0, 10).unwrap(), std::slice::from_ref(&kept));
    for sql in ["UPDATE note SET actor = 'x'", "DELETE FROM note"] {
        assert!(book.try_tamper(sql).is_err(), "{sql}");
    }
    assert_eq!(book.notes(0, 10).unwrap(), [kept]);
}
