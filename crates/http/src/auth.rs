//! What a request says of who sends it: cookie, bearer, origin.

use catalyst_control::Who;
use catalyst_model::Problem;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Refusal;

/// What the name of a session's cookie begins with.
pub(crate) const SESSION_COOKIE: &str = "catalyst_session";

/// Returns the name of the cookie that holds a session. A browser keeps one jar for all ports of a
/// host, so the port is part of the name: two installations at 127.0.0.1 leave each other alone.
pub(crate) fn cookie_name(port: Option<u16>) -> String {
    port.map_or_else(|| SESSION_COOKIE.to_owned(), |port| format!("{SESSION_COOKIE}_{port}"))
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How a request proves who sends it.
#[derive(Debug)]
pub(crate) enum Credential {
    /// A session's cookie: sent by a browser without anybody's will, so the origin counts too.
    Cookie(SecretString),
    /// A bearer token: only ever sent on purpose.
    Bearer(SecretString),
}

impl Credential {
    /// Finds the credential; `name` is the session cookie's. A bearer is preferred, for a program
    /// that sends one means it.
    pub(crate) fn of(headers: &HeaderMap, name: &str) -> Option<Self> {
        bearer(headers).map(Self::Bearer).or_else(|| cookie(headers, name).map(Self::Cookie))
    }
}

/// Returns the bearer of `Authorization: Bearer …`; the scheme in any case, blanks trimmed.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    let given = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    given.then(|| SecretString::from(token))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<SecretString> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|list| list.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty())
        .map(|(_, value)| SecretString::from(value))
}

/// Who sends the request, once that is established.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Who);

/// Where a request came from, as the connection has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) std::net::SocketAddr);

/// Refuses what a page of another origin made a browser send.
///
/// # Errors
/// [`Problem::ORIGIN_REFUSED`] unless `Origin` is the console's or names this host, or, where a
/// browser sent no `Origin`, `Sec-Fetch-Site` says that the page is of the same origin.
pub(crate) fn check_origin(headers: &HeaderMap, console: Option<&str>) -> Result<(), Refusal> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let same = match text(ORIGIN) {
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            console.is_some_and(|console| console.eq_ignore_ascii_case(origin))
                || host.is_some_and(|host| {
                    text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host))
                })
        }
        None => text(SEC_FETCH_SITE) == Some("same-origin"),
    };
    if same { Ok(()) } else { Err(Refusal::from(&Problem::ORIGIN_REFUSED)) }
}

/// Returns the `Set-Cookie` of a session; sent back to this host alone and never to a script.
pub(crate) fn session_cookie(
    name: &str,
    secret: &SecretString,
    max_age_seconds: i64,
    secure: bool,
) -> Option<HeaderValue> {
    set_cookie(name, secret.expose_secret(), max_age_seconds, secure)
}

/// Returns the `Set-Cookie` that takes the session's cookie back.
pub(crate) fn no_cookie(name: &str) -> Option<HeaderValue> {
    set_cookie(name, "", 0, false)
}

fn set_cookie(name: &str, value: &str, max_age: i64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn a_bearer_is_read_in_any_case_and_trimmed() {
        for text in ["Bearer cat_x", "bearer   cat_x ", "BEARER cat_x"] {
            let found = bearer(&headers(&[(AUTHORIZATION, text)])).unwrap();
            assert_eq!(found.expose_secret(), "cat_x", "{text}");
        }
        for text in ["Basic cat_x", "Bearer", "Bearer ", "cat_x"] {
            assert!(bearer(&headers(&[(AUTHORIZATION, text)])).is_none(), "{text}");
        }
    }

    #[test]
    fn the_sessions_cookie_is_found_among_others() {
        let name = cookie_name(Some(7080));
        let all = "a=b; catalyst_session_7070=no; catalyst_session=no; catalyst_session_7080=s3";
        let found = cookie(&headers(&[(COOKIE, all)]), &name).unwrap();
        assert_eq!(found.expose_secret(), "s3");
        let none = "catalyst_session_70800=s3; catalyst_session_7080=; catalyst_session=s3";
        assert!(cookie(&headers(&[(COOKIE, none)]), &name).is_none());
    }

    #[test]
    fn only_the_hosts_own_pages_may_change_something() {
        let check = |pairs: &[(HeaderName, &str)], expected: bool| {
            let checked = check_origin(&headers(pairs), Some("https://console.example"));
            assert_eq!(checked.is_ok(), expected, "{pairs:?}");
        };
        check(&[(HOST, "127.0.0.1:7080"), (ORIGIN, "http://127.0.0.1:7080")], true);
        check(&[(HOST, "127.0.0.1:7080"), (ORIGIN, "http://127.0.0.1:7081")], false);
        check(&[(HOST, "127.0.0.1:7080"), (ORIGIN, "https://evil.example")], false);
        check(&[(HOST, "127.0.0.1:7080"), (ORIGIN, "null")], false);
        check(&[(HOST, "10.0.0.7:8080"), (ORIGIN, "https://console.example")], true);
        check(&[(HOST, "127.0.0.1:7080")], false);
        check(&[(HOST, "127.0.0.1:7080"), (SEC_FETCH_SITE, "same-origin")], true);
        check(&[(HOST, "127.0.0.1:7080"), (SEC_FETCH_SITE, "same-site")], false);
    }
}
