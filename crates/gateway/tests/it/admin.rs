//! The admin port: the seeds' own dialect, attestations that cannot be gone around, keys that are
//! issued once, and a note of every change.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    wire::{request, send},
    world::{MASTER, Setup, TOKEN, VENDOR_KEY, World},
};

#[tokio::test]
async fn the_seed_jobs_own_requests_succeed_and_again() {
    let world = World::start().await;
    let status =
        send(world.admin, b"GET /api/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
    assert_eq!((status.status, &status.json()["success"]), (200, &true.into()));
    let find = "/api/channel/?keyword=qwen3.6-bankdhofar&p=0";
    let literal = r#""name":"qwen3.6-bankdhofar""#;
    let has =
        |answer: crate::wire::Answer| String::from_utf8(answer.body).unwrap().contains(literal);
    assert!(!has(world.ask("GET", find, TOKEN, &Value::Null).await));
    let flat = json!({
        "name": "qwen3.6-bankdhofar", "type": "openai", "base_url": "https://llm.example.org",
        "key": "sk-upstream", "models": "qwen3.6,qwen3-coder", "groups": "default", "status": 1,
        "attestation": {"kind": "commercial-contract", "accountId": "a-1", "contractRef": "c-1"},
    });
    let added = world.ask("POST", "/api/channel/", TOKEN, &flat).await;
    assert_eq!((added.status, &added.json()["data"]["status"]), (201, &1.into()));
    assert!(has(world.ask("GET", find, TOKEN, &Value::Null).await));
    assert_eq!(world.ask("POST", "/api/channel/", TOKEN, &flat).await.status, 200);
    let mut other = flat.clone();
    other["key"] = json!("sk-other");
    let refused = world.ask("POST", "/api/channel/", TOKEN, &other).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "channel_exists"));
    assert_eq!(refused.json()["data"]["id"], added.json()["data"]["id"]);
    world.end().await;
}

#[tokio::test]
async fn both_dialects_make_the_same_channel() {
    let world = World::start().await;
    let classic = json!({"mode": "single", "channel": {
        "name": "classic", "type": 1, "base_url": "", "key": "sk-x", "models": "m-1,m-2",
        "group": "default,vip", "status": 1, "auto_ban": 1, "model_mapping": "{\"m-1\":\"up\"}",
        "attestation": {"kind": "commercial-contract", "accountId": "a", "contractRef": "c"},
    }});
    assert_eq!(world.ask("POST", "/api/channel/", MASTER, &classic).await.status, 201);
    let found = world.ask("GET", "/api/channel/search?keyword=classic", TOKEN, &Value::Null).await;
    let item = &found.json()["data"]["items"][0];
    assert_eq!((&item["type"], &item["models"]), (&1.into(), &"m-1,m-2".into()));
    assert_eq!((&item["group"], &item["key"]), (&"default,vip".into(), &"".into()));
    assert_eq!(item["base_url"], "https://api.openai.com");
    world.end().await;
}

#[tokio::test]
async fn a_channel_without_attestation_is_kept_disabled_with_the_reason() {
    let world = World::start().await;
    let mut channel = world.channel("bare");
    channel["models"] = json!("bare-model");
    channel.as_object_mut().unwrap().remove("attestation");
    let added = world.ask("POST", "/api/channel/", TOKEN, &channel).await.json();
    assert_eq!(added["data"]["status"], 2);
    assert!(added["data"]["reason"].as_str().unwrap().contains("attestation"), "{added}");
    let enable = json!({"id": added["data"]["id"], "status": 1});
    let refused = world.ask("PUT", "/api/channel/", MASTER, &enable).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "not_attested"));
    for kind in ["subscription-bypass", "oauth-pass-through", "", "IN-CLUSTER"] {
        channel["name"] = json!(format!("forbidden {kind}"));
        channel["attestation"] = json!({"kind": kind, "owner": "x"});
        let refused = world.ask("POST", "/api/channel/", TOKEN, &channel).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "attestation_invalid"),
            "{kind}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn an_attestation_that_expires_stops_the_channel() {
    let world = World::start().await;
    let lines = json!({"lines": [{"model": "brief", "input": "1", "output": "1"}]});
    world.master("PUT", "/api/v1/admin/prices", &lines).await;
    let mut channel = world.channel("brief");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = now.as_millis() as u64 + 1_500;
    (channel["models"], channel["model_mapping"]) = (json!("brief"), json!({"brief": "good"}));
    channel["attestation"] = json!({"kind": "in-cluster", "owner": "acme", "expiresAt": end});
    world.master("POST", "/api/channel/", &channel).await;
    assert_eq!(world.chat("brief", false).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    assert_eq!(world.chat("brief", false).await.code(), "model_not_found");
    world.end().await;
}

