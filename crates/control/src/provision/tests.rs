//! Programs that die at the wrong moment, over real processes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use catalyst_model::Problem;

use super::process::{
    Note, Program, Started, Tail, boot, never_ran, settle_earlier, something_runs,
};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// Starts a script in `dir`.
async fn start(dir: &Path, script: &str) -> std::io::Result<Started> {
    let args = ["-c", script];
    let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let (path, name) = (Path::new("/bin/sh"), "apply");
    Program { path, args: &args, dir, environment: &environment, name }.start().await
}

fn note(dir: &Path) -> PathBuf {
    dir.join("running.json")
}

async fn appears(path: &Path) -> String {
    for _ in 0..400 {
        if let Ok(text) = fs::read_to_string(path)
            && text.ends_with('\n')
        {
            return text.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{} did not appear", path.display());
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[tokio::test]
async fn the_note_is_there_before_the_programs_first_instruction() {
    let tmp = tempfile::tempdir().unwrap();
    let mut started = start(tmp.path(), "cat running.json > seen; echo >> seen").await.unwrap();
    assert!(started.child.wait().await.unwrap().success());
    let seen = appears(&tmp.path().join("seen")).await;
    let seen: Note = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen.boot, boot().unwrap());
    assert!(!started.finish(LONG).await.unwrap());
    assert!(!note(tmp.path()).exists());
}

#[tokio::test]
async fn a_note_that_cannot_be_written_runs_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir(note(tmp.path())).unwrap();
    fs::write(note(tmp.path()).join("in-the-way"), "").unwrap();
    assert!(start(tmp.path(), "echo > ran; sleep 60").await.is_err());
    tokio::time::sleep(SHORT).await;
    assert!(!tmp.path().join("ran").exists());
}

#[tokio::test]
async fn a_child_that_outlives_its_leader_is_waited_for_before_the_note_goes() {
    let tmp = tempfile::tempdir().unwrap();
    let mut started = start(tmp.path(), "(sleep 1; echo done > late) & exit 0").await.unwrap();
    assert!(started.child.wait().await.unwrap().success());
    assert!(note(tmp.path()).exists() && something_runs(tmp.path()).unwrap());
    assert!(!started.finish(LONG).await.unwrap(), "nothing had to be made to end");
    assert_eq!(fs::read_to_string(tmp.path().join("late")).unwrap(), "done\n");
    assert!(!note(tmp.path()).exists() && !something_runs(tmp.path()).unwrap());
}

#[tokio::test]
async fn a_child_that_stays_is_ended_before_the_note_goes() {
    let tmp = tempfile::tempdir().unwrap();
    let script = "(trap '' INT; echo $$ > pid; while :; do sleep 1; done) & \
                  while [ ! -s pid ]; do sleep 0.05; done; kill -KILL $$";
    let mut started = start(tmp.path(), script).await.unwrap();
    assert!(!started.child.wait().await.unwrap().success(), "the leader was killed");
    assert!(something_runs(tmp.path()).unwrap());
    assert!(started.finish(SHORT).await.unwrap());
    assert!(!something_runs(tmp.path()).unwrap() && !note(tmp.path()).exists());
}

#[tokio::test]
async fn a_later_start_finds_an_earlier_run_and_ends_it_when_its_time_is_over() {
    let tmp = tempfile::tempdir().unwrap();
    let started = start(tmp.path(), "sleep 60 & echo $! > pid; wait").await.unwrap();
    let pid = appears(&tmp.path().join("pid")).await;
    // What holds the handle goes; the program stays, as after a crash.
    drop(started);
    assert!(something_runs(tmp.path()).unwrap() && runs(&pid));
    settle_earlier(tmp.path(), SHORT).await.unwrap();
    assert!(!runs(&pid) && !note(tmp.path()).exists());
}

#[tokio::test]
async fn a_note_nobody_can_read_does_not_say_that_nothing_runs() {
    let tmp = tempfile::tempdir().unwrap();
    let mut started = start(tmp.path(), "echo $$ > pid; exec sleep 60").await.unwrap();
    let pid = appears(&tmp.path().join("pid")).await;
    fs::write(note(tmp.path()), "{\"group\": 1").unwrap();
    let refused = settle_earlier(tmp.path(), SHORT).await.unwrap_err();
    assert_eq!(refused.problem, &Problem::TOFU_STILL_RUNNING);
    assert!(refused.detail.is_some_and(|d| d.contains(&pid)), "it names the process");
    assert!(runs(&pid), "whose it is is not known, so it is left alone");
    started.child.kill().await.unwrap();
    settle_earlier(tmp.path(), SHORT).await.unwrap();
    assert!(!note(tmp.path()).exists());
}

#[tokio::test]
async fn a_note_of_another_boot_or_of_a_number_given_out_anew_is_about_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let mut started = start(tmp.path(), "exec sleep 60").await.unwrap();
    let good: Note = serde_json::from_slice(&fs::read(note(tmp.path())).unwrap()).unwrap();
    let older = Note { started_ticks: good.started_ticks - 1, ..good.clone() };
    let other = Note { boot: "another".into(), ..good.clone() };
    for stale in [older, other] {
        fs::write(note(tmp.path()), serde_json::to_vec(&stale).unwrap()).unwrap();
        assert!(!something_runs(tmp.path()).unwrap());
    }
    fs::write(note(tmp.path()), serde_json::to_vec(&good).unwrap()).unwrap();
    assert!(something_runs(tmp.path()).unwrap());
    started.end().await.unwrap();
    assert!(!something_runs(tmp.path()).unwrap() && !note(tmp.path()).exists());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_from_one_that_fails() {
    let tmp = tempfile::tempdir().unwrap();
    for (script, never) in [("exec /nowhere/tofu", true), ("exit 1", false), ("exit 0", false)] {
        let mut started = start(tmp.path(), script).await.unwrap();
        let status = started.child.wait().await.unwrap();
        assert_eq!(never_ran(status), never, "{script}");
        started.finish(SHORT).await.unwrap();
    }
}

#[tokio::test]
async fn b3_output_that_comes_late_and_breaks_off_is_read_to_its_last_byte() {
    let tmp = tempfile::tempdir().unwrap();
    let script = "echo one; sleep 0.3; echo two; (sleep 0.3; printf three) & exit 1";
    let mut started = start(tmp.path(), script).await.unwrap();
    assert!(!started.child.wait().await.unwrap().success());
    started.finish(LONG).await.unwrap();
    let mut tail = Tail::open(&tmp.path().join("apply.out")).await.unwrap();
    assert_eq!(tail.look(true).await.unwrap(), ["one", "two", "three"]);
}
