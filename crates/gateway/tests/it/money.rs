//! Prepaid credit over HTTP: never overdrawn, and every answer whose end was seen is charged once.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{Setup, World, chat};

#[tokio::test]
async fn two_hundred_at_once_against_a_balance_for_ten_are_exactly_ten() {
    // The worst case: the body's bytes at 1 and 64 tokens at 2 for a million.
    let worst = chat("hangs", false).len() as i64 * 1_000 + 64 * 2_000;
    let world = World::with(Setup { credit: "0.000000001", ..Setup::default() }).await;
    let path = format!("/api/v1/admin/accounts/{}/credits", world.account);
    let credit = crate::world::units(worst * 10 - 1);
    world.master("POST", &path, &json!({"amount": credit, "reference": "ten"})).await;
    // A model that never reports keeps nothing set aside once it ended; one that hangs does.
    let answers = join_all((0..200).map(|_| world.chat("hangs", false))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(504), count(402)), (10, 190));
    let refused = answers.iter().find(|answer| answer.status == 402).unwrap();
    assert_eq!(refused.code(), "insufficient_quota");
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(world.entries().await, Vec::<Value>::new());
    world.end().await;
}

#[tokio::test]
async fn credit_that_is_used_up_refuses_and_new_credit_serves_again() {
    let world = World::with(Setup { credit: "0.000250000", ..Setup::default() }).await;
    assert_eq!(world.chat("good", false).await.status, 200);
    assert_eq!(world.chat("good", false).await.status, 402);
    assert_eq!(world.chat("good", true).await.code(), "insufficient_quota");
    let path = format!("/api/v1/admin/accounts/{}/credits", world.account);
    let credit = json!({"amount": "1", "reference": "more"});
    assert_eq!(world.master("POST", &path, &credit).await.json()["data"]["added"], true);
    assert_eq!(world.master("POST", &path, &credit).await.json()["data"]["added"], false);
    assert_eq!(world.chat("good", false).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn without_a_maximum_the_answer_is_as_long_as_the_credit_allows() {
    let world = World::with(Setup { credit: "0.000100000", ..Setup::default() }).await;
    let body = r#"{"model":"good","messages":[]}"#;
    assert_eq!(world.post("/v1/chat/completions", body).await.status, 200);
    let up: Value = serde_json::from_str(&world.vendor.seen()[0].body).unwrap();
    let left = (100_000 - body.len() as u64 * 1_000) / 2_000;
    assert_eq!(up["max_tokens"], left);
    world.end().await;
}

#[tokio::test]
async fn sixty_four_mixed_clients_are_each_charged_once_as_reported() {
    let world = World::start().await;
    let answers = join_all((0..64).map(|n| {
        let model = ["good", "crlf", "broken", "half"][n % 4];
        world.chat(model, n % 8 >= 4 || model == "half")
    }))
    .await;
    let whole = answers.iter().filter(|answer| {
        answer.status == 200 && !String::from_utf8_lossy(&answer.body).contains("\"error\"")
    });
    let whole = whole.count();
    let entries = world.entries().await;
    let reported: Vec<_> = entries.iter().filter(|e| e["usage_source"] == "reported").collect();
    assert_eq!(reported.len(), whole);
    assert_eq!(world.vendor.billed(), whole as u64, "the vendor's own log says the same");
    assert!(reported.iter().all(|entry| entry["amount_nano"] == 22_000));
    assert_eq!(entries.len(), whole + 16, "each half answer is charged as counted");
    world.end().await;
}

#[tokio::test]
async fn an_amount_that_no_balance_has_is_refused_not_wrapped() {
    let world = World::start().await;
    for (most, status) in [("18446744073709551615", 400), ("1000000000000", 402)] {
        let body = format!(r#"{{"model":"good","max_tokens":{most},"n":128}}"#);
        assert_eq!(world.post("/v1/chat/completions", &body).await.status, status, "{most}");
    }
    let pictures = r#"{"model":"pictures","max_tokens":1,"messages":[{"image_url":{"url":"x"}}]}"#;
    assert_eq!(world.post("/v1/chat/completions", pictures).await.status, 200);
    world.end().await;
}
