//! F3: facts about which kubeconfigs are taken.

use catalyst_testkit::kubeconfig::credentials;

use super::*;

const API: &str = "https://10.210.0.2:6443";

fn authority() -> String {
    credentials().authority.clone()
}

fn key_line() -> String {
    format!("    client-key-data: {}", credentials().key)
}

fn good() -> String {
    let kubeconfig = catalyst_testkit::kubeconfig::kubeconfig(API);
    kubeconfig.replacen("kind: Config\n", "kind: Config\npreferences: {}\n", 1)
}

fn judge(body: &str, expected: Result<(), &'static Problem>) {
    let got = check(body.as_bytes(), Some(API)).map(drop).map_err(|t| t.problem);
    assert_eq!(got, expected, "{body}");
    // Whoever connects knows no expected address; all else is refused there as well.
    let got = check(body.as_bytes(), None).map(drop).map_err(|t| t.problem);
    let expected =
        expected.or_else(|p| if p == &Problem::KUBECONFIG_WRONG_HOST { got } else { Err(p) });
    assert_eq!(got, expected, "{body}");
}

/// The good one with a line put after another.
fn with(after: &str, line: &str) -> String {
    let body = good();
    assert!(body.contains(after), "{after}");
    body.replacen(after, &format!("{after}\n{line}"), 1)
}

#[test]
fn f3_the_node_s_own_kubeconfig_is_taken_and_written_anew() {
    let kept = check(good().as_bytes(), Some(API)).unwrap();
    let text = kept.text.expose_secret();
    let again = check(text.as_bytes(), Some(API)).unwrap();
    assert_eq!(text, again.text.expose_secret());
    assert_eq!((kept.address.to_string().as_str(), kept.port), ("10.210.0.2", 6443));
    assert!(
        text.contains("current-context: c") && text.contains(&credentials().certificate),
        "{text}"
    );
    assert!(!text.contains("preferences"));
}

