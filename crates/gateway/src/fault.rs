//! What a customer is told when a request fails: OpenAI's error object, or Anthropic's where that
//! is spoken, with codes that never change. Nothing internal is part of it.

use std::{borrow::Cow, time::Duration};

use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use serde_json::json;

use crate::{ask::Dialect, json::BadJson, shared::Refused};

/// A kind of failure: its status, type and code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    status: StatusCode,
    class: &'static str,
    code: &'static str,
    /// Whether the client's own library should try again.
    again: bool,
}

macro_rules! kinds {
    ($($name:ident = $status:ident, $class:literal, $code:literal, $again:literal;)*) => {
        impl Kind {
            $(pub(crate) const $name: Self = Self {
                status: StatusCode::$status, class: $class, code: $code, again: $again,
            };)*
            /// Every kind.
            #[cfg(test)]
            const ALL: &'static [&'static Self] = &[$(&Self::$name),*];
        }
    };
}

kinds! {
    INVALID_JSON = BAD_REQUEST, "invalid_request_error", "invalid_json", false;
    DUPLICATE_FIELD = BAD_REQUEST, "invalid_request_error", "duplicate_field", false;
    INVALID_VALUE = BAD_REQUEST, "invalid_request_error", "invalid_value", false;
    MISSING_FIELD = BAD_REQUEST, "invalid_request_error", "missing_required_parameter", false;
    NOT_OFFERED = BAD_REQUEST, "invalid_request_error", "unsupported_parameter", false;
    REJECTED = BAD_REQUEST, "invalid_request_error", "upstream_rejected", false;
    TOO_LARGE = PAYLOAD_TOO_LARGE, "invalid_request_error", "request_too_large", false;
    BODY_LATE = REQUEST_TIMEOUT, "invalid_request_error", "request_body_timeout", true;
    INVALID_KEY = UNAUTHORIZED, "authentication_error", "invalid_api_key", false;
    KEY_EXPIRED = UNAUTHORIZED, "authentication_error", "expired_api_key", false;
    ADDRESS_NOT_ALLOWED = FORBIDDEN, "permission_error", "ip_not_allowed", false;
    OWN_KEY_MISSING = BAD_REQUEST, "invalid_request_error", "upstream_key_required", false;
    NO_MODEL = NOT_FOUND, "invalid_request_error", "model_not_found", false;
    NO_USAGE = NOT_FOUND, "invalid_request_error", "usage_not_found", false;
    NO_ROUTE = NOT_FOUND, "invalid_request_error", "unknown_url", false;
    NO_METHOD = METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", false;
    NOT_BUILT = NOT_IMPLEMENTED, "invalid_request_error", "not_implemented", false;
    NO_CREDIT = PAYMENT_REQUIRED, "insufficient_quota", "insufficient_quota", false;
    RATE = TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", true;
    CONCURRENCY = TOO_MANY_REQUESTS, "rate_limit_error", "concurrency_limit_exceeded", true;
    LEDGER_AWAY = SERVICE_UNAVAILABLE, "server_error", "ledger_unavailable", true;
    CLOSING = SERVICE_UNAVAILABLE, "server_error", "shutting_down", true;
    UPSTREAM_BUSY = SERVICE_UNAVAILABLE, "api_error", "upstream_busy", true;
    UPSTREAM_AWAY = BAD_GATEWAY, "api_error", "upstream_unreachable", true;
    UPSTREAM_FAILED = BAD_GATEWAY, "api_error", "upstream_error", true;
    UPSTREAM_GARBAGE = BAD_GATEWAY, "api_error", "upstream_invalid_response", false;
    UPSTREAM_CLOSED = BAD_GATEWAY, "api_error", "upstream_closed_early", false;
    UPSTREAM_LATE = GATEWAY_TIMEOUT, "api_error", "upstream_timeout", false;
    UPSTREAM_STALLED = GATEWAY_TIMEOUT, "api_error", "upstream_stalled", false;
    INTERNAL = INTERNAL_SERVER_ERROR, "server_error", "internal_error", false;
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: &'static Kind,
    message: Cow<'static, str>,
    param: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(kind: &'static Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), param: None, retry_after: None }
    }

    /// The same, naming the member of the body it is about.
    pub(crate) fn about(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// The same, saying when to try again.
    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.kind.code
    }

    /// The error object in the words of `dialect`.
    pub(crate) fn body(&self, dialect: Dialect) -> Vec<u8> {
        let Kind { class, code, .. } = self.kind;
        let body = match dialect {
            Dialect::Messages => {
                json!({"type": "error", "error": {
                    "type": class, "message": self.message, "code": code,
                }})
            }
            _ => json!({"error": {
                "message": self.message, "type": class, "param": self.param, "code": code,
            }}),
        };
        body.to_string().into_bytes()
    }

    /// The error as an event of a stream that has begun.
    pub(crate) fn event(&self, dialect: Dialect) -> Vec<u8> {
        let head: &[u8] = match dialect {
            Dialect::Messages | Dialect::Responses => b"event: error\n",
            _ => b"",
        };
        [head, b"data: ", &self.body(dialect), b"\n\n"].concat()
    }

    /// What the client's library reads about trying again.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        let again = if self.kind.again { "true" } else { "false" };
        headers.insert("x-should-retry", HeaderValue::from_static(again));
        if let Some(pause) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
    }
}

