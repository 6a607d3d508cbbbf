//! F3: facts about which kubeconfigs are taken.

use super::*;

const API: &str = "https://10.210.0.2:6443";

fn authority() -> String {
    STANDARD.encode("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
}

fn good() -> String {
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\nclusters:\n- name: sov1\n  cluster:\n    \
         server: {API}\n    certificate-authority-data: {}\nusers:\n- name: admin\n  user:\n    \
         client-certificate-data: Y2VydA==\n    client-key-data: a2V5\ncontexts:\n- name: c\n  \
         context:\n    cluster: sov1\n    user: admin\ncurrent-context: c\n",
        authority()
    )
}

fn check(body: &str, expected: Result<(), &'static Problem>) {
    let got = inspect(body.as_bytes(), API).map(drop).map_err(|t| t.problem);
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
    let kept = inspect(good().as_bytes(), API).unwrap();
    let again = inspect(kept.expose_secret(), API).unwrap();
    assert_eq!(kept.expose_secret(), again.expose_secret());
    let text = String::from_utf8(kept.expose_secret().to_vec()).unwrap();
    assert!(text.contains("current-context: c") && text.contains("Y2VydA=="), "{text}");
    assert!(!text.contains("preferences"));
}

#[test]
fn f3_programs_and_files_are_refused() {
    let key = "    client-key-data: a2V5";
    check(&with(key, "    exec: {command: sh}"), Err(&Problem::KUBECONFIG_RUNS_PROGRAM));
    check(&with(key, "    auth-provider: {name: x}"), Err(&Problem::KUBECONFIG_RUNS_PROGRAM));
    check(&with(key, "    client-key: /etc/shadow"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    check(&with(key, "    client-certificate: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    check(&with(key, "    tokenFile: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
    let server = "    server: https://10.210.0.2:6443";
    check(&with(server, "    certificate-authority: /x"), Err(&Problem::KUBECONFIG_NAMES_FILE));
}

#[test]
fn f3_what_weakens_the_connection_is_refused() {
    let server = "    server: https://10.210.0.2:6443";
    let unsafe_ = Err(&Problem::KUBECONFIG_UNSAFE);
    check(&with(server, "    insecure-skip-tls-verify: true"), unsafe_);
    check(&with(server, "    insecure-skip-tls-verify: 'yes'"), unsafe_);
    check(&with(server, "    insecure-skip-tls-verify: false"), Ok(()));
    check(&with(server, "    proxy-url: http://127.0.0.1:1"), unsafe_);
    check(&with(server, "    tls-server-name: other"), unsafe_);
    check(&good().replace("https://10", "http://10"), unsafe_);
    check(&good().replace(&authority(), "bm90IGEgY2VydA=="), unsafe_);
}

#[test]
fn f3_another_host_is_refused_and_its_credentials_are_not_repeated() {
    check(
        &good().replace("10.210.0.2:6443", "169.254.169.254"),
        Err(&Problem::KUBECONFIG_WRONG_HOST),
    );
    check(&good().replace(":6443", ":6444"), Err(&Problem::KUBECONFIG_WRONG_HOST));
    let sneaky = good().replace("10.210.0.2:6443", "u:s3cret@10.210.0.2:6443");
    let trouble = inspect(sneaky.as_bytes(), API).unwrap_err();
    assert!(!trouble.to_string().contains("s3cret"), "{trouble}");
}

#[test]
fn f3_exactly_one_cluster() {
    let second = with("clusters:", "- name: b\n  cluster: {server: https://x}");
    check(&second, Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER));
    check("apiVersion: v1\nkind: Config\n", Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER));
    check(
        &good().replace("    user: admin", "    user: other"),
        Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER),
    );
    check(
        &good().replace("current-context: c", "current-context: d"),
        Err(&Problem::KUBECONFIG_NOT_ONE_CLUSTER),
    );
}

#[test]
fn f3_what_is_no_kubeconfig_is_refused_without_being_quoted() {
    check("", Err(&Problem::KUBECONFIG_EMPTY));
    check("  \n", Err(&Problem::KUBECONFIG_EMPTY));
    check("a: [s3cret", Err(&Problem::KUBECONFIG_MALFORMED));
    check("just text", Err(&Problem::KUBECONFIG_MALFORMED));
    check(&format!("{}---\n{}", good(), good()), Err(&Problem::KUBECONFIG_MALFORMED));
    check(&with("kind: Config", "kind: Config"), Err(&Problem::KUBECONFIG_MALFORMED));
    let unknown = with("    client-key-data: a2V5", "    impersonate: root");
    check(&unknown, Err(&Problem::KUBECONFIG_MALFORMED));
    let trouble = inspect(b"a: [s3cret", API).unwrap_err();
    assert!(!trouble.to_string().contains("s3cret"));
    assert_eq!(inspect(&[0xff, 0xfe], API).unwrap_err().problem, &Problem::KUBECONFIG_MALFORMED);
    let huge = vec![b' '; MAX_BYTES + 1];
    assert_eq!(inspect(&huge, API).unwrap_err().problem, &Problem::KUBECONFIG_TOO_LARGE);
}