#[tokio::test]
async fn a_hundred_sign_ups_at_once_make_one_user_with_one_key() {
    let world = World::start().await;
    let body = json!({"external_id": "carol", "email": "c@example.org", "tenant_id": "acme",
        "tier": "free", "metadata": {"kc_user_id": "1", "kc_realm": "sme"}})
    .to_string();
    let more = "x-idempotency-key: once\r\n";
    let bytes = request("POST", "/api/v1/admin/users", TOKEN, more, body.as_bytes());
    let answers = join_all((0..100).map(|_| send(world.admin, &bytes))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    let keys: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|answer| answer.json()["api_key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 1, "who asks again under the same key gets the same answer");
    let again = world
        .ask("POST", "/api/v1/admin/users", TOKEN, &serde_json::from_str(&body).unwrap())
        .await;
    assert_eq!((again.status, again.code().as_str()), (409, "user_exists"));
    let found =
        world.ask("GET", "/api/v1/admin/users?external_id=carol", TOKEN, &Value::Null).await;
    assert_eq!(Some(found.json()["api_key"].as_str().unwrap()), keys.first().map(String::as_str));
    world.end().await;
}

#[tokio::test]
async fn where_keys_are_never_shown_again_a_rotation_is_offered() {
    let world = World::with(Setup { reveals_keys: false, ..Setup::default() }).await;
    let body = json!({"external_id": "alice"});
    let refused = world.ask("POST", "/api/v1/admin/users", TOKEN, &body).await;
    assert_eq!(refused.status, 409);
    assert!(refused.json()["message"].as_str().unwrap().contains("rotate"));
    let found =
        world.ask("GET", "/api/v1/admin/users?external_id=alice", TOKEN, &Value::Null).await;
    assert_eq!(found.json()["api_key"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn the_machines_token_opens_channels_and_keys_and_no_money() {
    let world = World::start().await;
    let credits = format!("/api/v1/admin/accounts/{}/credits", world.account);
    let credit = json!({"amount": "5", "reference": "r"});
    let refused = world.ask("POST", &credits, TOKEN, &credit).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "right_too_low"));
    for bearer in ["", "x", &world.key, VENDOR_KEY] {
        let refused = world.ask("GET", "/api/channel/", bearer, &Value::Null).await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "unauthenticated"), "{bearer}");
    }
    world.end().await;
}

#[tokio::test]
async fn every_change_is_noted_and_no_secret_is_anywhere() {
    let world = World::start().await;
    world.chat("good", true).await;
    let notes = world.master("GET", "/api/v1/admin/audit", &Value::Null).await;
    let actions: Vec<_> = notes.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| {
            format!("{} {}", note["actor"].as_str().unwrap(), note["action"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "master-key prices.set",
        "admin-token user.sign-up",
        "master-key account.credit",
        "master-key channel.add",
    ];
    assert_eq!(actions, expected);
    let channels = world.master("GET", "/api/channel/", &Value::Null).await;
    let key = world.key.clone();
    let dir = world.end().await;
    let mut all = vec![("notes".to_owned(), notes.body), ("channels".to_owned(), channels.body)];
    for folder in [dir.path().to_owned(), dir.path().join("log")] {
        for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if file.file_type().unwrap().is_file() {
                all.push((file.path().display().to_string(), std::fs::read(file.path()).unwrap()));
            }
        }
    }
    for (place, bytes) in all {
        for canary in [MASTER, TOKEN, VENDOR_KEY, key.as_str(), "hello there"] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {place}");
        }
    }
}

#[tokio::test]
async fn bodies_of_the_wrong_shape_are_refused_without_their_words() {
    let world = World::start().await;
    for (method, path, body) in [
        ("POST", "/api/channel/", json!({"name": "a"})),
        ("POST", "/api/channel/", json!({"name": "a", "type": "pigeon", "models": "m"})),
        (
            "POST",
            "/api/channel/",
            json!({"name": "a", "type": "vllm", "models": "m", "base_url": "x"}),
        ),
        (
            "POST",
            "/api/channel/",
            json!({"name": "a", "type": "vllm", "models": "",
            "base_url": "https://a.example"}),
        ),
        ("POST", "/api/v1/admin/users", json!({"external_id": ""})),
        ("POST", "/api/v1/admin/users", json!({"external_id": "a", "rules": {"rmp": 1}})),
        ("POST", "/api/v1/admin/users", json!({"external_id": "a", "rules": {"addresses": ["x"]}})),
        (
            "POST",
            "/api/v1/admin/accounts/1/credits",
            json!({"amount": 5, "reference": "secret-word"}),
        ),
        ("POST", "/api/v1/admin/accounts/99/credits", json!({"amount": "-5", "reference": "r"})),
        (
            "PUT",
            "/api/v1/admin/prices",
            json!({"lines": [{"model": "m", "input": "-1", "output": "1"}]}),
        ),
        (
            "PUT",
            "/api/v1/admin/prices",
            json!({"lines": [
            {"model": "m", "input": "1", "output": "1"}, {"model": "m", "input": "1", "output": "1"}]}),
        ),
    ] {
        let refused = world.ask(method, path, MASTER, &body).await;
        assert_eq!(refused.status, 400, "{path} {body}: {refused:?}");
        assert!(!String::from_utf8_lossy(&refused.body).contains("secret-word"));
    }
    assert_eq!(world.ask("GET", "/api/nothing", MASTER, &Value::Null).await.status, 404);
    world.end().await;
}
