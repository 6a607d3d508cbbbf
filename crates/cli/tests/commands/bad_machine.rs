//! A machine that lacks something: one problem with its code, cause and fix, and nothing half-written.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::place::{Place, refused};
use crate::program::is_root;

const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Ports that were free a moment ago, as flags; the first is returned too.
fn free_ports() -> (u16, Vec<String>) {
    let flags =
        ["port", "postback-port", "gitea-port", "public-registry-port", "private-registry-port"];
    let listen = |_: &&str| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let held: Vec<_> = flags.iter().map(listen).collect();
    let port = |one: &TcpListener| one.local_addr().unwrap().port();
    let args = flags.iter().zip(&held).map(|(flag, one)| format!("--{flag}={}", port(one)));
    (port(&held[0]), args.collect())
}

/// `up` with ports that are free and this network base.
fn up<'a>(ports: &'a [String], base: &'a str) -> Vec<&'a str> {
    ["up", base].into_iter().chain(ports.iter().map(String::as_str)).collect()
}

const BASE: &str = "--network-base=237";

#[test]
fn without_root_nothing_begins() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let (_, ports) = free_ports();
    refused(&mut place.as_anybody(&NOBODY, &up(&ports, BASE))).is("CAT-3011", &["sudo"]);
    for args in [
        &["sandbox", "up", "x"][..],
        &["sandbox", "step", "host", "--name", "x"],
        &["sandbox", "step", "link", "--name", "x"],
        &["sandbox", "down", "x"],
    ] {
        refused(&mut place.as_anybody(&NOBODY, args)).is("CAT-3201", &["sudo"]);
    }
    assert_eq!(place.files("home"), Vec::<String>::new());
    assert_eq!(place.files("cache"), Vec::<String>::new());
}

#[test]
fn another_distribution_is_named_and_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    fs::write(place.path("os-release"), "ID=plan9\nVERSION_ID=\"4\"\n").unwrap();
    let script = "mount --bind {}/os-release /etc/os-release && exec \"$0\" \"$@\"";
    let words = ["unshare", "--mount", "sh", "-c", script];
    let (_, ports) = free_ports();
    refused(&mut place.inside(&words, &up(&ports, BASE))).is("CAT-3010", &["plan9 4", "Debian 12"]);
    assert_eq!(place.files("home"), Vec::<String>::new());
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let place = Place::new();
    let (_, mut ports) = free_ports();
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    ports[0] = format!("--port={port}");
    if !is_root() {
        return;
    }
    let holder = format!("pid {}", std::process::id());
    let words = [&*format!("port {port}"), &holder, "--help"];
    refused(&mut place.catalyst(&up(&ports, BASE))).is("CAT-3014", &words);
    assert_eq!(place.files("home"), Vec::<String>::new());
}

#[test]
fn a_taken_subnet_is_named_with_its_interface() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let script = "ip link set lo up && ip link add other0 type veth peer name other1 && \
        ip addr add 10.237.0.9/24 dev other0 && exec \"$0\" \"$@\"";
    let words = ["unshare", "--net", "sh", "-c", script];
    let (_, ports) = free_ports();
    let refusal = refused(&mut place.inside(&words, &up(&ports, BASE)));
    refusal.is("CAT-3015", &["other0", "10.237.0.9/24", "--network-base"]);
    assert_eq!(place.files("home"), Vec::<String>::new());
}

/// Words that put a file system of one megabyte over a folder of ours, filled to the brim or empty.
fn small_disk(folder: &str, full: bool) -> String {
    let fill = if full { "dd if=/dev/zero of={}/FOLDER/fill bs=4k 2>/dev/null;" } else { "" };
    let script = format!(
        "mkdir -p {{}}/FOLDER && mount -t tmpfs -o size=1m,mode=0700 tmpfs {{}}/FOLDER && \
         {{ {fill} \"$0\" \"$@\"; code=$?; find {{}}/FOLDER ! -type d ! -name fill >{{}}/left; exit $code; }}"
    );
    script.replace("FOLDER", folder)
}

