//! The control plane's Deployment, number by number as the seed has it; where it departs, the reason
//! is in `docs/compat.md`.

use serde_json::{Value, json};

use crate::support::{documents, read, root};

fn deployment() -> Value {
    let golden = read(&root().join("charts/bp-catalyst-platform/golden/default.yaml"));
    let found = documents(&golden).into_iter().find(|object| object["kind"] == "Deployment");
    found.expect("the chart has a Deployment")
}

fn container() -> Value {
    deployment()["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn probes_are_split_and_timed_as_the_seed_has_them() {
    let probe = |name: &str| {
        let probe = &container()[name];
        let at = |field: &str| probe[field].as_u64().unwrap();
        let path = probe["httpGet"]["path"].as_str().unwrap().to_owned();
        (path, at("initialDelaySeconds"), at("periodSeconds"))
    };
    assert_eq!(probe("livenessProbe"), ("/healthz".to_owned(), 3, 10));
    assert_eq!(probe("readinessProbe"), ("/readyz".to_owned(), 2, 5));
}

#[test]
fn it_asks_for_and_may_use_what_the_seed_says() {
    assert_eq!(
        container()["resources"],
        json!({
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "1000m", "memory": "1Gi"},
        })
    );
}

#[test]
fn one_pod_at_a_time_and_flux_may_force_it() {
    let deployment = deployment();
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"], json!({"type": "Recreate"}));
    let forced = &deployment["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/force"];
    assert_eq!(forced, "enabled");
    let security = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(security["fsGroup"], 65534);
    assert_eq!(security["fsGroupChangePolicy"], "OnRootMismatch");
    assert_eq!(container()["securityContext"]["runAsUser"], 65534);
}

#[test]
fn its_environment_has_every_name_of_the_seed() {
    let container = container();
    let variables = container["env"].as_array().unwrap();
    let value = |name: &str| {
        let found = variables.iter().find(|variable| variable["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["value"].clone()
    };
    for (name, expected) in [
        ("PORT", "8080"),
        ("CORS_ORIGIN", "https://console.first.example.org"),
        ("CATALYST_API_PUBLIC_URL", "https://console.first.example.org/sovereign"),
        ("CATALYST_DEPLOYMENTS_DIR", "/var/lib/catalyst/deployments"),
        ("CATALYST_KUBECONFIGS_DIR", "/var/lib/catalyst/kubeconfigs"),
        ("CATALYST_K8SCACHE_KUBECONFIGS_DIR", "/var/lib/catalyst/kubeconfigs"),
        ("CATALYST_K8SCACHE_SNAPSHOT_DIR", "/var/cache/sov-cache"),
        ("CATALYST_K8SCACHE_KINDS_CONFIGMAP", "catalyst-k8scache-kinds"),
        ("CATALYST_PHASE1_MIN_BOOTSTRAP_KIT_HRS", "38"),
        ("CATALYST_GITEA_URL", "http://gitea-http.gitea.svc.cluster.local:3000"),
        // Not the seed's /tmp: state on an emptyDir is lost with the Pod.
        ("CATALYST_TOFU_WORKDIR", "/var/lib/catalyst/tofu"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    value("CATALYST_K8SCACHE_KINDS_CONFIGMAP_NAMESPACE");
    for (name, secret, key) in [
        ("DYNADOT_API_KEY", "dynadot-api-credentials", "api-key"),
        ("DYNADOT_API_SECRET", "dynadot-api-credentials", "api-secret"),
        ("DYNADOT_MANAGED_DOMAINS", "dynadot-api-credentials", "domains"),
        ("DYNADOT_DOMAIN", "dynadot-api-credentials", "domain"),
        ("CATALYST_GHCR_PULL_TOKEN", "catalyst-ghcr-pull-token", "token"),
        ("CATALYST_GITEA_TOKEN", "catalyst-gitea-token", "token"),
    ] {
        let variable = variables.iter().find(|variable| variable["name"] == name);
        let reference = &variable.unwrap_or_else(|| panic!("no {name}"))["valueFrom"];
        let expected = json!({"name": secret, "key": key, "optional": true});
        assert_eq!(reference["secretKeyRef"], expected, "{name}");
    }
}

#[test]
fn its_volumes_are_the_seeds() {
    let deployment = deployment();
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap().clone();
    assert_eq!(
        volumes,
        [
            json!({"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}),
            json!({"name": "home", "emptyDir": {"sizeLimit": "256Mi"}}),
            json!({"name": "catalyst",
                   "persistentVolumeClaim": {"claimName": "catalyst-api-deployments"}}),
            json!({"name": "sov-cache",
                   "persistentVolumeClaim": {"claimName": "catalyst-api-cache"}}),
        ]
    );
}
