//! Templates as they are written: the actions between `{{` and `}}`, comments left out.

/// A line of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    /// Line in the file, counted from 1.
    pub(crate) line: u32,
    /// What stands there between the braces.
    pub(crate) text: String,
}

/// Every action of a template; one over several lines is told line by line.
pub(crate) fn actions(text: &str) -> Vec<Action> {
    let mut all = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        line += lines(before);
        let comment = after.trim_start_matches(['-', ' ', '\t', '\n']).starts_with("/*");
        let end = if comment { after.find("*/").map(|at| at + 2) } else { None };
        let skipped = end.unwrap_or(0);
        let close = after[skipped..].find("}}").map_or(after.len(), |at| skipped + at);
        let inner = &after[..close];
        if !comment {
            for (number, piece) in (line..).zip(inner.split('\n')) {
                all.push(Action {
                    line: number,
                    text: piece.trim_matches(['-', ' ', '\t']).to_owned(),
                });
            }
        }
        line += lines(inner);
        rest = after.get(close + 2..).unwrap_or_default();
    }
    all
}

fn lines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(0)
}

/// Whether an action uses a function or word of that name; texts in quotes do not count.
pub(crate) fn uses(action: &str, word: &str) -> bool {
    let bare = without_texts(action);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '$';
    bare.split(|c: char| !is_part(c)).any(|one| one == word)
}

fn without_texts(action: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    let mut escaped = false;
    for c in action.chars() {
        match open {
            Some(quote) => {
                if c == quote && !escaped {
                    open = None;
                }
                escaped = c == '\\' && !escaped && quote == '"';
            }
            None if c == '"' || c == '`' => open = Some(c),
            None => out.push(c),
        }
    }
    out
}

/// The quoted texts that follow a word in an action.
pub(crate) fn texts_after<'a>(action: &'a str, word: &str) -> Vec<&'a str> {
    let Some(at) = action.find(word) else { return Vec::new() };
    action[at + word.len()..].split('"').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_line_by_line_without_comments() {
        let text = "{{- /* lookup\n\"v1\" */ -}}\n{{- $x := lookup \"v1\" \"Secret\" \"a\" \"b\" -}}\na: {{ if and\n  .Values.a }}b{{ end }}";
        let told: Vec<_> = actions(text).into_iter().map(|one| (one.line, one.text)).collect();
        let wanted = [
            (3, "$x := lookup \"v1\" \"Secret\" \"a\" \"b\""),
            (4, "if and"),
            (5, ".Values.a"),
            (5, "end"),
        ];
        assert_eq!(told, wanted.map(|(line, text)| (line, text.to_owned())));
        assert!(uses(&told[0].1, "lookup"));
        assert_eq!(texts_after(&told[0].1, "lookup"), ["v1", "Secret", "a", "b"]);
    }

    #[test]
    fn words_in_texts_are_no_functions() {
        for (action, word, is_used) in [
            ("fail \"do not lookup\"", "lookup", false),
            ("include \"x\" . | lookup", "lookup", true),
            ("$lookup", "lookup", false),
            ("randAlphaNum 32", "randAlphaNum", true),
        ] {
            assert_eq!(uses(action, word), is_used, "{action}");
        }
    }

    #[test]
    fn an_action_without_an_end_is_read_to_the_end() {
        assert_eq!(actions("a {{ b").len(), 1);
        assert_eq!(actions("a {{/* b").len(), 0);
        assert_eq!(actions("{{").len(), 1);
    }
}
