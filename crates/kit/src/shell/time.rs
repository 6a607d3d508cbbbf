//! How long a program may wait: sleeps, time limits of the usual clients, and loops around them.
//!
//! Two sums are kept apart. `quick` is what the program's own pauses come to when every try is answered
//! at once; `worst` is what it comes to when nothing answers, so that every try runs into its limit.

use super::clients::{self, At};
use super::syntax::{Command, Script, Simple, pipelines};
use super::word::{Env, Part, Word, arithmetic};

/// Seconds, with every loop at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wait {
    pub(crate) quick: Span,
    pub(crate) worst: Span,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Span {
    /// Seconds.
    For(u64),
    /// Without end.
    Endless,
}

impl Default for Span {
    fn default() -> Self {
        Self::For(0)
    }
}

impl Span {
    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::For(a), Self::For(b)) => Self::For(a.saturating_add(b)),
            _ => Self::Endless,
        }
    }

    pub(crate) fn times(self, count: u64) -> Self {
        match self {
            Self::For(a) => Self::For(a.saturating_mul(count)),
            Self::Endless if count == 0 => Self::For(0),
            Self::Endless => Self::Endless,
        }
    }
}

impl Wait {
    pub(super) fn of(seconds: u64) -> Self {
        Self { quick: Span::For(seconds), worst: Span::For(seconds) }
    }

    pub(super) const ENDLESS: Self = Self { quick: Span::Endless, worst: Span::Endless };

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { quick: self.quick.plus(other.quick), worst: self.worst.plus(other.worst) }
    }

    pub(crate) fn max(self, other: Self) -> Self {
        Self { quick: self.quick.max(other.quick), worst: self.worst.max(other.worst) }
    }

    pub(crate) fn times(self, count: u64) -> Self {
        Self { quick: self.quick.times(count), worst: self.worst.times(count) }
    }

    pub(super) fn at_most(self, seconds: u64) -> Self {
        let limit = Span::For(seconds);
        Self { quick: self.quick.min(limit), worst: self.worst.min(limit) }
    }
}

/// One loop that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loop {
    /// Line in the program, counted from 1.
    pub(crate) line: u32,
    /// How often at most; nothing for one that ends by the clock or not at all.
    pub(crate) tries: Option<u64>,
    /// One try and its pause.
    pub(crate) each: Wait,
    /// All of it.
    pub(crate) total: Wait,
    /// Whether the program goes on as if nothing were wrong when all tries are used up.
    pub(crate) falls_through: bool,
}

/// What a program's waits come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Timing {
    pub(crate) total: Wait,
    pub(crate) loops: Vec<Loop>,
}

/// Reads the waits of a program that begins with these variables.
pub(crate) fn timing(script: &Script, env: &Env) -> Timing {
    timing_at(script, env, At { depth: 0, is_looped: false })
}

pub(super) fn timing_at(script: &Script, env: &Env, at: At) -> Timing {
    let (loops, functions) = (Vec::new(), Vec::new());
    let mut reader = Reader { env: env.clone(), loops, functions, is_looped: at.is_looped };
    let total = reader.list(&script.commands, at.depth);
    Timing { total, loops: reader.loops }
}

/// Functions that call each other deeper than this are not followed.
pub(super) const DEEP: u32 = 16;

struct Reader {
    is_looped: bool,
    env: Env,
    loops: Vec<Loop>,
    functions: Vec<(String, Vec<Command>)>,
}

impl Reader {
    fn list(&mut self, commands: &[Command], depth: u32) -> Wait {
        let mut total = Wait::default();
        for (at, one) in commands.iter().enumerate() {
            let first = self.loops.len();
            total = total.plus(self.one(one, depth));
            let is_loop = matches!(one, Command::For { .. } | Command::While { .. });
            if is_loop && self.loops.len() > first {
                let falls =
                    may_end_early(one) && !one_fails(one) && !checks(&commands[at + 1..], one);
                if let Some(last) = self.loops.last_mut() {
                    last.falls_through = falls && last.tries.is_some();
                }
            }
        }
        total
    }

