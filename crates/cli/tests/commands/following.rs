//! Following a run: the exit code is the Sovereign's state, whatever became of the reader.

use crate::program::Program;
use crate::server::with_one;

#[test]
fn a_reader_that_goes_away_makes_no_success_of_a_run_that_goes_on() {
    let server = with_one("provisioning");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    for args in [
        &["sovereign", "watch", "sov1"][..],
        &["sovereign", "watch", "sov1", "-o", "json"],
        &["sovereign", "create", "sov1"],
    ] {
        let said = catalyst.head(args);
        assert!(said.out.contains("event 1"), "{args:?}: {}", said.out);
        assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_takes_nothing_from_a_run_that_ended_well() {
    let server = with_one("ready");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    let said = catalyst.head(&["sovereign", "watch", "sov1"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(catalyst.head(&["completions", "bash"]).code, Some(0));
}

#[test]
fn a_run_that_failed_says_why_and_how_to_go_on() {
    let server = with_one("failed");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    let said = catalyst.run(&["sovereign", "watch", "sov1"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("sovereign retry sov1` tries again"), "{}", said.err);
    let said = catalyst.run(&["sovereign", "retry", "sov1", "--detach"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let asked = server.seen().pop().unwrap().line;
    assert_eq!(asked, "POST /api/v1/deployments/00000000000000aa/phases/infrastructure/retry");
}
