//! kubectl's command lines, and the requests each of them makes.

use super::calls::{Call, Doings, Made, Piped, Reach, Target, manifests, own};
use super::word::{Env, known};

/// Options that take the next word as their value.
const WITH_VALUE: &[&str] = &[
    "-n",
    "--namespace",
    "-o",
    "--output",
    "-l",
    "--selector",
    "-f",
    "--filename",
    "-p",
    "--patch",
    "--type",
    "--timeout",
    "--for",
    "--context",
    "--kubeconfig",
    "-s",
    "--server",
    "--token",
    "--as",
    "--field-manager",
    "--from-literal",
    "--from-file",
    "--sort-by",
    "--field-selector",
    "--template",
    "--tail",
    "--since",
    "-c",
    "--container",
    "--request-timeout",
    "-v",
    "--cert",
    "--key",
    "--overrides",
    "--image",
    "--replicas",
    "--patch-file",
    "--subresource",
    "--docker-server",
    "--docker-username",
    "--docker-password",
    "--docker-email",
    "--raw",
    "-k",
    "--kustomize",
    "--duration",
    "--from-env-file",
];

#[derive(Default)]
struct Line<'a> {
    positional: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    fn of(words: &'a [String]) -> Self {
        let mut line = Self::default();
        let mut at = 0;
        while let Some(word) = words.get(at).map(String::as_str) {
            at += 1;
            if word == "--" {
                break;
            }
            if !word.starts_with('-') || word == "-" {
                line.positional.push(word);
            } else if let Some((name, value)) = word.split_once('=') {
                line.options.push((name, value));
            } else if WITH_VALUE.contains(&word) {
                line.options.push((word, words.get(at).map_or("", String::as_str)));
                at += 1;
            } else if let Some(value) = word.strip_prefix("-n").filter(|_| !word.starts_with("--"))
            {
                line.options.push(("-n", value));
            } else {
                line.options.push((word, ""));
            }
        }
        line
    }

    fn option(&self, names: &[&str]) -> Option<&'a str> {
        self.options.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
    }

    /// Whether it goes to another server than the Pod's own.
    fn is_foreign(&self) -> bool {
        self.option(&["--kubeconfig", "--context", "-s", "--server", "--token"]).is_some()
    }

    fn is_dry(&self) -> bool {
        self.option(&["--dry-run"]).is_some_and(|kind| kind != "none" && kind != "server")
    }

    fn reach(&self, env: &Env) -> Reach {
        if self.option(&["-A", "--all-namespaces"]).is_some() {
            return Reach::All;
        }
        match self.option(&["-n", "--namespace"]) {
            Some(namespace) => {
                known(namespace).map_or(Reach::Unknown, |name| Reach::In(name.to_owned()))
            }
            None => own(env),
        }
    }
}

