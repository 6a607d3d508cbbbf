//! Events reach every reader once, in order, wherever it began and however slowly it reads.

use std::time::Duration;

use axum::body::Body;
use catalyst_control::Who;
use catalyst_model::{
    ClusterFact, ComponentFact, ConditionFact, ConditionStatus, DeploymentStatus, HelmFact,
    Inventory, Tier, WorkloadFact,
};
use futures::future::join_all;
use http::header::{COOKIE, ORIGIN, SET_COOKIE};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::house::{HOST_NAME, House, ask, kubeconfig, login_form};

/// Changes a cluster shows in the test of many readers.
const CHANGES: u32 = 400;

fn fact(name: &str, message: &str, ready: bool) -> ClusterFact {
    let status = if ready { ConditionStatus::True } else { ConditionStatus::Unknown };
    let condition = ConditionFact {
        status,
        reason: "Progressing".into(),
        message: message.into(),
        observed_generation: Some(1),
    };
    let helm = HelmFact {
        generation: 1,
        observed_generation: Some(1),
        ready: Some(condition),
        applied_version: Some("1.0.0".into()),
        ..HelmFact::default()
    };
    let workload = WorkloadFact {
        kind: "Deployment".into(),
        namespace: "one".into(),
        name: "one".into(),
        available: true,
        ready: 1,
        desired: 1,
        message: None,
    };
    let inventory = ready.then(|| Inventory { objects: 1, workloads: vec![workload] });
    ClusterFact::Component(ComponentFact {
        name: name.parse().unwrap(),
        helm: Some(helm),
        inventory,
    })
}

/// Whether a frame says that the component is installed.
fn is_installed(component: &'static str) -> impl Fn(&Frame) -> bool {
    move |frame| frame.data["component"] == component && frame.data["state"] == "installed"
}

/// A frame of a stream.
#[derive(Debug)]
struct Frame {
    id: Option<u64>,
    event: Option<String>,
    data: Value,
}

fn frame(text: &str) -> Option<Frame> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let data = field("data")?;
    Some(Frame {
        id: field("id").map(|id| id.parse().unwrap()),
        event: field("event"),
        data: serde_json::from_str(&data).unwrap(),
    })
}

/// Reads a stream to its end, pausing after each piece.
async fn read(house: &House, request: Request<Body>, pause: Duration) -> Vec<Frame> {
    read_to(house, request, pause, |_| false).await
}

/// Reads a stream up to a frame, or to its end.
async fn read_to(
    house: &House,
    request: Request<Body>,
    pause: Duration,
    is_last: impl Fn(&Frame) -> bool,
) -> Vec<Frame> {
    let response = house.open(request).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let (mut text, mut frames) = (String::new(), Vec::new());
    while let Some(piece) = body.frame().await {
        text.push_str(std::str::from_utf8(&piece.unwrap().into_data().unwrap()).unwrap());
        while let Some((first, rest)) = text.split_once("\n\n") {
            frames.extend(frame(first));
            text = rest.to_owned();
            if frames.last().is_some_and(&is_last) {
                return frames;
            }
        }
        tokio::time::sleep(pause).await;
    }
    frames
}

