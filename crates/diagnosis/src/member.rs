//! Members of JSON objects, read one by one: a malformed member is an absent one, and objects of
//! other versions of an API are still understood.

use catalyst_model::{ConditionFact, ConditionStatus};
use jiff::Timestamp;
use serde_json::Value;

use crate::words;

/// The text at `pointer`.
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// The whole number at `pointer`.
pub fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The time at `pointer`, as RFC 3339 writes it.
pub fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    value.pointer(pointer)?.as_str()?.parse().ok()
}

/// The elements of the array at `pointer`; none if there is no array.
pub fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The condition of that type.
pub fn condition(object: &Value, kind: &str) -> Option<ConditionFact> {
    let found = condition_value(object, kind)?;
    let member = |name| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(ConditionFact {
        status: match found.get("status").and_then(Value::as_str) {
            Some("True") => ConditionStatus::True,
            Some("False") => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        },
        reason: member("reason"),
        message: words::shortened(&member("message")),
        observed_generation: found.get("observedGeneration").and_then(Value::as_i64),
    })
}

/// The condition of that type as it stands in the object.
pub fn condition_value<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions")
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether the object is about to go.
pub fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}
