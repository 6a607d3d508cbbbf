//! The doctor on this very machine: it must look without changing anything.

use std::collections::BTreeSet;

use catalyst_sandbox::debian::Debian;
use catalyst_sandbox::doctor::{Question, Wire, examine, gather};
use catalyst_sandbox::paths::Home;
use catalyst_sandbox::process::Invocation;

use crate::support;

#[tokio::test]
async fn the_doctor_says_a_line_for_everything_and_leaves_no_link() {
    let debian = Debian::from_checkout(&support::cache(), support::checkout()).unwrap();
    let question = Question {
        cache: support::cache(),
        home: Home::new("/nowhere/yet"),
        path: std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned(),
        ports: vec![(support::free_port(), "a test".to_owned())],
        own: BTreeSet::new(),
        links: vec![Wire { network: [10, 210, 0], interface: "sv0".to_owned(), ours: false }],
        build_bytes: 0,
        debian: debian.tree().ok(),
    };
    let links = || Invocation::new("ip").args(["-brief", "link"]);
    let before = links().run().await.unwrap().text();
    let lines = examine(&gather(question).await);
    for line in &lines {
        println!("{:?} {}: {} {}", line.level, line.subject, line.says, line.remedy);
    }
    assert!(lines.len() > 25);
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("probe")).map(str::to_owned).collect()
    };
    let after = links().run().await.unwrap().text();
    assert_eq!(names(&before), names(&after));
}
