//! What an answer says it used, and what is counted of it while it passes: for a stream event by
//! event, for a JSON reply at once.
//!
//! Reported numbers win over counted ones, an explicit zero is a number, and totals that grow are
//! taken last, never summed. What nobody reported is counted: a token for each piece of output, or
//! for each four bytes of it where that is more.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{ask::Dialect, usage::Usage};

/// Bytes that are taken for a token where nobody reports tokens.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens that `bytes` of a request are taken for where nobody reports them.
pub(crate) fn likely_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What an event is to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It goes on after it.
    Under,
    /// It tells the usage and nothing else.
    UsageOnly,
    /// With it the answer is complete: whoever has it has everything.
    Complete,
    /// Nothing comes after it.
    Last,
    /// The upstream says that it failed.
    Failed,
}

/// The numbers of an answer so far.
#[derive(Debug)]
pub(crate) struct Tally {
    dialect: Dialect,
    choices: u64,
    finished: Vec<u64>,
    /// What the upstream reported, as far as it has come.
    reported: Option<Usage>,
    /// Whether the report is whole: Anthropic's stream begins with the input's part.
    whole: bool,
    pieces: u64,
    bytes: u64,
}

impl Tally {
    /// Of an answer with so many choices.
    pub(crate) fn new(dialect: Dialect, choices: u64) -> Self {
        let (finished, reported) = (Vec::new(), None);
        Self { dialect, choices, finished, reported, whole: false, pieces: 0, bytes: 0 }
    }

    /// What the upstream reported of the whole answer, if that can be billed.
    pub(crate) fn reported(&self) -> Option<Usage> {
        self.reported.filter(|usage| self.whole && usage.check().is_ok())
    }

    /// Input tokens that were reported, also of an answer that never ended.
    pub(crate) fn reported_input(&self) -> Option<Usage> {
        let input = |usage: Usage| Usage { output: 0, reasoning: 0, ..usage };
        self.reported.map(input).filter(|usage| usage.check().is_ok())
    }

    /// Output tokens as counted.
    pub(crate) fn counted_output(&self) -> u64 {
        self.pieces.max(self.bytes / BYTES_PER_TOKEN)
    }

    /// Whether anything was put out.
    pub(crate) fn has_output(&self) -> bool {
        self.pieces > 0
    }

