//! Upstreams that misbehave: no charge for nothing, no answer for free, and none of their secrets.

use serde_json::{Value, json};

use crate::{
    vendor::{PIECES, piece, stop},
    wire::Answer,
    world::{Setup, VENDOR_KEY, World},
};

/// Asks a model and checks that nothing was charged.
async fn free(model: &str, streams: bool, status: u16, code: &str) {
    let world = World::start().await;
    let answer = world.chat(model, streams).await;
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{model}");
    assert_eq!(world.entries().await, Vec::<Value>::new(), "{model}");
    keeps_secrets(&answer);
    world.end().await;
}

fn keeps_secrets(answer: &Answer) {
    let all = format!("{}{}", answer.head, String::from_utf8_lossy(&answer.body));
    for secret in [VENDOR_KEY, "sk-vendor", "org-secret", "127.0.0.1"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_upstream_costs_nothing_and_tells_nothing_of_us() {
    free("busy", false, 503, "upstream_busy").await;
    free("broken", true, 502, "upstream_error").await;
    free("forbidden", false, 502, "upstream_error").await;
    free("rejects", false, 400, "upstream_rejected").await;
}

#[tokio::test]
async fn garbage_and_an_answer_that_breaks_off_cost_nothing() {
    free("garbage", false, 502, "upstream_invalid_response").await;
    free("early-json", false, 502, "upstream_closed_early").await;
}

#[tokio::test]
async fn an_upstream_that_hangs_is_given_up_in_time() {
    free("hangs", false, 504, "upstream_timeout").await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    free("redirects", false, 502, "upstream_error").await;
}

#[tokio::test]
async fn too_many_requests_upstream_are_no_limit_of_the_customer() {
    let world = World::start().await;
    let answer = world.chat("busy", false).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    world.end().await;
}

/// A stream that breaks off after so many pieces: they are charged and the customer is told.
async fn breaks_off(model: &str, pieces: u64, code: &str) {
    let world = World::start().await;
    let answer = world.chat(model, true).await;
    let said: String = (0..pieces).map(|n| piece(model, n)).collect();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let rest = body.strip_prefix(said.as_str()).unwrap_or_else(|| panic!("{body}"));
    let error: Value = serde_json::from_str(rest.trim().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code);
    assert!(!body.contains("[DONE]"), "a broken answer does not look whole");
    let entry = world.entry().await;
    assert_eq!(
        (&entry["usage_source"], &entry["usage"]["output"]),
        (&"counted".into(), &pieces.into())
    );
    keeps_secrets(&answer);
    world.end().await;
}

#[tokio::test]
async fn half_a_chunk_is_not_passed_on_and_what_came_before_is_charged() {
    breaks_off("half", 2, "upstream_closed_early").await;
}

#[tokio::test]
async fn an_upstream_that_closes_early_is_no_normal_end() {
    breaks_off("early", 3, "upstream_closed_early").await;
}

#[tokio::test]
async fn an_error_inside_a_stream_is_charged_for_what_was_said() {
    breaks_off("error-event", 3, "upstream_error").await;
}

#[tokio::test]
async fn a_stream_of_garbage_is_never_a_whole_answer() {
    let world = World::start().await;
    let answer = world.chat("garbage-stream", true).await;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("upstream_closed_early") && !body.contains("not an event"), "{body}");
    assert_eq!(world.entries().await, Vec::<Value>::new());
    world.end().await;
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_given_up() {
    let world = World::start().await;
    let answer = world.chat("quiet", true).await;
    assert!(String::from_utf8_lossy(&answer.body).contains("upstream_stalled"));
    world.end().await;
}

#[tokio::test]
async fn without_reported_usage_the_answer_is_counted() {
    let world = World::start().await;
    assert_eq!(world.chat("nousage", true).await.status, 200);
    assert_eq!(world.chat("nodone", true).await.status, 200);
    let json = world.chat("nousage", false).await;
    assert_eq!(json.header("x-catalyst-usage-source"), Some("counted"));
    let entries = world.entries().await;
    assert_eq!(entries.len(), 3);
    for entry in &entries {
        assert_eq!(entry["usage_source"], "counted");
        assert!(entry["usage"]["output"].as_u64().unwrap() >= PIECES, "{entry}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_end_of_a_stream_without_done_is_not_made_up() {
    let world = World::start().await;
    let answer = world.chat("nodone", true).await;
    let said: String = (0..PIECES).map(|n| piece("nodone", n)).collect();
    assert_eq!(String::from_utf8(answer.body).unwrap(), format!("{said}{}", stop("nodone")));
    world.end().await;
}

#[tokio::test]
async fn an_explicit_zero_is_charged_as_zero() {
    let world = World::start().await;
    assert_eq!(world.chat("zero", false).await.status, 200);
    let entry = world.entry().await;
    assert_eq!((&entry["amount_nano"], &entry["usage_source"]), (&0.into(), &"reported".into()));
    world.end().await;
}

#[tokio::test]
async fn a_failed_channel_is_followed_by_another_and_the_customer_pays_once() {
    let world = World::start().await;
    let mut first = world.channel("first");
    first["priority"] = json!(10);
    first["model_mapping"] = json!({"good": "broken"});
    let mut dead = first.clone();
    (dead["name"], dead["priority"]) = ("dead".into(), 20.into());
    dead["base_url"] = json!("http://10.255.255.1:1");
    world.master("POST", "/api/channel", &first).await;
    world.master("POST", "/api/channel", &dead).await;
    let answer = world.chat("good", false).await;
    assert_eq!((answer.status, answer.header("x-catalyst-channel")), (200, Some("main")));
    assert_eq!(world.entry().await["amount_nano"], 22_000);
    // Those that failed rest: the next request goes straight to the one that answers.
    let before = world.vendor.seen().len();
    assert_eq!(world.chat("good", false).await.status, 200);
    assert_eq!(world.vendor.seen().len(), before + 1);
    world.end().await;
}

#[tokio::test]
async fn an_address_out_of_bounds_is_never_connected_to() {
    let world = World::with(Setup { also_reach_vendor: false, ..Setup::default() }).await;
    let answer = world.chat("good", false).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    let mut own = world.channel("own");
    own["base_url"] = json!(format!("http://{}", world.admin));
    own["models"] = json!("slow");
    own["priority"] = json!(5);
    world.master("POST", "/api/channel", &own).await;
    assert_eq!(world.chat("slow", false).await.code(), "upstream_unreachable");
    assert_eq!(world.vendor.seen().len(), 0);
    world.end().await;
}
