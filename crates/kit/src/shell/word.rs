//! Words of the shell: what they come to, as far as a text tells.

use std::collections::BTreeMap;

use super::syntax::Command;

/// Stands in a text for what is known at run time only.
pub(crate) const UNKNOWN: char = '\u{fffd}';
/// The variable under which a Pod's own namespace is kept.
pub(crate) const OWN_NAMESPACE: &str = "\u{0}namespace";
/// All words that a function is called with, one after the other with [`BETWEEN`] between them.
pub(crate) const ALL_ARGUMENTS: &str = "@";
/// Stands between words.
pub(crate) const BETWEEN: &str = "\u{1f}";
/// The file that holds a Pod's own namespace.
const NAMESPACE_FILE: &str = "serviceaccount/namespace";

/// Variables and their values.
pub(crate) type Env = BTreeMap<String, String>;

/// One word.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Word {
    pub(crate) parts: Vec<Part>,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// As it stands.
    Text(String),
    /// `$NAME` or `${NAME:-default}`.
    Var(String, Option<Word>),
    /// `$(…)`.
    Sub(Vec<Command>),
    /// `$((…))`.
    Math(String),
}

impl Word {
    /// A word that stands for itself.
    pub(crate) fn text(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// The word as written, if nothing in it is replaced.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// What the word comes to; [`UNKNOWN`] stands for what nobody can know here.
    pub(crate) fn expand(&self, env: &Env) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Var(name, default) => match (env.get(name), default) {
                    (Some(value), _) if !value.is_empty() || default.is_none() => {
                        out.push_str(value);
                    }
                    (_, Some(default)) => out.push_str(&default.expand(env)),
                    // Time is counted from the start of the script.
                    _ if name == "SECONDS" => out.push('0'),
                    _ => out.push(UNKNOWN),
                },
                Part::Sub(commands) => out.push_str(&output(commands, env)),
                Part::Math(text) => match arithmetic(text, env) {
                    Some(value) => out.push_str(&value.to_string()),
                    None => out.push(UNKNOWN),
                },
            }
        }
        out
    }

    /// The words a `for` goes through; nothing if their number is not known.
    pub(crate) fn count(&self, env: &Env) -> Option<u64> {
        if let [Part::Sub(commands)] = self.parts.as_slice() {
            return sequence(commands, env);
        }
        let text = self.expand(env);
        if let Some((from, to)) =
            text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')?.split_once(".."))
        {
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            return Some(from.abs_diff(to) + 1);
        }
        if text.contains(UNKNOWN) {
            return None;
        }
        u64::try_from(text.split_whitespace().count()).ok()
    }
}

/// Whether a text holds nothing that is known at run time only.
pub(crate) fn known(text: &str) -> Option<&str> {
    (!text.contains(UNKNOWN)).then_some(text)
}

/// What a command substitution prints, where that is plain.
fn output(commands: &[Command], env: &Env) -> String {
    let [Command::Simple(simple)] = commands else { return UNKNOWN.to_string() };
    let words = simple.expand(env);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["date", "+%s"] => "0".to_owned(),
        ["cat", path] if path.ends_with(NAMESPACE_FILE) => own_namespace(env),
        ["echo" | "printf", text] => (*text).to_owned(),
        [] if simple.reads.iter().any(|path| path.expand(env).ends_with(NAMESPACE_FILE)) => {
            own_namespace(env)
        }
        _ => UNKNOWN.to_string(),
    }
}

fn own_namespace(env: &Env) -> String {
    env.get(OWN_NAMESPACE).cloned().unwrap_or_else(|| UNKNOWN.to_string())
}

/// How many numbers `seq` prints.
fn sequence(commands: &[Command], env: &Env) -> Option<u64> {
    let [Command::Simple(simple)] = commands else { return None };
    let words = simple.expand(env);
    if words.first().map(String::as_str) != Some("seq") {
        return None;
    }
    let numbers: Option<Vec<i64>> = words[1..].iter().map(|word| word.parse().ok()).collect();
    let (from, step, to) = match numbers?.as_slice() {
        [to] => (1, 1, *to),
        [from, to] => (*from, 1, *to),
        [from, step, to] => (*from, *step, *to),
        _ => return None,
    };
    let steps = to.checked_sub(from)?.checked_div(step)?;
    u64::try_from(steps.checked_add(1)?.max(0)).ok()
}

/// The value of whole-number arithmetic, if everything in it is known.
pub(crate) fn arithmetic(text: &str, env: &Env) -> Option<i64> {
    let text = text.replace("$(date +%s)", "0");
    let mut sum = Sum { chars: text.chars().filter(|c| !c.is_whitespace()).collect(), at: 0, env };
    let value = sum.sum(0)?;
    (sum.at == sum.chars.len()).then_some(value)
}

/// Sums deeper than this are not read.
const DEEP: u32 = 32;

struct Sum<'a> {
    chars: Vec<char>,
    at: usize,
    env: &'a Env,
}

impl Sum<'_> {
    fn sum(&mut self, depth: u32) -> Option<i64> {
        let mut value = self.product(depth)?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            let next = self.product(depth)?;
            value = if sign == '+' { value.checked_add(next)? } else { value.checked_sub(next)? };
        }
        Some(value)
    }

    fn product(&mut self, depth: u32) -> Option<i64> {
        let mut value = self.atom(depth)?;
        while let Some(sign @ ('*' | '/' | '%')) = self.peek() {
            self.at += 1;
            let next = self.atom(depth)?;
            value = match sign {
                '*' => value.checked_mul(next)?,
                '/' => value.checked_div(next)?,
                _ => value.checked_rem(next)?,
            };
        }
        Some(value)
    }

    fn atom(&mut self, depth: u32) -> Option<i64> {
        if self.peek()? == '(' && depth < DEEP {
            self.at += 1;
            let value = self.sum(depth + 1)?;
            return (self.next()? == ')').then_some(value);
        }
        let mut word = String::new();
        while let Some(c) = self.peek()
            && (c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '{' || c == '}')
        {
            word.push(c);
            self.at += 1;
        }
        if let Ok(number) = word.parse() {
            return Some(number);
        }
        let name = word.trim_start_matches('$').trim_matches(['{', '}']);
        match self.env.get(name) {
            Some(value) => value.parse().ok(),
            None => (name == "SECONDS").then_some(0),
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }
}
