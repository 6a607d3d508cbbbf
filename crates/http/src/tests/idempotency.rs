//! `Idempotency-Key` as a client sees it.

use axum::body::Body;
use catalyst_model::Tier;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::house::{Answer, House, ask, spec};

async fn post(house: &House, token: &str, body: &Value, keys: &[&'static str]) -> Answer {
    let body = Body::from(body.to_string());
    let mut request = ask(Method::POST, "/api/v1/deployments", Some(token), body);
    for key in keys {
        request.headers_mut().append("idempotency-key", HeaderValue::from_static(key));
    }
    house.send(request).await
}

#[tokio::test]
async fn a_repeated_request_is_answered_to_the_letter() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    let first = post(&house, &token, &spec("sov1"), &["k1"]).await;
    assert_eq!(first.status.as_u16(), 201, "{}", first.text);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let stands = catalyst_model::DeploymentStatus::AwaitingKubeconfig;
    house.reaches(&id, stands).await;
    let again = post(&house, &token, &spec("sov1"), &["k1"]).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers["location"], first.headers["location"]);
    let mut other = spec("sov1");
    other["orgName"] = json!("Other");
    let other = post(&house, &token, &other, &["k1"]).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "CAT-1206"));
    let history = house.get(&format!("/api/v1/deployments/{id}/events"), &token).await;
    assert!(!history.text.contains("idempotency"), "the key is nobody else's business");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    for keys in [&[""][..], &["a b"], &["k1", "k1"], &["k1", "k2"]] {
        let answer = post(&house, &token, &spec("sov1"), keys).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "CAT-1019"), "{keys:?}");
    }
    assert!(house.control.list().is_empty());
}
