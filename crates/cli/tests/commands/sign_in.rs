//! Signing in and out, and tokens for programs.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::program::Program;
use crate::server::{Answer, Server, with_one};

fn kept(catalyst: &Program) -> String {
    fs::read_to_string(catalyst.home().join("credentials.json")).unwrap_or_default()
}

#[test]
fn a_link_comes_by_standard_input_or_file_and_never_by_the_command_line() {
    let server = with_one("ready");
    let link = format!("{}/auth/login?token=once-1", server.url());
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    assert_eq!(catalyst.run(&["login", &link]).code, Some(2));
    assert!(server.seen().is_empty());

    let said = catalyst.feed(&["login"], &format!("{link}\n"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("once-1") && !said.out.contains("once-1"));
    let asked: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(asked, json!({ "token": "once-1", "kind": "bearer" }));
    assert!(kept(&catalyst).contains("cat_kept"));

    let file = catalyst.folder().join("link");
    fs::write(&file, &link).unwrap();
    let said = catalyst.run(&["login", "--link-file", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn signing_out_revokes_the_token_and_forgets_it() {
    let server = with_one("ready");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    catalyst.feed(&["login"], "once-1\n");
    let said = catalyst.run(&["logout", "-o", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(said["revoked"], true);
    let asked = server.seen().pop().unwrap();
    assert_eq!(asked.line, "POST /api/v1/auth/logout");
    assert_eq!(asked.bearer.as_deref(), Some("cat_kept"));
    assert!(!kept(&catalyst).contains("cat_kept"));
    // Nobody is signed in now, and there is nothing to tell the server.
    let before = server.seen().len();
    assert_eq!(catalyst.run(&["logout"]).code, Some(0));
    assert_eq!(server.seen().len(), before);
}

#[test]
fn a_token_that_could_not_be_revoked_is_told() {
    let server = Server::new(|request| match request.line.as_str() {
        "POST /api/v1/auth/login" => Answer::Json(200, json!({ "token": "cat_kept" })),
        _ => Answer::Json(503, json!({ "title": "away" })),
    });
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    assert_eq!(catalyst.feed(&["login"], "once-1\n").code, Some(0));
    let said = catalyst.run(&["logout"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("could not be revoked"), "{}", said.err);
    assert!(!kept(&catalyst).contains("cat_kept"));
}

#[test]
fn this_machine_prints_a_fresh_link_every_time() {
    let count = AtomicU32::new(0);
    let server = Server::new(move |request| match request.line.as_str() {
        "POST /api/v1/auth/links" => {
            let path = format!("/auth/login?token=t{}", count.fetch_add(1, Ordering::SeqCst));
            Answer::Json(201, json!({ "path": path, "expiresAt": "2026-02-01T00:00:00Z" }))
        }
        _ => Answer::Json(404, json!({})),
    });
    let catalyst = Program::new();
    fs::create_dir_all(catalyst.home().join("mothership")).unwrap();
    fs::write(catalyst.home().join("mothership/local.token"), "cat_local\n").unwrap();
    let settings = json!({ "api_port": server.port, "network_base": 210, "first_link": 0 });
    fs::write(catalyst.home().join("settings.json"), settings.to_string()).unwrap();

    let first = catalyst.run(&["login", "--link"]);
    assert_eq!(first.out.trim(), format!("{}/auth/login?token=t0", server.url()), "{}", first.err);
    let second: Value =
        serde_json::from_str(&catalyst.run(&["login", "--link", "-o", "json"]).out).unwrap();
    assert_eq!(second["link"], format!("{}/auth/login?token=t1", server.url()));
    assert!(server.seen().iter().all(|one| one.bearer.as_deref() == Some("cat_local")));
    // The machine's own token is for its own mothership only.
    let other = with_one("ready");
    catalyst.run(&["sovereign", "list", "--api", &other.url()]);
    assert_eq!(other.seen()[0].bearer, None);
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let server = with_one("ready");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    let said = catalyst.run(&["token", "create", "--tier", "viewer", "-o", "json"]);
    let made: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&made["id"], &made["tier"], &made["note"]),
        (&json!("t1"), &json!("viewer"), &json!("n"))
    );
    let said = catalyst.run(&["token", "list"]);
    assert!(said.out.contains("t1") && said.out.contains("nightly"), "{}", said.out);
    assert_eq!(catalyst.run(&["token", "revoke", "t1"]).code, Some(0));
    assert_eq!(server.seen().pop().unwrap().line, "DELETE /api/v1/auth/tokens/t1");
    let before = server.seen().len();
    assert_eq!(catalyst.run(&["token", "revoke", "../links"]).code, Some(1));
    assert_eq!(server.seen().len(), before);
}
