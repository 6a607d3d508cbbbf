//! What is written about the command line is what it takes: in help texts, problems and documents.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::{Args, Command, api};

/// Where people read of commands, below the checkout.
const READ: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs",
    "crates",
    "console/src",
    "infra",
    "clusters",
    "charts",
    "sandbox",
];
const ENDINGS: &[&str] = &["md", "rs", "svelte", "ts", "tf", "yaml", "toml"];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_file() {
        let ending = place.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if ENDINGS.contains(&ending) {
            found.push(place.to_owned());
        }
        return;
    }
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        files(&entry.path(), found);
    }
}

/// The commands a text names: between backticks, as code in a page, as lines of a document's fence.
fn named(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    // The console gives commands to be copied, as they are typed.
    let quoted = matches!(ending, "svelte" | "ts").then_some(("\"", "\""));
    let mut found = Vec::new();
    for (open, close) in [("`", "`"), ("<code>", "</code>")].into_iter().chain(quoted) {
        for start in ["catalyst ", "./catalyst ", "sudo catalyst "] {
            for after in text.split(&format!("{open}{start}")).skip(1) {
                let end = after.find([close.chars().next().unwrap(), '\n']).unwrap_or(after.len());
                found.push(format!("catalyst {}", &after[..end]));
            }
        }
    }
    if ending == "md" {
        let fenced = text.split("```").skip(1).step_by(2);
        found.extend(fenced.flat_map(str::lines).flat_map(commands));
    }
    found
}

/// The calls of ours in a line as typed into a shell.
fn commands(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let parts = line.split("&&").map(|part| part.trim().trim_start_matches("$ ").trim());
    let ours = |part: &&str| part.starts_with("catalyst ") || part.starts_with("./catalyst ");
    parts.filter(ours).map(str::to_owned).collect()
}

/// The words of a call, with something in place of what the reader is to fill in.
fn words(call: &str) -> Vec<String> {
    let call = call.split(['…', '>', ';', '|']).next().unwrap_or_default();
    let mut words = Vec::new();
    for (quoted, piece) in call.split('\'').enumerate().map(|(at, piece)| (at % 2 == 1, piece)) {
        if quoted {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(filled));
        }
    }
    words
}

fn filled(word: &str) -> String {
    let word = word.split('|').next().unwrap_or_default();
    let blank = word.contains(['{', '<']) || word.chars().all(|c| c.is_ascii_uppercase());
    match word {
        "PORT" => "7080".to_owned(),
        "N" => "1".to_owned(),
        _ if blank && !word.is_empty() => "sov1".to_owned(),
        word => word.to_owned(),
    }
}

/// Why a call is not one of ours; what is only cut short is.
fn fault(call: &str) -> Option<String> {
    let error = Args::try_parse_from(words(call)).err()?;
    let short = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::DisplayVersion
            | ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
    );
    let text = error.to_string();
    let said = text.lines().next().unwrap_or_default().to_owned();
    (!short && !said.contains("a value is required for")).then_some(said)
}

#[test]
fn every_command_that_a_text_names_exists() {
    let mut paths = Vec::new();
    for place in READ {
        files(&checkout().join(place), &mut paths);
    }
    let mut checked = 0;
    let mut dead = Vec::new();
    for path in paths {
        for call in named(&path) {
            // A text made from parts, and the name of this test's own pieces, are no commands.
            if call.contains("--{") || path.ends_with("cli/src/args/tests.rs") {
                continue;
            }
            checked += 1;
            dead.extend(fault(&call).map(|why| format!("{}: `{call}`: {why}", path.display())));
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(checked > 40, "only {checked} commands were found");
}

#[test]
fn a_dead_command_would_be_found() {
    assert!(fault("catalyst login --print-link").is_some());
    assert!(fault("catalyst sovereign wacth sov1").is_some());
    assert_eq!(fault("catalyst sandbox logs NAME kube-apiserver"), None);
    assert_eq!(fault("catalyst sandbox outside up|down"), None);
    assert_eq!(fault("catalyst sandbox step … host"), None);
    assert_eq!(fault("catalyst up --port … --first-link …"), None);
    let line = "$ ./catalyst sovereign kubeconfig sov1 --to f && kubectl get pods   # look";
    assert_eq!(commands(line), ["./catalyst sovereign kubeconfig sov1 --to f"]);
}

fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    let path = format!("{path} {}", command.get_name()).trim().to_owned();
    let visible = command.get_subcommands().filter(|one| !one.is_hide_set());
    let mut any = false;
    for one in visible {
        any = true;
        leaves(one, &path, found);
    }
    if !any {
        found.push((path, command.clone()));
    }
}

#[test]
fn every_command_teaches_with_an_example_that_works() {
    let mut all = Vec::new();
    leaves(&Args::command(), "", &mut all);
    assert!(all.len() > 25, "{}", all.len());
    for (path, command) in all {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "`{path}` has no example");
        let examples = help.lines().map(|line| line.trim().split("  ").next().unwrap());
        let examples: Vec<_> = examples.filter(|line| line.contains("catalyst ")).collect();
        let last = path.rsplit(' ').next().unwrap();
        assert!(examples.iter().any(|one| one.contains(last)), "`{path}`: {help}");
        for example in examples.iter().filter(|one| one.starts_with("catalyst ")) {
            let parsed = Args::try_parse_from(words(example));
            assert!(parsed.is_ok(), "`{path}`: `{example}`: {}", parsed.err().unwrap());
        }
    }
}

#[test]
fn long_help_is_what_the_command_itself_says() {
    let command = Args::command();
    for name in ["up", "down", "doctor", "login", "logout", "kubectl", "sandbox"] {
        let one = command.find_subcommand(name).unwrap();
        let (short, long) = (one.get_about().unwrap(), one.get_long_about());
        assert!(
            long.is_some_and(|long| long.to_string().len() > short.to_string().len()),
            "{name}"
        );
    }
    let help = command.get_after_help().unwrap().to_string();
    for code in ["0", "1", "2", "3", "4", "5"] {
        assert!(help.contains(&format!("\n  {code}  ")), "exit code {code}");
    }
}

#[test]
fn an_address_that_cannot_be_asked_is_a_wrong_command_line() {
    for bad in ["nonsense", "", "127.0.0.1:7080", "ftp://a", "http://"] {
        assert!(api(bad).is_err(), "{bad}");
    }
    assert_eq!(api("http://127.0.0.1:7080/").unwrap(), "http://127.0.0.1:7080");
}

#[test]
fn what_promises_an_outcome_says_so() {
    let follows = |line: &str| -> bool {
        let command: Command = Args::try_parse_from(words(line)).unwrap().command;
        command.follows()
    };
    assert!(follows("catalyst up"));
    assert!(follows("catalyst sovereign watch sov1"));
    assert!(follows("catalyst sovereign create sov1"));
    assert!(!follows("catalyst sovereign create sov1 --detach"));
    assert!(!follows("catalyst sovereign list"));
}
