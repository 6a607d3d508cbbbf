//! Customers who leave: the channel's rule says whether the upstream is told or read to its end,
//! and what was used is charged in either case.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    wire::request,
    world::{Setup, World, chat},
};

/// Asks for a slow stream and leaves when `until` has come.
async fn leave(world: &World, model: &str, until: Option<&str>) {
    let body = chat(model, true);
    let bytes = request("POST", "/v1/chat/completions", &world.key, "", body.as_bytes());
    let mut stream = TcpStream::connect(world.customer).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let Some(until) = until else {
        tokio::time::sleep(Duration::from_millis(300)).await;
        return;
    };
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(until) {
        assert!(stream.read_buf(&mut all).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_stream_that_is_left_is_cancelled_and_charged_as_far_as_it_came() {
    let world = World::start().await;
    leave(&world, "slow", Some("tok4")).await;
    let entry = world.entry().await;
    assert_eq!(entry["usage_source"], "counted");
    let output = entry["usage"]["output"].as_u64().unwrap();
    assert!((5..20).contains(&output), "{entry}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((world.vendor.cut(), world.vendor.billed()), (1, 0), "the upstream was told");
    world.end().await;
}

#[tokio::test]
async fn a_stream_that_is_left_is_read_to_its_end_where_the_upstream_bills_anyway() {
    let drain = json!({"drain": {"max_ms": 30_000}});
    let world = World::with(Setup { on_disconnect: drain, ..Setup::default() }).await;
    leave(&world, "slow", Some("tok4")).await;
    let entry = world.entry().await;
    assert_eq!(
        (&entry["usage_source"], &entry["usage"]["output"]),
        (&"reported".into(), &40.into())
    );
    assert_eq!((world.vendor.cut(), world.vendor.billed()), (0, 1));
    world.end().await;
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let drain = json!({"drain": {"max_ms": 400}});
    let world = World::with(Setup { on_disconnect: drain, ..Setup::default() }).await;
    leave(&world, "slow", Some("tok1")).await;
    let entry = world.entry().await;
    assert_eq!(entry["usage_source"], "counted");
    assert!(entry["usage"]["output"].as_u64().unwrap() < 35, "{entry}");
    world.end().await;
}

#[tokio::test]
async fn leaving_before_the_first_byte_leaves_a_charge_for_the_input() {
    let world = World::start().await;
    leave(&world, "hangs", None).await;
    let entry = world.entry().await;
    assert_eq!(
        (&entry["usage_source"], &entry["usage"]["output"]),
        (&"estimated".into(), &0.into())
    );
    let input = chat("hangs", true).len().div_ceil(4);
    assert_eq!(entry["usage"]["input"], input);
    world.end().await;
}

#[tokio::test]
async fn a_slow_reader_slows_the_upstream_and_is_charged_in_full() {
    let world = World::start().await;
    let body = chat("long", true);
    let bytes = request("POST", "/v1/chat/completions", &world.key, "", body.as_bytes());
    let mut stream = TcpStream::connect(world.customer).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert!(String::from_utf8_lossy(&all).contains("[DONE]"));
    // More was put out than was asked for: what the upstream reports is the charge.
    assert_eq!(world.entry().await["usage"]["output"], 2_000);
    world.end().await;
}
