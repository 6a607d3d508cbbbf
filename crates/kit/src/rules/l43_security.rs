//! L43: nothing switches a protection off: no privileged Pods, no unchecked TLS, no default passwords.

mod credentials;
mod values;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::script::{self, Line, Script, plain};
use crate::yaml::{Entry, Node, Scalar};

pub(super) const RULE: Rule = Rule {
    id: "L43",
    title: "nothing switches a protection off",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "a protection that was switched off to make something pass stays off, and nobody sees it again",
    fix: "keep the protection and give the program what it needs: a certificate, a credential, a capability",
    page: include_str!("../../../../docs/rules/L43.md"),
    check,
};

/// Fields and variables that take TLS its meaning when they are true, without separators.
const UNCHECKED: [&str; 11] = [
    "insecureskipverify",
    "insecureskiptlsverify",
    "skiptlsverify",
    "tlsskipverify",
    "tlsinsecure",
    "tlsinsecureskipverify",
    "insecuretls",
    "insecuretlsskipverify",
    "disabletlsverification",
    "gitsslnoverify",
    "sslnoverify",
];
/// Variables that do so when they are 0.
const CHECKED: [&str; 2] = ["nodetlsrejectunauthorized", "pythonhttpsverify"];
/// Flags of programs that take TLS or sign-in away.
const FLAGS: [&str; 17] = [
    "--insecure",
    "--insecure-skip-tls-verify",
    "--insecure-skip-tls-verify-backend",
    "--insecure-skip-verify",
    "--tls-skip-verify",
    "--skip-tls-verify",
    "--insecure-tls",
    "--kubelet-insecure-tls",
    "--no-check-certificate",
    "--no-verify-ssl",
    "--disable-auth",
    "--no-auth",
    "--auth-mode=none",
    "--anonymous-auth=true",
    "--tls-verify=false",
    "--verify-tls=false",
    "--ssl-verify=false",
];

const TLS: &str = "whoever sits on the way reads and changes what is said, credentials included";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let crd = |object: &&Object| object.is("apiextensions.k8s.io", "CustomResourceDefinition");
    for object in facts.applied().filter(|object| !crd(object)) {
        pods(object, &mut findings);
        fields(object, &mut findings);
        credentials::defaults(object, &mut findings);
        for script in script::of(object) {
            programs(object, script, &mut findings);
            credentials::minting(object, script, &mut findings);
        }
    }
    values::check(facts, &mut findings);
    findings
}

fn pods(object: &Object, findings: &mut Vec<Finding>) {
    let Some(spec) = object.pod_spec() else { return };
    for container in object.containers() {
        let name = container.str_at("name").unwrap_or_default();
        if let Some(node) = is_true(container.at("securityContext/privileged")) {
            let message = format!("{}: container `{name}` is privileged", object.title());
            let finding = RULE.at(object.spot(node), message);
            let cause =
                "a privileged container is root on the node: whoever gets into it owns the node";
            findings.push(finding.cause(cause).fix("name the capabilities it uses instead"));
        }
    }
    for field in ["hostPID", "hostIPC"] {
        if let Some(node) = is_true(spec.get(field)) {
            let message =
                format!("{}: `{field}` shows it every process of the node", object.title());
            let finding = RULE.at(object.spot(node), message);
            findings.push(
                finding.cause("what other Pods keep in memory and environment is open to it"),
            );
        }
    }
}

fn is_true(node: Option<&Node>) -> Option<&Node> {
    node.filter(|node| node.bool() == Some(true))
}

/// Fields of any object that say that TLS is not checked.
fn fields(object: &Object, findings: &mut Vec<Finding>) {
    let mut found: Vec<&Entry> = Vec::new();
    object.node.walk_entries(&mut |entry| {
        if UNCHECKED.contains(&plain(entry.name()).as_str()) && says_true(&entry.value) {
            found.push(entry);
        }
    });
    if object.group() == crate::flux::SOURCE {
        let insecure = object.node.get("spec").and_then(|spec| spec.entry("insecure"));
        found.extend(insecure.filter(|entry| says_true(&entry.value)));
    }
    for entry in found {
        let message = format!("{}: `{}` is on", object.title(), entry.name());
        findings.push(RULE.at(object.spot(&entry.value), message).cause(TLS));
    }
    let variables = object.containers().into_iter().flat_map(|one| one.items_at("env"));
    for variable in variables {
        let name = variable.get("name").and_then(Node::text).unwrap_or_default();
        let Some(value) = variable.get("value") else { continue };
        let text = value.text().unwrap_or_default();
        let key = plain(name);
        let off = UNCHECKED.iter().any(|end| key.ends_with(end)) && says_true(value)
            || CHECKED.contains(&key.as_str()) && text == "0";
        if off {
            let message = format!("{}: `{name}={text}` leaves TLS unchecked", object.title());
            findings.push(RULE.at(object.spot(value), message).cause(TLS));
        }
    }
}

/// Whether a value switches something on, as a boolean or as a program reads it.
fn says_true(node: &Node) -> bool {
    let text = |scalar: &Scalar| matches!(&*scalar.text, "1" | "true" | "yes" | "on" | "True");
    node.bool() == Some(true) || node.scalar().is_some_and(text)
}

fn programs(object: &Object, script: Script<'_>, findings: &mut Vec<Finding>) {
    for line in script.lines() {
        let Some(what) = weak(&line) else { continue };
        let message = format!("{}: `{what}` leaves TLS or sign-in unchecked", object.title());
        findings.push(RULE.at(script.spot(&line), message).cause(TLS));
    }
    if script.text().contains("repos") {
        for line in script.lines().into_iter().filter(|line| makes_public(&line.text)) {
            let message = format!("{}: a repository is made public", object.title());
            let finding = RULE.at(script.spot(&line), message);
            let cause = "everybody reads what only one program could not read";
            findings.push(finding.cause(cause).fix("give that program a credential"));
        }
    }
}

/// The word that takes a protection away, if the line has one.
fn weak(line: &Line) -> Option<String> {
    let words = line.words();
    let local = ["://localhost", "://127.0.0.1"].iter().any(|here| line.text.contains(here));
    let flag = words.iter().find(|word| FLAGS.contains(&word.trim_end_matches("=true")));
    if let Some(flag) = flag.filter(|_| !local) {
        return Some((*flag).to_owned());
    }
    let calls_curl = words.iter().position(|word| *word == "curl" || word.ends_with("/curl"));
    let short = |word: &&&str| {
        word.strip_prefix('-').is_some_and(|letters| {
            letters.contains('k') && letters.chars().all(|c| "fsSLkvgi".contains(c))
        })
    };
    if let Some(at) = calls_curl.filter(|_| !local)
        && let Some(option) = words[at..].iter().take_while(|word| **word != "|").find(short)
    {
        return Some(format!("curl {option}"));
    }
    let (name, value) = line.text.trim_start_matches("export ").split_once(['=', ':'])?;
    let (name, value) = (plain(name), value.trim().trim_matches(['"', '\'', ',']));
    let off = UNCHECKED.iter().any(|end| name.ends_with(end)) && matches!(value, "1" | "true")
        || CHECKED.contains(&name.as_str()) && value == "0";
    off.then(|| line.text.clone())
}

fn makes_public(line: &str) -> bool {
    let squeezed: String = line.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    ["\"private\":false", "'private':false", "--private=false", "\"visibility\":\"public\""]
        .iter()
        .any(|mark| squeezed.contains(mark))
}