    fn one(&mut self, command: &Command, depth: u32) -> Wait {
        if depth > DEEP {
            return Wait::default();
        }
        match command {
            Command::Simple(simple) => self.simple(simple, depth),
            Command::Pipe(list) => {
                list.iter().fold(Wait::default(), |sum, one| sum.max(self.one(one, depth)))
            }
            Command::Chain(list) | Command::Group(list) => self.list(list, depth),
            Command::If(arms, otherwise) => {
                let mut conditions = Wait::default();
                let mut longest = self.list(otherwise, depth);
                for (condition, body) in arms {
                    conditions = conditions.plus(self.list(condition, depth));
                    longest = longest.max(self.list(body, depth));
                }
                conditions.plus(longest)
            }
            Command::Case(arms) => {
                arms.iter().fold(Wait::default(), |sum, arm| sum.max(self.list(arm, depth)))
            }
            Command::Function(name, body) => {
                self.functions.push((name.clone(), body.clone()));
                Wait::default()
            }
            Command::For { words, math, body, line } => {
                let tries = match math {
                    Some(math) => math_tries(math, &self.env),
                    None => words.iter().map(|word| word.count(&self.env)).sum::<Option<u64>>(),
                };
                let each = self.inside(&[], body, depth);
                self.repeated(*line, tries, each)
            }
            Command::While { condition, body, line } => {
                self.conditional(condition, body, *line, depth)
            }
        }
    }

    fn simple(&mut self, simple: &Simple, depth: u32) -> Wait {
        let mut total = Wait::default();
        for part in simple.parts() {
            if let Part::Sub(commands) = part {
                total = total.plus(self.list(commands, depth + 1));
            }
        }
        for (name, value) in &simple.assigns {
            let value = value.expand(&self.env);
            self.env.insert(name.clone(), value);
        }
        let mut words = simple.expand(&self.env);
        if matches!(
            words.first().map(String::as_str),
            Some("export" | "local" | "readonly" | "declare")
        ) {
            for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                self.env.insert(name.to_owned(), value.to_owned());
            }
        }
        strip_prefixes(&mut words);
        if let Some((_, body)) =
            self.functions.iter().rev().find(|(name, _)| words.first() == Some(name)).cloned()
        {
            return total.plus(self.list(&body, depth + 1));
        }
        let at = At { depth: depth + 1, is_looped: self.is_looped };
        total.plus(clients::wait(&words, at))
    }

    /// One round of a loop, which leaves the variables as they were before it.
    fn inside(&mut self, condition: &[Command], body: &[Command], depth: u32) -> Wait {
        let before = (self.env.clone(), self.is_looped);
        self.is_looped = true;
        let each = self.list(condition, depth + 1).plus(self.list(body, depth + 1));
        (self.env, self.is_looped) = before;
        each
    }

    fn conditional(
        &mut self,
        condition: &[Command],
        body: &[Command],
        line: u32,
        depth: u32,
    ) -> Wait {
        let limit =
            limit_in(condition, &self.env, body).or_else(|| limit_of_guards(body, &self.env));
        let reads = condition.iter().any(|one| first_word(one) == Some("read"));
        let each = self.inside(condition, body, depth);
        match limit {
            Some(Limit::Tries(tries)) => self.repeated(line, Some(tries), each),
            Some(Limit::Seconds(seconds)) => {
                let total = Wait::of(seconds).plus(Wait { quick: Span::For(0), worst: each.worst });
                self.loops.push(Loop { line, tries: None, each, total, falls_through: false });
                total
            }
            // A loop over lines ends with them; one with a bound nobody knows here is not judged.
            Some(Limit::Unknown) => Wait::default(),
            None if reads => Wait::default(),
            None if each == Wait::default() => Wait::default(),
            None => {
                let total = Wait::ENDLESS;
                self.loops.push(Loop { line, tries: None, each, total, falls_through: false });
                total
            }
        }
    }

    fn repeated(&mut self, line: u32, tries: Option<u64>, each: Wait) -> Wait {
        let Some(tries) = tries else { return Wait::default() };
        let total = each.times(tries);
        if total != Wait::default() && each.quick > Span::For(0) {
            self.loops.push(Loop { line, tries: Some(tries), each, total, falls_through: false });
        }
        total
    }
}