    /// Takes in bytes that nobody looked into.
    pub(crate) fn unread(&mut self, bytes: u64) {
        self.pieces += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes in an event's data.
    pub(crate) fn event(&mut self, data: &[u8]) -> Moment {
        if data == b"[DONE]" {
            return Moment::Last;
        }
        let moment = match self.dialect {
            Dialect::Messages => serde_json::from_slice(data).map(|e| self.message_event(e)),
            Dialect::Responses => serde_json::from_slice(data).map(|e| self.response_event(e)),
            _ => serde_json::from_slice(data).map(|chunk| self.chunk(chunk)),
        };
        moment.unwrap_or_else(|_| {
            self.unread(data.len() as u64);
            Moment::Under
        })
    }

    /// Takes in a whole JSON reply; `false` when it is none, or one with nothing in it.
    pub(crate) fn reply(&mut self, body: &[u8]) -> bool {
        let Ok(reply) = serde_json::from_slice::<Reply>(body) else { return false };
        self.report(reply.usage);
        self.put_out(reply.output.bytes());
        self.reported.is_some() || self.has_output() || !reply.output.data.is_empty()
    }

    fn put_out(&mut self, bytes: u64) {
        self.pieces += u64::from(bytes > 0);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn report(&mut self, usage: Option<Reported>) {
        if let Some(usage) = usage.and_then(Reported::usage) {
            (self.reported, self.whole) = (Some(usage), true);
        }
    }

    fn chunk(&mut self, chunk: Chunk) -> Moment {
        let only_usage = chunk.choices.is_empty() && chunk.usage.is_some();
        self.report(chunk.usage);
        for choice in chunk.choices {
            self.put_out(choice.delta.0 + choice.text.0);
            if choice.finish_reason.is_some() && !self.finished.contains(&choice.index) {
                self.finished.push(choice.index);
            }
        }
        match () {
            () if chunk.error.is_some() => Moment::Failed,
            () if only_usage => Moment::UsageOnly,
            () if self.finished.len() as u64 >= self.choices => Moment::Complete,
            () => Moment::Under,
        }
    }

    /// Output of this dialect is cumulative: the last number is the number.
    fn message_event(&mut self, event: MessageEvent) -> Moment {
        let usage = event.usage.or(event.message.and_then(|message| message.usage));
        if let Some(part) = usage {
            let mut so_far = self.reported.unwrap_or_default();
            part.add_to(&mut so_far);
            self.reported = Some(so_far);
        }
        self.put_out(event.delta.0);
        match event.kind.as_str() {
            "message_delta" => {
                self.whole = self.reported.is_some();
                Moment::Complete
            }
            "message_stop" => Moment::Last,
            "error" => Moment::Failed,
            _ => Moment::Under,
        }
    }

    fn response_event(&mut self, event: ResponseEvent) -> Moment {
        if event.kind.ends_with(".delta") {
            self.put_out(event.delta.0);
        }
        match event.kind.as_str() {
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.report(event.response.and_then(|response| response.usage));
                Moment::Last
            }
            "error" => Moment::Failed,
            _ => Moment::Under,
        }
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Reported>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: Text,
    #[serde(default)]
    text: Text,
    finish_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct MessageEvent {
    #[serde(rename = "type", default)]
    kind: String,
    message: Option<Holder>,
    #[serde(default)]
    delta: Text,
    usage: Option<Reported>,
}

#[derive(Deserialize)]
struct ResponseEvent {
    #[serde(rename = "type", default)]
    kind: String,
    response: Option<Holder>,
    #[serde(default)]
    delta: Text,
}

#[derive(Deserialize)]
struct Holder {
    usage: Option<Reported>,
}

#[derive(Deserialize)]
struct Reply {
    usage: Option<Reported>,
    #[serde(flatten)]
    output: Output,
}

/// Where each dialect has its output.
#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    choices: Vec<Said>,
    #[serde(default)]
    content: Text,
    #[serde(default)]
    output: Text,
    #[serde(default)]
    data: Vec<IgnoredAny>,
}

impl Output {
    fn bytes(&self) -> u64 {
        let said: u64 = self.choices.iter().map(|choice| choice.message.0 + choice.text.0).sum();
        said + self.content.0 + self.output.0
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    message: Text,
    #[serde(default)]
    text: Text,
}

/// Usage as the three dialects write it.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Reported {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Parts>,
    completion_tokens_details: Option<Parts>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<Parts>,
    output_tokens_details: Option<Parts>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Parts {
    cached_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl Reported {
    /// The whole usage; `None` when the input is not told.
    fn usage(self) -> Option<Usage> {
        self.prompt_tokens.or(self.input_tokens)?;
        let mut usage = Usage::default();
        self.add_to(&mut usage);
        Some(usage)
    }

    /// Overwrites what this tells.
    fn add_to(self, usage: &mut Usage) {
        let cached = self.cache_read_input_tokens;
        let written = self.cache_creation_input_tokens;
        if let Some(plain) = self.input_tokens {
            // Anthropic's input leaves out what went through the cache; ours includes it.
            (usage.cached_input, usage.cache_write) = (cached.unwrap_or(0), written.unwrap_or(0));
            usage.input =
                plain.saturating_add(usage.cached_input).saturating_add(usage.cache_write);
        }
        if let Some(all) = self.prompt_tokens {
            usage.input = all;
        }
        let details = self.prompt_tokens_details.or(self.input_tokens_details);
        if let Some(cached) = details.and_then(|parts| parts.cached_tokens) {
            usage.cached_input = cached;
        }
        if let Some(output) = self.completion_tokens.or(self.output_tokens) {
            usage.output = output;
        }
        let details = self.completion_tokens_details.or(self.output_tokens_details);
        if let Some(reasoning) = details.and_then(|parts| parts.reasoning_tokens) {
            usage.reasoning = reasoning;
        }
    }
}

/// The bytes of all texts in a value, but for those that name or sort things.
#[derive(Debug, Clone, Copy, Default)]
struct Text(u64);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E>(self, text: &str) -> Result<u64, E> {
        Ok(text.len() as u64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut sum = 0;
        while let Some(Text(bytes)) = seq.next_element()? {
            sum += bytes;
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut sum = 0;
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let Text(bytes) = map.next_value()?;
            let names = matches!(&*name, "role" | "id" | "type" | "status" | "object");
            sum += if names { 0 } else { bytes };
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(choices: u64, events: &[&str]) -> (Tally, Vec<Moment>) {
        of(Dialect::Chat, choices, events)
    }

    fn of(dialect: Dialect, choices: u64, events: &[&str]) -> (Tally, Vec<Moment>) {
        let mut tally = Tally::new(dialect, choices);
        let moments = events.iter().map(|event| tally.event(event.as_bytes())).collect();
        (tally, moments)
    }

    #[test]
    fn an_answer_is_complete_with_the_last_choices_end() {
        let (_, moments) = chat(
            2,
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
                r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
                "[DONE]",
            ],
        );
        let expected =
            [Moment::Under, Moment::Under, Moment::Complete, Moment::UsageOnly, Moment::Last];
        assert_eq!(moments, expected);
    }

    #[test]
    fn an_explicit_zero_is_not_missing() {
        let (tally, _) =
            chat(1, &[r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#]);
        assert_eq!(tally.reported(), Some(Usage::default()));
        let (tally, _) = chat(1, &[r#"{"choices":[],"usage":null}"#, r#"{"usage":{}}"#]);
        assert_eq!(tally.reported(), None);
    }

    #[test]
    fn cached_and_reasoning_tokens_are_subsets() {
        let usage = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":7,
            "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":5}}}"#;
        let (tally, _) = chat(1, &[usage]);
        let expected =
            Usage { input: 10, cached_input: 4, cache_write: 0, output: 7, reasoning: 5 };
        assert_eq!(tally.reported(), Some(expected));
    }

    #[test]
    fn usage_whose_parts_exceed_the_whole_is_not_billed() {
        let usage = r#"{"usage":{"prompt_tokens":1,"completion_tokens":1,
            "prompt_tokens_details":{"cached_tokens":4}}}"#;
        let (tally, _) = chat(1, &[usage]);
        assert_eq!(tally.reported(), None);
    }

    #[test]
    fn usage_before_late_content_is_still_the_usage() {
        let (tally, _) = chat(
            1,
            &[
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"late"},"finish_reason":"stop"}]}"#,
            ],
        );
        assert_eq!(tally.reported().map(|usage| usage.output), Some(9));
    }

