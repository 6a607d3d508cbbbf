//! Reads a POSIX shell's program into commands. Lenient: what it does not know it reads as words, and
//! no text makes it panic, recurse without end or stand still.

use super::syntax::{Command, Script, Simple};
use super::word::{Env, Part, Word};

/// Commands nested deeper than this are not read.
const DEEP: u32 = 60;

/// Reads a program.
pub(crate) fn parse(text: &str) -> Script {
    let chars = text.chars().collect();
    let mut parser =
        Parser { chars, at: 0, line: 1, depth: 0, pending: Vec::new(), heredocs: Vec::new() };
    let mut commands = Vec::new();
    while parser.at < parser.chars.len() {
        let before = parser.at;
        commands.extend(parser.list(&[]));
        // A stray `)` or `done`.
        if parser.at == before || parser.at < parser.chars.len() {
            parser.step();
        }
    }
    Script { commands, heredocs: parser.heredocs }
}

/// Reads a text in which variables are replaced, as one word.
pub(crate) fn text_word(text: &str) -> Word {
    let chars = text.replace('"', "\\\"").chars().collect();
    let (pending, heredocs) = (Vec::new(), Vec::new());
    let mut word = Word::default();
    Parser { chars, at: 0, line: 1, depth: 0, pending, heredocs }.quoted(&mut word);
    word
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    line: u32,
    depth: u32,
    /// Delimiters of texts that follow the line, and whether tabs are taken away.
    pending: Vec<(String, bool)>,
    heredocs: Vec<String>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c))
    }

    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
            for (delimiter, tabs) in std::mem::take(&mut self.pending) {
                self.heredoc(&delimiter, tabs);
            }
        }
        Some(c)
    }

    fn heredoc(&mut self, delimiter: &str, tabs: bool) {
        let mut body = String::new();
        while self.at < self.chars.len() {
            let rest = &self.chars[self.at..];
            let end = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
            let line: String = rest[..end].iter().collect();
            self.at = (self.at + end + 1).min(self.chars.len());
            self.line += 1;
            if line.trim_start_matches(if tabs { '\t' } else { '\0' }) == delimiter {
                break;
            }
            body.push_str(&line);
            body.push('\n');
        }
        self.heredocs.push(body);
    }

    /// Spaces, continued lines and comments.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.chars.get(self.at + 1) == Some(&'\n') => {
                    self.at += 1;
                    self.step();
                }
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Ends of lines and of commands.
    fn separators(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some('\n' | ';' | '&') => {
                    self.step();
                }
                _ => return,
            }
        }
    }

    /// The unquoted word that comes next, not consumed.
    fn next_word(&self) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        rest.iter().take_while(|c| !is_end(**c)).collect()
    }

    /// Commands up to one of the words, or to `)`.
    fn list(&mut self, ends: &[&str]) -> Vec<Command> {
        let mut all = Vec::new();
        self.depth += 1;
        loop {
            self.separators();
            let Some(c) = self.peek() else { break };
            let word = self.next_word();
            let closes = matches!(word.as_str(), "done" | "fi" | "esac" | "then" | "do" | "}")
                || word == "elif"
                || word == "else";
            if c == ')' || ends.contains(&word.as_str()) || closes || self.depth > DEEP {
                break;
            }
            let before = self.at;
            all.push(self.chain());
            if self.at == before {
                self.step();
            }
        }
        self.depth -= 1;
        all
    }

    fn chain(&mut self) -> Command {
        let mut all = vec![self.pipe()];
        loop {
            self.blanks();
            if !(self.looking_at("&&") || self.looking_at("||")) {
                break;
            }
            self.at += 2;
            self.separators();
            all.push(self.pipe());
        }
        if all.len() == 1 { all.remove(0) } else { Command::Chain(all) }
    }

    fn pipe(&mut self) -> Command {
        self.blanks();
        while self.next_word() == "!" {
            self.at += 1;
            self.blanks();
        }
        let mut all = vec![self.command()];
        loop {
            self.blanks();
            if self.peek() != Some('|') || self.looking_at("||") {
                break;
            }
            self.at += 1;
            self.separators();
            all.push(self.command());
        }
        if all.len() == 1 { all.remove(0) } else { Command::Pipe(all) }
    }

    fn take(&mut self, word: &str) -> bool {
        self.separators();
        let is_next = self.next_word() == word;
        if is_next {
            self.at += word.chars().count();
        }
        is_next
    }

    fn command(&mut self) -> Command {
        self.blanks();
        let line = self.line;
        if self.looking_at("((") {
            let text = self.until_double_paren();
            let words = vec![Word::text("(("), Word { parts: vec![Part::Text(text)] }];
            return Command::Simple(Simple { words, line, ..Simple::default() });
        }
        if self.peek() == Some('(') {
            self.at += 1;
            let body = self.list(&[]);
            self.close();
            return Command::Group(body);
        }
        let word = self.next_word();
        let length = word.chars().count();
        match word.as_str() {
            "{" => {
                self.at += length;
                let body = self.list(&["}"]);
                self.take("}");
                Command::Group(body)
            }
            "if" => {
                self.at += length;
                self.conditional()
            }
            "while" | "until" => {
                self.at += length;
                let condition = self.list(&["do"]);
                let body = self.body();
                Command::While { condition, body, line }
            }
            "for" | "select" => {
                self.at += length;
                self.each(line)
            }
            "case" => {
                self.at += length;
                self.case()
            }
            "function" => {
                self.at += length;
                self.blanks();
                let name = self.next_word();
                self.at += name.chars().count();
                self.function(name)
            }
            _ => self.simple(line),
        }
    }

    fn close(&mut self) {
        self.separators();
        if self.peek() == Some(')') {
            self.at += 1;
        }
    }

    fn body(&mut self) -> Vec<Command> {
        self.take("do");
        let body = self.list(&["done"]);
        self.take("done");
        self.redirections();
        body
    }

    /// Redirections after a compound command.
    fn redirections(&mut self) {
        let mut ignored = Simple::default();
        loop {
            self.blanks();
            if !self.redirection(&mut ignored) {
                return;
            }
        }
    }

    fn conditional(&mut self) -> Command {
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = self.list(&["then"]);
            self.take("then");
            arms.push((condition, self.list(&["elif", "else", "fi"])));
            if !self.take("elif") {
                break;
            }
        }
        if self.take("else") {
            otherwise = self.list(&["fi"]);
        }
        self.take("fi");
        self.redirections();
        Command::If(arms, otherwise)
    }

    fn each(&mut self, line: u32) -> Command {
        self.blanks();
        if self.looking_at("((") {
            let math = Some(self.until_double_paren());
            let body = self.body();
            return Command::For { words: Vec::new(), math, body, line };
        }
        let name = self.next_word();
        self.at += name.chars().count();
        let mut words = Vec::new();
        if self.take("in") {
            self.blanks();
            while self.peek().is_some_and(|c| !matches!(c, '\n' | ';' | '&' | '|' | ')')) {
                let before = self.at;
                words.push(self.word());
                self.blanks();
                if self.at == before {
                    break;
                }
            }
        }
        let body = self.body();
        Command::For { words, math: None, body, line }
    }

    fn case(&mut self) -> Command {
        self.blanks();
        self.word();
        self.take("in");
        let mut arms = Vec::new();
        loop {
            self.separators();
            if self.peek().is_none() || self.take("esac") {
                break;
            }
            let before = self.at;
            while self.peek().is_some_and(|c| c != ')' && c != '\n') {
                self.at += 1;
            }
            self.close();
            arms.push(self.arm());
            if self.at == before {
                self.step();
            }
        }
        Command::Case(arms)
    }

    /// The commands of an arm, up to `;;`.
    fn arm(&mut self) -> Vec<Command> {
        let mut all = Vec::new();
        self.depth += 1;
        while self.depth <= DEEP {
            while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r' | '#' | '\\')) {
                let before = self.at;
                self.blanks();
                if self.at == before {
                    self.step();
                }
            }
            if self.looking_at(";;") || self.peek().is_none() || self.next_word() == "esac" {
                break;
            }
            if matches!(self.peek(), Some(';' | '&' | ')')) {
                self.step();
                continue;
            }
            let before = self.at;
            all.push(self.chain());
            if self.at == before {
                self.step();
            }
        }
        self.depth -= 1;
        all
    }

    fn function(&mut self, name: String) -> Command {
        self.blanks();
        if self.looking_at("()") {
            self.at += 2;
        }
        while matches!(self.peek(), Some(' ' | '\t' | '\n')) {
            self.step();
        }
        if self.depth > DEEP {
            return Command::Function(name, Vec::new());
        }
        self.depth += 1;
        let body = self.command();
        self.depth -= 1;
        Command::Function(name, vec![body])
    }

    fn simple(&mut self, line: u32) -> Command {
        let mut simple = Simple { line, ..Simple::default() };
        loop {
            self.blanks();
            if self.redirection(&mut simple) {
                continue;
            }
            let Some(c) = self.peek() else { break };
            if matches!(c, '\n' | ';' | '&' | '|' | ')') {
                break;
            }
            if simple.words.is_empty() && c != '(' {
                let name = self.next_word();
                let length = name.chars().count();
                if self.chars.get(self.at + length) == Some(&'(')
                    && self.chars.get(self.at + length + 1) == Some(&')')
                    && is_name(&name)
                {
                    self.at += length;
                    return self.function(name);
                }
            }
            let before = self.at;
            let word = self.word();
            if self.at == before {
                self.step();
                continue;
            }
            match assignment(&word) {
                Some(pair) if simple.words.is_empty() => simple.assigns.push(pair),
                _ => simple.words.push(word),
            }
        }
        Command::Simple(simple)
    }

    /// Reads one redirection, if one comes next.
    fn redirection(&mut self, simple: &mut Simple) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if self.looking_at("&>") {
            self.at += 1;
        }
        if !matches!(self.peek(), Some('<' | '>')) || self.looking_at("<(") {
            self.at = start;
            return false;
        }
        if self.looking_at("<<") && !self.looking_at("<<<") {
            self.at += 2;
            let tabs = self.peek() == Some('-');
            self.at += usize::from(tabs);
            self.blanks();
            let delimiter = self.word().expand(&Env::new());
            simple.heredoc = Some(self.heredocs.len() + self.pending.len());
            self.pending.push((delimiter, tabs));
            return true;
        }
        let reads = self.looking_at("<") && !self.looking_at("<<<");
        while matches!(self.peek(), Some('<' | '>' | '&' | '|')) {
            self.at += 1;
        }
        self.blanks();
        let target = self.word();
        if reads {
            simple.reads.push(target);
        }
        true
    }

    fn until_double_paren(&mut self) -> String {
        self.at += 2;
        let (mut text, mut open) = (String::new(), 0_u32);
        while let Some(c) = self.peek() {
            if open == 0 && self.looking_at("))") {
                self.at += 2;
                break;
            }
            open = match c {
                '(' => open + 1,
                ')' => open.saturating_sub(1),
                _ => open,
            };
            text.push(c);
            self.step();
        }
        text
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        let mut braces = 0_u32;
        while let Some(c) = self.peek() {
            match c {
                '\'' => {
                    self.at += 1;
                    while let Some(c) = self.step().filter(|c| *c != '\'') {
                        push(&mut word, c);
                    }
                    mark(&mut word);
                }
                '"' => {
                    self.at += 1;
                    self.quoted(&mut word);
                    mark(&mut word);
                }
                '\\' => {
                    self.at += 1;
                    if let Some(c) = self.step().filter(|c| *c != '\n') {
                        push(&mut word, c);
                    }
                }
                '$' | '`' => self.dollar(&mut word),
                '<' if self.looking_at("<(") => {
                    self.at += 1;
                    self.substitution(&mut word);
                }
                '{' => {
                    braces += 1;
                    push(&mut word, c);
                    self.at += 1;
                }
                c if is_end(c) && !(braces > 0 && c == '}') => break,
                c => {
                    push(&mut word, c);
                    self.at += 1;
                }
            }
        }
        word
    }

    fn quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 1;
                    match self.step() {
                        Some(c @ ('"' | '\\' | '$' | '`')) => push(word, c),
                        Some('\n') | None => {}
                        Some(c) => {
                            push(word, '\\');
                            push(word, c);
                        }
                    }
                }
                '$' | '`' => self.dollar(word),
                c => {
                    push(word, c);
                    self.step();
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word) {
        if self.peek() == Some('`') {
            self.at += 1;
            let mut text = String::new();
            while let Some(c) = self.step().filter(|c| *c != '`') {
                text.push(c);
            }
            let commands = if self.depth < DEEP { self.inner(&text).list(&[]) } else { Vec::new() };
            word.parts.push(Part::Sub(commands));
            return;
        }
        if self.looking_at("$((") {
            self.at += 1;
            let text = self.until_double_paren();
            word.parts.push(Part::Math(text));
            return;
        }
        self.at += 1;
        match self.peek() {
            Some('(') => self.substitution(word),
            Some('{') => {
                self.at += 1;
                self.braced(word);
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.at += 1;
                }
                word.parts.push(Part::Var(name, None));
            }
            Some(c) if c.is_ascii_digit() || "?#@*!$-".contains(c) => {
                self.at += 1;
                word.parts.push(Part::Var(c.to_string(), None));
            }
            _ => push(word, '$'),
        }
    }

    /// A reader of a text inside of a word, which counts lines from its own place.
    fn inner(&self, text: &str) -> Self {
        let chars = text.chars().collect();
        let (line, depth) = (self.line, self.depth + 1);
        Self { chars, at: 0, line, depth, pending: Vec::new(), heredocs: Vec::new() }
    }

    /// What follows `:-`.
    fn default_word(&self, text: &str) -> Word {
        let mut word = Word::default();
        if self.depth < DEEP {
            self.inner(text).quoted(&mut word);
        }
        word
    }

    fn substitution(&mut self, word: &mut Word) {
        self.at += 1;
        let commands = self.list(&[]);
        self.close();
        word.parts.push(Part::Sub(commands));
    }

    /// What follows `${`.
    fn braced(&mut self, word: &mut Word) {
        let mut text = String::new();
        let mut open = 1_u32;
        while let Some(c) = self.step() {
            match c {
                '{' => open += 1,
                '}' => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            text.push(c);
        }
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'));
        let default =
            default.or_else(|| rest.strip_prefix(":=")).or_else(|| rest.strip_prefix('='));
        let is_plain = rest.is_empty() || default.is_some() || rest.starts_with(":?");
        match (name.is_empty(), is_plain) {
            (false, true) => {
                let default = default.map(|text| self.default_word(text));
                word.parts.push(Part::Var(name.to_owned(), default));
            }
            // `${NAME%…}`, `${#NAME}` and the like come to something nobody computes here.
            _ => word.parts.push(Part::Var(format!("\u{0}{text}"), None)),
        }
    }
}

fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn push(word: &mut Word, c: char) {
    match word.parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        _ => word.parts.push(Part::Text(c.to_string())),
    }
}

/// Makes sure that a quoted nothing is a word.
fn mark(word: &mut Word) {
    if word.parts.is_empty() {
        word.parts.push(Part::Text(String::new()));
    }
}

/// The name and value of `NAME=value`.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text(first)) = word.parts.first() else { return None };
    let (name, rest) = first.split_once('=')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let mut parts = vec![Part::Text(rest.to_owned())];
    parts.extend(word.parts[1..].iter().cloned());
    Some((name.to_owned(), Word { parts }))
}
