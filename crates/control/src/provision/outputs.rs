//! The infrastructure's outputs: every one is owed, and of its kind.

use std::{collections::BTreeMap, net::IpAddr};

use catalyst_model::{Outputs, Problem, Trouble};
use serde::Deserialize;

#[derive(Deserialize)]
struct Output {
    value: serde_json::Value,
}

/// Reads what `tofu output -json` printed.
///
/// # Errors
/// An output that is missing, empty or not of its kind, or an API address other than the expected.
pub(crate) fn parse(text: &str, expected_api: &str) -> Result<Outputs, Trouble> {
    let all: BTreeMap<String, Output> = serde_json::from_str(text)
        .map_err(|e| Problem::TOFU_OUTPUT_INVALID.with(format!("not readable: {e}")))?;
    let word = |name: &str| {
        all.get(name)
            .and_then(|o| o.value.as_str())
            .filter(|v| !v.is_empty())
            .ok_or_else(|| Problem::TOFU_OUTPUT_INVALID.with(format!("output `{name}` is missing")))
    };
    let address = |name: &str| -> Result<IpAddr, Trouble> {
        word(name)?.parse().map_err(|_| {
            Problem::TOFU_OUTPUT_INVALID.with(format!("output `{name}` is no address"))
        })
    };
    let url = |name: &str| -> Result<String, Trouble> {
        let text = word(name)?;
        if text.starts_with("https://") || is_inside_a_cluster(text) {
            Ok(text.to_owned())
        } else {
            Err(Problem::TOFU_OUTPUT_INVALID.with(format!("output `{name}` is no https address")))
        }
    };
    let outputs = Outputs {
        control_plane_ip: address("control_plane_ip")?,
        load_balancer_ip: address("load_balancer_ip")?,
        console_url: url("console_url")?,
        gitops_repo_url: url("gitops_repo_url")?,
        api_server: word("api_server")?.to_owned(),
    };
    if outputs.api_server.trim_end_matches('/') != expected_api {
        let detail = format!("`api_server` is not `{expected_api}`");
        return Err(Problem::TOFU_OUTPUT_INVALID.with(detail));
    }
    Ok(outputs)
}

/// A Service's own address: what is there is not seen from outside, and so it has no certificate.
fn is_inside_a_cluster(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split([':', '/']).next());
    host.is_some_and(|host| host.ends_with(".svc.cluster.local"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://10.210.0.2:6443";

    fn check(change: &str, whole: bool) {
        let mut all = serde_json::json!({
            "control_plane_ip": {"value": "10.210.0.2", "type": "string", "sensitive": false},
            "load_balancer_ip": {"value": "10.210.0.2"},
            "console_url": {"value": "https://console.sov1.example.org"},
            "gitops_repo_url": {"value": "https://gitea.sov1.example.org"},
            "api_server": {"value": API},
        });
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (k, v) in change.as_object().unwrap() {
            all[k] = v.clone();
        }
        let got = parse(&all.to_string(), API).map_err(|t| t.problem);
        assert_eq!(got.is_ok(), whole, "{change}");
        assert!(got.is_ok() || got == Err(&Problem::TOFU_OUTPUT_INVALID));
    }

    #[test]
    fn d13_a_missing_output_is_an_error_and_never_an_empty_word() {
        check("{}", true);
        for name in ["control_plane_ip", "load_balancer_ip", "console_url", "api_server"] {
            check(&format!(r#"{{"{name}":{{"value":""}}}}"#), false);
            check(&format!(r#"{{"{name}":{{"value":null}}}}"#), false);
        }
        check(r#"{"console_url":{"value":"http://c.ns.svc.cluster.local:8080"}}"#, true);
        check(r#"{"console_url":{"value":"http://console.sov1.example.org"}}"#, false);
        check(r#"{"console_url":{"value":"http://x.test/a.svc.cluster.local"}}"#, false);
        check(r#"{"control_plane_ip":{"value":"not an address"}}"#, false);
        check(r#"{"api_server":{"value":"https://10.99.0.2:6443"}}"#, false);
        assert!(parse("", API).is_err() && parse("{}", API).is_err());
    }
}
