//! What customers send that nobody should: each is refused with its own code, and nothing of it
//! reaches an upstream or costs anything.

use serde_json::{Value, json};

use crate::{
    wire::{request, send},
    world::{TOKEN, World, chat},
};

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_with_stable_codes() {
    let world = World::start().await;
    let deep = format!(r#"{{"model":"good","x":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let large = format!(r#"{{"model":"good","x":"{}"}}"#, "a".repeat(33 << 20));
    for (body, status, code) in [
        ("", 400, "invalid_json"),
        ("{", 400, "invalid_json"),
        ("[]", 400, "invalid_json"),
        ("null", 400, "invalid_json"),
        (deep.as_str(), 400, "invalid_json"),
        (large.as_str(), 413, "request_too_large"),
        (r#"{"model":"good","model":"slow"}"#, 400, "duplicate_field"),
        (r#"{"model":"good","stream":true,"str\u0065am":false}"#, 400, "duplicate_field"),
        (r#"{"messages":[]}"#, 400, "missing_required_parameter"),
        (r#"{"model":7}"#, 400, "invalid_value"),
        (r#"{"model":"good","max_tokens":-1}"#, 400, "invalid_value"),
        (r#"{"model":"good","n":1.5}"#, 400, "invalid_value"),
        (r#"{"model":"none"}"#, 404, "model_not_found"),
    ] {
        let answer = world.post("/v1/chat/completions", body).await;
        let start: String = body.chars().take(60).collect();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{start}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(world.vendor.seen().len(), 0);
    assert_eq!(world.entries().await, Vec::<Value>::new());
    world.end().await;
}

#[tokio::test]
async fn a_large_sound_body_with_surrogates_passes() {
    let world = World::start().await;
    let body = format!(r#"{{"model":"good","max_tokens":1,"x":"\ud800{}"}}"#, "é".repeat(5 << 20));
    assert_eq!(world.post("/v1/chat/completions", &body).await.status, 200);
    assert_eq!(world.vendor.seen()[0].body, body);
    world.end().await;
}

#[tokio::test]
async fn keys_that_are_wrong_revoked_or_expired_open_nothing() {
    let world = World::start().await;
    let ask = |key: String| {
        let bytes =
            request("POST", "/v1/chat/completions", &key, "", chat("good", false).as_bytes());
        let at = world.customer;
        async move { send(at, &bytes).await }
    };
    let flipped = format!("{}x", &world.key[..world.key.len() - 1]);
    for key in ["", "sk-wrong", TOKEN, "a b", flipped.as_str()] {
        let answer = ask(key.to_owned()).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_api_key"), "{key}");
    }
    let user = world.sign_up("bob", "acme").await;
    let key = user["api_key"].as_str().unwrap().to_owned();
    assert_eq!(ask(key.clone()).await.status, 200);
    let path = format!("/api/v1/admin/users/{}/keys/rotate", user["user_id"]);
    let new = world.ask("POST", &path, TOKEN, &Value::Null).await.json();
    assert_eq!(ask(key).await.status, 401, "the key before is revoked at once");
    let new = new["api_key"].as_str().unwrap().to_owned();
    assert_eq!(ask(new.clone()).await.status, 200);
    let path = format!("/api/v1/admin/users/{}/disable", user["user_id"]);
    assert_eq!(world.ask("POST", &path, TOKEN, &Value::Null).await.status, 200);
    assert_eq!(ask(new).await.status, 401);
    world.end().await;
}

#[tokio::test]
async fn a_keys_rules_hold() {
    let world = World::start().await;
    let sign_up = |id: &'static str, rules: Value| {
        let body = json!({"external_id": id, "tenant_id": "acme", "rules": rules});
        let world = &world;
        async move {
            let made = world.ask("POST", "/api/v1/admin/users", TOKEN, &body).await.json();
            made["api_key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
        }
    };
    let ask = |key: String, model: &'static str, more: &'static str| {
        let body = chat(model, false);
        let bytes = request("POST", "/v1/chat/completions", &key, more, body.as_bytes());
        let at = world.customer;
        async move { send(at, &bytes).await }
    };
    let key = sign_up("few", json!({"rpm": 1})).await;
    assert_eq!(ask(key.clone(), "good", "").await.status, 200);
    let over = ask(key, "good", "").await;
    assert_eq!((over.status, over.code().as_str()), (429, "rate_limit_exceeded"));
    assert!(over.header("retry-after").is_some());
    let key = sign_up("one-model", json!({"models": ["crlf"]})).await;
    assert_eq!(ask(key.clone(), "good", "").await.code(), "model_not_found");
    assert_eq!(ask(key, "crlf", "").await.status, 200);
    let key = sign_up("elsewhere", json!({"addresses": ["10.0.0.0/8"]})).await;
    let lied = ask(key, "good", "x-forwarded-for: 10.0.0.1\r\n").await;
    assert_eq!((lied.status, lied.code().as_str()), (403, "ip_not_allowed"));
    let key = sign_up("short", json!({"max_output": 7})).await;
    assert_eq!(ask(key, "good", "").await.status, 200);
    let up: Value = serde_json::from_str(&world.vendor.seen().last().unwrap().body).unwrap();
    assert_eq!(up["max_tokens"], 7);
    world.end().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_shape() {
    let world = World::start().await;
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/api/status", 404, "unknown_url"),
        ("POST", "/api/channel/", 404, "unknown_url"),
        ("POST", "/api/v1/admin/users", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/files", 501, "not_implemented"),
        ("POST", "/v1/audio/speech", 501, "not_implemented"),
    ] {
        let bytes = request(method, path, &world.key, "", b"{}");
        let answer = send(world.customer, &bytes).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
        assert!(answer.header("x-request-id").is_some());
    }
    world.end().await;
}

#[tokio::test]
async fn messages_are_refused_in_their_own_shape() {
    let world = World::start().await;
    let refused = world.post("/v1/messages", r#"{"model":"none","max_tokens":1}"#).await;
    let body = refused.json();
    assert_eq!((refused.status, &body["type"]), (404, &"error".into()));
    assert_eq!(body["error"]["code"], "model_not_found");
    let bytes = request("POST", "/v1/messages", "wrong", "", b"{}");
    assert_eq!(send(world.customer, &bytes).await.json()["type"], "error");
    world.end().await;
}

#[tokio::test]
async fn smuggled_heads_never_become_two_requests() {
    let world = World::start().await;
    let body = chat("good", false);
    let key = &world.key;
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n");
    let hidden =
        format!("POST /v1/embeddings HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\r\n");
    for odd in [
        format!("{head}content-length: {}\r\ncontent-length: 1\r\n\r\n{body}", body.len()),
        format!("{head}content-length: +{}\r\n\r\n{body}", body.len()),
        format!(
            "{head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("{head}x: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
        format!("{head}x : a\r\ncontent-length: 0\r\n\r\n"),
        format!("{head}x: a\rb\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let answer = send(world.customer, odd.as_bytes()).await;
        assert!(answer.status >= 400, "{odd}\n{}", answer.head);
    }
    assert_eq!(world.vendor.seen().len(), 0);
    world.end().await;
}
