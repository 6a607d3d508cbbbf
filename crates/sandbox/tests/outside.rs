//! The outside for real: processes, a namespace on a link, and what can be reached from in there.
//!
//! Needs root, the built tools and the unpacked `nft`; says what is missing and skips otherwise.
//! Everything it makes has names of its own and is removed at the end, also when a check fails.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test ends at the first surprise, says what it skips, and is nobody's library"
)]

#[path = "outside/cases.rs"]
mod cases;
#[path = "outside/place.rs"]
mod place;

use std::ffi::OsString;
use std::process::ExitCode;

use catalyst_sandbox::daemon::{self, Verb};
use catalyst_sandbox::hold::Hold;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "daemon") {
        return background(&args[1..]);
    }
    // The flags of the usual harness: only listing and a filter that is not us matter here.
    let words: Vec<_> = args.iter().filter_map(|arg| arg.to_str()).collect();
    if words.contains(&"--list") {
        println!("a_link_sees_the_outside_and_nothing_else: test");
        return ExitCode::SUCCESS;
    }
    let place = match place::Place::find() {
        Ok(place) => place,
        Err(reason) => {
            println!("skipped: {reason}\n0 passed, 0 failed, 1 skipped");
            return ExitCode::SUCCESS;
        }
    };
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // Its ports and its link are the only ones of their kind: another checkout's run waits.
    let lock = std::env::temp_dir().join("catalyst-outside-test.lock");
    let waiting = |_| println!("waiting for another run of these tests");
    let _hold = runtime.block_on(Hold::take(&lock, &waiting)).unwrap();
    let (passed, failed) = runtime.block_on(cases::run(place));
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn background(args: &[OsString]) -> ExitCode {
    let verb = match (args[0].to_str().unwrap(), &args[1..]) {
        ("supervise", [dir]) => Verb::Supervise { dir: dir.into() },
        ("front", [file]) => Verb::Front { file: file.into() },
        ("enter", [file, dashes, more @ ..]) if dashes == "--" => {
            Verb::Enter { file: file.into(), args: more.to_vec() }
        }
        other => panic!("{other:?}"),
    };
    match daemon::run(verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}: {:?}", std::error::Error::source(&problem));
            ExitCode::FAILURE
        }
    }
}
