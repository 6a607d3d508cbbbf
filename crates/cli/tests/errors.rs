//! `docs/errors/` says what the catalogues say: one page a code, made from the code's own text.
//!
//! The command line is the one crate that sees both catalogues, the model's and the sandbox's.
//! `cargo xtask errors` writes the pages anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use catalyst_model::{Problem, ProblemClass};
use catalyst_sandbox::problem::Code;

const HINT: &str = "run `cargo xtask errors` and read the diff";

/// What each stretch of numbers is about.
const RANGES: &[(u16, &str)] = &[
    (1000, "The request"),
    (1100, "Who asks"),
    (1200, "Deployments and kubeconfigs"),
    (1300, "Records"),
    (2000, "Infrastructure (Phase 0)"),
    (2100, "The cluster and its kit (Phase 1)"),
    (2200, "Causes found in a cluster"),
    (3000, "This machine"),
    (3100, "Tools, images and the outside of a local Sovereign"),
    (3200, "The nodes of a local Sovereign"),
];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder() -> PathBuf {
    checkout().join("docs/errors")
}

/// The HTTP status of a class, as `crates/http/src/error.rs` gives it.
fn status(class: ProblemClass) -> u16 {
    match class {
        ProblemClass::Invalid => 400,
        ProblemClass::Unauthenticated => 401,
        ProblemClass::Forbidden => 403,
        ProblemClass::NotFound => 404,
        ProblemClass::MethodNotAllowed => 405,
        ProblemClass::Conflict => 409,
        ProblemClass::TooLarge => 413,
        ProblemClass::UnsupportedMedia => 415,
        ProblemClass::Unprocessable => 422,
        ProblemClass::Failed | ProblemClass::Internal => 500,
        ProblemClass::NotImplemented => 501,
        ProblemClass::Unavailable => 503,
    }
}

fn meaning(class: ProblemClass) -> &'static str {
    match class {
        ProblemClass::Invalid
        | ProblemClass::Unprocessable
        | ProblemClass::TooLarge
        | ProblemClass::UnsupportedMedia
        | ProblemClass::NotFound
        | ProblemClass::MethodNotAllowed => {
            "The request was refused before anything was changed. Sent again as it is, it is \
             refused again."
        }
        ProblemClass::Unauthenticated | ProblemClass::Forbidden => {
            "Whoever asked may not have what was asked for. Nothing was changed."
        }
        ProblemClass::Conflict => {
            "The request contradicts what is already there. Nothing was changed."
        }
        ProblemClass::NotImplemented => {
            "The request is understood, and what it asks for is planned and not built yet. Nothing \
             was changed."
        }
        ProblemClass::Unavailable => {
            "It cannot be done now. Nothing was changed, and the same request may work later."
        }
        ProblemClass::Failed => {
            "The work itself failed, outside any request. The deployment's record says so, and \
             what stands is kept."
        }
        ProblemClass::Internal => "A fault of Catalyst's own. The log of `catalystd` has more.",
    }
}

fn place(problem: &Problem) -> String {
    let (status, slug) = (status(problem.class), problem.slug);
    let answer = format!(
        "- As an answer of catalyst-api: status {status}, `code: {}`, `error: {slug}`.\n",
        problem.code
    );
    let record = "- In a deployment: its `error` and `answer`, its events, the first line of its \
                  page in the console, the last lines of `catalyst sovereign watch`.\n";
    match problem.class {
        ProblemClass::Failed => record.to_owned(),
        // These also befall a deployment that is under way.
        ProblemClass::Unavailable if problem.code.0 >= 1300 => answer + record,
        _ => answer,
    }
}

fn page_of_problem(problem: &Problem) -> String {
    format!(
        "# {}: {}\n\n## What it means\n\n{}\n\n## Cause\n\n{}\n\n## What to do\n\n{}\n\n\
         ## Where it appears\n\n{}",
        problem.code,
        problem.title,
        meaning(problem.class),
        problem.cause,
        problem.fix,
        place(problem),
    )
}

