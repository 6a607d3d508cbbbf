//! Where the members of a JSON object lie in its own bytes, so that a body can be passed on as it
//! came but for the few values that are edited.
//!
//! Nothing is decoded and printed again: 64-bit numbers, lone surrogates and the order of members
//! survive. A member that is there twice is refused, for readers differ on which one counts.

use std::{borrow::Cow, collections::HashSet, ops::Range};

/// How deep values may lie within each other.
const MAX_DEPTH: usize = 64;

/// Members that stand for a picture, sound or file, whose tokens a body's bytes do not bound.
const ATTACHMENTS: &[&str] =
    &["image_url", "input_image", "video_url", "audio_url", "input_audio", "file", "input_file"];

/// Why bytes are not taken as a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadJson {
    /// They are not JSON.
    #[error("the body is not JSON: byte {at} is not what must stand there")]
    Syntax { at: usize },
    /// Values lie too deep within each other.
    #[error("the body's values lie more than {MAX_DEPTH} deep within each other")]
    TooDeep,
    /// They are JSON, but no object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A member is there twice.
    #[error("the body has `{name}` twice")]
    Twice { name: String },
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, decoded.
    pub(crate) name: String,
    /// From its name's first quote to the end of its value.
    pub(crate) whole: Range<usize>,
    /// Its value's bytes.
    pub(crate) value: Range<usize>,
}

/// An object's members and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The members in order.
    pub(crate) members: Vec<Member>,
    /// Where the closing brace is.
    pub(crate) close: usize,
    /// Pictures, sounds and files in it, at any depth.
    pub(crate) attachments: u64,
}

impl Outline {
    /// Reads `bytes` as an object.
    ///
    /// # Errors
    /// They are none, or one that readers could understand differently.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, BadJson> {
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(BadJson::Syntax { at: error.valid_up_to() });
        }
        let mut scan = Scan { bytes, at: 0, attachments: 0 };
        scan.blank();
        if scan.peek() != Some(b'{') {
            scan.value(0)?;
            return Err(BadJson::NotAnObject);
        }
        let mut members = Vec::new();
        scan.object(0, Some(&mut members))?;
        let close = scan.at - 1;
        scan.blank();
        if scan.at != bytes.len() {
            return Err(BadJson::Syntax { at: scan.at });
        }
        let mut names = HashSet::new();
        match members.iter().find(|member| !names.insert(member.name.as_str())) {
            Some(member) => Err(BadJson::Twice { name: member.name.chars().take(64).collect() }),
            None => Ok(Self { members, close, attachments: scan.attachments }),
        }
    }

    /// The member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// What cuts a member out, with the comma that then has nothing to part.
    pub(crate) fn without(&self, name: &str) -> Option<Range<usize>> {
        let place = self.members.iter().position(|member| member.name == name)?;
        let whole = self.members[place].whole.clone();
        Some(match (place, self.members.get(place + 1)) {
            (_, Some(next)) => whole.start..next.whole.start,
            (0, None) => whole,
            (_, None) => self.members[place - 1].whole.end..whole.end,
        })
    }
}

/// Replaces ranges of bytes, given in their order and apart from each other.
pub(crate) fn splice(bytes: &[u8], edits: &[(Range<usize>, Cow<'_, [u8]>)]) -> Vec<u8> {
    let more: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + more);
    let mut from = 0;
    for (range, text) in edits {
        out.extend_from_slice(&bytes[from..range.start]);
        out.extend_from_slice(text);
        from = range.end;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

/// How many elements a sound JSON array has, and whether the first is a number; 1 for any other
/// value.
pub(crate) fn elements(value: &[u8]) -> (u64, bool) {
    let mut scan = Scan { bytes: value, at: 0, attachments: 0 };
    if scan.peek() != Some(b'[') {
        return (1, false);
    }
    scan.at += 1;
    scan.blank();
    let numbers = scan.peek().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    let mut count = 0;
    while scan.peek().is_some_and(|byte| byte != b']') {
        if scan.value(0).is_err() {
            break;
        }
        count += 1;
        scan.blank();
        if scan.peek() == Some(b',') {
            scan.at += 1;
            scan.blank();
        }
    }
    (count, numbers)
}

struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
    attachments: u64,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong<T>(&self) -> Result<T, BadJson> {
        Err(BadJson::Syntax { at: self.at })
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), BadJson> {
        if self.peek() != Some(byte) {
            return self.wrong();
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), BadJson> {
        match self.peek() {
            Some(b'{') => self.object(depth, None),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.wrong(),
        }
    }

    fn object(
        &mut self,
        depth: usize,
        mut members: Option<&mut Vec<Member>>,
    ) -> Result<(), BadJson> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            let start = self.at;
            let name = self.string()?;
            let name = decoded(&self.bytes[name]);
            self.attachments += u64::from(ATTACHMENTS.contains(&&*name));
            let name = members.is_some().then(|| name.into_owned());
            self.blank();
            self.expect(b':')?;
            self.blank();
            let from = self.at;
            self.value(depth + 1)?;
            if let (Some(members), Some(name)) = (members.as_deref_mut(), name) {
                members.push(Member { name, whole: start..self.at, value: from..self.at });
            }
            if self.last(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), BadJson> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            self.value(depth + 1)?;
            if self.last(b']')? {
                return Ok(());
            }
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), BadJson> {
        if depth >= MAX_DEPTH {
            return Err(BadJson::TooDeep);
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// Whether the container ends here; else there is a comma.
    fn last(&mut self, close: u8) -> Result<bool, BadJson> {
        self.blank();
        let byte = self.peek();
        if byte != Some(close) && byte != Some(b',') {
            return self.wrong();
        }
        self.at += 1;
        Ok(byte == Some(close))
    }

    /// A string; gives the place of what is between its quotes.
    fn string(&mut self) -> Result<Range<usize>, BadJson> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(start..self.at - 1);
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return self.wrong(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadJson> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|four| four.iter().all(u8::is_ascii_hexdigit)) {
                    return self.wrong();
                }
                self.at += 5;
            }
            _ => return self.wrong(),
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), BadJson> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), BadJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return self.wrong();
        }
        Ok(())
    }
}

