//! The images made from the cache on this machine, pushed to a real registry, and used.
//!
//! Each test needs tools or packages in the cache; without them it says that it is skipped.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalyst_sandbox::images::{Image, ImageSet, Images, Realm, Specs};
use catalyst_sandbox::oci::{Login, Registry};
use catalyst_sandbox::process::Invocation;

use crate::support::{self, Daemon, Parts};

/// The account `puller` with the password `right`, as an htpasswd file keeps it.
const PULLER: &str = "puller:$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

/// Makes the named images; the static busybox stands in for our own program.
async fn make(parts: &Parts, names: &[&str]) -> ImageSet {
    let tree = parts.debian.tree().unwrap();
    let own = tree.package("busybox-static").unwrap().0.join("bin/busybox");
    let specs = Specs::from_checkout(support::checkout()).unwrap();
    let images = Images::new(&parts.scratch, specs, parts.tools.clone(), parts.debian.clone(), own);
    images.ensure_only(&|name| names.contains(&name), &|_| {}).await.unwrap()
}

/// Unpacks an image's layer, with the owners it names.
async fn unpack(image: &Image, into: &Path) {
    let manifest: serde_json::Value = read_blob(image, &image.digest);
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    std::fs::create_dir_all(into).unwrap();
    let tar = Invocation::new("tar").args(["-xzp", "--numeric-owner", "-f"]);
    let tar = tar.arg(image.layout.join("blobs").join(layer)).arg("-C").arg(into);
    tar.timeout(Duration::from_secs(60)).run().await.unwrap();
}

