//! A customer's request body: what of it bounds the cost, and the declared edits under which it is
//! passed on. Every other byte goes upstream as it came.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Kind},
    json::{Outline, elements, splice},
};

/// Choices a request may ask for.
const MAX_CHOICES: u64 = 128;

/// The shape of requests and answers, named by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/messages`.
    Messages,
    /// `/v1/responses`.
    Responses,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::Completions, Self::Embeddings, Self::Messages, Self::Responses];

    /// Its path below `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Messages => "/messages",
            Self::Responses => "/responses",
        }
    }

    /// The members that bound a choice's output, the one that is added where none is there first.
    fn output_bounds(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["max_tokens", "max_completion_tokens"],
            Self::Completions | Self::Messages => &["max_tokens"],
            Self::Embeddings => &[],
            Self::Responses => &["max_output_tokens"],
        }
    }

    /// Whether a stream tells its usage only when asked.
    fn asks_for_usage(self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }
}

/// A request body that was understood as far as money needs.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) dialect: Dialect,
    body: Vec<u8>,
    outline: Outline,
    /// The model as the customer names it.
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether the customer wants the stream's usage.
    pub(crate) wants_usage: bool,
    /// The largest output a choice may have, where the customer said so.
    pub(crate) max_output: Option<u64>,
    /// Choices over all prompts.
    pub(crate) choices: u64,
}

/// What is edited on the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edits<'e> {
    /// The model as the upstream names it.
    pub(crate) model: &'e str,
    /// Output tokens a choice may have at most.
    pub(crate) max_output: u64,
}

impl Ask {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no JSON object, or a member that bounds the cost is not what it must be.
    pub(crate) fn read(dialect: Dialect, body: Vec<u8>) -> Result<Self, Fault> {
        let outline = Outline::of(&body)?;
        let reader = Reader { outline: &outline, body: &body };
        let model = reader.model()?;
        let stream = reader.switch("stream")? && dialect != Dialect::Embeddings;
        let wants_usage = !dialect.asks_for_usage() || reader.wants_usage()?;
        let max_output = reader.max_output(dialect)?;
        let choices = reader.choices(dialect)?;
        if reader.switch("background")? {
            let text = "Answers in the background are not offered here.";
            return Err(Fault::new(&Kind::NOT_OFFERED, text).about("background"));
        }
        Ok(Self { dialect, model, stream, wants_usage, max_output, choices, outline, body })
    }

    /// The body's bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// Pictures, sounds and files in it.
    pub(crate) fn attachments(&self) -> u64 {
        self.outline.attachments
    }

    /// Choices that can have an output.
    pub(crate) fn has_output(&self) -> bool {
        self.dialect != Dialect::Embeddings
    }

