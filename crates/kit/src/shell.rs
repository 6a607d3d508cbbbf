//! What programs in Pods say: arguments, commands and scripts, the waits in them, and what they ask of
//! the API server. Texts only; nothing is run.

pub(crate) mod calls;
mod clients;
mod kubectl;
mod parse;
mod syntax;
pub(crate) mod time;
mod word;

use crate::facts::Facts;
use crate::finding::Spot;
use crate::object::Object;
use crate::yaml::Node;
use syntax::{Command, Script, Simple};
use word::{Env, OWN_NAMESPACE, UNKNOWN, Word};

/// Bytes of a script that are read.
pub(crate) const MAX_SCRIPT: usize = 256 << 10;

/// Every text of a container's command and arguments.
pub(crate) fn texts(container: &Node) -> Vec<&str> {
    words(container).filter_map(Node::text).collect()
}

/// Command and arguments of a container, and the values of its variables, at their places.
pub(crate) fn nodes(container: &Node) -> impl Iterator<Item = &Node> {
    let variables = container.items_at("env").iter().filter_map(|one| one.get("value"));
    words(container).chain(variables)
}

/// Whether a program names an object.
pub(crate) fn names(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.split(|c: char| !is_name(c)).any(|word| word == name)
}

/// Whether a program writes objects at all.
pub(crate) fn writes(text: &str) -> bool {
    ["create", "apply", "patch", "POST", "PUT", "ensure-secret", "replace"]
        .iter()
        .any(|word| text.contains(word))
}

fn words(container: &Node) -> impl Iterator<Item = &Node> {
    ["command", "args"].into_iter().flat_map(|part| container.items_at(part))
}

/// What one container runs.
#[derive(Debug, Clone)]
pub(crate) struct Program<'a> {
    /// Its commands; those of a container without a shell are one.
    pub(crate) script: Script,
    /// The variables it begins with.
    pub(crate) env: Env,
    /// The container.
    pub(crate) container: &'a Node,
    /// The object that holds the text.
    holder: &'a Object,
    /// The text's node.
    text: &'a Node,
    /// Whether lines of the script are lines of the text.
    has_lines: bool,
}

impl Program<'_> {
    /// Where a line of the program stands.
    pub(crate) fn spot(&self, line: u32) -> Spot {
        let below = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
        if self.has_lines {
            self.holder.line_spot(self.text, below)
        } else {
            self.holder.spot(self.text)
        }
    }
}

/// What the containers of an object's Pods run; init containers first.
pub(crate) fn programs<'a>(facts: &'a Facts, object: &'a Object) -> Vec<Program<'a>> {
    let containers = object.containers().into_iter();
    containers.filter_map(|container| program(facts, object, container)).collect()
}

fn program<'a>(facts: &'a Facts, object: &'a Object, container: &'a Node) -> Option<Program<'a>> {
    let env = variables(facts, object, container);
    let argv: Vec<&Node> = words(container).filter(|node| node.text().is_some()).collect();
    let first = *argv.first()?;
    let at = |at: usize| argv.get(at).and_then(|node| node.text()).unwrap_or_default();
    let name = at(0).rsplit('/').next().unwrap_or_default();
    let whole = |holder: &'a Object, text: &'a Node| {
        let content = text.text().filter(|content| content.len() <= MAX_SCRIPT)?;
        let script = parse::parse(content);
        Some(Program { script, env: env.clone(), container, holder, text, has_lines: true })
    };
    if is_shell(name) {
        let flag = (1..argv.len()).find(|n| is_command_flag(at(*n)));
        if let Some(script) = flag.and_then(|flag| argv.get(flag + 1)) {
            return whole(object, script);
        }
        let path = (1..argv.len()).map(at).find(|word| word.starts_with('/'))?;
        let (holder, text) = mounted(facts, object, container, path)?;
        return whole(holder, text);
    }
    if let Some((holder, text)) = mounted(facts, object, container, at(0)) {
        return whole(holder, text);
    }
    let mut words: Vec<Word> = argv
        .iter()
        .filter_map(|node| node.text())
        .map(|text| Word::text(&kubernetes(text, &env)))
        .collect();
    if container.get("command").is_none_or(|command| command.items().is_empty()) {
        // The image's own entry point is the client that its name says.
        let image = container.str_at("image").unwrap_or_default();
        let client = ["kubectl", "curl"].into_iter().find(|client| {
            let base = image.rsplit('/').next().unwrap_or(image);
            base.split([':', '@']).next() == Some(client)
        });
        words.splice(0..0, client.map(Word::text));
    }
    let simple = Simple { words, line: 1, ..Simple::default() };
    let script = Script { commands: vec![Command::Simple(simple)], heredocs: Vec::new() };
    Some(Program { script, env, container, holder: object, text: first, has_lines: false })
}

fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh")
}

/// Whether an option of a shell says that a program follows: `-c`, `-euc`.
pub(crate) fn is_command_flag(word: &str) -> bool {
    let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    letters.is_some_and(|rest| rest.ends_with('c') && rest.chars().all(|c| c.is_ascii_alphabetic()))
}

/// The ConfigMap's text that a container finds at a path.
fn mounted<'a>(
    facts: &'a Facts,
    object: &'a Object,
    container: &Node,
    path: &str,
) -> Option<(&'a Object, &'a Node)> {
    let spec = object.pod_spec()?;
    for mount in container.items_at("volumeMounts") {
        let folder = mount.str_at("mountPath")?.trim_end_matches('/');
        let sub = mount.str_at("subPath");
        let key = match sub {
            Some(sub) if path == folder => sub,
            Some(_) => continue,
            None => match path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
                Some(key) => key,
                None => continue,
            },
        };
        let name = mount.str_at("name");
        let volume =
            spec.items_at("volumes").iter().find(|volume| volume.str_at("name") == name)?;
        let map = volume.get("configMap")?;
        let items = map.items_at("items");
        let renamed = items.iter().find(|item| item.str_at("path") == Some(key));
        let key = renamed.and_then(|item| item.str_at("key")).unwrap_or(key);
        let map = facts.find("", "ConfigMap", object.namespace.as_deref(), map.str_at("name")?)?;
        return Some((map, map.node.get("data")?.get(key)?));
    }
    None
}

/// A container's variables, as far as manifests state them.
fn variables(facts: &Facts, object: &Object, container: &Node) -> Env {
    let mut env = Env::new();
    if let Some(namespace) = &object.namespace {
        env.insert(OWN_NAMESPACE.to_owned(), namespace.clone());
    }
    let find = |name: Option<&str>| facts.find("", "ConfigMap", object.namespace.as_deref(), name?);
    for source in container.items_at("envFrom") {
        let Some(map) = find(source.str_at("configMapRef/name")) else { continue };
        let prefix = source.str_at("prefix").unwrap_or_default();
        for entry in map.node.get("data").map(Node::entries).unwrap_or_default() {
            let value = entry.value.text().unwrap_or_default();
            env.insert(format!("{prefix}{}", entry.name()), value.to_owned());
        }
    }
    for variable in container.items_at("env") {
        let Some(name) = variable.get("name").and_then(Node::text) else { continue };
        let value = match variable.get("value").and_then(Node::text) {
            Some(value) => kubernetes(value, &env),
            None => match variable.str_at("valueFrom/fieldRef/fieldPath") {
                Some("metadata.namespace") => object.namespace.clone().unwrap_or_default(),
                _ => variable
                    .at("valueFrom/configMapKeyRef")
                    .and_then(|key| {
                        let data = find(key.str_at("name"))?.node.get("data")?;
                        data.get(key.str_at("key")?)?.text().map(str::to_owned)
                    })
                    .unwrap_or_else(|| UNKNOWN.to_string()),
            },
        };
        env.insert(name.to_owned(), value);
    }
    env
}

/// A text in which Kubernetes replaces `$(NAME)`.
fn kubernetes(text: &str, env: &Env) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        out.push_str(before);
        let Some((name, next)) = after.split_once(')') else {
            out.push_str("$(");
            rest = after;
            continue;
        };
        match env.get(name) {
            Some(value) => out.push_str(value),
            None => out.push_str(&format!("$({name})")),
        }
        rest = next;
    }
    out + rest
}

#[cfg(test)]
mod tests;