/// What ends a loop.
enum Limit {
    Tries(u64),
    Seconds(u64),
    Unknown,
}

/// Words before a command that change nothing about its time.
fn strip_prefixes(words: &mut Vec<String>) {
    while matches!(
        words.first().map(String::as_str),
        Some("exec" | "command" | "env" | "sudo" | "nohup")
    ) {
        words.remove(0);
    }
}

fn first_word(command: &Command) -> Option<&str> {
    match command {
        Command::Simple(simple) => simple.words.first()?.plain(),
        _ => None,
    }
}

/// The simple commands of a list, at any depth.
fn simples(commands: &[Command]) -> Vec<&Simple> {
    pipelines(commands).into_iter().flatten().collect()
}

/// The bound that a loop's condition states.
fn limit_in(condition: &[Command], env: &Env, body: &[Command]) -> Option<Limit> {
    simples(condition).into_iter().find_map(|simple| comparison(simple, env, body))
}

/// The bound of a counter that a loop's body looks at before it leaves the loop.
fn limit_of_guards(body: &[Command], env: &Env) -> Option<Limit> {
    for one in body {
        let (guards, leaves): (Vec<&Simple>, bool) = match one {
            Command::If(arms, otherwise) => {
                let inner = arms.iter().flat_map(|(_, body)| body).chain(otherwise);
                let leaves = inner
                    .clone()
                    .any(|one| simples(std::slice::from_ref(one)).iter().any(|s| leaves_loop(s)));
                (arms.iter().flat_map(|(condition, _)| simples(condition)).collect(), leaves)
            }
            Command::Chain(list) => {
                let all = simples(list);
                let leaves = all.iter().any(|simple| leaves_loop(simple));
                (all, leaves)
            }
            _ => continue,
        };
        if leaves
            && let Some(limit) = guards.into_iter().find_map(|simple| comparison(simple, env, body))
        {
            return Some(limit);
        }
    }
    None
}

fn leaves_loop(simple: &Simple) -> bool {
    matches!(simple.words.first().and_then(|word| word.plain()), Some("exit" | "break" | "return"))
}

/// The bound in `[ "$i" -lt 60 ]` or `(( i < 60 ))`, if `i` is counted in the body or is the time.
fn comparison(simple: &Simple, env: &Env, body: &[Command]) -> Option<Limit> {
    let raw: Vec<&Word> = simple.words.iter().collect();
    let head = raw.first()?.plain()?;
    let (left, sign, right): (String, String, String) = match head {
        "((" => {
            let text = raw.get(1)?.plain()?.to_owned();
            let at = text.find(['<', '>', '='])?;
            let sign: String = text[at..].chars().take_while(|c| "<>=".contains(*c)).collect();
            let (left, right) =
                (text[..at].trim().to_owned(), text[at + sign.len()..].trim().to_owned());
            (left.trim_start_matches('$').trim_end_matches('!').to_owned(), sign, right)
        }
        "[" | "[[" | "test" => {
            let at = raw.iter().position(|word| {
                matches!(word.plain(), Some("-lt" | "-le" | "-gt" | "-ge" | "-eq" | "-ne"))
            })?;
            let name = match raw.get(at.checked_sub(1)?)?.parts.as_slice() {
                [Part::Var(name, _)] => name.clone(),
                _ => raw[at - 1].expand(env),
            };
            (name, raw[at].plain()?.to_owned(), raw.get(at + 1)?.expand(env))
        }
        _ => return None,
    };
    let end = arithmetic(&right, env);
    if left == "SECONDS" || left == "0" {
        return Some(
            end.and_then(|end| u64::try_from(end).ok()).map_or(Limit::Unknown, Limit::Seconds),
        );
    }
    let (step, by_time) = step_of(&left, body)?;
    if by_time {
        return Some(
            end.and_then(|end| u64::try_from(end).ok()).map_or(Limit::Unknown, Limit::Seconds),
        );
    }
    let start = env.get(&left).map_or(Some(0), |value| value.parse::<i64>().ok());
    let (Some(start), Some(end), Some(step)) = (start, end, step) else {
        return Some(Limit::Unknown);
    };
    let inclusive = u64::from(matches!(sign.as_str(), "-le" | "<="));
    Some(Limit::Tries(start.abs_diff(end).div_ceil(step.unsigned_abs().max(1)) + inclusive))
}

