//! The checks, in the order of a link's life. Each is a fact; the first that is not ends the run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use catalyst_sandbox::images::{Image, ImageSet, Realm};
use catalyst_sandbox::publish::Publisher;
use catalyst_sandbox::supervisor::{Process, Status};
use futures::FutureExt;
use rustix::process::Signal;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::place::{
    HOST, PORTS, POSTBACK, Place, inside, make_link, remove_link, run as command, said, status,
};

/// Runs all; returns how many passed and failed.
pub(crate) async fn run(place: Place) -> (usize, usize) {
    remove_link();
    make_link();
    let mut passed = 0;
    let mut failed = 0;
    macro_rules! case {
        ($name:ident) => {
            if failed == 0 {
                let begin = Instant::now();
                match AssertUnwindSafe($name(&place)).catch_unwind().await {
                    Ok(()) => {
                        passed += 1;
                        println!("test {} ... ok ({:.1?})", stringify!($name), begin.elapsed());
                    }
                    Err(_) => {
                        failed += 1;
                        println!("test {} ... FAILED", stringify!($name));
                    }
                }
            }
        };
    }
    case!(a_taken_port_is_named_with_its_holder);
    case!(the_outside_comes_up_once_and_stays);
    case!(no_process_of_the_outside_is_root_or_listens_beyond_loopback);
    case!(git_content_is_pushed_only_when_it_changed);
    case!(an_image_is_pushed_only_once_and_an_imported_one_never);
    case!(without_rules_the_link_reaches_a_port_of_the_host);
    case!(the_front_comes_up_on_the_link);
    case!(names_resolve_to_the_link_and_unknown_ones_do_not_exist);
    case!(a_clone_works_and_a_push_does_not);
    case!(the_private_registry_asks_for_credentials_and_takes_them);
    case!(a_public_image_is_pulled_without_credentials);
    case!(only_the_kubeconfig_put_reaches_the_mothership);
    case!(foreign_names_are_refused_and_counted);
    case!(with_rules_other_ports_are_dropped_and_counted);
    case!(a_killed_child_is_started_again);
    case!(up_after_the_supervisor_was_killed_takes_over);
    case!(down_leaves_nothing);
    if failed > 0 {
        show_logs(&place);
    }
    // Also after a failure: whatever is left goes.
    let _ = place.front().down().await;
    let _ = place.outside().down().await;
    let _ = place.firewall().down().await;
    remove_link();
    (passed, failed)
}

fn show_logs(place: &Place) {
    for folder in ["outside/supervisor/logs", "front/supervisor/logs"] {
        for entry in std::fs::read_dir(place.path(folder)).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let last: Vec<_> = text.lines().rev().take(15).collect();
            println!("--- {}", entry.path().display());
            last.iter().rev().for_each(|line| println!("{line}"));
        }
    }
}

async fn a_taken_port_is_named_with_its_holder(place: &Place) {
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, PORTS.public)).unwrap();
    let problem = place.outside().up().await.unwrap_err();
    assert_eq!(problem.code().number, 3140);
    assert!(problem.cause().contains(&format!("pid {}", std::process::id())), "{problem}");
    assert!(problem.remedy().contains("--public-registry-port"), "{}", problem.remedy());
}

async fn the_outside_comes_up_once_and_stays(place: &Place) {
    let begin = Instant::now();
    let first = place.outside().up().await.unwrap();
    println!("  outside up in {:.1?}", begin.elapsed());
    let begin = Instant::now();
    let again = place.outside().up().await.unwrap();
    println!("  again in {:.1?}", begin.elapsed());
    assert_eq!(pids(&first), pids(&again));
    assert_eq!(first.supervisor, again.supervisor);
}

fn pids(status: &Status) -> Vec<Option<u32>> {
    status.children.iter().map(|child| child.pid).collect()
}