    #[test]
    fn the_output_of_messages_is_cumulative() {
        let (tally, moments) = of(
            Dialect::Messages,
            1,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":5,
                    "cache_read_input_tokens":2,"output_tokens":1}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hello"}}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"x"},"usage":{"output_tokens":4}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":9}}"#,
                r#"{"type":"message_stop"}"#,
            ],
        );
        let expected = Usage { input: 7, cached_input: 2, output: 9, ..Usage::default() };
        assert_eq!(tally.reported(), Some(expected));
        assert_eq!(moments[2..], [Moment::Complete, Moment::Complete, Moment::Last]);
    }

    #[test]
    fn the_usage_of_responses_is_in_the_terminal_event() {
        let (tally, moments) = of(
            Dialect::Responses,
            1,
            &[
                r#"{"type":"response.output_text.delta","delta":"hi"}"#,
                r#"{"type":"response.completed","response":{"usage":{"input_tokens":3,
                    "output_tokens":2,"output_tokens_details":{"reasoning_tokens":1}}}}"#,
            ],
        );
        let expected = Usage { input: 3, output: 2, reasoning: 1, ..Usage::default() };
        assert_eq!(tally.reported(), Some(expected));
        assert_eq!(moments, [Moment::Under, Moment::Last]);
    }

    #[test]
    fn what_is_not_reported_is_counted() {
        let delta = |text: &str| {
            format!(
                r#"{{"choices":[{{"index":0,"delta":{{"role":"assistant","content":"{text}"}}}}]}}"#
            )
        };
        let (small, long) = (delta("a"), delta(&"word ".repeat(8)));
        let tools = r#"{"choices":[{"delta":{"tool_calls":[{"id":"call_1","type":"function",
            "function":{"name":"f","arguments":"{}"}}]}}]}"#;
        let (tally, _) = chat(1, &[&small, &small, "{}", &delta("")]);
        assert_eq!(tally.counted_output(), 2);
        let (tally, _) = chat(1, &[&long, tools]);
        assert_eq!(tally.counted_output(), 10);
        let (tally, moments) = chat(1, &["garbage, 16 bytes"]);
        assert_eq!((tally.counted_output(), moments[0]), (4, Moment::Under));
    }

    #[test]
    fn a_json_reply_of_each_dialect_is_read() {
        for (dialect, body, output) in [
            (
                Dialect::Chat,
                r#"{"choices":[{"message":{"role":"assistant","content":"12345678"}}]}"#,
                2,
            ),
            (Dialect::Completions, r#"{"choices":[{"text":"12345678"}]}"#, 2),
            (Dialect::Messages, r#"{"content":[{"type":"text","text":"12345678"}]}"#, 2),
            (Dialect::Embeddings, r#"{"data":[{"embedding":[0.1]}]}"#, 0),
        ] {
            let mut tally = Tally::new(dialect, 1);
            assert!(tally.reply(body.as_bytes()), "{body}");
            assert_eq!(tally.counted_output(), output, "{body}");
            assert_eq!(tally.reported(), None);
        }
        for nothing in ["<html>", "{}", r#"{"choices":[]}"#, r#"{"error":{"message":"x"}}"#] {
            assert!(!Tally::new(Dialect::Chat, 1).reply(nothing.as_bytes()), "{nothing}");
        }
        let mut tally = Tally::new(Dialect::Embeddings, 1);
        tally.reply(br#"{"usage":{"prompt_tokens":8,"total_tokens":8}}"#);
        assert_eq!(tally.reported(), Some(Usage { input: 8, ..Usage::default() }));
    }
}
