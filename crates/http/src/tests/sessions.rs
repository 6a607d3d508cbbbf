//! Signing in and out: the link, the cookie, its origin.

use std::time::Duration;

use axum::body::Body;
use catalyst_control::Who;
use catalyst_model::Tier;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{Method, Request, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;

use tower::ServiceExt as _;

use super::house::{HOST_NAME, House, ask, login_form};

async fn login_token(house: &House, tier: Tier) -> String {
    let ada = Who::of_this_process("ada", tier);
    let minted = house.control.mint_login(&ada, tier, Duration::from_secs(60)).await.unwrap();
    minted.secret.expose_secret().to_owned()
}

async fn sign_in(house: &House, tier: Tier) -> String {
    let token = login_token(house, tier).await;
    let answer = house.send(login_form(&token)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(answer.headers[LOCATION], "/");
    let cookie = answer.headers[SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age="] {
        assert!(cookie.contains(part), "{part}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

fn with_cookie(method: Method, path: &str, cookie: &str, origin: Option<&str>) -> Request<Body> {
    let mut request = ask(method, path, None, Body::empty());
    request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_link_opens_a_session_once() {
    let house = House::new().await;
    let token = login_token(&house, Tier::Owner).await;
    let first = house.send(login_form(&token)).await;
    assert_eq!(first.headers[LOCATION], "/");
    let second = house.send(login_form(&token)).await;
    assert_eq!(second.headers[LOCATION], "/?login=refused");
    assert!(!second.headers.contains_key(SET_COOKIE));
    let body = Body::from(json!({"token": token}).to_string());
    let posted = house.send(ask(Method::POST, "/api/v1/auth/login", None, body)).await;
    assert_eq!((posted.status, posted.code().as_str()), (StatusCode::UNAUTHORIZED, "CAT-1102"));
}

#[tokio::test]
async fn looking_at_a_link_uses_nothing_up() {
    let house = House::new().await;
    let token = login_token(&house, Tier::Owner).await;
    let path = format!("/auth/login?token={token}");
    for method in [Method::HEAD, Method::GET, Method::GET] {
        let answer = house.send(ask(method.clone(), &path, None, Body::empty())).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.headers.contains_key(SET_COOKIE));
        // By the origin the form is known to be ours, and `no-referrer` would keep it back.
        assert_eq!(answer.headers["referrer-policy"], "strict-origin");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let form = answer.text.contains(&format!("name=\"token\" value=\"{token}\""));
        assert_eq!(form, method == Method::GET, "{}", answer.text);
    }
    assert_eq!(house.send(login_form(&token)).await.headers[LOCATION], "/");
}

#[tokio::test]
async fn what_is_no_link_gets_no_page() {
    let house = House::new().await;
    for query in ["", "?token=", "?token=%22%3E%3Cscript%3E", "?token=a&token=b", "?other=a"] {
        let path = format!("/auth/login{query}");
        let answer = house.send(ask(Method::GET, &path, None, Body::empty())).await;
        assert_eq!(answer.headers[LOCATION], "/?login=refused", "{query}");
    }
}

#[tokio::test]
async fn another_sites_form_signs_nobody_in() {
    let house = House::new().await;
    let token = login_token(&house, Tier::Owner).await;
    for origin in ["https://evil.example", "null"] {
        let mut form = login_form(&token);
        form.headers_mut().insert(ORIGIN, origin.parse().unwrap());
        assert_eq!(house.send(form).await.code(), "CAT-1103", "{origin}");
    }
    let mut form = login_form(&token);
    form.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    assert_eq!(house.send(form).await.code(), "CAT-1013");
    assert_eq!(house.send(login_form(&token)).await.headers[LOCATION], "/", "it is still good");
}

#[tokio::test]
async fn two_installations_on_one_host_leave_each_others_cookies_alone() {
    let house = House::new().await;
    let at = |port| {
        let config = crate::Config { cookie_port: Some(port), ..crate::Config::default() };
        crate::router(house.control.clone(), config, house.stop.clone())
    };
    let (one, two) = (at(7080), at(7090));
    let token = login_token(&house, Tier::Viewer).await;
    let signed_in = one.clone().oneshot(login_form(&token)).await.unwrap();
    let cookie = signed_in.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    assert!(cookie.starts_with("catalyst_session_7080="), "the cookie has its port");
    for (router, status) in [(one, StatusCode::OK), (two, StatusCode::UNAUTHORIZED)] {
        let request = with_cookie(Method::GET, "/api/v1/auth/session", cookie, None);
        assert_eq!(router.oneshot(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_session_says_whose_it_is_and_ends_with_logout() {
    let house = House::new().await;
    let cookie = sign_in(&house, Tier::Operator).await;
    let ask_session = || with_cookie(Method::GET, "/api/v1/auth/session", &cookie, None);
    let session = house.send(ask_session()).await.json();
    assert_eq!((&session["subject"], &session["tier"]), (&json!("ada"), &json!("operator")));
    let own = format!("http://{HOST_NAME}");
    let out = with_cookie(Method::POST, "/api/v1/auth/logout", &cookie, Some(&own));
    let out = house.send(out).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text);
    assert!(out.headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(house.send(ask_session()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_site_cannot_use_the_cookie() {
    let house = House::new().await;
    let cookie = sign_in(&house, Tier::Owner).await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let request = with_cookie(Method::POST, "/api/v1/auth/logout", &cookie, origin);
        let answer = house.send(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "CAT-1103"));
    }
    let still = with_cookie(Method::GET, "/api/v1/auth/session", &cookie, None);
    assert_eq!(house.send(still).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_site_cannot_sign_a_person_in() {
    let house = House::new().await;
    let token = login_token(&house, Tier::Owner).await;
    let body = Body::from(json!({"token": token}).to_string());
    let mut request = ask(Method::POST, "/api/v1/auth/login", None, body);
    request.headers_mut().insert(ORIGIN, "https://evil.example".parse().unwrap());
    assert_eq!(house.send(request).await.code(), "CAT-1103");
}

#[tokio::test]
async fn a_token_is_never_stronger_than_its_maker() {
    let house = House::new().await;
    let admin = house.token(Tier::Admin).await;
    let ask_for = |tier: &str| json!({"tier": tier, "ttlSeconds": 3600});
    let above = house.post("/api/v1/auth/tokens", &admin, &ask_for("owner")).await;
    assert_eq!(above.code(), "CAT-1105");
    let above = house.post("/api/v1/auth/links", &admin, &json!({"tier": "owner"})).await;
    assert_eq!(above.code(), "CAT-1105");
    let made = house.post("/api/v1/auth/tokens", &admin, &ask_for("developer")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("cat_"));
    let session = house.get("/api/v1/auth/session", &token).await.json();
    assert_eq!(session["tier"], "developer");
}

#[tokio::test]
async fn a_link_made_over_the_api_works() {
    let house = House::new().await;
    let admin = house.token(Tier::Admin).await;
    let made = house.post("/api/v1/auth/links", &admin, &json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let path = made.json()["path"].as_str().unwrap().to_owned();
    let token = path.strip_prefix("/auth/login?token=").unwrap();
    let followed = house.send(login_form(token)).await;
    assert_eq!(followed.headers[LOCATION], "/");
}

#[tokio::test]
async fn every_answer_carries_the_fixed_headers() {
    let house = House::new().await;
    for path in ["/", "/healthz", "/api/v1/deployments", "/api/v1/nowhere", "/assets/none.js"] {
        let request = Request::get(path).header(HOST, HOST_NAME).body(Body::empty()).unwrap();
        let answer = house.send(request).await;
        for name in ["content-security-policy", "x-frame-options", "referrer-policy"] {
            assert!(answer.headers.contains_key(name), "{path} {name}");
        }
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers.contains_key("cache-control"), "{path}");
    }
}

#[tokio::test]
async fn a_command_line_signs_in_for_a_token() {
    let house = House::new().await;
    let token = login_token(&house, Tier::Operator).await;
    let body = Body::from(json!({"token": token, "kind": "bearer"}).to_string());
    let answer = house.send(ask(Method::POST, "/api/v1/auth/login", None, body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(!answer.headers.contains_key(SET_COOKIE));
    let bearer = answer.json()["token"].as_str().unwrap().to_owned();
    let session = house.get("/api/v1/auth/session", &bearer).await.json();
    assert_eq!((&session["subject"], &session["tier"]), (&json!("ada"), &json!("operator")));
    assert!(session.get("token").is_none());
}

#[tokio::test]
async fn a_bearer_that_signs_out_is_good_no_more() {
    let house = House::new().await;
    let token = house.token(Tier::Viewer).await;
    let out = house.post("/api/v1/auth/logout", &token, &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text);
    let after = house.get("/api/v1/auth/session", &token).await;
    assert_eq!((after.status, after.code().as_str()), (StatusCode::UNAUTHORIZED, "CAT-1100"));
}

#[tokio::test]
async fn tokens_are_listed_without_their_text_and_revoked_by_their_id() {
    let house = House::new().await;
    let (owner, viewer) = (house.token(Tier::Owner).await, house.token(Tier::Viewer).await);
    let body = json!({"tier": "viewer", "ttlSeconds": 3600, "note": "ci"});
    let made = house.post("/api/v1/auth/tokens", &owner, &body).await.json();
    let listed = house.get("/api/v1/auth/tokens", &viewer).await;
    let text = made["token"].as_str().unwrap();
    for secret in [text, &owner, &viewer] {
        assert!(!listed.text.contains(secret) && !listed.text.contains(&secret[4..]));
    }
    let rows = listed.json()["tokens"].as_array().unwrap().clone();
    assert_eq!(rows.iter().filter(|row| row["current"] == true).count(), 1);
    let row = rows.iter().find(|row| row["note"] == "ci").unwrap();
    assert_eq!((&row["id"], &row["expiresAt"]), (&made["id"], &made["expiresAt"]));
    assert_eq!((&row["subject"], &row["tier"]), (&json!("test"), &json!("viewer")));
    let path = format!("/api/v1/auth/tokens/{}", made["id"].as_str().unwrap());
    let delete = || ask(Method::DELETE, &path, Some(&viewer), Body::empty());
    assert_eq!(house.send(delete()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.send(delete()).await.code(), "CAT-1104");
    let after = house.get("/api/v1/auth/session", text).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn somebody_elses_token_cannot_be_seen_nor_revoked_below_admin() {
    let house = House::new().await;
    let cookie = sign_in(&house, Tier::Operator).await;
    let theirs = house.token(Tier::Viewer).await;
    let admin = house.token(Tier::Admin).await;
    let all = house.get("/api/v1/auth/tokens", &admin).await.json()["tokens"].clone();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let seen = house.send(with_cookie(Method::GET, "/api/v1/auth/tokens", &cookie, None)).await;
    assert_eq!(seen.json()["tokens"], json!([]));
    let path = format!("/api/v1/auth/tokens/{}", all[0]["id"].as_str().unwrap());
    let own = format!("http://{HOST_NAME}");
    let refused = house.send(with_cookie(Method::DELETE, &path, &cookie, Some(&own))).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::NOT_FOUND, "CAT-1104"));
    let still = house.get("/api/v1/auth/session", &theirs).await;
    assert_eq!(still.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_made_with_a_token_ends_with_it_or_before() {
    let house = House::new().await;
    let owner = house.token(Tier::Owner).await;
    let ask_for = |seconds: u64| json!({"tier": "admin", "ttlSeconds": seconds});
    let short = house.post("/api/v1/auth/tokens", &owner, &ask_for(60)).await.json();
    let maker = short["token"].as_str().unwrap();
    let made = house.post("/api/v1/auth/tokens", maker, &ask_for(366 * 86_400)).await.json();
    assert_eq!(made["expiresAt"], short["expiresAt"]);
    let link = house.post("/api/v1/auth/links", maker, &json!({})).await.json();
    assert_eq!(link["expiresAt"], short["expiresAt"]);
    // The command line's way in through that link gains nothing either.
    let token = link["path"].as_str().unwrap().split_once('=').unwrap().1;
    let body = json!({"token": token, "kind": "bearer"});
    let signed_in = house.post("/api/v1/auth/login", maker, &body).await.json();
    assert_eq!(signed_in["expiresAt"], short["expiresAt"]);
}
