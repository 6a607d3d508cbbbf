//! Rounds of deaths by chance, each followed by the question whether everything stands again.
//!
//! `make soak` runs it; `CATALYST_SOAK_ROUNDS` says how often (two rounds take under five minutes),
//! `CATALYST_SOAK_SEED` repeats a run's choices.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use catalyst_e2e::{
    Catalyst, Chance, Kubectl, Leftovers, Moment, Process, enabled, fact, kill, processes_in, say,
    snapshot, until,
};

use crate::first_light::AGAIN;
use crate::kills::{init, stands};

/// Longer than kubelet takes to see that a container has ended.
const SETTLED: Duration = Duration::from_secs(8);
/// How many die in one round.
const DEATHS: usize = 2;

#[test]
fn a_sovereign_outlives_deaths_by_chance() {
    let Some(rounds) = number("CATALYST_SOAK_ROUNDS") else {
        return say(
            "skipped: soak: CATALYST_SOAK_ROUNDS says no number of rounds (make soak does)",
        );
    };
    if !enabled("soak") {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = number("CATALYST_SOAK_SEED").unwrap_or(now);
    say(&format!("soak: {rounds} rounds, CATALYST_SOAK_SEED={seed}"));
    let before = snapshot();
    let catalyst = Catalyst::from_environment().unwrap();
    let outcome = soak(&catalyst, &before, rounds, &mut Chance::new(seed));
    let down = catalyst.run(&["down", "--purge"]);
    outcome.with_context(|| format!("CATALYST_SOAK_SEED={seed}")).unwrap();
    down.unwrap();
    let left = snapshot().since(&before);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

fn soak(
    catalyst: &Catalyst,
    before: &Leftovers,
    rounds: u64,
    chance: &mut Chance,
) -> anyhow::Result<()> {
    catalyst.run(&["up"])?;
    let kubectl = Kubectl::of(catalyst, "sov1")?;
    for round in 1..=rounds {
        let began = Instant::now();
        fact(&format!("round {round}: everything stands again"), || {
            let since = match deaths(catalyst, before, chance)? {
                true => Moment::now()?,
                false => Moment::beginning(),
            };
            // Whoever has no supervisor above them any more is brought back by this, as a person would.
            catalyst.run(&["up"])?;
            until(AGAIN, || stands(catalyst, &kubectl, &since))?;
            // The API tells of the dead as living for a moment: it must stand twice.
            std::thread::sleep(SETTLED);
            until(AGAIN, || stands(catalyst, &kubectl, &since))
        })?;
        say(&format!("  round {round} took {:.1}s", began.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Kills some; says whether the node's first process, and with it the whole node, was among them.
fn deaths(catalyst: &Catalyst, before: &Leftovers, chance: &mut Chance) -> anyhow::Result<bool> {
    let first = init(catalyst, "sov1")?;
    for _ in 0..DEATHS {
        // By kind first, or the many processes of Pods would be all that ever dies.
        let ours = processes_in(|one| !before.has(one));
        let kinds = kinds(&ours, &first);
        let Some(victim) = chance.pick(&kinds).and_then(|kind| chance.pick(kind)) else { continue };
        say(&format!("  kill -9 {} {} in {}", victim.pid, victim.name, victim.group));
        // A victim of the death before this one may be gone.
        let _ = kill(victim);
    }
    // Some who are not it take it along.
    std::thread::sleep(Duration::from_secs(1));
    Ok(!first.is_alive())
}

/// The first process of the node, its daemons, the Pods', and each role in the background.
fn kinds(ours: &[Process], first: &Process) -> Vec<Vec<Process>> {
    let mut kinds = std::collections::BTreeMap::<String, Vec<Process>>::new();
    for one in ours {
        let kind = match one.group.split_once("/kubepods") {
            _ if one == first => "first process".to_owned(),
            Some((owner, _)) => format!("{owner}/kubepods"),
            None => one.group.clone(),
        };
        kinds.entry(kind).or_default().push(one.clone());
    }
    kinds.into_values().collect()
}
