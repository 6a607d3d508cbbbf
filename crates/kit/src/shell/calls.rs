//! What a program asks of the API server, and which objects it makes there.

use std::collections::BTreeMap;

use super::Program;
use super::kubectl;
use super::parse::text_word;
use super::syntax::{Command, Script, Simple, pipelines};
use super::word::{ALL_ARGUMENTS, BETWEEN, Env, UNKNOWN, known};
use crate::yaml::load;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A resource as kubectl takes it: `secret`, `secrets`, `deploy`, `things.example.com`.
    Word(String),
    /// Group and resource, from an address.
    Api(String, String),
    /// Group and kind, from a manifest.
    Kind(String, String),
}

/// In which namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One.
    In(String),
    /// One that is known at run time only.
    Unknown,
    /// All of them.
    All,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) verb: &'static str,
    pub(crate) target: Target,
    /// Nothing where there is none, or where it is known at run time only.
    pub(crate) name: Option<String>,
    pub(crate) reach: Reach,
    /// Line in the program.
    pub(crate) line: u32,
}

/// One object that a program makes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) target: Target,
    pub(crate) name: String,
    pub(crate) reach: Reach,
    /// The keys it has then; nothing if that is not known.
    pub(crate) keys: Option<Vec<String>>,
}

/// All that a program does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doings {
    pub(crate) calls: Vec<Call>,
    pub(crate) made: Vec<Made>,
}

/// Reads what a program does.
pub(crate) fn doings(program: &Program<'_>) -> Doings {
    of_script(&program.script, &program.env)
}

/// Reads what a script does that begins with these variables.
pub(super) fn of_script(script: &Script, env: &Env) -> Doings {
    let mut functions = BTreeMap::new();
    find_functions(&script.commands, &mut functions);
    let mut all = Doings::default();
    let run = Run { script, functions };
    run.commands(&script.commands, &mut env.clone(), 0, &mut all);
    all
}

/// Functions that call each other deeper than this are not followed.
const DEEP: u32 = 8;

struct Run<'a> {
    script: &'a Script,
    functions: BTreeMap<&'a str, &'a [Command]>,
}

impl Run<'_> {
    fn commands(&self, commands: &[Command], env: &mut Env, depth: u32, all: &mut Doings) {
        for pipe in pipelines(commands) {
            for simple in &pipe {
                for (name, value) in &simple.assigns {
                    let value = value.expand(env);
                    env.insert(name.clone(), value);
                }
            }
            let words: Vec<Vec<String>> = pipe.iter().map(|simple| simple.expand(env)).collect();
            for (at, simple) in pipe.iter().enumerate() {
                let function =
                    words[at].first().and_then(|first| self.functions.get(first.as_str()));
                if let Some(body) = function.filter(|_| depth < DEEP) {
                    let mut inner = with_arguments(env, &words[at][1..]);
                    self.commands(body, &mut inner, depth + 1, all);
                    continue;
                }
                let piped = Piped {
                    heredoc: heredoc(self.script, &pipe[..=at], env),
                    before: words[..at].last().map(Vec::as_slice).unwrap_or_default(),
                    echoed: echoed(&words[..at]),
                };
                one(&words[at], simple, &piped, env, all);
            }
        }
    }
}

/// The functions that a program defines outside of others.
fn find_functions<'a>(commands: &'a [Command], all: &mut BTreeMap<&'a str, &'a [Command]>) {
    for command in commands {
        match command {
            Command::Function(name, body) => {
                all.insert(name, body);
            }
            Command::Group(list) | Command::Chain(list) => find_functions(list, all),
            _ => {}
        }
    }
}

/// The variables of a function that is called with these words.
fn with_arguments(env: &Env, words: &[String]) -> Env {
    let mut inner = env.clone();
    for (number, word) in (1_u32..).zip(words) {
        inner.insert(number.to_string(), word.clone());
    }
    inner.insert(ALL_ARGUMENTS.to_owned(), words.join(BETWEEN));
    inner
}

/// What a command finds at its standard input.
pub(super) struct Piped<'a> {
    /// The manifests of a `<<`.
    pub(super) heredoc: Option<String>,
    /// The command before it.
    pub(super) before: &'a [String],
    /// The text of an `echo` or `printf`.
    pub(super) echoed: Option<String>,
}

