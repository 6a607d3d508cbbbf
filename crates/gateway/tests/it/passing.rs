//! What passes through: the same bytes both ways, but for what is declared.

use serde_json::Value;

use crate::{
    vendor::{PIECES, piece, reply, stop, stream, usage},
    wire::{request, send},
    world::{VENDOR_KEY, World, chat},
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_json_answer_passes_byte_for_byte() {
    let world = World::start().await;
    let answer = world.chat("good", false).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(text(&answer.body), reply("good", "/v1/chat/completions").to_string());
    assert_eq!(answer.header("x-request-id").unwrap().len(), 26);
    assert_eq!(answer.header("x-catalyst-cost"), Some("0.000022000 USD"));
    assert_eq!(answer.header("x-catalyst-usage-source"), Some("reported"));
    assert_eq!(answer.header("x-vendor"), None, "an upstream's headers stay there");
    world.end().await;
}

#[tokio::test]
async fn a_stream_passes_byte_for_byte_and_shows_its_usage_to_who_asked() {
    let world = World::start().await;
    let asked = r#"{"model":"good","stream":true,"max_tokens":9,
        "stream_options":{"include_usage":true},"messages":[]}"#;
    let answer = world.post("/v1/chat/completions", asked).await;
    assert_eq!(text(&answer.body), stream("good", PIECES, true));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let answer = world.chat("good", true).await;
    assert_eq!(text(&answer.body), stream("good", PIECES, false));
    let entries = world.entries().await;
    for entry in &entries {
        assert_eq!(
            (&entry["usage_source"], &entry["amount_nano"]),
            (&"reported".into(), &22_000.into())
        );
    }
    assert_eq!(entries.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn lines_that_end_in_crlf_stay_so() {
    let world = World::start().await;
    let answer = world.chat("crlf", true).await;
    let said: String = (0..PIECES).map(|n| piece("crlf", n).replace('\n', "\r\n")).collect();
    assert_eq!(text(&answer.body), format!("{said}{}data: [DONE]\n\n", stop("crlf")));
    world.end().await;
}

#[tokio::test]
async fn a_body_goes_up_as_it_came_but_for_the_declared_edits() {
    let world = World::start().await;
    let odd = r#" {"x":1.50, "model" : "good","max_tokens":5, "y":"\ud800é", "big":12345678901234567890123 } "#;
    assert_eq!(world.post("/v1/chat/completions", odd).await.status, 200);
    let bare = r#"{"model":"other-name","stream":true}"#;
    assert_eq!(world.post("/v1/chat/completions", bare).await.status, 200);
    let seen = world.vendor.seen();
    assert_eq!(seen[0].body, odd);
    let edited = r#"{"model":"good","stream":true,"max_tokens":256,"stream_options":{"include_usage":true}}"#;
    assert_eq!(seen[1].body, edited);
    world.end().await;
}

#[tokio::test]
async fn an_answer_bears_the_models_name_as_it_was_asked_for() {
    let world = World::start().await;
    let json = world.chat("other-name", false).await.json();
    assert_eq!(json["model"], "other-name");
    let answer = world.chat("other-name", true).await;
    assert_eq!(text(&answer.body), stream("other-name", PIECES, false));
    world.end().await;
}

#[tokio::test]
async fn headers_go_up_by_a_list_of_their_own() {
    let world = World::start().await;
    let more = "cookie: a=b\r\nx-forwarded-for: 9.9.9.9\r\nx-tenant-id: evil\r\n\
                openai-organization: org\r\nx-request-id: mine\r\n";
    let body = chat("good", false);
    let bytes = request("POST", "/v1/chat/completions", &world.key, more, body.as_bytes());
    let answer = send(world.customer, &bytes).await;
    assert_ne!(
        answer.header("x-request-id"),
        Some("mine"),
        "a client's id is no key of the ledger"
    );
    let head = world.vendor.seen()[0].head.to_ascii_lowercase();
    for absent in ["cookie", "x-forwarded", "x-tenant", "openai-org", "mine", &world.key] {
        assert!(!head.contains(absent), "{absent}: {head}");
    }
    assert!(head.contains(&format!("authorization: bearer {VENDOR_KEY}")));
    world.end().await;
}

#[tokio::test]
async fn completions_embeddings_and_messages_are_charged_by_the_same_meter() {
    let world = World::start().await;
    let completion = r#"{"model":"good","prompt":["a","b"],"max_tokens":9}"#;
    assert_eq!(world.post("/v1/completions", completion).await.status, 200);
    let embedding = r#"{"model":"good","input":"text"}"#;
    assert_eq!(world.post("/v1/embeddings", embedding).await.status, 200);
    let message = r#"{"model":"good","max_tokens":9,"messages":[]}"#;
    let more = "anthropic-version: 2023-06-01\r\nx-evil: 1\r\n";
    let bytes = request("POST", "/v1/messages", &world.key, more, message.as_bytes());
    assert_eq!(send(world.customer, &bytes).await.status, 200);
    let amounts: Vec<_> =
        world.entries().await.iter().map(|e| e["amount_nano"].as_i64().unwrap()).collect();
    assert_eq!(amounts, [22_000, 12_000, 22_000]);
    let seen = world.vendor.seen();
    assert_eq!(seen[1].body, embedding);
    let head = seen[2].head.to_ascii_lowercase();
    assert!(head.contains("anthropic-version: 2023-06-01") && !head.contains("x-evil"));
    assert!(head.contains(&format!("x-api-key: {VENDOR_KEY}")));
    world.end().await;
}

#[tokio::test]
async fn models_usage_and_balance_are_shown_to_their_key() {
    let world = World::start().await;
    let models = world.get("/v1/models").await.json();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert!(ids.contains(&Value::from("good")));
    assert_eq!(world.get("/v1/models/good").await.status, 200);
    assert_eq!(world.get("/v1/models/none").await.code(), "model_not_found");
    let answer = world.chat("good", false).await;
    let id = answer.header("x-request-id").unwrap();
    let used = world.get(&format!("/v1/usage/{id}")).await.json();
    assert_eq!(used["amount"], "0.000022000");
    assert_eq!(used["usage"]["output"], PIECES);
    assert_eq!(used["price"]["input"], 1_000_000_000);
    let token = world.get("/api/usage/token/").await.json();
    assert_eq!(token["data"]["total_granted"], 500_000_000);
    assert_eq!(token["data"]["total_used"], 11);
    assert_eq!(token["data"]["total_available"], 500_000_000 - 11);
    let limit = world.get("/v1/dashboard/billing/subscription").await.json();
    assert_eq!(limit["hard_limit_usd"], 1_000.0);
    let other = world.sign_up("mallory", "evil").await;
    let theirs =
        request("GET", &format!("/v1/usage/{id}"), other["api_key"].as_str().unwrap(), "", b"");
    assert_eq!(send(world.customer, &theirs).await.code(), "usage_not_found");
    world.end().await;
}

#[tokio::test]
async fn an_event_with_the_usage_in_the_middle_is_hidden_too() {
    let world = World::start().await;
    let answer = world.chat("usage-first", true).await;
    assert_eq!(text(&answer.body), stream("usage-first", PIECES, false));
    assert!(!text(&answer.body).contains(&usage("usage-first", PIECES)));
    assert_eq!(world.entry().await["usage_source"], "reported");
    world.end().await;
}