#[test]
fn f3_programs_and_files_are_refused() {
    let key = &key_line();
    judge(&with(key, "    exec: {command: sh}"), Err(&Problem::KUBECONFIG_RUNS_PROGRAM));
    judge(&with(key, "    auth-provider: {name: x}"), Err(&Problem::KUBECONFIG_RUNS_PROGRAM));
    judge(&with(key, "    client-key: /etc/shadow"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    judge(&with(key, "    client-certificate: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    judge(&with(key, "    tokenFile: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    let server = "    server: https://10.210.0.2:6443";
    judge(&with(server, "    certificate-authority: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
}

#[test]
fn f3_what_weakens_the_connection_is_refused() {
    let server = "    server: https://10.210.0.2:6443";
    let unsafe_ = Err(&Problem::KUBECONFIG_UNSAFE);
    judge(&with(server, "    insecure-skip-tls-verify: true"), unsafe_);
    judge(&with(server, "    insecure-skip-tls-verify: 'yes'"), unsafe_);
    judge(&with(server, "    insecure-skip-tls-verify: false"), Ok(()));
    judge(&with(server, "    proxy-url: http://127.0.0.1:1"), unsafe_);
    judge(&with(server, "    tls-server-name: other"), unsafe_);
    judge(&good().replace("https://10", "http://10"), unsafe_);
    judge(&good().replace(&authority(), "bm90IGEgY2VydA=="), unsafe_);
}

#[test]
fn f3_another_host_is_refused_and_its_credentials_are_not_repeated() {
    judge(
        &good().replace("10.210.0.2:6443", "169.254.169.254"),
        Err(&Problem::KUBECONFIG_WRONG_HOST),
    );
    judge(&good().replace(":6443", ":6444"), Err(&Problem::KUBECONFIG_WRONG_HOST));
    let sneaky = good().replace("10.210.0.2:6443", "u:s3cret@10.210.0.2:6443");
    let trouble = check(sneaky.as_bytes(), Some(API)).unwrap_err();
    assert!(!trouble.to_string().contains("s3cret"), "{trouble}");
}

#[test]
fn f3_exactly_one_cluster() {
    let second = with("clusters:", "- name: b\n  cluster: {server: https://x}");
    judge(&second, Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER));
    judge("apiVersion: v1\nkind: Config\n", Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER));
    judge(
        &good().replace("    user: u\n", "    user: other\n"),
        Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER),
    );
    judge(
        &good().replace("current-context: c\n", "current-context: d\n"),
        Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER),
    );
}

#[test]
fn f3_what_is_no_kubeconfig_is_refused_without_being_quoted() {
    judge("", Err(&Problem::KUBECONFIG_EMPTY));
    judge("  \n", Err(&Problem::KUBECONFIG_EMPTY));
    judge("a: [s3cret", Err(&Problem::KUBECONFIG_MALFORMED));
    judge("just text", Err(&Problem::KUBECONFIG_MALFORMED));
    judge(&format!("{}---\n{}", good(), good()), Err(&Problem::KUBECONFIG_MALFORMED));
    judge(&with("kind: Config", "kind: Config"), Err(&Problem::KUBECONFIG_MALFORMED));
    let unknown = with(&key_line(), "    impersonate: root");
    judge(&unknown, Err(&Problem::KUBECONFIG_MALFORMED));
    let trouble = check(b"a: [s3cret", Some(API)).unwrap_err();
    assert!(!trouble.to_string().contains("s3cret"));
    assert_eq!(
        check(&[0xff, 0xfe], Some(API)).unwrap_err().problem,
        &Problem::KUBECONFIG_MALFORMED
    );
    let huge = vec![b' '; MAX_BYTES + 1];
    assert_eq!(check(&huge, Some(API)).unwrap_err().problem, &Problem::KUBECONFIG_TOO_LARGE);
}

#[test]
fn f3_the_server_is_https_at_an_address() {
    let at = |server: &str| {
        let body = good().replace(API, server);
        check(body.as_bytes(), None).map(|c| (c.address.to_string(), c.port)).map_err(|t| t.problem)
    };
    for server in ["http://10.0.0.1:6443", "https://example.org", "https://u@10.0.0.1", "x"] {
        assert_eq!(at(server), Err(&Problem::KUBECONFIG_UNSAFE), "{server}");
    }
    assert_eq!(at("https://10.0.0.1/x"), Err(&Problem::KUBECONFIG_UNSAFE));
    assert_eq!(at("'https://[fd00::1]:6443'"), Ok(("fd00::1".to_owned(), 6443)));
    assert_eq!(at("https://10.0.0.1/"), Ok(("10.0.0.1".to_owned(), 443)));
}

#[test]
fn f3_a_text_cut_off_anywhere_is_never_taken() {
    let body = good();
    // Certificates are long and alike all the way: steps of a prime number through them.
    for end in (0..body.len() - "user: u\n".len()).step_by(7) {
        assert!(check(&body.as_bytes()[..end], Some(API)).is_err(), "{end}");
    }
}

#[test]
fn m9_a_file_nobody_can_connect_with_is_refused_before_the_bearer_is_used_up() {
    let unusable = Err(&Problem::KUBECONFIG_UNUSABLE);
    let parts = credentials();
    let pem = |kind: &str, body: &str| {
        STANDARD.encode(format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"))
    };
    for bad in [pem("CERTIFICATE", "MIIB"), pem("CERTIFICATE", "!"), pem("CERTIFICATE", "aGVsbG8=")]
    {
        judge(&good().replace(&parts.authority, &bad), unusable);
        judge(&good().replace(&parts.certificate, &bad), unusable);
    }
    for bad in ["a-b", "aGVsbG8=", parts.certificate.as_str()] {
        judge(&good().replace(&parts.key, bad), unusable);
    }
    judge(&good().replace(&parts.key, &parts.other_key), unusable);
    let token = format!("    client-certificate-data: {}\n{}\n", parts.certificate, key_line());
    assert!(good().contains(&token));
    judge(&good().replace(&token, "    token: abc\n"), Ok(()));
    let trouble = check(good().replace(&parts.key, &parts.other_key).as_bytes(), None).unwrap_err();
    assert!(!trouble.to_string().contains(&parts.other_key));
}