fn heredoc(script: &Script, pipe: &[&Simple], env: &Env) -> Option<String> {
    let number = pipe.iter().rev().find_map(|simple| simple.heredoc)?;
    Some(text_word(script.heredocs.get(number)?).expand(env))
}

fn echoed(before: &[Vec<String>]) -> Option<String> {
    let words = before
        .iter()
        .rev()
        .find(|words| words.first().is_some_and(|first| first == "echo" || first == "printf"))?;
    Some(words[1..].join(" "))
}

fn one(words: &[String], simple: &Simple, piped: &Piped<'_>, env: &Env, all: &mut Doings) {
    let skip =
        |word: &String| matches!(word.as_str(), "exec" | "command" | "env" | "sudo" | "time");
    let mut start = words.iter().take_while(|word| skip(word)).count();
    if words.get(start).is_some_and(|word| word == "timeout") {
        start += 1 + words[start + 1..].iter().take_while(|word| word.starts_with('-')).count() + 1;
    }
    let words = words.get(start..).unwrap_or_default();
    let Some(first) = words.first() else { return };
    match first.rsplit('/').next().unwrap_or(first) {
        "kubectl" | "oc" => kubectl::read(&words[1..], simple.line, piped, env, all),
        "curl" => curl(&words[1..], simple.line, piped, all),
        "catalystd" if words.get(1..3).is_some_and(|two| two == ["job", "ensure-secret"]) => {
            ensure_secret(&words[3..], simple.line, env, all);
        }
        _ => {}
    }
}

/// The Pod's own namespace.
pub(super) fn own(env: &Env) -> Reach {
    match env.get(super::OWN_NAMESPACE) {
        Some(namespace) => Reach::In(namespace.clone()),
        None => Reach::Unknown,
    }
}

/// `catalystd job ensure-secret`: makes a Secret, or adds to it what it lacks.
fn ensure_secret(words: &[String], line: u32, env: &Env, all: &mut Doings) {
    let value = |name: &str| {
        let found = words.iter().enumerate().find_map(|(at, word)| {
            let rest = word.strip_prefix(name)?;
            if rest.is_empty() {
                words.get(at + 1).cloned()
            } else {
                rest.strip_prefix('=').map(str::to_owned)
            }
        });
        found.filter(|value| known(value).is_some())
    };
    let reach = value("--namespace").map_or_else(|| own(env), Reach::In);
    let Some(name) = value("--name") else { return };
    let target = Target::Api(String::new(), "secrets".to_owned());
    for verb in ["get", "create", "update"] {
        let name = Some(name.clone()).filter(|_| verb != "create");
        all.calls.push(Call { verb, target: target.clone(), name, reach: reach.clone(), line });
    }
    // Each option that makes a key begins its value with it.
    let keys = words.iter().filter_map(|word| {
        let (option, value) = word.strip_prefix("--")?.split_once('=')?;
        let makes = matches!(option, "literal" | "random" | "htpasswd" | "format");
        Some(value.split('=').next()?.to_owned()).filter(|_| makes)
    });
    all.made.push(Made { target, name, reach, keys: Some(keys.collect()) });
}