fn read_blob(image: &Image, digest: &str) -> serde_json::Value {
    let path = image.layout.join("blobs").join(digest.replace(':', "/"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn images_made_twice_have_the_same_digests_and_none_runs_as_root() {
    let names = ["busybox", "coredns", "pause", "powerdns", "registry"];
    let Some(first) = support::parts(&["coredns", "registry"]).await else { return };
    let second = support::parts(&["coredns", "registry"]).await.unwrap();
    let digests = |set: ImageSet| -> Vec<_> {
        set.iter().map(|image| (image.name.clone(), image.digest.clone())).collect()
    };
    let made = make(&first, &names).await;
    for image in made.iter() {
        let manifest = read_blob(image, &image.digest);
        let config = read_blob(image, manifest["config"]["digest"].as_str().unwrap());
        let user = config["config"]["User"].as_str().unwrap();
        assert!(!user.starts_with('0'), "{}", image.name);
    }
    assert_eq!(digests(made), digests(make(&second, &names).await));
}

#[tokio::test]
async fn a_push_sends_each_blob_once_and_needs_the_password() {
    let Some(parts) = support::parts(&["coredns", "registry"]).await else { return };
    let made = make(&parts, &["coredns", "pause", "busybox"]).await;
    let (_daemon, port) = support::registry(&parts, Some(PULLER)).await;
    let image = made.get("coredns").unwrap();
    let login = |password: &str| {
        Some(Login { username: "puller".into(), password: password.to_owned().into() })
    };
    let wrong = Registry::on_loopback(port, login("wrong")).unwrap();
    wrong.push(&image.layout, image.path(), &image.tag).await.unwrap_err();
    let right = Registry::on_loopback(port, login("right")).unwrap();
    let pushed = right.push(&image.layout, image.path(), &image.tag).await.unwrap();
    assert_eq!((pushed.blobs, pushed.was_there), (2, false));
    assert_eq!(pushed.digest, image.digest);
    let again = right.push(&image.layout, image.path(), &image.tag).await.unwrap();
    assert_eq!((again.blobs, again.was_there), (0, true));
    let other_tag = right.push(&image.layout, image.path(), "other").await.unwrap();
    assert_eq!((other_tag.blobs, other_tag.was_there), (0, false));
}

#[tokio::test]
async fn the_pause_archive_names_the_image_as_kubelet_asks_for_it() {
    let Some(parts) = support::parts(&[]).await else { return };
    let made = make(&parts, &["pause"]).await;
    let pause = made.of(Realm::Import).next().unwrap();
    assert_eq!(pause.reference(), "registry.k8s.io/pause:3.10");
    let list = Invocation::new("tar").arg("-xOf").arg(pause.archive().unwrap()).arg("index.json");
    let index = list.run().await.unwrap().text();
    assert!(
        index.contains("\"io.containerd.image.name\":\"registry.k8s.io/pause:3.10\""),
        "{index}"
    );
}

/// A bash script run in an image's files as in a Pod: the image's user, its environment, a read-only
/// root, `/dev`, and of all folders only those writable that the chart mounts.
fn inside(root: &Path, user: &str, env: &[&str], writable: &[&str], script: &str) -> Invocation {
    const SET_UP: &str = "set -e; root=$1 user=$2 script=$3; shift 3; mkdir -p $root/dev; \
        mount --bind $root $root; mount --rbind /dev $root/dev; mount -o remount,bind,ro $root; \
        for dir; do mount -t tmpfs -o uid=${user%:*},gid=${user#*:},mode=0700 tmpfs $root$dir; done; \
        exec chroot --userspec=$user --groups= $root /usr/bin/bash -euc \"$script\"";
    let unshare = ["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", SET_UP, "run"];
    let mut command = Invocation::new("unshare").args(unshare).arg(root).arg(user).arg(script);
    command = command.args(writable).env("LC_ALL", "C");
    for pair in env {
        let (name, value) = pair.split_once('=').unwrap();
        command = command.env(name, value);
    }
    command.timeout(Duration::from_secs(120))
}

#[tokio::test]
async fn powerdns_starts_from_its_image_with_a_database_made_by_its_own_schema() {
    if !support::is_root() {
        return support::skip("needs root for chroot");
    }
    let Some(parts) = support::parts(&[]).await else { return };
    let made = make(&parts, &["powerdns"]).await;
    let root = parts.scratch.root().join("root");
    unpack(made.get("powerdns").unwrap(), &root).await;
    let script = "cd /var/lib/powerdns
        sqlite3 -bail new.sqlite3 < /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
        mv new.sqlite3 pdns.sqlite3
        printf 'launch=gsqlite3\\ngsqlite3-database=/var/lib/powerdns/pdns.sqlite3\\n' > pdns.conf
        pdnsutil --config-dir=. create-zone example.test ns1.example.test
        pdnsutil --config-dir=. list-zone example.test
        pdns_server --version 2>&1 || true";
    let writable = ["/var/lib/powerdns", "/tmp"];
    let said = inside(&root, "953:953", &["PATH=/usr/sbin:/usr/bin"], &writable, script);
    let said = said.run().await.unwrap().text();
    assert!(said.contains("example.test\t3600\tIN\tNS\tns1.example.test."), "{said}");
    assert!(said.contains("PowerDNS Authoritative Server 4.7.3"), "{said}");
}

#[tokio::test]
async fn git_push_into_the_gitea_image_works_as_an_ordinary_user_on_a_read_only_root() {
    if !support::is_root() {
        return support::skip("needs root for chroot and mounts");
    }
    let Some(parts) = support::parts(&["gitea"]).await else { return };
    let made = make(&parts, &["gitea"]).await;
    let image = made.get("gitea").unwrap();
    let root = parts.scratch.root().join("root");
    unpack(image, &root).await;
    let port = support::free_port();
    let gitea = Gitea::start(&root, port).await;
    gitea.push_and_read_back(&parts.scratch.root().join("work")).await;
}

/// Gitea, run out of its image's files in namespaces of its own, the root mounted read-only.
struct Gitea {
    _daemon: Daemon,
    port: u16,
    password: String,
}

impl Gitea {
    async fn start(root: &Path, port: u16) -> Self {
        let config = format!(
            "APP_NAME = Gitea\nRUN_USER = git\nRUN_MODE = prod\nWORK_PATH = /data\n\
             [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\n\
             LOCAL_ROOT_URL = http://127.0.0.1:{port}/\nSTATIC_ROOT_PATH = /usr/share/gitea\n\
             APP_DATA_PATH = /data\nDISABLE_SSH = true\nOFFLINE_MODE = true\n\
             [database]\nDB_TYPE = sqlite3\nPATH = /data/gitea.db\n\
             [repository]\nROOT = /data/repositories\nDEFAULT_BRANCH = main\n\
             [security]\nINSTALL_LOCK = true\nSECRET_KEY = {secret}\nINTERNAL_TOKEN = {secret}\n\
             [oauth2]\nJWT_SECRET = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
             [service]\nDISABLE_REGISTRATION = true\n[log]\nMODE = console\nLEVEL = Warn\n",
            secret = "s".repeat(64),
        );
        std::fs::write(root.join("etc/gitea/app.ini"), config).unwrap();
        let script = "gitea migrate -c /etc/gitea/app.ini
            gitea admin user create -c /etc/gitea/app.ini --admin --username root1 \
                --email root1@local.domain --password test-password-1 --must-change-password=false
            if touch /usr/written 2>/dev/null; then exit 9; fi
            exec gitea web -c /etc/gitea/app.ini";
        let env =
            ["PATH=/usr/sbin:/usr/bin", "HOME=/data/home", "GITEA_WORK_DIR=/data", "USER=git"];
        let daemon = Daemon::start(inside(root, "1000:1000", &env, &["/data", "/tmp"], script));
        let gitea = Self { _daemon: daemon, port, password: "test-password-1".to_owned() };
        support::wait_for_http(port, "/api/healthz").await;
        gitea
    }

    async fn push_and_read_back(&self, work: &Path) {
        let repository =
            serde_json::json!({"name": "kit", "private": true, "default_branch": "main"});
        let client = support::http_client();
        let url = format!("http://127.0.0.1:{}/api/v1/user/repos", self.port);
        let request = client.post(url).basic_auth("root1", Some(&self.password)).json(&repository);
        assert_eq!(request.send().await.unwrap().status(), 201);
        std::fs::create_dir_all(work).unwrap();
        let askpass = work.join("askpass");
        std::fs::write(&askpass, format!("#!/bin/sh\necho {}\n", self.password)).unwrap();
        std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o700)).unwrap();
        let git = |dir: PathBuf, args: &[&str]| {
            Invocation::new("git")
                .args(args)
                .cwd(dir)
                .env("GIT_ASKPASS", askpass.display().to_string())
                .env("GIT_TERMINAL_PROMPT", "0")
                .env("HOME", work.display().to_string())
                .env("GIT_AUTHOR_NAME", "a")
                .env("GIT_AUTHOR_EMAIL", "a@local.domain")
                .env("GIT_COMMITTER_NAME", "a")
                .env("GIT_COMMITTER_EMAIL", "a@local.domain")
        };
        let source = work.join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("file"), "hello").unwrap();
        let remote = format!("http://root1@127.0.0.1:{}/root1/kit.git", self.port);
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "file"],
            &["commit", "-qm", "One"],
            &["push", "-q", &remote, "main"],
        ] {
            git(source.clone(), args).run().await.unwrap();
        }
        git(work.to_owned(), &["clone", "-q", &remote, "copy"]).run().await.unwrap();
        assert_eq!(std::fs::read_to_string(work.join("copy/file")).unwrap(), "hello");
        // The hooks ran: they tell Gitea what was pushed, and its queue notes it a moment later.
        let url = format!("http://127.0.0.1:{}/api/v1/repos/root1/kit", self.port);
        let mut answer = serde_json::Value::Null;
        for _ in 0..100 {
            let request = client.get(&url).basic_auth("root1", Some(&self.password));
            answer = request.send().await.unwrap().json().await.unwrap();
            if answer["empty"] == false {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(answer["empty"], false, "{answer}");
    }
}
