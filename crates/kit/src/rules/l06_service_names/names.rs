//! Names of Services in a line of text: `http://api.shop.svc.cluster.local:8080/x`.

/// One name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// As it stands there, without the port.
    pub(super) text: &'a str,
    /// The Service.
    pub(super) service: &'a str,
    /// Its namespace.
    pub(super) namespace: &'a str,
    /// The port, stated or by the scheme in front.
    pub(super) port: Option<u16>,
}

/// The mark in the middle of a name.
const MARK: &str = ".svc";

/// Every name in a line. What holds a variable or a wildcard is none.
pub(super) fn in_line(line: &str) -> Vec<Name<'_>> {
    let found = line.match_indices(MARK);
    found.filter_map(|(at, _)| around(line, at)).collect()
}

/// The name whose mark stands at `at`.
fn around(line: &str, at: usize) -> Option<Name<'_>> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let head = line[..at]
        .rfind(|c| !is_part(c))
        .map_or(0, |end| end + line[end..].chars().next().map_or(1, char::len_utf8));
    // After a variable, a placeholder or a wildcard the first label is not whole.
    let before = line[..head].chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || "}$*_%>{<)".contains(c)) {
        return None;
    }
    let labels: Vec<&str> = line[head..at].split('.').collect();
    let [.., service, namespace] = labels.as_slice() else { return None };
    if labels.iter().any(|label| !is_label(label)) {
        return None;
    }
    let mut tail = &line[at + MARK.len()..];
    if let Some(rest) = tail.strip_prefix(".cluster.local") {
        tail = rest;
    } else if tail.starts_with('.')
        && tail[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || "{$%".contains(c))
    {
        // Another domain of the cluster, or a variable for it.
        let end =
            tail[1..].find(|c: char| !(c.is_ascii_alphanumeric() || "{}$%().-_ ".contains(c)));
        tail = end.map_or("", |end| &tail[end + 1..]);
    } else if tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return None;
    }
    let tail = tail.strip_prefix('.').unwrap_or(tail);
    let text = &line[head..at + MARK.len()];
    Some(Name { text, service, namespace, port: port(tail, &line[..head]) })
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

/// The port that follows, else the scheme's own.
fn port(tail: &str, before: &str) -> Option<u16> {
    if let Some(stated) = tail.strip_prefix(':') {
        let digits = stated.find(|c: char| !c.is_ascii_digit()).unwrap_or(stated.len());
        return stated[..digits].parse().ok();
    }
    let scheme = before.strip_suffix("://")?;
    let is_scheme = |known: &str| {
        scheme
            .strip_suffix(known)
            .is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let known = [("http", 80), ("https", 443)];
    known.into_iter().find(|(name, _)| is_scheme(name)).map(|(_, port)| port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Vec<(&str, &str, Option<u16>)> {
        in_line(line).iter().map(|name| (name.service, name.namespace, name.port)).collect()
    }

    #[test]
    fn a_name_is_read_with_its_port() {
        assert_eq!(told("http://newapi.newapi.svc/x"), [("newapi", "newapi", Some(80))]);
        assert_eq!(told("a=b.c.svc.cluster.local:5432,"), [("b", "c", Some(5432))]);
        assert_eq!(told("db-0.db.shop.svc:1 x.y.svc"), [("db", "shop", Some(1)), ("x", "y", None)]);
        assert_eq!(told("https://a.b.svc.cluster.local./"), [("a", "b", Some(443))]);
        assert_eq!(told("nats://a.b.svc"), [("a", "b", None)]);
        assert_eq!(told("a.b.svc.example.internal:81/x"), [("a", "b", Some(81))]);
    }

    #[test]
    fn what_is_not_whole_is_no_name() {
        for line in
            ["*.a.svc", "${X}.a.svc", "a.$NS.svc", "x.svc", "a.b.svc2", "$(A).b.c.svc", "a..b.svc"]
        {
            assert_eq!(told(line), [], "{line}");
        }
    }
}