impl From<BadJson> for Fault {
    fn from(bad: BadJson) -> Self {
        let kind = match bad {
            BadJson::Twice { .. } => &Kind::DUPLICATE_FIELD,
            _ => &Kind::INVALID_JSON,
        };
        Self::new(kind, bad.to_string())
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        let soon = Duration::from_secs(1);
        match refused {
            Refused::NoCredit { .. } => Self::new(
                &Kind::NO_CREDIT,
                "The credit left does not cover what this request can cost at most. Add credit, or \
                 ask for less output.",
            ),
            Refused::Unavailable { retry_after } => {
                Self::new(&Kind::LEDGER_AWAY, "The ledger cannot be reached.").after(retry_after)
            }
            Refused::Busy | Refused::NoSpace => {
                Self::new(&Kind::LEDGER_AWAY, "The ledger takes no more requests now.").after(soon)
            }
            Refused::Closing | Refused::Stopped | Refused::Fenced => {
                Self::new(&Kind::CLOSING, "This gateway is shutting down.").after(soon)
            }
            Refused::Unsound => Self::new(
                &Kind::INVALID_VALUE,
                "What this request can cost at most cannot be counted.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_kinds_share_a_code() {
        let mut codes = HashSet::new();
        for kind in Kind::ALL {
            assert!(codes.insert(kind.code), "{}", kind.code);
            assert!(kind.status.is_client_error() || kind.status.is_server_error());
        }
    }

    #[test]
    fn without_credit_the_clients_library_does_not_try_again() {
        let fault = Fault::from(Refused::NoCredit { account: crate::AccountId(1) });
        assert_eq!(fault.status(), StatusCode::PAYMENT_REQUIRED);
        let mut headers = HeaderMap::new();
        fault.add_headers(&mut headers);
        assert_eq!(headers["x-should-retry"], "false");
    }

    #[test]
    fn each_dialect_gets_its_own_shape() {
        let fault = Fault::new(&Kind::NO_MODEL, "no").about("model");
        let read = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        let openai = read(fault.body(Dialect::Chat));
        assert_eq!(openai["error"]["code"], "model_not_found");
        assert_eq!(openai["error"]["param"], "model");
        let anthropic = read(fault.body(Dialect::Messages));
        assert_eq!(anthropic["type"], "error");
        assert_eq!(anthropic["error"]["message"], "no");
        assert!(fault.event(Dialect::Chat).starts_with(b"data: {"));
    }
}