/// The objects of manifests: group, kind, name, namespace and keys.
pub(super) fn manifests(text: &str, default: &Reach) -> Vec<Made> {
    let mut all = Vec::new();
    for doc in load(text.as_bytes()).documents {
        let root = &doc.root;
        let (Some(version), Some(kind)) = (root.str_at("apiVersion"), root.str_at("kind")) else {
            continue;
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let name = root.str_at("metadata/name").and_then(known).unwrap_or_default().to_owned();
        let reach = match root.str_at("metadata/namespace") {
            Some(namespace) if known(namespace).is_some() => Reach::In(namespace.to_owned()),
            Some(_) => Reach::Unknown,
            None => default.clone(),
        };
        let parts =
            ["data", "stringData", "binaryData"].into_iter().filter_map(|part| root.get(part));
        let keys: Vec<String> =
            parts.flat_map(|part| part.entries()).map(|entry| entry.name().to_owned()).collect();
        let target = Target::Kind(group.to_owned(), kind.to_owned());
        let keys = Some(keys).filter(|keys| !keys.is_empty());
        all.push(Made { target, name, reach, keys });
    }
    all
}

/// A request that curl makes, if it goes to the API server.
fn curl(words: &[String], line: u32, piped: &Piped<'_>, all: &mut Doings) {
    let mut method = None;
    let mut data = None;
    let mut addresses = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let mut value = || {
            at += 1;
            words.get(at - 1).cloned().unwrap_or_default()
        };
        match word.as_str() {
            "-X" | "--request" => method = Some(value()),
            "-d" | "--data" | "--data-binary" | "--data-raw" | "--json" => data = Some(value()),
            "--url" => addresses.push(value()),
            "-H" | "--header" | "-o" | "--output" | "-w" | "--write-out" | "-u" | "--user"
            | "--cacert" | "--max-time" | "-m" | "--connect-timeout" | "--retry"
            | "--retry-delay" | "-T" | "--cert" | "--key" | "--retry-max-time" | "-A" => {
                drop(value())
            }
            _ => {
                if let Some(stated) = word.strip_prefix("-X").filter(|stated| !stated.is_empty()) {
                    method = Some(stated.to_owned());
                } else if !word.starts_with('-') {
                    addresses.push(word.clone());
                }
            }
        }
    }
    let data = data.map(|text| match text.as_str() {
        "@-" => piped.heredoc.clone().or_else(|| piped.echoed.clone()).unwrap_or_default(),
        _ => text,
    });
    for address in addresses {
        let Some(path) = api_path(&address) else { continue };
        let Some(place) = place(path) else { continue };
        let method = method
            .clone()
            .unwrap_or_else(|| if data.is_some() { "POST" } else { "GET" }.to_owned());
        let verb = match (method.as_str(), &place.name) {
            ("GET" | "HEAD", _) if path.contains("watch=") => "watch",
            ("GET" | "HEAD", Some(_)) => "get",
            ("GET" | "HEAD", None) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            _ => continue,
        };
        let name = place.name.filter(|name| known(name).is_some());
        if matches!(verb, "create" | "update" | "patch") {
            let text = data.clone().unwrap_or_default();
            let made = manifests(&text, &place.reach).pop();
            let named = made.as_ref().map(|made| made.name.clone()).filter(|name| !name.is_empty());
            if let Some(name) = name.clone().or(named) {
                let keys = made.and_then(|made| made.keys).filter(|_| verb != "patch");
                let (target, reach) = (place.target.clone(), place.reach.clone());
                all.made.push(Made { target, name, reach, keys });
            }
        }
        all.calls.push(Call { verb, target: place.target, name, reach: place.reach, line });
    }
}

/// The path of an address of the API server; nothing for any other address.
fn api_path(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let rest = rest.unwrap_or(address);
    let (host, _) = rest.split_once('/')?;
    let path = &rest[host.len()..];
    let is_server = host.contains("kubernetes") || host.contains(UNKNOWN) || host.is_empty();
    let is_api = path.starts_with("/apis/") || path.starts_with("/api/v1/namespaces/");
    (is_server && is_api).then_some(path)
}

struct Place {
    target: Target,
    name: Option<String>,
    reach: Reach,
}

/// What `/apis/apps/v1/namespaces/x/deployments/y` is about.
fn place(path: &str) -> Option<Place> {
    let path = path.split('?').next().unwrap_or(path);
    let mut steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let group = match steps.first()? {
        &"api" => String::new(),
        _ => steps.get(1)?.to_string(),
    };
    steps.drain(..if group.is_empty() { 2 } else { 3.min(steps.len()) });
    let mut reach = Reach::All;
    if steps.first() == Some(&"namespaces") && steps.len() > 2 {
        reach = known(steps[1]).map_or(Reach::Unknown, |name| Reach::In(name.to_owned()));
        steps.drain(..2);
    }
    let resource = known(steps.first()?)?;
    let sub = steps.get(2).map(|sub| format!("{resource}/{sub}"));
    let target = Target::Api(group, sub.unwrap_or_else(|| resource.to_owned()));
    Some(Place { target, name: steps.get(1).map(|name| (*name).to_owned()), reach })
}