/// Reads one command line, without the word `kubectl`.
pub(super) fn read(words: &[String], at: u32, piped: &Piped<'_>, env: &Env, all: &mut Doings) {
    let line = Line::of(words);
    if line.is_foreign() {
        return;
    }
    let reach = line.reach(env);
    let Some(command) = line.positional.first() else { return };
    let mut ask = |verbs: &[&'static str], target: &Target, name: Option<&str>| {
        for verb in verbs {
            let name = name.and_then(known).map(str::to_owned);
            let (target, reach) = (target.clone(), reach.clone());
            all.calls.push(Call { verb, target, name, reach, line: at });
        }
    };
    let several: &[&'static str] = match *command {
        "get" | "describe" => {
            let waits = line.option(&["-w", "--watch", "--watch-only"]).is_some();
            for (target, name) in objects(&line.positional[1..]) {
                let verbs: &[&'static str] = match (&name, waits) {
                    (Some(_), false) => &["get"],
                    (None, false) => &["list"],
                    (_, true) => &["list", "watch"],
                };
                ask(verbs, &target, name);
            }
            return;
        }
        "create" if line.positional.len() > 2 => {
            if !line.is_dry()
                && let Some(made) = created(&line, &reach)
            {
                ask(&["create"], &made.target, None);
                all.made.push(made);
            }
            return;
        }
        "apply" | "create" | "replace" | "delete"
            if line.option(&["-f", "--filename"]).is_some() =>
        {
            let verbs: &[&'static str] = match *command {
                "apply" => &["get", "create", "patch"],
                "create" => &["create"],
                "replace" => &["get", "update"],
                _ => &["delete"],
            };
            for made in input(&line, piped, env) {
                for verb in verbs {
                    let name = Some(made.name.clone())
                        .filter(|name| *verb != "create" && !name.is_empty());
                    let (target, reach) = (made.target.clone(), made.reach.clone());
                    all.calls.push(Call { verb, target, name, reach, line: at });
                }
                if *command != "delete" && !made.name.is_empty() {
                    all.made.push(made);
                }
            }
            return;
        }
        "patch" | "label" | "annotate" | "edit" => &["get", "patch"],
        "delete" => &["delete"],
        "scale" => &["get", "patch"],
        "wait" => &["get", "list", "watch"],
        "rollout" => match line.positional.get(1) {
            Some(&"status") => &["get", "list", "watch"],
            Some(&("restart" | "undo" | "pause" | "resume")) => &["get", "patch"],
            _ => return,
        },
        "set" => &["get", "patch"],
        "exec" | "logs" | "cp" => {
            pods(command, &line, &mut ask);
            return;
        }
        _ => return,
    };
    let skip = if matches!(*command, "rollout" | "set") { 2 } else { 1 };
    for (target, name) in objects(line.positional.get(skip..).unwrap_or_default()) {
        let collection = *command == "delete" && name.is_none();
        let verbs: &[&'static str] = if collection { &["list", "delete"] } else { several };
        if *command == "scale"
            && let Target::Word(word) = &target
        {
            ask(&["get"], &target, name);
            ask(&["get", "update"], &Target::Word(format!("{word}/scale")), name);
            continue;
        }
        ask(verbs, &target, name);
        if matches!(*command, "patch" | "label" | "annotate")
            && let Some(name) = name.and_then(known)
        {
            let (target, reach) = (target.clone(), reach.clone());
            all.made.push(Made { target, name: name.to_owned(), reach, keys: None });
        }
    }
}

/// The types and names of `TYPE NAME…`, `TYPE/NAME…` and `TYPE,TYPE`.
fn objects<'a>(words: &[&'a str]) -> Vec<(Target, Option<&'a str>)> {
    let Some(first) = words.first() else { return Vec::new() };
    // Labels, annotations and images of `set` are no names.
    let names = |words: &[&'a str]| -> Vec<&'a str> {
        words.iter().copied().filter(|word| !word.contains('=') && !word.ends_with('-')).collect()
    };
    if first.contains('/') {
        let pairs = words.iter().filter_map(|word| word.split_once('/'));
        return pairs.map(|(kind, name)| (Target::Word(kind.to_owned()), Some(name))).collect();
    }
    if known(first).is_none() || first.contains('=') {
        return Vec::new();
    }
    let named = names(&words[1..]);
    let targets = first.split(',').map(|kind| Target::Word(kind.to_owned()));
    if named.is_empty() {
        return targets.map(|target| (target, None)).collect();
    }
    targets.flat_map(|target| named.iter().map(move |name| (target.clone(), Some(*name)))).collect()
}

fn pods(
    command: &str,
    line: &Line<'_>,
    ask: &mut impl FnMut(&[&'static str], &Target, Option<&str>),
) {
    let sub = if command == "logs" { "pods/log" } else { "pods/exec" };
    let target = |resource: &str| Target::Word(resource.to_owned());
    ask(&["get"], &target("pods"), None);
    ask(&[if command == "logs" { "get" } else { "create" }], &target(sub), None);
    if let Some((kind, name)) = line.positional.get(1).and_then(|word| word.split_once('/'))
        && !matches!(kind, "pod" | "pods" | "po")
    {
        ask(&["get"], &target(kind), Some(name));
    }
}

/// What `create secret generic x --from-literal=a=b` makes.
fn created(line: &Line<'_>, reach: &Reach) -> Option<Made> {
    let kind = *line.positional.get(1)?;
    let is_secret = matches!(kind, "secret" | "secrets");
    let name = known(line.positional.get(if is_secret { 3 } else { 2 })?)?.to_owned();
    if kind == "token" {
        let target = Target::Word("serviceaccounts/token".to_owned());
        return Some(Made { target, name, reach: reach.clone(), keys: None });
    }
    let pairs = |option: &str| -> Vec<String> {
        let values =
            line.options.iter().filter(|(name, _)| *name == option).map(|(_, value)| *value);
        values.map(|value| value.split('=').next().unwrap_or(value).to_owned()).collect()
    };
    let keys = match line.positional.get(2) {
        _ if line.option(&["--from-env-file"]).is_some() => None,
        Some(&"tls") if is_secret => Some(vec!["tls.crt".to_owned(), "tls.key".to_owned()]),
        Some(&"docker-registry") if is_secret => Some(vec![".dockerconfigjson".to_owned()]),
        _ => {
            let files = pairs("--from-file")
                .into_iter()
                .map(|file| file.rsplit('/').next().unwrap_or(&file).to_owned());
            Some(pairs("--from-literal").into_iter().chain(files).collect())
        }
    };
    let keys = keys.filter(|keys: &Vec<String>| keys.iter().all(|key| known(key).is_some()));
    let target = Target::Word(kind.to_owned());
    Some(Made { target, name, reach: reach.clone(), keys })
}

/// The objects of `-f -`, as far as they can be seen.
fn input(line: &Line<'_>, piped: &Piped<'_>, env: &Env) -> Vec<Made> {
    if !matches!(line.option(&["-f", "--filename"]), Some("-" | "/dev/stdin")) {
        return Vec::new();
    }
    let reach = line.reach(env);
    if piped.before.first().is_some_and(|first| first.ends_with("kubectl")) {
        let before = Line::of(&piped.before[1..]);
        if before.positional.first() == Some(&"create") {
            let reach = before.reach(env);
            return created(&before, &reach).into_iter().collect();
        }
        return Vec::new();
    }
    let text = piped.heredoc.as_ref().or(piped.echoed.as_ref());
    text.map(|text| manifests(text, &reach)).unwrap_or_default()
}
