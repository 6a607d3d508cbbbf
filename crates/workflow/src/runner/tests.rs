//! Facts about running and resuming.

use super::*;
use crate::{Crashed, MemoryLog};

/// A little world: what each step made, and how often it was asked to.
#[derive(Default, Clone)]
struct World {
    made: Vec<&'static str>,
    calls: u32,
    fail_at: Option<&'static str>,
}

fn make(world: &mut World, what: &'static str) -> Result<(), String> {
    world.calls += 1;
    if world.fail_at == Some(what) {
        return Err(format!("{what} failed"));
    }
    if !world.made.contains(&what) {
        world.made.push(what);
    }
    Ok(())
}

fn workflow() -> Workflow<World, String> {
    Workflow {
        steps: vec![
            Step { name: "a", work: |w| Box::pin(async { make(w, "a") }) },
            Step { name: "b", work: |w| Box::pin(async { make(w, "b") }) },
            Step { name: "c", work: |w| Box::pin(async { make(w, "c") }) },
        ],
    }
}

async fn go(world: &mut World, log: &mut MemoryLog<String>) -> Result<Outcome<String>, Crashed> {
    let wf = workflow();
    let position = log.replay(&wf.names()).unwrap();
    run(&wf, position, world, log, &CancellationToken::new()).await
}

#[tokio::test]
async fn killed_before_or_after_every_write_it_resumes_to_the_same_end() {
    for crash_at in 0..6 {
        for written in [false, true] {
            let mut world = World::default();
            let mut log = MemoryLog::crashing(crash_at, written);
            assert!(go(&mut world, &mut log).await.is_err(), "crash {crash_at}");
            log.mend();
            assert_eq!(go(&mut world, &mut log).await, Ok(Outcome::Done), "crash {crash_at}");
            assert_eq!(world.made, ["a", "b", "c"], "crash {crash_at} written {written}");
            assert!(world.calls <= 4, "at most one step runs twice");
        }
    }
}

#[tokio::test]
async fn finished_steps_are_not_run_again() {
    let mut world = World::default();
    let mut log = MemoryLog::default();
    assert_eq!(go(&mut world, &mut log).await, Ok(Outcome::Done));
    let calls = world.calls;
    assert_eq!(go(&mut world, &mut log).await, Ok(Outcome::Done));
    assert_eq!(world.calls, calls);
}

#[tokio::test]
async fn every_step_may_fail_and_the_next_run_begins_anew() {
    for step in ["a", "b", "c"] {
        let mut world = World { fail_at: Some(step), ..World::default() };
        let mut log = MemoryLog::default();
        let outcome = go(&mut world, &mut log).await.unwrap();
        assert_eq!(outcome, Outcome::Failed { step, failure: format!("{step} failed") });
        world.fail_at = None;
        assert_eq!(go(&mut world, &mut log).await, Ok(Outcome::Done));
        assert!(log.entries().contains(&Entry::Started { step: "a", run: 2 }));
    }
}

#[tokio::test]
async fn told_to_stop_it_abandons_the_step_and_resumes_there() {
    let wf: Workflow<World, String> =
        Workflow { steps: vec![Step { name: "a", work: |_| Box::pin(std::future::pending()) }] };
    let (mut world, mut log) = (World::default(), MemoryLog::default());
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let (outcome, ()) =
        tokio::join!(run(&wf, Position::BEGINNING, &mut world, &mut log, &stop), async move {
            stopper.cancel()
        });
    assert_eq!(outcome, Ok(Outcome::Stopped));
    let position = log.replay(&["a"]).unwrap();
    assert_eq!(position, Position::At { run: 1, next: 0, begun: true });
}

#[test]
fn a_log_of_another_workflow_is_refused() {
    let entry: Entry<String> = Entry::Finished { step: "b" };
    assert!(Position::BEGINNING.after(&["a", "b"], &entry).is_err());
    let unknown: Entry<String> = Entry::Started { step: "z", run: 1 };
    assert!(Position::BEGINNING.after(&["a", "b"], &unknown).is_err());
}