fn title_of_code(code: &Code) -> String {
    let mut letters = code.title.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn page_of_code(code: &Code) -> String {
    format!(
        "# {code}: {}\n\n## What it means\n\nSomething a local Sovereign needs of this machine \
         went wrong or is missing.\n\n## Cause\n\nEach occurrence names its own, behind the \
         title.\n\n## What to do\n\n{}\n\n## Where it appears\n\n- On the terminal, in \
         `catalyst up`, `down`, `doctor` and `sandbox …`: title and cause, then what to do.\n- In a \
         deployment whose infrastructure failed: within its `error`, its events and the message \
         of the resource that failed.\n",
        title_of_code(code),
        code.about,
    )
}

/// Every page by its file's name.
fn pages() -> BTreeMap<String, String> {
    let mut titles: BTreeMap<u16, String> = BTreeMap::new();
    let mut pages = BTreeMap::new();
    for problem in Problem::all() {
        titles.insert(problem.code.0, problem.title.to_owned());
        pages.insert(format!("{}.md", problem.code), page_of_problem(problem));
    }
    for code in catalyst_sandbox::problem::catalogue() {
        let before = titles.insert(code.number, title_of_code(code));
        assert!(before.is_none(), "{code} is in both catalogues");
        pages.insert(format!("{code}.md"), page_of_code(code));
    }
    pages.insert("README.md".to_owned(), index(&titles));
    pages
}

fn index(titles: &BTreeMap<u16, String>) -> String {
    let mut text = "# Everything that can go wrong\n\nEach problem has a code that never changes. \
                    The pages are made from the catalogues in `crates/model/src/problem/` and \
                    `crates/sandbox/src/` by `cargo xtask errors`; correct the text there.\n"
        .to_owned();
    for (n, (from, about)) in RANGES.iter().enumerate() {
        let to = RANGES.get(n + 1).map_or(u16::MAX, |(next, _)| *next);
        let _ = write!(text, "\n## {about}\n\n");
        for (number, title) in titles.range(from..&to) {
            let _ = writeln!(text, "- [CAT-{number:04}](CAT-{number:04}.md) {title}");
        }
    }
    text
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        write_the_pages();
    }
    let pages = pages();
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("it is readable").file_name().to_string_lossy().into_owned())
        .collect();
    let wanted: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(there, wanted, "{HINT}");
    for (name, text) in pages {
        let kept = std::fs::read_to_string(folder().join(&name)).expect("it is readable");
        assert!(kept == text, "{name} is not what its code says; {HINT}");
    }
}

/// What `cargo xtask errors` asks for by `UPDATE_GOLDENS`.
fn write_the_pages() {
    let folder = folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the old pages can be removed");
    }
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    for (name, text) in pages() {
        std::fs::write(folder.join(name), text).expect("a page can be written");
    }
}

#[test]
fn no_code_is_raised_that_no_catalogue_has() {
    let known: BTreeSet<String> = pages().into_keys().collect();
    let mut left = vec![checkout().join("crates")];
    let mut raised = BTreeSet::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .expect("a folder of the checkout is readable")
                    .map(|entry| entry.expect("it is readable").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("it is readable");
            raised.extend(declared(&text).map(|number| (number, path.clone())));
        }
    }
    assert!(raised.len() > 100, "only {} codes were found", raised.len());
    for (number, path) in raised {
        let page = format!("CAT-{number}.md");
        assert!(known.contains(&page), "{} declares {number}, {HINT}", path.display());
    }
}

/// The numbers that a source file declares as codes: `Code::new(3000, …` and the catalogue's rows.
fn declared(text: &str) -> impl Iterator<Item = String> {
    let number = |text: &str| -> Option<String> {
        let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
        (digits.len() == 4).then_some(digits)
    };
    let constants = text.split("Code::new(").skip(1).filter_map(number);
    let rows = text.lines().filter(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| number(word).is_some() && word.len() == 4)
            && words.nth(2).is_some_and(|word| word.starts_with('"'))
    });
    constants.chain(rows.filter_map(number)).collect::<Vec<_>>().into_iter()
}