/// A name as readers see it; one that cannot be decoded is no name anybody looks for.
fn decoded(raw: &[u8]) -> Cow<'_, str> {
    let plain = String::from_utf8_lossy(raw);
    if !raw.contains(&b'\\') {
        return plain;
    }
    serde_json::from_str::<String>(&format!("\"{plain}\"")).map_or(plain, Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        Outline::of(text.as_bytes()).unwrap().members.into_iter().map(|m| m.name).collect()
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let syntax = |text: &str| {
            assert!(
                matches!(Outline::of(text.as_bytes()), Err(BadJson::Syntax { .. })),
                "{text:?}"
            );
        };
        let broken = [
            "",
            " ",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1}x",
            "{\"a\":nul}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{'a':1}",
            "{\"a\":+1}",
            "{\"a\":-01}",
            "{\"a\":[1,]}",
        ];
        broken.iter().for_each(|text| syntax(text));
        assert!(Outline::of(b"{\"a\":\"\xff\"}").is_err());
        for text in ["[]", "1", "\"a\"", "null", "true"] {
            assert_eq!(Outline::of(text.as_bytes()), Err(BadJson::NotAnObject), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_it_costs_a_stack() {
        let deep = format!("{{\"a\":{}", "[".repeat(1 << 20));
        assert_eq!(Outline::of(deep.as_bytes()), Err(BadJson::TooDeep));
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_however_it_is_written() {
        for text in [r#"{"model":1,"model":2}"#, r#"{"model":1,"mod\u0065l":2}"#] {
            let twice = BadJson::Twice { name: "model".to_owned() };
            assert_eq!(Outline::of(text.as_bytes()), Err(twice), "{text}");
        }
    }

    #[test]
    fn surrogates_large_numbers_and_escapes_pass() {
        let text = r#"{"a":"\ud800\u0000","b":12345678901234567890123,"c":-0.5e+10,"d":0}"#;
        assert_eq!(names(text), ["a", "b", "c", "d"]);
    }

    #[test]
    fn pictures_are_counted_at_any_depth_and_in_any_spelling() {
        let text = r#"{"messages":[{"content":[{"image_url":{"url":"x"}},{"im\u0061ge_url":1}]}]}"#;
        assert_eq!(Outline::of(text.as_bytes()).unwrap().attachments, 2);
    }

    #[test]
    fn a_member_is_cut_with_its_comma() {
        for (text, left) in [
            (r#"{"a":1,"usage":null,"b":2}"#, r#"{"a":1,"b":2}"#),
            (r#"{"usage":null, "b":2}"#, r#"{"b":2}"#),
            (r#"{"a":1 ,"usage":null}"#, r#"{"a":1}"#),
            (r#"{"usage":null}"#, "{}"),
        ] {
            let cut = Outline::of(text.as_bytes()).unwrap().without("usage").unwrap();
            let out = splice(text.as_bytes(), &[(cut, Cow::Borrowed(b"".as_slice()))]);
            assert_eq!(String::from_utf8(out).unwrap(), left);
        }
    }

    #[test]
    fn an_arrays_elements_are_counted() {
        assert_eq!(elements(br#""one""#), (1, false));
        assert_eq!(elements(br#"[ "a" , [1], {} ]"#), (3, false));
        assert_eq!(elements(b"[1,2,3]"), (3, true));
        assert_eq!(elements(b"[]"), (0, false));
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_reader_of_serde(text in "\\PC{0,40}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = Outline::of(text.as_bytes());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok_and(|value| value.is_object()));
        }

        #[test]
        fn numbers_are_what_serde_takes_for_numbers(text in "[-+.eE0-9]{1,8}") {
            let whole = format!("{{\"a\":{text}}}");
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&whole);
            prop_assert_eq!(Outline::of(whole.as_bytes()).is_ok(), theirs.is_ok(), "{}", whole);
        }
    }
}
