//! Nobody gets past the table: every row is asked by nobody, by somebody too small, and by somebody
//! just big enough.

use axum::body::Body;
use catalyst_model::Tier;
use http::{Method, StatusCode};

use super::house::{Answer, House, ask};
use crate::routes::{Access, Body as RouteBody, Route, TABLE, Verb};

/// Whoever adds a line here says why in the table.
const PUBLIC: &[(&str, &str)] = &[
    ("Get", "/healthz"),
    ("Get", "/readyz"),
    ("Get", "/auth/login"),
    ("Post", "/auth/login"),
    ("Post", "/api/v1/auth/login"),
    ("Put", "/api/v1/deployments/{id}/kubeconfig"),
];

#[test]
fn only_the_named_routes_are_public() {
    let public = TABLE.iter().filter(|route| matches!(route.access, Access::Public(_)));
    let public: Vec<_> = public.map(|r| (format!("{:?}", r.method), r.path)).collect();
    let named: Vec<_> = PUBLIC.iter().map(|(method, path)| ((*method).to_owned(), *path)).collect();
    assert_eq!(public, named);
}

#[test]
fn no_two_rows_share_a_name_or_an_address() {
    for (n, one) in TABLE.iter().enumerate() {
        for other in &TABLE[..n] {
            assert_ne!(one.operation.id, other.operation.id);
            assert!(one.path != other.path || one.method != other.method, "{}", one.path);
        }
    }
}

async fn try_row(house: &House, route: &Route, token: Option<&str>) -> Answer {
    let method = match route.method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Delete => Method::DELETE,
    };
    let path = route.path.replace("{id}", "0000000000000000").replace("{phase}", "infrastructure");
    let body = match route.body {
        RouteBody::Json { .. } => Body::from("{}"),
        RouteBody::None | RouteBody::Raw { .. } => Body::empty(),
    };
    house.send(ask(method, &path, token, body)).await
}

#[tokio::test]
async fn nobody_is_turned_away_with_401() {
    let house = House::new().await;
    for route in TABLE {
        for token in [None, Some("cat_invented"), Some("")] {
            let answer = try_row(&house, route, token).await;
            let refused = answer.text.contains("CAT-1100");
            match route.access {
                Access::Public(_) => assert!(!refused, "{} {}", route.path, answer.text),
                Access::Tier(_) => {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", route.path);
                    assert_eq!(answer.code(), "CAT-1100", "{}", route.path);
                    assert!(answer.headers.contains_key("www-authenticate"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_tier_below_is_turned_away_with_403_and_the_tier_itself_is_let_in() {
    let house = House::new().await;
    for route in TABLE {
        let Access::Tier(needed) = route.access else { continue };
        for tier in Tier::ALL {
            let token = house.token(tier).await;
            let answer = try_row(&house, route, Some(&token)).await;
            if tier < needed {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {tier}", route.path);
                assert_eq!(answer.code(), "CAT-1101", "{} {tier}", route.path);
            } else {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(!refused.contains(&answer.status), "{} {tier}", route.path);
            }
        }
    }
}
