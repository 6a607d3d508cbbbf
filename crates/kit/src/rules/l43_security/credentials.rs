//! Passwords that everybody knows, and credentials that are made carelessly.

use super::RULE;
use crate::assemble::base64;
use crate::finding::Finding;
use crate::object::Object;
use crate::script::{Line, Script, plain};
use crate::yaml::{Entry, Node};

/// What people try first.
const KNOWN: [&str; 18] = [
    "admin",
    "admin123",
    "administrator",
    "password",
    "passw0rd",
    "password123",
    "changeme",
    "change-me",
    "changeit",
    "secret",
    "root",
    "toor",
    "postgres",
    "minioadmin",
    "Harbor12345",
    "prom-operator",
    "guest",
    "123456",
];

const CAUSE: &str = "it is the first password anybody tries, and it is in Git";
const FIX: &str = "have it made at random once, and refer to the Secret";

/// Passwords in an object that everybody knows.
pub(super) fn defaults(object: &Object, findings: &mut Vec<Finding>) {
    let is_secret = object.is("", "Secret");
    let coded = is_secret.then(|| object.node.get("data")).flatten().map(Node::entries);
    let coded: Vec<&Entry> = coded.unwrap_or_default().iter().collect();
    let mut told = |name: &str, value: &Node| {
        let message = format!("{}: `{name}` has a password everybody knows", object.title());
        findings.push(RULE.at(object.spot(value), message).cause(CAUSE).fix(FIX));
    };
    for entry in coded.iter().filter(|entry| is_password(entry.name())) {
        let text = entry.value.text().unwrap_or_default();
        if KNOWN.iter().any(|known| base64(known.as_bytes()) == text) {
            told(entry.name(), &entry.value);
        }
    }
    object.node.walk_entries(&mut |entry| {
        let is_coded = coded.iter().any(|known| std::ptr::eq(*known, entry));
        if !is_coded && is_known(entry) {
            told(entry.name(), &entry.value);
        }
    });
    for variable in object.containers().into_iter().flat_map(|one| one.items_at("env")) {
        let name = variable.get("name").and_then(Node::text).unwrap_or_default();
        let Some(value) = variable.get("value").filter(|_| is_password(name)) else { continue };
        if value.text().is_some_and(|text| KNOWN.contains(&text)) {
            told(name, value);
        }
    }
}

/// Whether an entry gives a password that everybody knows.
pub(super) fn is_known(entry: &Entry) -> bool {
    is_password(entry.name()) && entry.value.text().is_some_and(|text| KNOWN.contains(&text))
}

/// Whether a key names a password itself, not where one is.
fn is_password(name: &str) -> bool {
    let name = plain(name);
    ["password", "passwd", "pwd"].iter().any(|end| name.ends_with(end))
}

/// What a program that makes tokens does with them.
pub(super) fn minting(object: &Object, script: Script<'_>, findings: &mut Vec<Finding>) {
    let text = script.text();
    if !["/tokens", "access-token", "access_token", "/keys"].iter().any(|word| text.contains(word))
    {
        return;
    }
    let lines = script.lines();
    let mut say = |line: &Line, what: &str, cause: &str, fix: &str| {
        let message = format!("{}: {what}", object.title());
        findings.push(RULE.at(script.spot(line), message).cause(cause).fix(fix));
    };
    for line in &lines {
        let squeezed: String =
            line.text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
        let everything =
            squeezed.contains("\"scopes\":[\"all\"]") || squeezed.contains("--scopesall");
        if everything {
            let cause = "whoever finds the token may do everything its owner may";
            say(line, "a token for everything is made", cause, "name the scopes that are used");
        }
        if let Some(name) = shown(&line.text, &lines) {
            let what = format!("the answer with the token, `${name}`, is written to the log");
            let cause = "logs are kept, copied and read by many; so is the token then";
            say(line, &what, cause, "say that it failed and with which status, not the answer");
        }
        // A name with the time in it is new at every try: what the tries before made stays valid. Who gets
        // the token in a file may take it back; that is not known here.
        let named = squeezed.contains("token-name") || squeezed.contains("\"name\":");
        let revoked = text.contains("DELETE") || text.contains("revoke");
        let timed = squeezed.contains("$(date") || squeezed.contains("${EPOCHSECONDS");
        if named && timed && !revoked && !to_file(&line.text) {
            let cause = "each try makes one more, and none of those before is ever taken back";
            let fix = "give it a fixed name, and delete the one of that name before";
            say(line, "a token is named by the time", cause, fix);
        }
    }
}

/// The variable with an answer that a line prints; conditions and pipes are no prints.
fn shown(line: &str, lines: &[Line]) -> Option<String> {
    let prints =
        line.split_whitespace().next().is_some_and(|word| word == "echo" || word == "printf")
            || [" echo ", ";echo ", "{ echo ", "&& echo ", "|| echo "]
                .iter()
                .any(|at| line.contains(at));
    if !prints
        || line.contains('|') && !line.contains("||")
        || line.contains("=$(")
        || to_file(line)
    {
        return None;
    }
    let answers = lines.iter().filter_map(|one| {
        let (name, rest) = one.text.split_once("=$(")?;
        let asks = rest.contains("curl") && ["/tokens", "token"].iter().any(|w| rest.contains(w));
        let name = name.split_whitespace().last()?;
        asks.then(|| name.trim_matches('"').to_owned())
    });
    let mut answers = answers.filter(|name| {
        let code = plain(name);
        !code.ends_with("code") && !code.ends_with("status")
    });
    answers
        .find(|name| line.contains(&format!("${name}")) || line.contains(&format!("${{{name}}}")))
}

/// Whether what a line prints goes somewhere else than into the log.
fn to_file(line: &str) -> bool {
    let logs = ["1>&2", "2>&1", ">&2", "2>/dev/null", "2> /dev/null"];
    logs.iter().fold(line.to_owned(), |line, part| line.replace(part, "")).contains('>')
}