async fn no_process_of_the_outside_is_root_or_listens_beyond_loopback(place: &Place) {
    let status = place.outside().status().unwrap();
    for child in &status.children {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.pid.unwrap())).unwrap();
        let uid = text.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        assert!(uid.split_whitespace().all(|uid| uid.parse::<u32>().unwrap() > 65_535), "{uid}");
        assert!(text.contains("CapEff:\t0000000000000000"), "{}", child.name);
    }
    let output = command("ss", &["-ltnH"]);
    let listeners = String::from_utf8(output.stdout).unwrap();
    for port in [PORTS.gitea, PORTS.public, PORTS.private] {
        let local: Vec<_> =
            listeners.lines().filter(|line| line.contains(&format!(":{port} "))).collect();
        assert!(local.iter().all(|line| line.contains(&format!("127.0.0.1:{port} "))), "{local:?}");
    }
}

async fn git_content_is_pushed_only_when_it_changed(place: &Place) {
    let (outside, checkout) = (place.outside(), place.checkout());
    let first = outside.publish_tree(&checkout, &["clusters"]).await.unwrap();
    assert!(first.pushed);
    let same = outside.publish_tree(&checkout, &["clusters"]).await.unwrap();
    assert_eq!((same.pushed, &same.commit), (false, &first.commit));
    std::fs::write(checkout.join("clusters/_template/b.yaml"), "b: 2\n").unwrap();
    let other = outside.publish_tree(&checkout, &["clusters"]).await.unwrap();
    assert!(other.pushed && other.commit != first.commit);
    let missing = outside.publish_tree(&checkout, &["nothing"]).await.unwrap_err();
    assert!(missing.cause().contains("has no `nothing`"), "{missing}");
}

/// An image of one layer as a layout on disk.
fn image(place: &Place, repository: &str, tag: &str, realm: Realm) -> Image {
    let layout = place.path("layout").join(repository);
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let blob = |kind: &str, bytes: &[u8]| {
        let hash = hex::encode(Sha256::digest(bytes));
        std::fs::write(layout.join("blobs/sha256").join(&hash), bytes).unwrap();
        let size = bytes.len();
        serde_json::json!({ "mediaType": format!("{OCI}.{kind}"), "digest": format!("sha256:{hash}"), "size": size })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": blob("config.v1+json", b"{}"),
        "layers": [blob("layer.v1.tar", &[7; 3 << 20])],
    });
    let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    let digest = manifest["digest"].as_str().unwrap().to_owned();
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"), "manifests": [manifest] });
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let (repository, tag, name) = (repository.into(), tag.into(), tag.into());
    Image { name, repository, tag, realm, digest, layout }
}

fn layer() -> String {
    hex::encode(Sha256::digest([7; 3 << 20]))
}

const OCI: &str = "application/vnd.oci.image";
const ACCEPT: &str = "-H 'Accept: application/vnd.oci.image.manifest.v1+json'";

fn images(place: &Place) -> ImageSet {
    ImageSet::new(vec![
        image(place, "ghcr.io/openova-io/catalyst-api", "test", Realm::Private),
        image(place, "docker.io/library/busybox", "1.35", Realm::Public),
        image(place, "registry.k8s.io/pause", "3.10", Realm::Import),
    ])
}

async fn an_image_is_pushed_only_once_and_an_imported_one_never(place: &Place) {
    let publisher = Publisher::new(&place.outside()).unwrap();
    let images = images(place);
    assert_eq!(publisher.images(&images, &|_| {}).await.unwrap(), 2);
    assert_eq!(publisher.images(&images, &|_| {}).await.unwrap(), 0);
}

/// The positive control: the same question, asked later with rules, must have another answer.
async fn without_rules_the_link_reaches_a_port_of_the_host(place: &Place) {
    let _listener = TcpListener::bind((HOST, 8099)).unwrap();
    assert!(reaches(place, 8099));
}

fn reaches(place: &Place, port: u16) -> bool {
    let line = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{HOST}/{port}'");
    inside(place, &line).status.success()
}

