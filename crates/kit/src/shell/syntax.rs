//! A shell's program as commands.

use super::word::{ALL_ARGUMENTS, BETWEEN, Env, Part, Word};

/// A program.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) commands: Vec<Command>,
    /// Texts of `<<` redirections, by number.
    pub(crate) heredocs: Vec<String>,
}

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Assignments and words.
    Simple(Simple),
    /// `a | b`.
    Pipe(Vec<Command>),
    /// `a && b || c`.
    Chain(Vec<Command>),
    /// Arms with their conditions, and what is done otherwise.
    If(Vec<(Vec<Command>, Vec<Command>)>, Vec<Command>),
    /// `while` and `until`.
    While { condition: Vec<Command>, body: Vec<Command>, line: u32 },
    /// `for`; an arithmetic one has its three parts as one word.
    For { words: Vec<Word>, math: Option<String>, body: Vec<Command>, line: u32 },
    /// The arms of a `case`.
    Case(Vec<Vec<Command>>),
    /// `name() { … }`.
    Function(String, Vec<Command>),
    /// `{ … }` or `( … )`.
    Group(Vec<Command>),
}

/// Assignments and words.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Simple {
    pub(crate) assigns: Vec<(String, Word)>,
    pub(crate) words: Vec<Word>,
    /// Files that are read with `<`.
    pub(crate) reads: Vec<Word>,
    /// The text of a `<<`.
    pub(crate) heredoc: Option<usize>,
    /// Counted from 1.
    pub(crate) line: u32,
}

impl Simple {
    /// Its words, as far as they are known.
    pub(crate) fn expand(&self, env: &Env) -> Vec<String> {
        let mut all = Vec::new();
        for word in &self.words {
            let is_all =
                matches!(word.parts.as_slice(), [Part::Var(name, None)] if name == ALL_ARGUMENTS);
            match env.get(ALL_ARGUMENTS).filter(|_| is_all) {
                Some(text) if text.is_empty() => {}
                Some(text) => all.extend(text.split(BETWEEN).map(str::to_owned)),
                None => all.push(word.expand(env)),
            }
        }
        all
    }

    /// The pieces of its assignments and words.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        let words = self.assigns.iter().map(|(_, word)| word).chain(&self.words);
        words.flat_map(|word| &word.parts)
    }
}

/// The simple commands in the order of the program; those of one pipe together.
pub(crate) fn pipelines(commands: &[Command]) -> Vec<Vec<&Simple>> {
    let mut all = Vec::new();
    for command in commands {
        gather(command, &mut all);
    }
    all
}

fn gather<'a>(command: &'a Command, all: &mut Vec<Vec<&'a Simple>>) {
    match command {
        Command::Simple(simple) => {
            inner(simple, all);
            all.push(vec![simple]);
        }
        Command::Pipe(list) => {
            let mut own = Vec::new();
            for one in list {
                match one {
                    Command::Simple(simple) => {
                        inner(simple, all);
                        own.push(simple);
                    }
                    other => gather(other, all),
                }
            }
            all.push(own);
        }
        Command::Chain(list) | Command::Group(list) | Command::For { body: list, .. } => {
            list.iter().for_each(|one| gather(one, all));
        }
        // What a function does is done where it is called.
        Command::Function(..) => {}
        Command::If(arms, otherwise) => {
            let lists = arms.iter().flat_map(|(condition, body)| [condition, body]);
            lists.flatten().chain(otherwise).for_each(|one| gather(one, all));
        }
        Command::While { condition, body, .. } => {
            condition.iter().chain(body).for_each(|one| gather(one, all));
        }
        Command::Case(arms) => arms.iter().flatten().for_each(|one| gather(one, all)),
    }
}

fn inner<'a>(simple: &'a Simple, all: &mut Vec<Vec<&'a Simple>>) {
    for part in simple.parts() {
        if let Part::Sub(commands) = part {
            commands.iter().for_each(|one| gather(one, all));
        }
    }
}
