//! Words of messages: what stands between two marks, what stands in quotes, and what must not be
//! repeated.

/// Messages hold Helm's whole log at times; the first 2,000 characters name the cause.
pub fn shortened(message: &str) -> String {
    clipped(message, 2000)
}

/// At most `limit` characters of `text`, with a mark where it was cut.
pub fn clipped(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What stands after `before` and before the next `after`.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

/// What stands after `before`, up to the end.
pub(crate) fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    Some(&text[text.find(before)? + before.len()..])
}

/// Whether `text` holds one of `marks`, in whatever case.
pub(crate) fn has_any(text: &str, marks: &[&str]) -> bool {
    let lower = text.to_ascii_lowercase();
    marks.iter().any(|mark| lower.contains(mark))
}

/// `text` without the user and password that an address may carry.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        clean.push_str(head);
        let is_end = |c: char| c == '/' || c.is_whitespace() || matches!(c, '"' | '\'');
        let authority = &tail[..tail.find(is_end).unwrap_or(tail.len())];
        rest = match authority.rfind('@') {
            Some(user) => &tail[user + 1..],
            None => tail,
        };
    }
    clean.push_str(rest);
    clean
}

/// The last line of a program's output that says something.
pub(crate) fn last_line(lines: &[String]) -> Option<&str> {
    lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty())
}

/// How many letters two names differ in.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// Why a host could not be reached, if `text` says that it could not.
pub(crate) fn unreachable(text: &str) -> Option<&'static str> {
    const REASONS: &[(&str, &str)] = &[
        ("no such host", "its name does not resolve"),
        ("server misbehaving", "its name does not resolve"),
        ("connection refused", "connection refused"),
        ("no route to host", "no route to host"),
        ("network is unreachable", "the network is unreachable"),
        ("connection reset", "the connection is cut"),
        ("x509:", "its certificate is not trusted"),
        ("tls: ", "no TLS connection"),
        ("i/o timeout", "no answer"),
        ("client.timeout exceeded", "no answer"),
        ("tls handshake timeout", "no answer"),
        ("context deadline exceeded", "no answer"),
        ("bad gateway", "its front answers 502"),
        ("service unavailable", "it answers 503"),
        ("unexpected eof", "the connection is cut"),
    ];
    let lower = text.to_ascii_lowercase();
    REASONS.iter().find(|(mark, _)| lower.contains(mark)).map(|(_, reason)| *reason)
}

/// Whether `text` says that credentials are missing or not good enough, and with which word.
pub(crate) fn refused(text: &str) -> Option<&'static str> {
    let marks =
        ["403 forbidden", "status code 403", "status: 403", "denied: ", "insufficient_scope"];
    if has_any(text, &marks) && !has_any(text, &["pull access denied"]) {
        return Some("403");
    }
    let marks = [
        "401 unauthorized",
        "status code 401",
        "unauthorized",
        "authentication required",
        "authorization failed",
        "failed to authorize",
        "no basic auth credentials",
        "basic credential not found",
        "credential required",
        "pull access denied",
    ];
    has_any(text, &marks).then_some("401")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_addresses_are_not_repeated() {
        let text = "unable to clone 'https://bot:s3cret@git.example/x': https://a/@b";
        let clean = without_credentials(text);
        assert_eq!(clean, "unable to clone 'https://git.example/x': https://a/@b");
    }

    #[test]
    fn a_refusal_is_told_from_silence() {
        assert_eq!(refused("unexpected status: 401 Unauthorized"), Some("401"));
        assert_eq!(refused("response status code 403: denied: denied"), Some("403"));
        assert_eq!(
            unreachable("dial tcp 10.0.0.1:443: connect: connection refused"),
            Some("connection refused")
        );
        assert_eq!((refused("x: not found"), unreachable("x: not found")), (None, None));
    }

    #[test]
    fn names_are_compared_by_letters() {
        assert_eq!(distance("bp-gitea", "bp-gita"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
