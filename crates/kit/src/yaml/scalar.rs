//! What a word of YAML means to Helm and the API server.

use serde_json::{Number, Value as Json};

/// A word, number or text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Its text, quotes and escapes resolved.
    pub text: Box<str>,
    /// How it was written.
    pub style: Style,
    /// What it means.
    pub kind: ScalarKind,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// As a block, after `|` or `>`.
    Block,
}

/// What a scalar means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScalarKind {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str,
}

impl Scalar {
    /// Reads a scalar; a tag such as `!!str` decides where there is one.
    pub(super) fn new(text: &str, style: Style, tag: Option<&str>) -> Self {
        let kind = match (tag, style) {
            (Some("str" | "binary" | "timestamp"), _) | (None, Style::Quoted | Style::Block) => {
                ScalarKind::Str
            }
            _ => meaning(text),
        };
        Self { text: text.into(), style, kind }
    }

    pub(super) fn to_json(&self) -> Json {
        match self.kind {
            ScalarKind::Null => Json::Null,
            ScalarKind::Bool(value) => Json::Bool(value),
            ScalarKind::Int(value) => Json::Number(value.into()),
            ScalarKind::Float(value) => Number::from_f64(value).map_or(Json::Null, Json::Number),
            ScalarKind::Str => Json::String(self.text.to_string()),
        }
    }
}

fn meaning(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return ScalarKind::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return ScalarKind::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return ScalarKind::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return ScalarKind::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return ScalarKind::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let starts_like_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !starts_like_number {
        return ScalarKind::Str;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(number) = whole(&plain) {
        return ScalarKind::Int(number);
    }
    if is_float(&plain)
        && let Ok(number) = plain.parse::<f64>()
    {
        return ScalarKind::Float(number);
    }
    ScalarKind::Str
}

fn whole(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    i64::from_str_radix(digits, base).ok().map(|number| sign * number)
}

fn is_float(text: &str) -> bool {
    let body = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let exponent_fits = exponent.is_none_or(|digits| {
        let digits = digits.trim_start_matches(['-', '+']);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    });
    let dots = mantissa.bytes().filter(|b| *b == b'.').count();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    exponent_fits && dots <= 1 && digits > 0 && dots + digits == mantissa.len()
}