/// A deployment whose cluster is connected and silent, and the script of that cluster.
async fn watched(house: &House) -> (String, tokio::sync::mpsc::UnboundedSender<ClusterFact>) {
    let script = house.cluster.script();
    let id = house.create("sov1").await;
    house.reaches(&id, DeploymentStatus::AwaitingKubeconfig).await;
    let bearer = house.bearer(&id);
    let put = house.put(&id, Some(&bearer), kubeconfig("https://10.210.0.2:6443")).await;
    assert_eq!(put.status.as_u16(), 204, "{}", put.text);
    house.reaches(&id, DeploymentStatus::Phase1Watching).await;
    script.send(ClusterFact::Attached).unwrap();
    (id, script)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_sees_every_event_once_and_in_order() {
    let house = House::new().await;
    let token = house.token(Tier::Viewer).await;
    let (id, script) = watched(&house).await;
    let path = format!("/api/v1/deployments/{id}/logs");
    let readers = (0..12u64).map(|n| {
        let mut request = ask(Method::GET, &path, Some(&token), Body::empty());
        if n % 3 == 1 {
            *request.uri_mut() = format!("{path}?after={}", n % 4).parse().unwrap();
        } else if n % 3 == 2 {
            request.headers_mut().insert("last-event-id", (n % 4).to_string().parse().unwrap());
        }
        let after = if n % 3 == 0 { 0 } else { n % 4 };
        let pause = Duration::from_micros(n % 5 * 300);
        let house = &house;
        async move { (after, read_to(house, request, pause, is_installed("two")).await) }
    });
    let changes = async {
        for change in 0..CHANGES {
            script.send(fact("bp-one", &format!("change {change}"), false)).unwrap();
            tokio::task::yield_now().await;
        }
        script.send(fact("bp-one", "installed", true)).unwrap();
        script.send(fact("bp-two", "installed", true)).unwrap();
    };
    let (seen, ()) = tokio::join!(join_all(readers), changes);
    let state = house.get(&format!("/api/v1/deployments/{id}"), &token).await.json();
    assert_eq!(state["status"], "ready");
    let last = state["seq"].as_u64().unwrap();
    assert!(last > u64::from(CHANGES));
    for (after, frames) in seen {
        let ids: Vec<u64> = frames.iter().map(|frame| frame.id.unwrap()).collect();
        assert_eq!(ids, (after + 1..=last).collect::<Vec<_>>());
        for frame in &frames {
            assert_eq!(frame.data["seq"].as_u64(), frame.id);
            assert!(frame.event.is_none());
        }
    }
}

#[tokio::test]
async fn a_snapshot_and_the_stream_after_it_leave_no_gap() {
    let house = House::new().await;
    let token = house.token(Tier::Viewer).await;
    let (id, script) = watched(&house).await;
    let history = house.get(&format!("/api/v1/deployments/{id}/events"), &token).await.json();
    let (events, seq) = (history["events"].as_array().unwrap(), history["state"]["seq"].as_u64());
    assert_eq!(events.last().unwrap()["seq"].as_u64(), seq);
    assert_eq!(events.len() as u64, seq.unwrap());
    assert_eq!(history["done"], false);
    script.send(fact("bp-one", "installed", true)).unwrap();
    script.send(fact("bp-two", "installed", true)).unwrap();
    let path = format!("/api/v1/deployments/{id}/logs?after={}", seq.unwrap());
    let request = ask(Method::GET, &path, Some(&token), Body::empty());
    let frames = read_to(&house, request, Duration::ZERO, is_installed("two")).await;
    assert_eq!(frames.first().unwrap().id, seq.map(|seq| seq + 1));
    let state = house.get(&format!("/api/v1/deployments/{id}"), &token).await.json();
    assert_eq!(state["seq"].as_u64(), frames.last().unwrap().id);
}

#[tokio::test]
async fn a_stream_goes_on_after_ready_and_tells_of_degraded_and_ready_again() {
    let house = House::new().await;
    let token = house.token(Tier::Viewer).await;
    let (id, script) = watched(&house).await;
    script.send(fact("bp-one", "installed", true)).unwrap();
    script.send(fact("bp-two", "installed", true)).unwrap();
    house.reaches(&id, DeploymentStatus::Ready).await;
    let history = house.get(&format!("/api/v1/deployments/{id}/events"), &token).await.json();
    assert_eq!(history["done"], false, "ready is no end");
    let after = history["state"]["seq"].as_u64().unwrap();
    let path = format!("/api/v1/deployments/{id}/logs?after={after}");
    let request = ask(Method::GET, &path, Some(&token), Body::empty());
    let reading = read_to(&house, request, Duration::ZERO, is_installed("one"));
    let changes = async {
        script.send(fact("bp-one", "it fell over", false)).unwrap();
        house.reaches(&id, DeploymentStatus::Degraded).await;
        script.send(fact("bp-one", "installed", true)).unwrap();
    };
    let (frames, ()) = tokio::join!(reading, changes);
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[0].data["component"], "one");
    assert_ne!(frames[0].data["state"], "installed");
    house.reaches(&id, DeploymentStatus::Ready).await;
}

