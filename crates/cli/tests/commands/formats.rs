//! What programs read: every command's answer in the format asked for, failures included.

use serde_json::Value;

use crate::program::{Program, is_root};
use crate::server::with_one;

/// Commands that answer without a cluster, and whether they follow something.
const COMMANDS: &[(&[&str], bool)] = &[
    (&["sovereign", "list"], false),
    (&["sovereign", "get", "sov1"], false),
    (&["sovereign", "create", "sov1", "--detach"], false),
    (&["sovereign", "create", "sov1"], true),
    (&["sovereign", "watch", "sov1"], true),
    (&["sovereign", "retry", "sov1"], true),
    (&["sovereign", "retry", "sov1", "--detach"], false),
    (&["sovereign", "kubeconfig", "sov1"], false),
    (&["sovereign", "kubeconfig", "sov1", "--to", "sov1.yaml"], false),
    (&["token", "create", "--tier", "viewer"], false),
    (&["token", "list"], false),
    (&["token", "revoke", "t1"], false),
    (&["login"], false),
    (&["logout"], false),
    (&["sandbox", "status"], false),
    (&["sandbox", "outside", "status"], false),
];

/// The same for those that touch this machine.
const OF_ROOT: &[(&[&str], bool)] = &[
    (&["down"], false),
    (&["sandbox", "down", "zz-never"], false),
    (&["sandbox", "outside", "down"], false),
];

fn documents(text: &str, format: &str) -> Vec<Value> {
    match format {
        "json" => {
            let whole = serde_json::Deserializer::from_str(text).into_iter();
            whole.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {text}"))
        }
        _ => text
            .split("---\n")
            .filter(|part| !part.is_empty())
            .map(|part| serde_saphyr::from_str(part).unwrap_or_else(|e| panic!("{e}: {part}")))
            .collect(),
    }
}

#[test]
fn every_command_answers_in_the_format_asked_for() {
    let server = with_one("ready");
    let catalyst = Program::new().with("CATALYST_API", &server.url());
    let of_root = if is_root() { OF_ROOT } else { &[] };
    for (args, follows) in COMMANDS.iter().chain(of_root) {
        for format in ["json", "yaml"] {
            let said = catalyst.feed(&[*args, &["-o", format]].concat(), "once-1\n");
            assert_eq!(said.code, Some(0), "{args:?} {format}: {}", said.err);
            let documents = documents(&said.out, format);
            assert!(!documents.is_empty(), "{args:?} {format} says nothing");
            if *follows {
                assert!(documents.len() > 1, "{args:?} {format}");
                assert_eq!(documents.last().unwrap()["status"], "ready", "{args:?} {format}");
            } else {
                assert_eq!(documents.len(), 1, "{args:?} {format}: {}", said.out);
            }
        }
    }
}

#[test]
fn a_failure_is_one_document_too() {
    let catalyst = Program::new();
    let cases: &[(&[&str], i32)] = &[
        (&["sovereign", "list", "--api", "http://127.0.0.1:1"], 4),
        (&["sandbox", "status", "zz-never"], 5),
        (&["sandbox", "logs", "zz-never"], 5),
        (&["token", "revoke", "../x"], 1),
    ];
    for (args, code) in cases {
        for format in ["json", "yaml"] {
            let said = catalyst.run(&[*args, &["-o", format]].concat());
            assert_eq!((said.code, said.out.as_str()), (Some(*code), ""), "{args:?}");
            let last = match format {
                "json" => said.err.lines().last().unwrap(),
                _ => said.err.rsplit("---\n").next().unwrap(),
            };
            let problem = documents(last, format);
            assert_eq!(problem.len(), 1, "{args:?}: {}", said.err);
            assert_eq!(problem[0]["exitCode"], *code, "{args:?}");
            assert!(problem[0]["title"].is_string() && problem[0]["fix"].is_string(), "{args:?}");
        }
    }
}

#[test]
fn an_address_that_is_none_is_a_wrong_command_line() {
    let catalyst = Program::new();
    assert_eq!(catalyst.run(&["sovereign", "list", "--api", "nonsense"]).code, Some(2));
    let catalyst = catalyst.with("CATALYST_API", "127.0.0.1:7080");
    assert_eq!(catalyst.run(&["sovereign", "list"]).code, Some(2));
}