#[test]
fn a_disk_too_small_for_a_sovereign_is_told_before_anything_begins() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let script = small_disk("home", false);
    let (_, ports) = free_ports();
    let words = ["unshare", "--mount", "sh", "-c", &script];
    let refusal = refused(&mut place.inside(&words, &up(&ports, BASE)));
    refusal.is("CAT-3016", &["CATALYST_HOME"]);
    assert_eq!(fs::read_to_string(place.path("left")).unwrap(), "", "something was written");
}

#[test]
fn a_disk_that_is_full_leaves_no_half_written_record() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let script = small_disk("home", true);
    let words = ["unshare", "--mount", "sh", "-c", &script];
    let step = ["sandbox", "step", "host", "--name", "x", "--index", "3"];
    refused(&mut place.inside(&words, &step))
        .is("CAT-3000", &["No space left", "x/sovereign.json"]);
    let left = fs::read_to_string(place.path("left")).unwrap();
    assert!(left.lines().all(|file| file.ends_with(".lock")), "{left}");
}

#[test]
fn a_cache_without_room_is_told_before_anything_is_built() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    let script = small_disk("cache", false);
    let words = ["unshare", "--mount", "sh", "-c", &script];
    let refusal = refused(&mut place.inside(&words, &["sandbox", "tools", "build"]));
    refusal.is("CAT-3102", &["28 GiB", "CATALYST_CACHE"]);
    let left = fs::read_to_string(place.path("left")).unwrap();
    assert!(left.lines().all(|file| file.ends_with("/lock")), "{left}");
}

#[test]
fn a_tool_that_is_missing_or_half_built_is_named_and_never_run() {
    let place = Place::new();
    let missing = &["a tool is not in the cache", "catalyst sandbox tools build"];
    refused(&mut place.catalyst(&["sandbox", "tools", "path", "tofu"])).is("CAT-3103", missing);
    let status = place.catalyst(&["sandbox", "tools", "status", "-o", "json"]).output().unwrap();
    let tools: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let find = |name: &str| {
        let all = tools.as_array().unwrap().iter();
        all.filter(|tool| tool["name"] == name).map(|tool| tool["key"].as_str().unwrap()).next()
    };
    let folder = place.path("cache/tools/opentofu").join(find("opentofu").unwrap());
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("bin/tofu"), "half a program").unwrap();
    refused(&mut place.catalyst(&["sandbox", "tools", "path", "tofu"])).is("CAT-3103", missing);
    fs::write(folder.join("complete"), "").unwrap();
    let found = place.catalyst(&["sandbox", "tools", "path", "tofu"]).output().unwrap();
    assert!(found.stdout.trim_ascii().ends_with(b"bin/tofu"), "{found:?}");
}

#[test]
fn without_go_up_says_so() {
    let place = Place::new();
    let mut command = place.catalyst(&["up"]);
    refused(command.env("PATH", place.path("empty"))).is("CAT-3100", &["go"]);
    assert_eq!(place.files("home"), Vec::<String>::new());
}

#[test]
fn a_sovereign_that_never_was_is_named() {
    let place = Place::new();
    for verb in ["status", "kubeconfig", "logs"] {
        refused(&mut place.catalyst(&["sandbox", verb, "nobody"]))
            .is("CAT-3205", &["`nobody`", "sandbox status"]);
    }
}

#[test]
fn a_server_that_is_away_has_an_exit_code_of_its_own() {
    let place = Place::new();
    let output =
        place.catalyst(&["sovereign", "list", "--api", "http://127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot be reached") && said.contains("catalyst up"), "{said}");
}

#[test]
fn a_bad_choice_is_refused_before_anything_else() {
    let place = Place::new();
    for args in [
        &["up", "--port=70000"][..],
        &["sandbox", "up", "../x"],
        &["sandbox", "up", "Sov1"],
        &["sandbox", "down", ""],
        &["sandbox", "step", "nothing", "--name", "x"],
    ] {
        let output = place.catalyst(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert_eq!(place.files("home"), Vec::<String>::new());
    }
    for flag in ["--network-base=250", "--first-link=16"] {
        refused(&mut place.catalyst(&["up", flag])).is("CAT-3004", &["catalyst up --help"]);
        assert_eq!(place.files("home"), Vec::<String>::new());
    }
}
