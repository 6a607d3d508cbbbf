//! How long the usual clients wait, by their options.

use super::parse::parse;
use super::time::{DEEP, Span, Wait, timing_at};
use super::word::{Env, known};
use crate::flux;

/// What curl and wget wait for a connection that nobody refuses, when nothing else is said: six
/// repeated SYNs of Linux.
const CONNECT: u64 = 127;

/// Where a command stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// How deep it stands in programs within programs.
    pub(super) depth: u32,
    /// Whether it is tried again and again.
    pub(super) is_looped: bool,
}

impl At {
    /// What a client waits for a connection when nothing is said. It counts where it is tried again and
    /// again; a single request waits for nothing that is not there.
    fn connect(self) -> u64 {
        if self.is_looped { CONNECT } else { 0 }
    }
}

/// Seconds of `5`, `0.5`, `2m`.
fn seconds(text: &str) -> Option<u64> {
    let text = known(text)?;
    if let Ok(plain) = text.parse::<f64>() {
        return Some(ceil(plain));
    }
    if let Some(days) = text.strip_suffix('d') {
        return Some(days.parse::<u64>().ok()?.saturating_mul(86_400));
    }
    let span = flux::duration(text)?;
    Some(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

fn ceil(value: f64) -> u64 {
    let span = std::time::Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default();
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// The value of an option: `--max-time 3`, `--max-time=3`, `-m3`.
fn option<'a>(words: &'a [String], names: &[&str]) -> Option<&'a str> {
    for (at, word) in words.iter().enumerate() {
        for name in names {
            if word == name {
                return words.get(at + 1).map(String::as_str);
            }
            let rest = word.strip_prefix(name);
            match rest {
                Some(rest) if name.starts_with("--") && rest.starts_with('=') => {
                    return Some(&rest[1..]);
                }
                Some(rest) if name.len() == 2 && rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    return Some(rest);
                }
                _ => {}
            }
        }
    }
    None
}

/// What one command waits.
pub(super) fn wait(words: &[String], at: At) -> Wait {
    let Some(first) = words.first() else { return Wait::default() };
    let name = first.rsplit('/').next().unwrap_or(first);
    match name {
        "sleep" => {
            let all = words[1..].iter().map(|word| seconds(word));
            Wait::of(all.sum::<Option<u64>>().unwrap_or(0))
        }
        "curl" => Wait { quick: Span::For(0), worst: Span::For(curl(words, at.connect())) },
        "wget" => {
            let limit = option(words, &["--timeout", "-T", "--connect-timeout"]).and_then(seconds);
            let tries = option(words, &["--tries", "-t"]).and_then(seconds).unwrap_or(1).max(1);
            Wait { quick: Span::For(0), worst: Span::For(limit.unwrap_or(at.connect()) * tries) }
        }
        "nc" | "ncat" => {
            let limit = option(words, &["-w"]).and_then(seconds).unwrap_or(at.connect());
            Wait { quick: Span::For(0), worst: Span::For(limit) }
        }
        "pg_isready" => {
            let limit = option(words, &["-t", "--timeout"]).and_then(seconds).unwrap_or(3);
            Wait { quick: Span::For(0), worst: Span::For(limit) }
        }
        "kubectl" => kubectl(words),
        "timeout" => timeout(words, at),
        "sh" | "bash" | "ash" | "dash" => nested(words, at),
        _ => Wait::default(),
    }
}

fn curl(words: &[String], connect_limit: u64) -> u64 {
    let limit = option(words, &["--max-time", "-m"]).and_then(seconds);
    let connect = option(words, &["--connect-timeout"]).and_then(seconds);
    let one = limit.or(connect).unwrap_or(connect_limit);
    let retries = option(words, &["--retry"]).and_then(seconds).unwrap_or(0);
    let pauses =
        match option(words, &["--retry-delay"]).and_then(seconds).filter(|delay| *delay > 0) {
            Some(delay) => delay.saturating_mul(retries),
            // It doubles its pauses from one second on, up to ten minutes.
            None => (0..retries.min(1_000))
                .map(|n| 1_u64.checked_shl(n.min(10) as u32).unwrap_or(600).min(600))
                .sum(),
        };
    let all = one.saturating_mul(retries.saturating_add(1)).saturating_add(pauses);
    match option(words, &["--retry-max-time"]).and_then(seconds) {
        Some(most) if retries > 0 => all.min(most.saturating_add(one)),
        _ => all,
    }
}

fn kubectl(words: &[String]) -> Wait {
    let has = |word: &str| words.iter().any(|one| one == word);
    let limit = option(words, &["--timeout"]).and_then(seconds);
    if has("wait") {
        return Wait::of(limit.unwrap_or(30));
    }
    if has("rollout") && has("status") && !has("--watch=false") {
        return match limit {
            Some(seconds) if seconds > 0 => Wait::of(seconds),
            _ => Wait::ENDLESS,
        };
    }
    Wait::default()
}

/// `timeout 300 command …`.
fn timeout(words: &[String], place: At) -> Wait {
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at +=
            if matches!(word.as_str(), "-k" | "-s" | "--kill-after" | "--signal") { 2 } else { 1 };
    }
    let limit = words.get(at).and_then(|word| seconds(word));
    let inner = words.get(at + 1..).map(|rest| wait(rest, place)).unwrap_or_default();
    match limit {
        Some(limit) => inner.at_most(limit),
        None => inner,
    }
}

/// `bash -c '…'`.
fn nested(words: &[String], place: At) -> Wait {
    let at = words.iter().position(|word| super::is_command_flag(word));
    let Some(text) = at.and_then(|at| words.get(at + 1)) else { return Wait::default() };
    if text.len() > super::MAX_SCRIPT || place.depth > DEEP {
        return Wait::default();
    }
    timing_at(&parse(text), &Env::new(), place).total
}
