//! Each wrong request is told what is wrong, in the one shape, and leaves nothing behind.

use axum::body::Body;
use catalyst_model::{DeploymentStatus, Tier};
use catalyst_testkit::kubeconfig::credentials;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, ask, files, kubeconfig, spec};

const SERVER: &str = "https://10.210.0.2:6443";

/// The shape every problem has.
fn check_shape(problem: &Value) {
    for member in ["type", "title", "detail", "code", "cause", "fix", "error"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member} {problem}"
        );
    }
    assert!(problem["status"].is_u64(), "{problem}");
}

#[tokio::test]
async fn each_wrong_body_has_its_own_answer() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    let with = |field: &str, value: Value| {
        let mut body = spec("sov1");
        body[field] = value;
        body.to_string()
    };
    let cases = [
        (String::new(), 400, "CAT-1000"),
        ("{".to_owned(), 400, "CAT-1000"),
        ("[]".to_owned(), 400, "CAT-1000"),
        ("null".to_owned(), 400, "CAT-1000"),
        ("{}".to_owned(), 400, "CAT-1003"),
        (with("workerCount", json!("three")), 400, "CAT-1000"),
        (with("sovereignFqdn", json!("x")), 400, "CAT-1001"),
        (with("kubeconfig", json!("x")), 400, "CAT-1001"),
        (with("orgName", json!("x".repeat(70_000))), 413, "CAT-1002"),
        (with("orgName", json!("x".repeat(300))), 400, "CAT-1012"),
        (with("orgName", json!(" ")), 400, "CAT-1003"),
        (with("sovereignFQDN", json!("../etc")), 400, "CAT-1004"),
        (with("sovereignFQDN", json!("sov1")), 400, "CAT-1004"),
        (with("name", json!("Not Good")), 400, "CAT-1005"),
        (with("orgEmail", json!("nobody")), 400, "CAT-1006"),
        (with("provider", json!("aws")), 400, "CAT-1007"),
        (with("provider", json!("existing")), 501, "CAT-1008"),
        (with("provider", json!("hetzner")), 400, "CAT-1003"),
        (with("sovereignDomainMode", json!("pool")), 422, "CAT-1010"),
        (with("hetznerToken", json!("x")), 422, "CAT-1011"),
    ];
    for (body, status, code) in cases {
        let shown: String = body.chars().take(80).collect();
        let request = ask(Method::POST, "/api/v1/deployments", Some(&token), Body::from(body));
        let answer = house.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{shown}");
        check_shape(&answer.json());
    }
    assert!(house.control.list().is_empty());
    for folder in ["deployments", "tofu", "kubeconfigs"] {
        let left = files(&house.folder.path().join(folder));
        // The lock of a folder in use is no record.
        let left: Vec<_> = left.iter().filter(|file| !file.ends_with(".lock")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_by_its_announced_length_alone() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    let mut request = ask(Method::POST, "/api/v1/deployments", Some(&token), Body::from("{}"));
    request.headers_mut().insert(CONTENT_LENGTH, "10000000".parse().unwrap());
    assert_eq!(house.send(request).await.code(), "CAT-1002");
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    for media in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let body = Body::from(spec("sov1").to_string());
        let mut request = ask(Method::POST, "/api/v1/deployments", Some(&token), body);
        request.headers_mut().remove(CONTENT_TYPE);
        if let Some(media) = media {
            request.headers_mut().insert(CONTENT_TYPE, media.parse().unwrap());
        }
        let answer = house.send(request).await;
        assert_eq!(answer.code(), "CAT-1013", "{media:?}");
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}

#[tokio::test]
async fn tricks_in_ids_and_paths_are_not_found() {
    let house = House::new().await;
    let token = house.token(Tier::Owner).await;
    for id in [
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "0123456789ABCDEF",
        "0123456789abcde",
        "%00",
        "%ff%fe",
        "0000000000000000",
        "0000000000000000%0a",
        "*",
        "%252e%252e",
    ] {
        for rest in ["", "/events", "/logs", "/kubeconfig"] {
            let path = format!("/api/v1/deployments/{id}{rest}");
            let answer = house.get(&path, &token).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path} {}", answer.text);
            check_shape(&answer.json());
        }
    }
    for path in ["/api", "/api/", "/api/v1", "/api/v2/deployments", "/auth", "/api/v1/deployments/"]
    {
        let answer = house.get(path, &token).await;
        assert_eq!(answer.code(), "CAT-1015", "{path}");
    }
}

#[tokio::test]
async fn another_method_is_told_so() {
    let house = House::new().await;
    let token = house.token(Tier::Owner).await;
    for (method, path) in [
        (Method::DELETE, "/api/v1/deployments"),
        (Method::PATCH, "/api/v1/deployments/0000000000000000"),
        (Method::PUT, "/healthz"),
    ] {
        let answer = house.send(ask(method, path, Some(&token), Body::empty())).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.code(), "CAT-1016", "{path}");
        assert!(answer.headers.contains_key("allow"), "{path}");
    }
}

#[tokio::test]
async fn a_domain_name_in_use_is_a_conflict() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    house.create("sov1").await;
    let mut again = spec("sov1");
    again["name"] = json!("other");
    let answer = house.post("/api/v1/deployments", &token, &again).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "CAT-1201"));
    assert_eq!(house.control.list().len(), 1);
}

