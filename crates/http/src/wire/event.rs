//! One event of a deployment's log, and a stretch of them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::deployment::State;

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The course of things.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// One event: a person reads `message`, a program `kind` and `data`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the deployment's log; grows by one.
    pub seq: u64,
    /// When it was recorded.
    pub time: Timestamp,
    /// The part of the work it belongs to, such as `tofu-apply` or `component`.
    pub phase: String,
    /// How grave it is.
    pub level: Level,
    /// What happened, in a line.
    pub message: String,
    /// The component it concerns, without `bp-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub component: Option<String>,
    /// The state that the component or the resource is in from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state: Option<String>,
    /// Which kind of event, in kebab case.
    pub kind: String,
    /// What that kind of event carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub data: Option<serde_json::Value>,
}

/// The events after a given place, and the state they lead to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct History {
    /// The state after the last of the events.
    pub state: State,
    /// In the order of the log.
    pub events: Vec<Event>,
    /// No more will come by itself: the stream of events has ended, too.
    pub done: bool,
}
