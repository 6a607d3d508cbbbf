//! The OpenAPI document is a golden: a reviewer reads what a change promises to clients.

use std::path::PathBuf;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi.json")
}

fn document() -> String {
    catalyst_http::openapi().to_pretty_json().expect("a document is JSON") + "\n"
}

#[test]
fn the_document_is_the_golden() {
    catalyst_testkit::golden::hold(&golden(), &document());
}

#[test]
fn every_reference_leads_somewhere() {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        if let Some(reference) = value.get("$ref").and_then(|r| r.as_str()) {
            let found = document.pointer(reference.trim_start_matches('#'));
            assert!(found.is_some(), "{reference} leads nowhere");
        }
        match value {
            serde_json::Value::Object(fields) => left.extend(fields.values()),
            serde_json::Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
}