/// By how much a variable changes in a loop's body, and whether it is set to the time; nothing if it
/// does not change at all.
fn step_of(name: &str, body: &[Command]) -> Option<(Option<i64>, bool)> {
    for simple in simples(body) {
        for (assigned, value) in &simple.assigns {
            if assigned != name {
                continue;
            }
            return Some(match value.parts.as_slice() {
                [.., Part::Math(text)] => (step_in(name, text), false),
                [.., Part::Sub(commands)] => {
                    let words = simples(commands).first().map(|one| one.expand(&Env::new()));
                    let is_date =
                        words.is_some_and(|words| words.first().is_some_and(|w| w == "date"));
                    (Some(1), is_date)
                }
                _ => (None, false),
            });
        }
        let words: Vec<&str> = simple.words.iter().filter_map(|word| word.plain()).collect();
        match words.as_slice() {
            ["((", text] if text.contains(name) && (text.contains("++") || text.contains("--")) => {
                return Some((Some(1), false));
            }
            ["((", text] if text.contains(name) && text.contains('=') => {
                return Some((text.rsplit('=').next().and_then(|n| n.trim().parse().ok()), false));
            }
            ["let", text] if text.contains(name) => return Some((Some(1), false)),
            _ => {}
        }
    }
    None
}

/// The step of `i + 1` or `i-5`.
fn step_in(name: &str, text: &str) -> Option<i64> {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && *c != '$').collect();
    let rest = bare.replacen(name, "", 1);
    rest.trim_start_matches('+').trim_end_matches('+').parse().ok()
}

/// Rounds of `i=0; i<60; i++`.
fn math_tries(text: &str, env: &Env) -> Option<u64> {
    let parts: Vec<&str> = text.split(';').collect();
    let [first, test, _] = parts.as_slice() else { return None };
    let start = first.split_once('=').and_then(|(_, value)| arithmetic(value, env))?;
    let at = test.find(['<', '>'])?;
    let inclusive = u64::from(test[at..].contains('='));
    let end = arithmetic(test[at..].trim_start_matches(['<', '>', '=']), env)?;
    Some(start.abs_diff(end) + inclusive)
}

/// Whether a loop waits for something: it ends when that is there, not only when it is through.
fn may_end_early(command: &Command) -> bool {
    match command {
        Command::For { body, .. } => simples(body).into_iter().any(leaves_loop),
        Command::While { condition, body, .. } => {
            simples(condition).len() > 1 || simples(body).into_iter().any(leaves_loop)
        }
        _ => false,
    }
}

/// Whether a loop ends the program with a failure by itself.
fn one_fails(command: &Command) -> bool {
    simples(std::slice::from_ref(command)).into_iter().any(fails)
}

fn fails(simple: &Simple) -> bool {
    let words: Vec<Option<&str>> = simple.words.iter().map(|word| word.plain()).collect();
    match words.as_slice() {
        [Some("exit" | "return"), code] => *code != Some("0"),
        [Some("false")] => true,
        _ => false,
    }
}

/// Whether what follows a loop looks at how it ended: it can fail, or it repeats the loop's own probe.
fn checks(after: &[Command], looped: &Command) -> bool {
    let speaks = |command: &&Command| matches!(first_word(command), Some("echo" | "printf" | ":"));
    let Some(next) = after.iter().find(|command| !speaks(command)) else { return false };
    if simples(std::slice::from_ref(next)).into_iter().any(fails) {
        return true;
    }
    let probes = ["curl", "wget", "kubectl", "nc", "pg_isready", "test", "["];
    let first = first_word(next).filter(|word| probes.contains(word));
    first.is_some_and(|word| {
        let all = simples(std::slice::from_ref(looped));
        all.iter().any(|simple| simple.words.first().and_then(|w| w.plain()) == Some(word))
    })
}
