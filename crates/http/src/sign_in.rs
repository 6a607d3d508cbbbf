//! The page behind a login link. Opening it uses nothing up: mail programs and chats that look at
//! links before their reader does get a form. A browser sends the form by itself; without scripts a
//! person presses its one button.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};

/// The one script that may run on the page.
const SCRIPT: &str = "document.forms[0].submit()";
/// Nothing but that script, by its digest, may run, and the form goes to this origin alone.
const POLICY: &str = "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A browser that is told to send no referrer sends no origin with a form either, and by the origin
/// the form is known to be ours. This sends the origin, and never the address with its token.
const REFERRER: &str = "strict-origin";

/// Returns the page for a token that [`is_token`].
pub(crate) fn page(token: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>Sign in to Catalyst</title>\
         <form method=\"post\" action=\"/auth/login\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\
         <button autofocus>Sign in to Catalyst</button></form>\
         <script>{SCRIPT}</script></html>"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, REFERRER),
    ];
    (StatusCode::OK, headers, text).into_response()
}

/// Whether text could be a token of a link, and so needs no care in a page.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The media type of a form.
pub(crate) fn is_form(media: Option<&HeaderValue>) -> bool {
    let media = media.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_names_the_script_that_is_on_the_page() {
        let digest = STANDARD.encode(Sha256::digest(SCRIPT));
        assert!(POLICY.contains(&format!("'sha256-{digest}'")), "{digest}");
    }

    #[test]
    fn what_could_mean_something_in_a_page_is_no_token() {
        for text in ["", "a\"b", "<script>", "a b", "a%22", "ä"] {
            assert!(!is_token(text), "{text}");
        }
        assert!(is_token(&"0f".repeat(32)));
    }
}