async fn the_front_comes_up_on_the_link(place: &Place) {
    place.firewall().up().await.unwrap();
    let authority = place.outside().authority().unwrap();
    let begin = Instant::now();
    let first = place.front().up(&authority).await.unwrap();
    println!("  front up in {:.1?}", begin.elapsed());
    let again = place.front().up(&authority).await.unwrap();
    assert_eq!(pids(&first), pids(&again));
}

async fn names_resolve_to_the_link_and_unknown_ones_do_not_exist(place: &Place) {
    for name in catalyst_sandbox::front::names::all() {
        let line = said(place, &format!("getent ahostsv4 {name} | head -1"));
        assert!(line.starts_with(&HOST.to_string()), "{name}: {line}");
    }
    let begin = Instant::now();
    assert!(!inside(place, "getent ahostsv4 example.org").status.success());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

async fn a_clone_works_and_a_push_does_not(place: &Place) {
    let url = "https://github.com/openova-io/openova.git";
    let refs = format!("'{url}/info/refs?service=git-upload-pack'");
    assert_eq!(status(place, &refs), "200");
    let clone = place.path("clone");
    said(place, &format!("git clone -q {url} {}", clone.display()));
    assert!(clone.join("clusters/_template/b.yaml").exists());
    let push = inside(place, &format!("git -C {} push {url} HEAD:refs/heads/x", clone.display()));
    assert!(!push.status.success());
    assert_eq!(status(place, "https://github.com/api/v1/version"), "404");
}

async fn the_private_registry_asks_for_credentials_and_takes_them(place: &Place) {
    assert_eq!(status(place, "https://ghcr.io/v2/"), "401");
    let manifest = "https://ghcr.io/v2/openova-io/catalyst-api/manifests/test";
    assert_eq!(status(place, manifest), "401");
    let credentials = place.outside().pull_credentials().unwrap();
    let netrc = format!(
        "machine ghcr.io login {} password {}\n",
        credentials.username,
        credentials.password.expose_secret()
    );
    let file = place.path("netrc");
    std::fs::write(&file, netrc).unwrap();
    let with = format!("--netrc-file {}", file.display());
    assert_eq!(status(place, &format!("{with} https://ghcr.io/v2/")), "200");
    assert_eq!(status(place, &format!("{with} {ACCEPT} {manifest}")), "200");
    let layer = layer();
    let at = format!("https://ghcr.io/v2/openova-io/catalyst-api/blobs/sha256:{layer}");
    let sum = said(place, &format!("curl -sf {with} {at} | sha256sum"));
    assert!(sum.starts_with(&layer), "{sum}");
    assert_eq!(status(place, &format!("{with} -X DELETE {at}")), "405");
}

async fn a_public_image_is_pulled_without_credentials(place: &Place) {
    let at = "https://registry-1.docker.io/v2/library/busybox";
    assert_eq!(status(place, &format!("{ACCEPT} {at}/manifests/1.35")), "200");
    assert_eq!(status(place, &format!("{at}/blobs/sha256:{}", layer())), "200");
    assert_eq!(status(place, "https://quay.io/v2/a/b/manifests/1"), "404");
}

async fn only_the_kubeconfig_put_reaches_the_mothership(place: &Place) {
    let put = "https://console.openova.io/sovereign/api/v1/deployments/0123456789abcdef/kubeconfig";
    // Nobody listens yet: that is the front's own answer.
    let request = format!("-X PUT -d x {put}");
    assert_eq!(status(place, &request), "502");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", POSTBACK)).await.unwrap();
    let mothership = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while !text.ends_with(b"\r\n\r\nx") {
            let length = stream.read(&mut piece).await.unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&text));
            text.extend(&piece[..length]);
        }
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(text).unwrap()
    };
    let asking = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let client = scope.spawn(|| status(place, &request));
            let seen = tokio::runtime::Handle::current().block_on(mothership);
            (client.join().unwrap(), seen)
        })
    });
    assert_eq!(asking.0, "204");
    assert!(asking.1.starts_with("PUT /sovereign/api/v1/deployments/0123456789abcdef/kubeconfig"));
    assert!(asking.1.to_ascii_lowercase().contains("x-forwarded-for: 10.209.77.2\r\n"));
    assert_eq!(status(place, put), "404");
    assert_eq!(status(place, "https://console.openova.io/"), "404");
    assert_eq!(status(place, "https://console.openova.io/api/v1/deployments"), "404");
}

