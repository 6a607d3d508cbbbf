//! `make up` on real input: a real cluster, ready by kubectl's word; a second one beside it; what it
//! listens on, pulls and keeps; kills and restarts; then down, leaving nothing.
//!
//! One test, for the steps are one story and a cluster is dear; each step names the fact it shows.

use std::time::{Duration, Instant};

use anyhow::ensure;
use catalyst_e2e::{
    Catalyst, Kubectl, Leftovers, Moment, enabled, fact, leaks, name, releases_ready, runs_since,
    say, setting, snapshot, until,
};
use serde_json::Value;

use crate::{bystanders, git_push, kills, pull_secret, sockets, views};

/// How long a Sovereign may take to stand again after it was ended.
pub(crate) const AGAIN: Duration = Duration::from_secs(240);

#[test]
fn a_sovereign_comes_up_stands_alone_and_goes_without_a_trace() {
    if !enabled("first light") {
        return;
    }
    let before = snapshot();
    let catalyst = Catalyst::from_environment().unwrap();
    let outcome = story(&catalyst, &before);
    let down = catalyst.run(&["down", "--purge"]);
    outcome.unwrap();
    down.unwrap();
    let left = snapshot().since(&before);
    assert!(left.is_empty(), "left behind: {left:#?}");
    assert!(!setting("CATALYST_HOME").unwrap().join("sovereigns").exists(), "--purge kept data");
}

fn story(catalyst: &Catalyst, before: &Leftovers) -> anyhow::Result<()> {
    fact("`catalyst up` ends with a ready Sovereign", || {
        catalyst.run(&["up"])?;
        let sovereign = catalyst.sovereign("sov1")?;
        ensure!(sovereign["status"] == "ready", "{}", sovereign["answer"]);
        Ok(())
    })?;
    let kubectl = Kubectl::of(catalyst, "sov1")?;
    stands(catalyst, &kubectl)?;
    fact("a second `up` changes nothing and is quick", || {
        catalyst.run(&["up"])?;
        ensure!(catalyst.sovereign("sov1")?["status"] == "ready");
        Ok(())
    })?;
    second(catalyst, &kubectl, before)?;
    fact("what the control plane's own eyes see is what is there", || {
        views::the_fleet_sees_it(kubectl.kubeconfig())
    })?;
    let marker = fact("a git push into the Sovereign's own Gitea arrives", || {
        git_push::push_marker(&kubectl)
    })?;
    fact("a private image is pulled with the pull Secret and refused without", || {
        pull_secret::decides(catalyst, &kubectl)
    })?;
    kills::recovered(catalyst, &kubectl, before)?;
    fact("`down` ends everything and leaves nothing but data", || {
        let began = Instant::now();
        catalyst.run(&["down"])?;
        let took = began.elapsed();
        say(&format!("time: everything down in {:.1}s", took.as_secs_f64()));
        // Ten on an idle machine; what runs beside the suites must not decide.
        ensure!(took < Duration::from_secs(30), "it took {took:?}");
        let left = snapshot().since(before);
        ensure!(left.is_empty(), "left behind: {left:#?}");
        Ok(())
    })?;
    fact("`up` goes on with the same data", || {
        let since = Moment::now()?;
        catalyst.run(&["up"])?;
        until(AGAIN, || runs_since(&kubectl, &since))?;
        until(AGAIN, || releases_ready(&kubectl))?;
        git_push::marker_is_there(&kubectl, &marker)
    })?;
    // The caller's `down --purge` follows, and what it leaves is looked at.
    fact("everything that could help `down` is killed", || kills::beheaded(catalyst, before))
}

fn stands(catalyst: &Catalyst, kubectl: &Kubectl) -> anyhow::Result<()> {
    fact("node and every Pod are Ready by kubectl's word", || {
        runs_since(kubectl, &Moment::beginning())
    })?;
    fact("every release is Ready at its current generation", || releases_ready(kubectl))?;
    fact("the API's components are exactly the cluster's releases", || {
        let mut told = strings(&catalyst.sovereign("sov1")?["components"], "name");
        let mut real: Vec<_> = kubectl
            .list(&["helmreleases", "-n", "flux-system"])?
            .iter()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        told.sort();
        real.sort();
        ensure!(told == real, "told {told:?}, real {real:?}");
        Ok(())
    })?;
    fact("no source is insecure", || {
        for source in kubectl.list(&["helmrepositories", "-A"])? {
            ensure!(source["spec"]["insecure"].is_null(), "{} is insecure", name(&source));
        }
        Ok(())
    })?;
    fact("no secret is in a log, an argument list or an environment", || {
        let leaks = leaks(&setting("CATALYST_HOME")?)?;
        ensure!(leaks.is_empty(), "a secret is in {leaks:?}");
        Ok(())
    })
}

fn second(catalyst: &Catalyst, first: &Kubectl, before: &Leftovers) -> anyhow::Result<()> {
    fact("a second Sovereign, made through the public API, is ready beside the first", || {
        let began = Instant::now();
        catalyst.run(&["sovereign", "create", "sov2"])?;
        say(&format!("time: second Sovereign ready in {:.1}s", began.elapsed().as_secs_f64()));
        let kubectl = Kubectl::of(catalyst, "sov2")?;
        runs_since(&kubectl, &Moment::beginning())?;
        releases_ready(&kubectl)?;
        runs_since(first, &Moment::beginning())
    })?;
    fact("nothing on this machine listens for the world", || {
        sockets::nothing_listens_for_the_world(catalyst, before, &["sov1", "sov2"])
    })?;
    fact("the firewall's counters are told", || {
        for name in ["sov1", "sov2"] {
            let firewall = &catalyst.node(name)?["firewall"];
            for allowed in ["dns", "tls"] {
                let packets = firewall[allowed]["packets"].as_u64();
                ensure!(packets > Some(0), "{name}: {allowed}: {firewall}");
            }
            ensure!(firewall["input_dropped"]["packets"].is_u64(), "{name}: {firewall}");
        }
        Ok(())
    })?;
    fact("the second one's end is not the first one's", || {
        bystanders::unharmed(first, || {
            catalyst.run(&["sandbox", "down", "sov2", "--purge"]).map(drop)
        })
    })
}

fn strings(items: &Value, field: &str) -> Vec<String> {
    let items = items.as_array().into_iter().flatten();
    items.filter_map(|item| item[field].as_str().map(str::to_owned)).collect()
}