    /// The body as it goes upstream.
    pub(crate) fn edited(&self, edits: Edits<'_>) -> Vec<u8> {
        let mut changes: Vec<(Range<usize>, Cow<'_, [u8]>)> = Vec::new();
        let mut added = String::new();
        if edits.model != self.model
            && let Some(model) = self.outline.member("model")
        {
            let name = serde_json::Value::from(edits.model).to_string();
            changes.push((model.value.clone(), Cow::Owned(name.into_bytes())));
        }
        self.bound_output(edits.max_output, &mut changes, &mut added);
        if self.stream && self.dialect.asks_for_usage() {
            self.ask_for_usage(&mut changes, &mut added);
        }
        if !added.is_empty() {
            // There is a model, so there is a member before.
            let end = self.outline.close..self.outline.close;
            changes.push((end, Cow::Owned(added.into_bytes())));
        }
        changes.sort_by_key(|(range, _)| range.start);
        splice(&self.body, &changes)
    }

    fn bound_output(
        &self,
        most: u64,
        changes: &mut Vec<(Range<usize>, Cow<'_, [u8]>)>,
        added: &mut String,
    ) {
        let mut bounded = false;
        for name in self.dialect.output_bounds() {
            let Some(member) = self.outline.member(name) else { continue };
            let said = number(&self.body[member.value.clone()]);
            bounded |= said.is_some();
            if said.is_some_and(|said| said > most) {
                changes.push((member.value.clone(), Cow::Owned(most.to_string().into_bytes())));
            }
        }
        let Some(name) = self.dialect.output_bounds().first().filter(|_| !bounded) else { return };
        match self.outline.member(name) {
            Some(null) => {
                changes.push((null.value.clone(), Cow::Owned(most.to_string().into_bytes())));
            }
            None => added.push_str(&format!(",\"{name}\":{most}")),
        }
    }

    fn ask_for_usage(&self, changes: &mut Vec<(Range<usize>, Cow<'_, [u8]>)>, added: &mut String) {
        const ON: &str = "{\"include_usage\":true}";
        let Some(options) = self.outline.member("stream_options") else {
            added.push_str(&format!(",\"stream_options\":{ON}"));
            return;
        };
        let place = options.value.clone();
        let Ok(inner) = Outline::of(&self.body[place.clone()]) else {
            changes.push((place, Cow::Borrowed(ON.as_bytes())));
            return;
        };
        match inner.member("include_usage") {
            Some(_) if self.wants_usage => {}
            Some(member) => {
                let value = place.start + member.value.start..place.start + member.value.end;
                changes.push((value, Cow::Borrowed(b"true")));
            }
            None => {
                let comma = if inner.members.is_empty() { "" } else { "," };
                let at = place.start + inner.close;
                let text = format!("{comma}\"include_usage\":true");
                changes.push((at..at, Cow::Owned(text.into_bytes())));
            }
        }
    }
}

/// A whole number that is not below zero.
fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

struct Reader<'r> {
    outline: &'r Outline,
    body: &'r [u8],
}

impl Reader<'_> {
    /// A member's bytes; `None` when it is absent or null.
    fn value(&self, name: &str) -> Option<&[u8]> {
        let member = self.outline.member(name)?;
        Some(&self.body[member.value.clone()]).filter(|value| *value != b"null")
    }

    fn model(&self) -> Result<String, Fault> {
        let missing = || Fault::new(&Kind::MISSING_FIELD, "Say which model.").about("model");
        let text = self.value("model").ok_or_else(missing)?;
        let name = serde_json::from_slice::<String>(text).ok();
        let fits = name.filter(|name| (1..=255).contains(&name.len()));
        fits.ok_or_else(|| wrong("model", "a text of 1 to 255 bytes"))
    }

    fn switch(&self, name: &'static str) -> Result<bool, Fault> {
        match self.value(name) {
            None | Some(b"false") => Ok(false),
            Some(b"true") => Ok(true),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    fn count(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let count = number(text).filter(|count| *count >= 1);
        count.map(Some).ok_or_else(|| wrong(name, "a whole number above zero"))
    }

    fn max_output(&self, dialect: Dialect) -> Result<Option<u64>, Fault> {
        let mut most = None;
        for name in dialect.output_bounds() {
            most = most.max(self.count(name)?);
        }
        Ok(most)
    }

    /// Every choice can have the whole maximum: of each prompt, and those that are thrown away.
    fn choices(&self, dialect: Dialect) -> Result<u64, Fault> {
        let mut choices = match dialect {
            Dialect::Chat => self.count("n")?.unwrap_or(1),
            Dialect::Completions => {
                self.count("n")?.unwrap_or(1).max(self.count("best_of")?.unwrap_or(1))
            }
            _ => 1,
        };
        if choices > MAX_CHOICES {
            return Err(wrong("n", "at most 128"));
        }
        if dialect == Dialect::Completions
            && let Some(prompt) = self.value("prompt")
        {
            let (prompts, numbers) = elements(prompt);
            choices *= if numbers { 1 } else { prompts.max(1) };
        }
        Ok(choices)
    }

    fn wants_usage(&self) -> Result<bool, Fault> {
        let Some(options) = self.value("stream_options") else { return Ok(false) };
        let bad = || wrong("stream_options", "an object with each member once");
        let inner = Outline::of(options).map_err(|_| bad())?;
        Reader { outline: &inner, body: options }.switch("include_usage")
    }
}

fn wrong(param: &'static str, expected: &str) -> Fault {
    Fault::new(&Kind::INVALID_VALUE, format!("`{param}` must be {expected}.")).about(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDITS: Edits<'static> = Edits { model: "m", max_output: 100 };

    fn edited(text: &str, edits: Edits<'_>) -> String {
        let ask = Ask::read(Dialect::Chat, text.as_bytes().to_vec()).unwrap();
        String::from_utf8(ask.edited(edits)).unwrap()
    }

    fn refused(dialect: Dialect, text: &str) -> &'static str {
        Ask::read(dialect, text.as_bytes().to_vec()).unwrap_err().code()
    }

    #[test]
    fn a_body_goes_up_byte_for_byte_but_for_the_declared_edits() {
        let odd = r#" { "max_tokens" : 5 ,"x":1.50,"model":"m","y":"\ud800é","z":[ ] } "#;
        assert_eq!(edited(odd, EDITS), odd, "nothing to edit");
        let renamed = edited(odd, Edits { model: "Qwen/\"3\"", ..EDITS });
        assert_eq!(renamed, odd.replace(r#""model":"m""#, r#""model":"Qwen/\"3\"""#));
    }

    #[test]
    fn the_maximum_is_lowered_to_what_is_paid_for_and_added_where_there_is_none() {
        for (body, up) in [
            (r#"{"model":"m","max_tokens":101}"#, r#"{"model":"m","max_tokens":100}"#),
            (r#"{"model":"m","max_tokens":100}"#, r#"{"model":"m","max_tokens":100}"#),
            (r#"{"model":"m","max_tokens":null}"#, r#"{"model":"m","max_tokens":100}"#),
            (r#"{"model":"m"}"#, r#"{"model":"m","max_tokens":100}"#),
            (
                r#"{"model":"m","max_completion_tokens":7,"max_tokens":900}"#,
                r#"{"model":"m","max_completion_tokens":7,"max_tokens":100}"#,
            ),
        ] {
            assert_eq!(edited(body, EDITS), up);
        }
    }

    #[test]
    fn a_stream_is_always_asked_for_its_usage() {
        let max = r#""max_tokens":1"#;
        for (options, up) in [
            ("", r#","stream_options":{"include_usage":true}"#),
            (r#","stream_options":null"#, r#","stream_options":{"include_usage":true}"#),
            (r#","stream_options":{}"#, r#","stream_options":{"include_usage":true}"#),
            (r#","stream_options":{"a":1}"#, r#","stream_options":{"a":1,"include_usage":true}"#),
            (
                r#","stream_options":{ "include_usage" : false }"#,
                r#","stream_options":{ "include_usage" : true }"#,
            ),
            (
                r#","stream_options":{"include_usage":true}"#,
                r#","stream_options":{"include_usage":true}"#,
            ),
        ] {
            let head = format!(r#"{{"model":"m","stream":true,{max}"#);
            assert_eq!(edited(&format!("{head}{options}}}"), EDITS), format!("{head}{up}}}"));
        }
    }

    #[test]
    fn every_choice_of_every_prompt_is_counted() {
        let choices =
            |dialect, text: &str| Ask::read(dialect, text.as_bytes().to_vec()).unwrap().choices;
        assert_eq!(choices(Dialect::Chat, r#"{"model":"m","n":3}"#), 3);
        let prompts = r#"{"model":"m","prompt":["a","b"],"n":2,"best_of":5}"#;
        assert_eq!(choices(Dialect::Completions, prompts), 10);
        assert_eq!(choices(Dialect::Completions, r#"{"model":"m","prompt":[1,2]}"#), 1);
        assert_eq!(choices(Dialect::Completions, r#"{"model":"m","prompt":[[1],[2]]}"#), 2);
    }

    #[test]
    fn values_that_bound_the_cost_are_never_guessed() {
        let chat = Dialect::Chat;
        for bad in [
            r#""max_tokens":-1"#,
            r#""max_tokens":0"#,
            r#""max_tokens":1.5"#,
            r#""n":0"#,
            r#""max_tokens":"5""#,
            r#""n":129"#,
            r#""stream":"yes""#,
            r#""stream":1"#,
            r#""max_tokens":1e3"#,
            r#""max_tokens":99999999999999999999999"#,
            r#""stream_options":[]"#,
            r#""stream_options":{"include_usage":1}"#,
        ] {
            assert_eq!(
                refused(chat, &format!(r#"{{"model":"m",{bad}}}"#)),
                "invalid_value",
                "{bad}"
            );
        }
        assert_eq!(refused(chat, r#"{"model":""}"#), "invalid_value");
        assert_eq!(refused(chat, r#"{"model":["m"]}"#), "invalid_value");
        assert_eq!(refused(chat, "{}"), "missing_required_parameter");
        assert_eq!(refused(chat, r#"{"model":"m","model":"m"}"#), "duplicate_field");
        assert_eq!(
            refused(Dialect::Responses, r#"{"model":"m","background":true}"#),
            "unsupported_parameter"
        );
    }
}