#[tokio::test]
async fn places_that_are_not_in_the_log_are_refused() {
    let house = House::new().await;
    let id = house.create("sov1").await;
    let token = house.token(Tier::Viewer).await;
    for query in
        ["after=x", "after=-1", "after=+1", "after=1.5", "after=99999", "before=1", "after"]
    {
        for rest in ["events", "logs"] {
            let answer =
                house.get(&format!("/api/v1/deployments/{id}/{rest}?{query}"), &token).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{rest} {query}");
            assert_eq!(answer.code(), "CAT-1014", "{rest} {query}");
        }
    }
    for last in ["x", "-1", "99999", "1, 2"] {
        let path = format!("/api/v1/deployments/{id}/logs");
        let mut request = ask(Method::GET, &path, Some(&token), Body::empty());
        request.headers_mut().insert("last-event-id", last.parse().unwrap());
        assert_eq!(house.send(request).await.code(), "CAT-1014", "{last}");
    }
}

#[tokio::test]
async fn without_tofu_nothing_is_begun() {
    let house = House::new().await;
    let token = house.token(Tier::Operator).await;
    let program = house.folder.path().join("tofu-bin");
    let aside = house.folder.path().join("aside");
    std::fs::rename(&program, &aside).unwrap();
    let answer = house.post("/api/v1/deployments", &token, &spec("sov1")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "CAT-2000"));
    check_shape(&answer.json());
    assert!(house.control.list().is_empty());
    std::fs::rename(&aside, &program).unwrap();
    house.create("sov1").await;
}

#[test]
fn every_problem_points_at_its_page() {
    let checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for problem in catalyst_model::Problem::all() {
        let kind = crate::error::type_of(problem);
        let (_, page) = kind.split_once("/blob/main/").expect("a place in the repository");
        let text = std::fs::read_to_string(checkout.join(page)).unwrap_or_default();
        assert!(text.starts_with(&format!("# {}: {}", problem.code, problem.title)), "{page}");
    }
}

/// A house whose deployment waits for its node's post.
async fn waiting() -> (House, String, String) {
    let house = House::new().await;
    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
    let bearer = house.bearer(&id);
    (house, id, bearer)
}

#[tokio::test]
async fn of_two_posts_at_once_one_is_taken_and_a_later_one_is_refused() {
    let (house, id, bearer) = waiting().await;
    let good = kubeconfig(SERVER);
    let (one, two) = tokio::join!(
        house.put(&id, Some(&bearer), good.clone()),
        house.put(&id, Some(&bearer), good.clone())
    );
    let mut both = [one.status.as_u16(), two.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [204, 403]);
    let again = house.put(&id, Some(&bearer), good.clone()).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (403, "CAT-1213"));
    let token = house.token(Tier::Admin).await;
    let kept = house.get(&format!("/api/v1/deployments/{id}/kubeconfig"), &token).await;
    assert!(kept.text.contains(SERVER) && kept.text.contains(&credentials().key), "{}", kept.text);
    assert_eq!(kept.headers[CONTENT_TYPE], "application/yaml");
}

#[tokio::test]
async fn a_post_without_its_bearer_is_refused() {
    let (house, id, bearer) = waiting().await;
    let good = kubeconfig(SERVER);
    let unknown = house.put("0000000000000000", Some(&bearer), good.clone()).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "CAT-1200"));
    let none = house.put(&id, None, good.clone()).await;
    assert_eq!((none.status.as_u16(), none.code().as_str()), (401, "CAT-1210"));
    let wrong = house.put(&id, Some("0".repeat(64).as_str()), good.clone()).await;
    assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (403, "CAT-1212"));
}

#[tokio::test]
async fn a_kubeconfig_is_taken_only_if_it_is_safe_and_a_refused_one_leaves_nothing() {
    let (house, id, bearer) = waiting().await;
    let good = kubeconfig(SERVER);
    let parts = credentials();
    let key = format!("client-key-data: {}", parts.key);
    let cases = [
        (String::new(), "CAT-1215"),
        ("x".repeat(2 * 1024 * 1024), "CAT-1214"),
        ("]".to_owned(), "CAT-1220"),
        (kubeconfig("https://10.210.0.9:6443"), "CAT-1222"),
        (good.replace(&key, "exec: {command: sh}"), "CAT-1223"),
        (good.replace(&key, "auth-provider: {name: x}"), "CAT-1223"),
        (good.replace(&key, "client-key: /etc/passwd"), "CAT-1224"),
        (good.replace(&parts.key, &parts.other_key), "CAT-1228"),
        (good.replace(&parts.certificate, "bm90IGEgY2VydA=="), "CAT-1228"),
    ];
    for (body, code) in cases {
        let answer = house.put(&id, Some(&bearer), body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, code));
        check_shape(&answer.json());
    }
    assert_eq!(files(&house.folder.path().join("kubeconfigs")).len(), 0);
    let taken = house.put(&id, Some(&bearer), good).await;
    assert_eq!(taken.status.as_u16(), 204, "the bearer is still good");
}
