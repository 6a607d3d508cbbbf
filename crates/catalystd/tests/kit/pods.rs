//! What every rendered Pod, hook and rule must hold to.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{charts, documents, read, text};

/// Every object of every golden, with the golden's path.
fn objects() -> Vec<(PathBuf, Value)> {
    let golden = |chart: PathBuf| chart.join("golden/default.yaml");
    let of = |path: PathBuf| {
        documents(&read(&path)).into_iter().map(move |object| (path.clone(), object))
    };
    charts().into_iter().map(golden).flat_map(of).collect()
}

/// Every Pod that a golden makes: its owner's kind and name, and its spec.
fn pods() -> Vec<(String, Value)> {
    let pods: Vec<_> = objects()
        .into_iter()
        .filter_map(|(path, object)| {
            let spec = object.pointer("/spec/template/spec")?.clone();
            let name = text(&object, "/metadata/name");
            Some((format!("{} {name} of {}", text(&object, "/kind"), path.display()), spec))
        })
        .collect();
    assert!(pods.len() >= charts().len(), "each chart has a Pod");
    pods
}

fn containers(pod: &Value) -> Vec<&Value> {
    ["initContainers", "containers"]
        .iter()
        .filter_map(|list| pod[*list].as_array())
        .flatten()
        .collect()
}

#[test]
fn every_pod_has_the_pull_secret() {
    for (name, pod) in pods() {
        assert_eq!(pod["imagePullSecrets"][0]["name"], "ghcr-pull", "{name}");
    }
}

#[test]
fn every_container_is_restricted() {
    for (name, pod) in pods() {
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{name}");
        assert!(context["runAsUser"].as_u64().is_some_and(|user| user > 0), "{name}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in containers(&pod) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"]["drop"][0], "ALL", "{name}");
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        }
    }
}

#[test]
fn a_token_is_mounted_only_for_an_account_with_a_role() {
    for (name, pod) in pods() {
        let mounts = pod["automountServiceAccountToken"].as_bool();
        let talks = name.contains("secrets") || name.contains("reflector");
        assert_eq!(mounts, Some(talks), "{name}");
    }
}

#[test]
fn every_long_running_container_is_probed_twice() {
    for (name, pod) in pods().into_iter().filter(|(name, _)| name.starts_with("Deployment")) {
        for container in pod["containers"].as_array().expect("containers") {
            assert!(container["livenessProbe"].is_object(), "{name}");
            assert!(container["readinessProbe"].is_object(), "{name}");
            assert_ne!(container["livenessProbe"], container["readinessProbe"], "{name}");
        }
    }
}

#[test]
fn a_single_attach_volume_means_recreate() {
    for (path, object) in objects() {
        let volumes = object.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        let claims = |volume: &Value| volume.get("persistentVolumeClaim").is_some();
        if volumes.is_some_and(|volumes| volumes.iter().any(claims)) {
            assert_eq!(text(&object, "/spec/strategy/type"), "Recreate", "{}", path.display());
        }
    }
}

#[test]
fn claims_outlive_their_release() {
    for (path, object) in objects() {
        if object["kind"] == "PersistentVolumeClaim" {
            let policy = text(&object, "/metadata/annotations/helm.sh~1resource-policy");
            assert_eq!(policy, "keep", "{}", path.display());
        }
    }
}

#[test]
fn hooks_run_after_what_they_need() {
    for chart in charts() {
        let weight = |kind: &str| {
            let rendered = documents(&read(&chart.join("golden/default.yaml")));
            let hook = rendered.into_iter().find(|object| {
                object["kind"] == kind
                    && object.pointer("/metadata/annotations/helm.sh~1hook").is_some()
            })?;
            let weight = text(&hook, "/metadata/annotations/helm.sh~1hook-weight");
            Some(weight.parse::<i32>().expect("a weight is a number"))
        };
        if let Some(job) = weight("Job") {
            let account = weight("ServiceAccount").expect("the Job has an account of its own");
            let role = weight("Role").expect("the account has a role");
            let binding = weight("RoleBinding").expect("the role is bound");
            assert!(account < role && role <= binding && binding < job, "{}", chart.display());
        }
    }
}

/// A name cannot limit a verb that names no object: such a rule permits nothing.
#[test]
fn rules_can_match() {
    for (path, object) in objects() {
        for rule in object["rules"].as_array().into_iter().flatten() {
            let named = rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty());
            let verbs: Vec<&str> =
                rule["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let unnamed = ["create", "list", "watch", "deletecollection"];
            assert!(
                !named || !verbs.iter().any(|verb| unnamed.contains(verb)),
                "{}",
                path.display()
            );
            assert!(!rule.to_string().contains('*'), "{} has a wildcard", path.display());
        }
    }
}

/// A Secret that a Pod needs is made by the same chart before it, or its absence is allowed for.
#[test]
fn needed_secrets_have_a_maker() {
    for chart in charts() {
        let golden = read(&chart.join("golden/default.yaml"));
        for object in documents(&golden) {
            for (pod, optional) in needed(&object) {
                let made = golden.contains(&format!("- --name={pod}\n"));
                assert!(made || optional, "{}: nobody makes Secret {pod}", chart.display());
            }
        }
    }
}

/// Secrets that volumes and variables name, and whether they may be absent.
fn needed(object: &Value) -> Vec<(String, bool)> {
    let Some(pod) = object.pointer("/spec/template/spec") else { return Vec::new() };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let volumes = list(&pod["volumes"]).into_iter().map(|volume| volume["secret"].clone());
    let variables = containers(pod)
        .into_iter()
        .flat_map(|container| list(&container["env"]))
        .map(|variable| variable["valueFrom"]["secretKeyRef"].clone());
    volumes
        .chain(variables)
        .filter_map(|reference| {
            let name = reference["secretName"].as_str().or(reference["name"].as_str())?;
            Some((name.to_owned(), reference["optional"] == true))
        })
        .collect()
}

/// Nobody reaches a Pod by default, and each port that is let in is one the Pod has.
#[test]
fn every_release_denies_what_it_does_not_need() {
    for chart in charts() {
        let rendered = documents(&read(&chart.join("golden/default.yaml")));
        let policies: Vec<_> =
            rendered.iter().filter(|object| object["kind"] == "NetworkPolicy").collect();
        let denies = |policy: &&&Value| {
            let selector =
                policy.pointer("/spec/podSelector/matchLabels").and_then(Value::as_object);
            let whole = selector.is_some_and(|labels| {
                labels.len() == 1 && labels.contains_key("app.kubernetes.io/instance")
            });
            whole && policy["spec"].get("ingress").is_none()
        };
        assert_eq!(policies.iter().filter(denies).count(), 1, "{}", chart.display());
        let ports: Vec<&str> = rendered
            .iter()
            .filter_map(|object| object.pointer("/spec/template/spec"))
            .flat_map(containers)
            .filter_map(|container| container["ports"].as_array())
            .flatten()
            .filter_map(|port| port["name"].as_str())
            .collect();
        for policy in &policies {
            assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress"]));
            for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
                for port in rule["ports"].as_array().expect("a rule names its ports") {
                    assert!(ports.contains(&text(port, "/port")), "{} {port}", chart.display());
                }
            }
        }
    }
}
