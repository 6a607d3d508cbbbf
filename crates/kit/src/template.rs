//! OpenTofu's file templates: what is replaced in them, and which names a call of `templatefile` gives.
//!
//! `${…}` holds an expression and `%{…}` a directive; `$${` and `%%{` are text.

use std::collections::BTreeSet;

/// One `${…}` or `%{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// What stands between the braces.
    pub(crate) text: &'a str,
    /// The line it begins on, counted from 1.
    pub(crate) line: u32,
    /// Whether it is a directive.
    pub(crate) is_directive: bool,
    /// Whether its end is missing.
    pub(crate) is_open: bool,
}

/// Every part of a template, and the bytes around them.
pub(crate) fn parts(text: &str) -> (Vec<Part<'_>>, usize) {
    let mut all = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    let mut line = 1;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("$${") || rest.starts_with("%%{") {
            at += 3;
            plain += 2;
        } else if rest.starts_with("${") || rest.starts_with("%{") {
            let end = closing(&rest[2..]);
            let inner = &rest[2..2 + end.unwrap_or(rest.len() - 2)];
            let is_directive = rest.starts_with('%');
            all.push(Part { text: inner, line, is_directive, is_open: end.is_none() });
            line += newlines(inner);
            at += 2 + inner.len() + 1;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            line += newlines(&rest[..length]);
            plain += length;
            at += length;
        }
    }
    (all, plain)
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

/// Where the brace that ends an expression stands.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The names an expression or directive asks for.
pub(crate) fn names(part: &Part<'_>, own: &mut BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let words = words(part.text);
    let mut declares = false;
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let after = words.get(at + 1).copied().unwrap_or_default();
        let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match *word {
            "for" => declares = true,
            "in" => declares = false,
            "if" | "else" | "endif" | "endfor" | "true" | "false" | "null" => {}
            _ if !is_name || before == "." || after == "(" => {}
            _ if declares => {
                own.insert((*word).to_owned());
            }
            // A key of an object; `==` is one word.
            _ if after == "=" => {}
            _ if !own.contains(*word) => found.push((*word).to_owned()),
            _ => {}
        }
    }
    found
}

/// Names, operators and brackets of an expression; texts are left out, but for what is replaced there.
fn words(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = match c {
            '"' => {
                let end = quoted(&rest[1..]);
                let inner = &rest[1..1 + end];
                let (parts, _) = parts(inner);
                all.extend(parts.into_iter().flat_map(|part| words(part.text)));
                end + 2
            }
            _ if c.is_ascii_alphanumeric() || c == '_' => {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            }
            '=' if rest.starts_with("==") || rest.starts_with("=>") => 2,
            '!' | '<' | '>' if rest[1..].starts_with('=') => 2,
            _ => c.len_utf8(),
        };
        let length = length.min(rest.len());
        if !c.is_whitespace() && c != '"' && c != '~' {
            all.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    all
}

/// Where a text ends, its opening quote left out.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// The form of the shell an expression has, if it has one: `${NAME:-text}`.
pub(crate) fn shell_form(text: &str) -> Option<&'static str> {
    let name = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let forms = [":-", ":=", ":+", ":?", "%", "##", "#", "//", "/", "^^", ",,", "@"];
    let rest = &text[name..];
    if name == 0 {
        return ["#", "!"].into_iter().find(|form| {
            rest.strip_prefix(form).is_some_and(|rest| *form == "#" || rest.contains('['))
        });
    }
    forms.into_iter().find(|form| rest.starts_with(form))
}

/// One call of `templatefile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// The template's path as it stands there, `${path.module}/` left out.
    pub(crate) path: String,
    /// The names it gives; nothing when they are not written there.
    pub(crate) names: Option<BTreeSet<String>>,
    /// The line, counted from 1.
    pub(crate) line: u32,
    /// Whether the result is compressed.
    pub(crate) is_packed: bool,
}

/// Every call of `templatefile` in a module's text.
pub(crate) fn calls(text: &str) -> Vec<Call> {
    const CALL: &str = "templatefile(";
    let mut all = Vec::new();
    for (at, _) in text.match_indices(CALL) {
        let rest = text[at + CALL.len()..].trim_start();
        let Some(inner) = rest.strip_prefix('"') else { continue };
        let end = quoted(inner);
        let path = inner[..end].replace("${path.module}/", "").replace("${path.root}/", "");
        let after = inner.get(end + 1..).unwrap_or_default();
        let after = after.trim_start().strip_prefix(',').unwrap_or_default().trim_start();
        let names = after.strip_prefix('{').and_then(|map| {
            let end = closing(map)?;
            Some(keys(&map[..end]))
        });
        let before = text[..at].trim_end();
        let is_packed = before.ends_with("base64gzip(");
        let line = newlines(&text[..at]) + 1;
        all.push(Call { path, names, line, is_packed });
    }
    all
}

/// The keys of a mapping, those of inner ones left out.
fn keys(map: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut depth = 0_i32;
    for line in map.lines() {
        let line = line.split(" #").next().unwrap_or(line);
        for item in line.split(',') {
            let key = item.split_once(['=', ':']).map(|(key, _)| key.trim().trim_matches('"'));
            let is_key = |key: &&str| {
                !key.is_empty()
                    && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            };
            if let Some(key) = key.filter(is_key).filter(|_| depth == 0) {
                found.insert(key.to_owned());
            }
            for c in item.chars() {
                match c {
                    '{' | '[' | '(' => depth += 1,
                    '}' | ']' | ')' => depth -= 1,
                    _ => {}
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Vec<String> {
        let mut own = BTreeSet::new();
        parts(text).0.iter().flat_map(|part| names(part, &mut own)).collect()
    }

    #[test]
    fn an_expression_asks_for_its_names() {
        assert_eq!(
            asked("a ${fqdn} $${HOME} ${indent(2, ca)} ${a.b[c]}"),
            ["fqdn", "ca", "a", "c"]
        );
        assert_eq!(
            asked("%{ for k, v in map ~}${k}=${v}\n%{ endfor }${x ? \"y\" : z}"),
            ["map", "x", "z"]
        );
        assert_eq!(asked("${jsonencode({ a = b, \"c\" = \"${d}\" })}"), ["b", "d"]);
        assert_eq!(asked("%{ if n == \"1\" }%%{x}%{ else }%{ endif }"), ["n"]);
    }

    #[test]
    fn forms_of_the_shell_are_told_apart() {
        let forms = ["A:-b", "A%%/*", "#A", "A//b/c", "!A[@]"].map(shell_form);
        assert_eq!(forms, [Some(":-"), Some("%"), Some("#"), Some("//"), Some("!")]);
        assert_eq!(["a", "a ? b : c", "a.b", "!a", "a / b"].map(shell_form), [None; 5]);
    }

    #[test]
    fn a_call_gives_names() {
        let text = "x = base64gzip(templatefile(\"${path.module}/c.tftpl\", {\n  a = 1, b = [c]\n  \"d\" : {\n    e = 2\n  }\n}))\ny = templatefile(\"d.tftpl\", local.all)\n";
        let calls = calls(text);
        let names = calls[0].names.clone().unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!(
            (calls[0].path.as_str(), calls[0].line, calls[0].is_packed),
            ("c.tftpl", 1, true)
        );
        assert_eq!((calls[1].names.is_none(), calls[1].line), (true, 7));
    }
}