#[tokio::test]
async fn a_stream_ends_where_nothing_more_can_come() {
    let house = House::new().await;
    house.fail_apply();
    let token = house.token(Tier::Viewer).await;
    let id = house.create("sov1").await;
    let path = format!("/api/v1/deployments/{id}/logs");
    let request = ask(Method::GET, &path, Some(&token), Body::empty());
    let frames = read(&house, request, Duration::ZERO).await;
    let (done, events) = frames.split_last().unwrap();
    assert_eq!(done.event.as_deref(), Some("done"));
    assert_eq!(done.data["status"], "failed");
    assert_eq!(done.data["error"]["code"], "CAT-2005");
    assert_eq!(events.last().unwrap().id, done.data["seq"].as_u64());
    let history = house.get(&format!("/api/v1/deployments/{id}/events"), &token).await.json();
    assert_eq!(history["done"], true);
}

#[tokio::test]
async fn a_stream_ends_when_the_process_does() {
    let house = House::new().await;
    let token = house.token(Tier::Viewer).await;
    let (id, _script) = watched(&house).await;
    let path = format!("/api/v1/deployments/{id}/logs");
    let reading =
        read(&house, ask(Method::GET, &path, Some(&token), Body::empty()), Duration::ZERO);
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.stop.cancel();
    };
    let (frames, ()) = tokio::join!(reading, stopping);
    assert!(frames.iter().all(|frame| frame.event.is_none()), "nothing is done");
}

#[tokio::test]
async fn a_stream_ends_with_the_token_it_was_asked_for_with() {
    let house = House::new().await;
    let (id, _script) = watched(&house).await;
    let path = format!("/api/v1/deployments/{id}/logs");
    let (token, owner) = (house.token(Tier::Viewer).await, house.token(Tier::Owner).await);
    let tokens = house.get("/api/v1/auth/tokens", &token).await.json();
    let rows = tokens["tokens"].as_array().unwrap();
    let own = rows.iter().find(|row| row["current"] == true).unwrap()["id"].as_str().unwrap();
    let revoke = format!("/api/v1/auth/tokens/{own}");
    let reading =
        read(&house, ask(Method::GET, &path, Some(&token), Body::empty()), Duration::ZERO);
    let revoking = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.send(ask(Method::DELETE, &revoke, Some(&owner), Body::empty())).await
    };
    let both = async { tokio::join!(reading, revoking) };
    let (frames, revoked) = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    assert_eq!(revoked.status.as_u16(), 204, "{}", revoked.text);
    assert!(frames.iter().all(|frame| frame.event.is_none()), "nothing is done");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let house = House::new().await;
    let (id, _script) = watched(&house).await;
    let who = Who::of_this_process("ada", Tier::Viewer);
    let link = house.control.mint_login(&who, Tier::Viewer, Duration::from_secs(60)).await.unwrap();
    let signed_in = house.send(login_form(link.secret.expose_secret())).await;
    let cookie = signed_in.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    let with_cookie = |method: Method, path: &str| {
        let mut request = ask(method, path, None, Body::empty());
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        request.headers_mut().insert(ORIGIN, format!("http://{HOST_NAME}").parse().unwrap());
        request
    };
    let path = format!("/api/v1/deployments/{id}/logs");
    let reading = read(&house, with_cookie(Method::GET, &path), Duration::ZERO);
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.send(with_cookie(Method::POST, "/api/v1/auth/logout")).await
    };
    let both = async { tokio::join!(reading, leaving) };
    let (_, left) = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    assert_eq!(left.status.as_u16(), 204, "{}", left.text);
}

#[tokio::test]
async fn one_callers_streams_have_an_end() {
    let house = House::new().await;
    let (id, _script) = watched(&house).await;
    let token = house.token(Tier::Viewer).await;
    let path = format!("/api/v1/deployments/{id}/logs");
    let open = || house.open(ask(Method::GET, &path, Some(&token), Body::empty()));
    let mut held = Vec::new();
    while held.len() < 1000 {
        let response = open().await;
        if response.status().as_u16() == 503 {
            break;
        }
        held.push(response);
    }
    assert_eq!(held.len(), 64);
    held.pop();
    assert_eq!(open().await.status().as_u16(), 200, "a reader that left makes room");
}