async fn foreign_names_are_refused_and_counted(place: &Place) {
    let before = place.front().counts().unwrap();
    let foreign = format!("curl -s -m 5 --resolve example.org:443:{HOST} https://example.org/");
    assert!(!inside(place, &foreign).status.success());
    let header = format!("-k -H 'Host: example.org' https://{HOST}/");
    assert_eq!(status(place, &header), "421");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let after = place.front().counts().unwrap();
    assert_eq!(after.unknown_host, before.unknown_host + 1);
    assert!(after.failed_handshakes > before.failed_handshakes);
    assert!(after.hosts["ghcr.io"].succeeded > 0 && after.hosts["ghcr.io"].unauthenticated > 0);
}

async fn with_rules_other_ports_are_dropped_and_counted(place: &Place) {
    let _listener = TcpListener::bind((HOST, 8099)).unwrap();
    let before = place.firewall().counters().await.unwrap();
    assert!(!reaches(place, 8099));
    let between = place.firewall().counters().await.unwrap();
    assert!(between.input_dropped.packets > before.input_dropped.packets);
    assert!(between.dns.packets > 0 && between.tls.packets > 0);
    assert!(!inside(place, "timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.7/443'").status.success());
    // The host itself still reaches what it wants: the rules are about the link alone.
    let address = SocketAddr::from((HOST, 443));
    assert!(std::net::TcpStream::connect(address).is_ok());
}

async fn a_killed_child_is_started_again(place: &Place) {
    let before = place.outside().status().unwrap();
    let victim = before.children.iter().find(|child| child.name == "registry-public").unwrap();
    assert!(Process::of(victim.pid.unwrap()).unwrap().signal(Signal::KILL));
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let status = place.outside().status().unwrap();
        let child = status.children.iter().find(|child| child.name == "registry-public").unwrap();
        if status.is_ready() && child.pid != victim.pid {
            assert_eq!(child.restarts, 1);
            assert!(child.last_exit.as_ref().unwrap().contains("signal: 9"));
            return;
        }
        assert!(Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn up_after_the_supervisor_was_killed_takes_over(place: &Place) {
    let before = place.outside().status().unwrap();
    assert!(before.supervisor.signal(Signal::KILL));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(place.outside().status().is_none());
    let after = place.outside().up().await.unwrap();
    assert!(after.is_ready());
    let group = place.outside().supervisor().group().unwrap();
    for child in &before.children {
        assert!(group.members().iter().all(|member| Some(member.pid) != child.pid));
    }
    assert_eq!(status(place, "https://ghcr.io/v2/"), "401");
    // What was pushed before is still there.
    let publisher = Publisher::new(&place.outside()).unwrap();
    assert_eq!(publisher.images(&images(place), &|_| {}).await.unwrap(), 0);
}

async fn down_leaves_nothing(place: &Place) {
    // The hard way for one of them.
    assert!(place.front().status().unwrap().supervisor.signal(Signal::KILL));
    place.front().down().await.unwrap();
    place.outside().down().await.unwrap();
    place.firewall().down().await.unwrap();
    place.firewall().down().await.unwrap();
    for group in [place.outside().supervisor().group(), place.front().supervisor().group()] {
        assert!(group.unwrap().members().is_empty());
    }
    for role in ["outside-otest-*", "front-otest-*"] {
        let left = command("find", &["/sys/fs/cgroup", "-maxdepth", "3", "-name", role]);
        assert!(left.stdout.is_empty(), "{left:?}");
    }
    assert!(place.firewall().counters().await.is_err());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let home = place.home.path().to_str().unwrap();
    assert!(!mounts.contains(home), "{mounts}");
}
