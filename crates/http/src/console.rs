//! The console's files, embedded in the binary: `console/dist` as the build left it, or one page
//! that says how to build it.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::headers::CONTENT_POLICY;

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";
/// Names below this folder carry a hash of the content.
const HASHED: &str = "assets/";
const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Catalyst</title><h1>The console is not part of this build</h1>\
    <p>The API works. For the console run <code>make console</code>, then build again.</p></html>";

/// Answers `path`: a file, or for any other address the console's one page, which knows the way.
pub(crate) fn answer(path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    if let Some(file) = Files::get(name).filter(|_| !name.is_empty()) {
        return send(name, file, headers);
    }
    // A missing script must not be answered with a page: the browser would report a syntax error.
    if name.starts_with(HASHED) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match Files::get(INDEX) {
        Some(file) => send(INDEX, file, headers),
        None => with_type(StatusCode::OK, "text/html; charset=utf-8", PLACEHOLDER.into()),
    }
}

fn send(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let caching =
        if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response =
        unless_known(&tag, headers, || with_type(StatusCode::OK, media_type(name), body));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The file, or that it is still the one of this tag. Both carry the page's policy, for a browser
/// puts the headers of the second in place of those it kept with the file.
fn unless_known(tag: &str, headers: &HeaderMap, file: impl FnOnce() -> Response) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|list| list.split(',')).any(|known| known.trim() == tag) {
        let policy = [(CONTENT_SECURITY_POLICY, CONTENT_POLICY)];
        return (StatusCode::NOT_MODIFIED, policy).into_response();
    }
    file()
}

fn with_type(status: StatusCode, media: &'static str, body: Body) -> Response {
    let headers = [(CONTENT_TYPE, media), (CONTENT_SECURITY_POLICY, CONTENT_POLICY)];
    (status, headers, body).into_response()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_address_is_the_page() {
        let response = answer("/sovereigns/sov1", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], CONTENT_POLICY);
    }

    #[test]
    fn a_missing_asset_is_not_the_page() {
        let response = answer("/assets/gone-1234.js", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_page_that_is_still_the_same_keeps_its_policy() {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"0\", \"1\""));
        let page = || with_type(StatusCode::OK, "text/html", Body::empty());
        let same = unless_known("\"1\"", &headers, page);
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(same.headers()[CONTENT_SECURITY_POLICY], CONTENT_POLICY);
        assert_eq!(unless_known("\"2\"", &headers, page).status(), StatusCode::OK);
    }

    #[test]
    fn a_way_out_of_the_folder_is_the_page() {
        for path in ["/../Cargo.toml", "/assets/../../../Cargo.toml", "//etc/passwd"] {
            let response = answer(path, &HeaderMap::new());
            assert_ne!(
                response.headers().get(CONTENT_TYPE),
                None.or(Some(&HeaderValue::from_static("application/octet-stream"))),
                "{path}"
            );
        }
    }
}
