//! Facts about the diagnosis: each way in which a cluster fails, shown by its objects, and the one
//! headline that names the cause.

mod world;

use catalyst_model::{Cause, CauseKind};
use serde_json::{Value, json};

use world::{World, helm_release, pod, warning};

/// The causes, which must be just one, of that kind, with a headline that names all of `words`.
fn one(world: &World, kind: CauseKind, words: &[&str]) -> Cause {
    let causes = world.causes();
    let heads: Vec<_> = causes.iter().map(|c| (c.kind, &c.headline)).collect();
    assert_eq!(causes.len(), 1, "{heads:#?}");
    assert_eq!(causes[0].kind, kind, "{heads:#?}");
    for word in words {
        assert!(causes[0].headline.contains(word), "`{word}` is not in `{}`", causes[0].headline);
    }
    assert!(!causes[0].evidence.is_empty(), "no evidence: {:#?}", causes[0]);
    causes[0].clone()
}

fn waiting_for_image(image: &str, message: &str) -> Value {
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
    let mut pod = pod(
        "gitea",
        "gitea-0",
        ("StatefulSet", "gitea"),
        json!([{"name": "gitea", "image": image, "ready": false, "restartCount": 0, "state": state}]),
    );
    pod["spec"]["containers"] = json!([{"name": "gitea", "image": image}]);
    pod
}

const IMAGE: &str = "ghcr.io/openova-io/gitea:1.26.0";

fn pull_failed(why: &str) -> Value {
    let message = format!(
        "Failed to pull image \"{IMAGE}\": failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {why}"
    );
    warning(("Pod", "gitea", "gitea-0"), "Failed", &message, 2)
}

fn gitea_waits_for_its_image(why: &str) -> World {
    World::kit()
        .has("Pod", waiting_for_image(IMAGE, &format!("Back-off pulling image \"{IMAGE}\"")))
        .has("Event", pull_failed(why))
}

#[test]
fn row_01_a_pull_secret_that_is_not_there() {
    let why = "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized";
    let mut world = gitea_waits_for_its_image(why);
    let words = [IMAGE, "refused by registry (401)", "no pull secret", "namespace gitea"];
    let cause = one(&world, CauseKind::ImageRefused, &words);
    assert_eq!(cause.releases[0].as_str(), "bp-gitea");
    assert_eq!(
        cause.waiting.iter().map(|r| r.as_str()).collect::<Vec<_>>(),
        ["bp-catalyst-platform"]
    );
    assert!(cause.fix.contains("ghcr-pull"), "{}", cause.fix);
    let text = "Unable to retrieve some image pull secrets (ghcr-pull); attempting to pull the image may not succeed.";
    world = world.has(
        "Event",
        warning(("Pod", "gitea", "gitea-0"), "FailedToRetrieveImagePullSecret", text, 2),
    );
    one(&world, CauseKind::ImageRefused, &["no pull secret ghcr-pull in namespace gitea"]);
    let denied = "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials";
    one(&gitea_waits_for_its_image(denied), CauseKind::ImageRefused, &["refused"]);
    let forbidden = "unexpected status from HEAD request to https://ghcr.io/v2/openova-io/gitea/manifests/1.26.0: 403 Forbidden";
    one(&gitea_waits_for_its_image(forbidden), CauseKind::ImageRefused, &["(403)"]);
}

#[test]
fn row_02_a_tag_that_does_not_exist() {
    let world = gitea_waits_for_its_image(&format!("{IMAGE}: not found"));
    one(&world, CauseKind::ImageNotFound, &[IMAGE, "not found"]);
}

#[test]
fn row_03_a_registry_that_does_not_answer() {
    for (why, said) in [
        (
            "failed to do request: Head \"https://ghcr.io/v2/x\": dial tcp 10.210.0.1:443: connect: connection refused",
            "connection refused",
        ),
        (
            "failed to authorize: failed to fetch anonymous token: Get \"https://ghcr.io/token\": dial tcp: lookup ghcr.io on 10.210.0.1:53: no such host",
            "does not resolve",
        ),
        (
            "failed to do request: Head \"https://ghcr.io/v2/x\": dial tcp 10.210.0.1:443: i/o timeout",
            "no answer",
        ),
    ] {
        let world = gitea_waits_for_its_image(why);
        one(
            &world,
            CauseKind::RegistryUnreachable,
            &["ghcr.io", "unreachable from node sov1", said],
        );
    }
}

fn claim(class: Option<&str>) -> Value {
    json!({"metadata": {"name": "data", "namespace": "gitea", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"storageClassName": class}, "status": {"phase": "Pending"}})
}

fn class(name: &str, is_default: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": is_default}}})
}

fn unscheduled(message: &str) -> Value {
    let mut pod = pod("gitea", "gitea-0", ("StatefulSet", "gitea"), json!([]));
    pod["spec"] = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "containers": [{"name": "gitea", "resources": {"requests": {"cpu": "100"}}}]});
    pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    pod
}

#[test]
fn row_04_a_claim_without_a_class() {
    let unbound = unscheduled(
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
    let world =
        World::kit().has("Pod", unbound.clone()).has("StorageClass", class("local-path", "true"));
    let wrong = world.clone().has("PersistentVolumeClaim", claim(Some("fast")));
    let cause = one(
        &wrong,
        CauseKind::ClaimPending,
        &["PVC gitea/data is pending", "StorageClass fast does not exist", "local-path"],
    );
    assert_eq!(cause.releases[0].as_str(), "bp-gitea");
    let none = World::kit()
        .has("Pod", unbound)
        .has("StorageClass", class("local-path", "false"))
        .has("PersistentVolumeClaim", claim(None));
    one(&none, CauseKind::ClaimPending, &["names no StorageClass and none is the default"]);
    let fine = world.has("PersistentVolumeClaim", claim(Some("local-path")));
    assert!(fine.causes().is_empty(), "a claim that waits for its Pod is not at fault");
}

#[test]
fn row_05_a_pod_that_asks_for_too_much() {
    let message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let node = json!({"metadata": {"name": "sov1"}, "status": {"allocatable": {"cpu": "2", "memory": "4Gi"},
        "conditions": [{"type": "Ready", "status": "True"}]}});
    let world = World::kit().has("Pod", unscheduled(message)).has("Node", node);
    let cause = one(&world, CauseKind::PodUnschedulable, &["gitea/gitea-0", "unschedulable: cpu"]);
    assert!(
        cause.fix.contains("asks for 100 CPU")
            && cause.fix.contains("2 CPU and 4096 MiB on node sov1"),
        "{}",
        cause.fix
    );
}

fn hook(status: Value, container: Value) -> World {
    let job = json!({"metadata": {"name": "gitea-init", "namespace": "gitea"}, "status": status});
    World::kit()
        .pending("bp-gitea", "2026-01-01T00:00:00Z")
        .made("bp-gitea", "Job", "gitea", "gitea-init", Some("pre-install"))
        .has("Job", job)
        .has("Pod", pod("gitea", "gitea-init-x1", ("Job", "gitea-init"), json!([container])))
}

fn ended(code: i64) -> Value {
    json!({"name": "init", "image": "busybox", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": "2026-01-01T00:00:05Z"}}})
}

fn running() -> Value {
    json!({"name": "init", "image": "busybox", "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
}

#[test]
fn row_06_a_hook_that_fails() {
    let failed = json!({"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Failed", "status": "True",
        "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit", "lastTransitionTime": "2026-01-01T00:00:06Z"}]});
    let world = hook(failed, ended(1)).log(
        "gitea",
        "gitea-init-x1",
        "init",
        ("Job", "gitea-init"),
        "creating the admin\nno database gitea\n",
    );
    one(
        &world,
        CauseKind::HookFailed,
        &["pre-install hook gitea-init failed with exit code 1", "no database gitea"],
    );
}

#[test]
fn row_06_a_hook_whose_job_is_gone_is_named_from_the_release() {
    let message = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: failed pre-install: 1 error occurred:\n\t* job gitea-init failed: BackoffLimitExceeded\n\n";
    let world = World::kit()
        .has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", message))
        .log("gitea", "gitea-init-x1", "init", ("Job", "gitea-init"), "no database gitea\n");
    let cause = one(
        &world,
        CauseKind::HookFailed,
        &["pre-install hook gitea-init failed", "no database gitea"],
    );
    assert_eq!(cause.releases[0].as_str(), "bp-gitea");
    let silent =
        World::kit().has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", message));
    one(&silent, CauseKind::HookFailed, &["BackoffLimitExceeded"]);
}

#[test]
fn row_06_a_job_that_failed_in_an_earlier_try_is_not_the_cause_of_now() {
    let failed = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]});
    let job = json!({"metadata": {"name": "gitea-init", "namespace": "gitea"}, "status": failed});
    let world = World::kit()
        .made("bp-gitea", "Job", "gitea", "gitea-init", Some("pre-upgrade"))
        .has("Job", job);
    assert!(world.causes().is_empty(), "{:#?}", world.causes());
    let at_work = world.pending("bp-gitea", "2026-01-01T00:00:00Z");
    one(&at_work, CauseKind::HookFailed, &["pre-upgrade hook gitea-init failed"]);
}

#[test]
fn row_06_what_was_done_about_a_failed_hook_is_not_the_cause() {
    let rolled_back =
        "Helm rollback to previous release gitea/gitea.v1 with chart bp-gitea@0.1.0 succeeded";
    let with = |failed: &str| {
        let mut release = helm_release("bp-gitea", &[], "RollbackSucceeded", rolled_back);
        let conditions = release["status"]["conditions"].as_array_mut().unwrap();
        conditions.push(json!({"type": "Released", "status": "False", "reason": "UpgradeFailed", "message": failed, "observedGeneration": 1}));
        World::kit().has("HelmRelease", release)
    };
    let hook = "Helm upgrade failed for release gitea/gitea with chart bp-gitea@0.1.61: pre-upgrade hooks failed: 1 error occurred:\n\t* job gitea-init failed: BackoffLimitExceeded\n\n";
    let words = ["pre-upgrade hook gitea-init failed", "BackoffLimitExceeded"];
    one(&with(hook), CauseKind::HookFailed, &words);
    let other =
        "Helm upgrade failed for release gitea/gitea with chart bp-gitea@0.1.61: cannot patch";
    one(&with(other), CauseKind::ReleaseFailed, &["release bp-gitea failed", "cannot patch"]);
}

#[test]
fn row_07_a_hook_that_waits() {
    let world = || {
        hook(json!({"active": 1, "startTime": "2026-01-01T00:00:00Z"}), running()).has(
            "HelmRelease",
            helm_release(
                "bp-gitea",
                &[],
                "Progressing",
                "Running 'install' action with timeout of 15m0s",
            ),
        )
    };
    let lines = "waiting for Secret gitea/database\n".repeat(3);
    let waits = world().log("gitea", "gitea-init-x1", "init", ("Job", "gitea-init"), &lines);
    one(
        &waits,
        CauseKind::HookWaits,
        &["hook gitea-init waits: waiting for Secret gitea/database", "since 2026-01-01", "15m"],
    );
    assert!(
        world().at("2026-01-01T00:00:05Z").causes().is_empty(),
        "a hook that has just begun is at work"
    );
    one(&world(), CauseKind::HookWaits, &["runs on and says nothing"]);
}

#[test]
fn row_08_a_hook_that_may_not() {
    let line = "Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:gitea:gitea-init\" cannot create resource \"secrets\" in API group \"\" in the namespace \"gitea\"\n";
    let world = hook(json!({"active": 1}), running()).log(
        "gitea",
        "gitea-init-x1",
        "init",
        ("Job", "gitea-init"),
        line,
    );
    let cause =
        one(&world, CauseKind::HookForbidden, &["hook gitea-init is forbidden to create secrets"]);
    assert!(cause.fix.contains("resources: [\"secrets\"], verbs: [\"create\"]"), "{}", cause.fix);
    let escaped = line.replace('"', "\\\"");
    let world = hook(json!({"active": 1}), running()).log(
        "gitea",
        "gitea-init-x1",
        "init",
        ("Job", "gitea-init"),
        &format!("{{\"message\":\"{}\"}}", escaped.trim()),
    );
    one(&world, CauseKind::HookForbidden, &["hook gitea-init is forbidden to create secrets"]);
}

fn chart(message: &str) -> World {
    let chart = json!({"metadata": {"name": "flux-system-bp-gitea", "namespace": "flux-system", "generation": 1},
        "spec": {"chart": "bp-gitea", "version": "9.9.9", "sourceRef": {"kind": "HelmRepository", "name": "bp-gitea"}},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ChartPullError", "message": message,
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let repository = json!({"metadata": {"name": "bp-gitea", "namespace": "flux-system", "generation": 1},
        "spec": {"type": "oci", "url": "oci://ghcr.io/openova-io"}});
    let waits = "HelmChart 'flux-system/flux-system-bp-gitea' is not ready: latest generation of object has not been reconciled";
    let mut release = helm_release("bp-gitea", &[], "SourceNotReady", waits);
    release["status"]["helmChart"] = json!("flux-system/flux-system-bp-gitea");
    World::kit()
        .has("HelmChart", chart)
        .has("HelmRepository", repository)
        .has("HelmRelease", release)
}

#[test]
fn row_09_a_chart_version_that_was_never_published() {
    let message = "chart pull error: failed to download chart for remote reference: failed to get 'oci://ghcr.io/openova-io/bp-gitea:9.9.9': failed to perform \"FetchReference\" on source: ghcr.io/openova-io/bp-gitea:9.9.9: not found";
    let cause = one(
        &chart(message),
        CauseKind::ChartNotFound,
        &["chart bp-gitea:9.9.9 not found in ghcr.io/openova-io"],
    );
    assert_eq!((cause.releases[0].as_str(), cause.waiting.len()), ("bp-gitea", 1));
    let refused = "chart pull error: failed to download chart for remote reference: GET \"https://ghcr.io/v2/\": response status code 401: unauthorized";
    one(&chart(refused), CauseKind::ChartRefused, &["refused by ghcr.io/openova-io (401)"]);
    let silent = "chart pull error: failed to get chart: dial tcp 10.210.0.1:443: connect: connection refused";
    one(&chart(silent), CauseKind::ChartUnreachable, &["ghcr.io/openova-io is unreachable"]);
}

#[test]
fn row_10_a_template_that_does_not_render() {
    let world = |message: &str| {
        World::kit().has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", message))
    };
    let message = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: template: bp-gitea/templates/statefulset.yaml:12:18: executing \"bp-gitea/templates/statefulset.yaml\" at <.Values.gitea.host.name>: can't evaluate field name in type interface {}";
    let words = [
        "chart bp-gitea template bp-gitea/templates/statefulset.yaml line 12",
        "can't evaluate field name",
    ];
    let cause = one(&world(message), CauseKind::ChartTemplateError, &words);
    assert!(cause.fix.contains("line 12"), "{}", cause.fix);
    let parse = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: parse error at (bp-gitea/templates/a.yaml:3): unclosed action";
    one(
        &world(parse),
        CauseKind::ChartTemplateError,
        &["bp-gitea/templates/a.yaml line 3", "unclosed action"],
    );
    let nested = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: execution error at (bp-gitea/templates/statefulset.yaml:7:4): gitea.host is required";
    one(
        &world(nested),
        CauseKind::ChartTemplateError,
        &["bp-gitea/templates/statefulset.yaml line 7", "gitea.host is required"],
    );
}

#[test]
fn row_11_values_that_the_schema_refuses() {
    let world = |complaint: &str| {
        let message = format!(
            "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: values don't meet the specifications of the schema(s) in the following chart(s):\nbp-gitea:\n- {complaint}\n"
        );
        World::kit().has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", &message))
    };
    one(
        &world("at '/gitea/host': got number, want string"),
        CauseKind::ChartValuesRefused,
        &["value gitea.host of bp-gitea is refused: got number, want string"],
    );
    one(
        &world("gitea.host: Invalid type. Expected: string, given: integer"),
        CauseKind::ChartValuesRefused,
        &["gitea.host", "Expected: string"],
    );
}

#[test]
fn row_12_a_secret_that_nobody_makes() {
    let container = |reason: &str, message: &str| json!([{"name": "gitea", "image": "x", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}]);
    let with_env = |states: Value| {
        let mut pod = pod("gitea", "gitea-0", ("StatefulSet", "gitea"), states);
        pod["spec"]["containers"] = json!([{"name": "gitea", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}]);
        World::kit().has("Pod", pod)
    };
    let world = with_env(container("CreateContainerConfigError", "secret \"db\" not found"));
    one(
        &world,
        CauseKind::ReferenceMissing,
        &["Pod gitea/gitea-0 waits for Secret db key password", "namespace gitea"],
    );
    let world = with_env(container(
        "CreateContainerConfigError",
        "couldn't find key password in Secret gitea/db",
    ));
    one(&world, CauseKind::ReferenceMissing, &["Secret db key password"]);
    let mount = "MountVolume.SetUp failed for volume \"tls\" : secret \"gitea-tls\" not found";
    let world = with_env(container("ContainerCreating", ""))
        .has("Event", warning(("Pod", "gitea", "gitea-0"), "FailedMount", mount, 3));
    one(&world, CauseKind::ReferenceMissing, &["Secret gitea-tls"]);
    let mount =
        "MountVolume.SetUp failed for volume \"files\" : configmap \"gitea-files\" not found";
    let world = with_env(container("ContainerCreating", ""))
        .has("Event", warning(("Pod", "gitea", "gitea-0"), "FailedMount", mount, 3));
    one(&world, CauseKind::ReferenceMissing, &["ConfigMap gitea-files"]);
}

#[test]
fn row_13_a_container_that_crashes() {
    let last = json!({"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T00:00:05Z"}});
    let states = json!([{"name": "gitea", "image": "x", "ready": false, "restartCount": 2, "lastState": last,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}}]);
    let world = World::kit().has("Pod", pod("gitea", "gitea-0", ("StatefulSet", "gitea"), states));
    one(
        &world,
        CauseKind::ContainerCrashes,
        &["container gitea of StatefulSet gitea/gitea exits with 3"],
    );
    let told = world.log(
        "gitea",
        "gitea-0",
        "gitea",
        ("StatefulSet", "gitea"),
        "starting\nno space left on device\n",
    );
    one(&told, CauseKind::ContainerCrashes, &["exits with 3: no space left on device"]);
}

#[test]
fn row_14_a_probe_that_is_never_answered() {
    let mut pod = pod(
        "gitea",
        "gitea-0",
        ("StatefulSet", "gitea"),
        json!([{"name": "gitea", "image": "x", "ready": false,
        "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]),
    );
    pod["spec"]["containers"] =
        json!([{"name": "gitea", "readinessProbe": {"httpGet": {"path": "/nope", "port": 3000}}}]);
    let event = |count| {
        warning(
            ("Pod", "gitea", "gitea-0"),
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 404",
            count,
        )
    };
    let world = World::kit().has("Pod", pod);
    one(
        &world.clone().has("Event", event(3)),
        CauseKind::ProbeFails,
        &["readiness probe GET :3000/nope", "statuscode: 404"],
    );
    assert!(world.has("Event", event(1)).causes().is_empty(), "one failure is a start");
}

#[test]
fn row_15_a_dependency_that_does_not_exist() {
    let world = World::kit()
        .has(
            "HelmRelease",
            helm_release(
                "bp-gitea",
                &["bp-reflectr"],
                "DependencyNotReady",
                "dependency 'flux-system/bp-reflectr' is not ready",
            ),
        )
        .has("HelmRelease", helm_release("bp-reflector", &[], "", ""));
    let cause = one(
        &world,
        CauseKind::DependencyMissing,
        &["bp-gitea waits for bp-reflectr, which does not exist"],
    );
    assert!(cause.fix.contains("`bp-reflector`"), "{}", cause.fix);
    assert_eq!(cause.waiting.len(), 1);
}

#[test]
fn row_16_releases_that_wait_for_each_other() {
    let waits = |name: &str, on: &str| {
        helm_release(name, &[on], "DependencyNotReady", "dependency is not ready")
    };
    let world = World::kit()
        .has("HelmRelease", waits("bp-gitea", "bp-catalyst-platform"))
        .has("HelmRelease", waits("bp-catalyst-platform", "bp-gitea"));
    let cause = one(
        &world,
        CauseKind::DependencyCycle,
        &["bp-catalyst-platform → bp-gitea → bp-catalyst-platform"],
    );
    assert!(
        cause.fix.contains("`bp-catalyst-platform` in `dependsOn` of bp-gitea"),
        "{}",
        cause.fix
    );
}

#[test]
fn row_17_a_kind_before_its_definition() {
    let message = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"db\" namespace: \"gitea\" from \"\": no matches for kind \"Cluster\" in version \"postgresql.cnpg.io/v1\"\nensure CRDs are installed first";
    let world =
        World::kit().has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", message));
    let cause = one(
        &world,
        CauseKind::KindUnknown,
        &["kind Cluster (postgresql.cnpg.io/v1), which bp-gitea uses"],
    );
    assert!(cause.fix.contains("postgresql.cnpg.io"), "{}", cause.fix);
}

fn kustomization(reason: &str, message: &str) -> World {
    let object = json!({"metadata": {"name": "bootstrap-kit", "namespace": "flux-system", "generation": 1},
        "spec": {"path": "./clusters/_template", "sourceRef": {"kind": "GitRepository", "name": "openova"}},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": message, "observedGeneration": 1}]}});
    World::kit().has("Kustomization", object)
}

#[test]
fn row_18_a_kustomization_that_does_not_build() {
    let message = "kustomize build failed: accumulating resources: accumulation err='accumulating resources from '10-gitea.yaml': MalformedYAMLError: yaml: line 12: could not find expected ':' in File: 10-gitea.yaml': must build at directory: not a valid directory";
    let cause = one(
        &kustomization("BuildFailed", message),
        CauseKind::KustomizationFailed,
        &["Kustomization bootstrap-kit", "file 10-gitea.yaml line 12"],
    );
    assert_eq!(cause.waiting.len(), 3, "everything waits for it");
    let waits = kustomization("ArtifactFailed", "Source artifact not found, retrying in 30s");
    assert!(waits.causes().is_empty(), "who waits for a source is not the cause");
}

#[test]
fn row_19_a_variable_without_a_value() {
    let message = "post build failed for 'bp-gitea': envsubst error: variable not set (strict mode): \"SOVEREIGN_FQDN\"";
    one(
        &kustomization("BuildFailed", message),
        CauseKind::VariableUndefined,
        &["variable SOVEREIGN_FQDN is undefined in bp-gitea"],
    );
}

#[test]
fn row_20_a_source_that_cannot_be_fetched() {
    let source = |message: &str| {
        World::kit().has("GitRepository", json!({"metadata": {"name": "openova", "namespace": "flux-system", "generation": 1},
            "spec": {"url": "https://bot:s3cret@github.com/openova-io/openova", "ref": {"branch": "mian"}},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "GitOperationFailed", "message": message,
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}))
    };
    for (message, words) in [
        (
            "failed to checkout and determine revision: unable to clone 'https://github.com/openova-io/openova': couldn't find remote ref \"refs/heads/mian\"",
            "branch mian does not exist",
        ),
        (
            "failed to checkout and determine revision: unable to clone 'https://bot:s3cret@github.com/x': authentication required: Unauthorized",
            "refuses the credentials",
        ),
        (
            "failed to checkout and determine revision: unable to list remote for 'https://github.com/x': Get \"https://github.com/x\": dial tcp: lookup github.com on 10.96.0.10:53: no such host",
            "is unreachable, its name does not resolve",
        ),
    ] {
        let cause = one(
            &source(message),
            CauseKind::SourceUnavailable,
            &["source openova cannot be fetched", words],
        );
        assert!(!format!("{cause:?}").contains("s3cret"), "{cause:?}");
    }
}

#[test]
fn row_21_a_release_that_a_dead_controller_left() {
    let world = |running| {
        World::kit().pending("bp-gitea", "2026-01-01T00:00:00Z").controller(
            "helm-controller",
            running,
            true,
            1,
        )
    };
    one(
        &world(Some("2026-01-01T00:10:00Z")),
        CauseKind::ReleaseStuck,
        &["release bp-gitea is stuck in pending-install since 2026-01-01"],
    );
    assert!(world(Some("2025-12-31T00:00:00Z")).causes().is_empty(), "its controller is at work");
}

#[test]
fn row_22_a_node_that_is_not_ready() {
    let message = "Kubelet stopped posting node status.";
    let node = json!({"metadata": {"name": "sov1"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown",
        "reason": "NodeStatusUnknown", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let taint = unscheduled(
        "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.",
    );
    let world = World::kit().has("Node", node).has("Pod", taint);
    let cause = one(&world, CauseKind::NodeNotReady, &["node sov1 is not ready", message]);
    assert_eq!(cause.since, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(cause.waiting.len(), 3);
}

#[test]
fn row_25_a_controller_that_does_not_run() {
    let world = World::kit().controller("helm-controller", None, false, 0);
    one(
        &world,
        CauseKind::ControllerDown,
        &["controller helm-controller is down", "does not exist", "no release is installed"],
    );
    let world = World::kit().controller("kustomize-controller", None, true, 0);
    one(&world, CauseKind::ControllerDown, &["scaled to zero", "nothing of the kit is applied"]);
    let states = json!([{"name": "manager", "image": "x", "ready": false, "restartCount": 4,
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    let world = World::kit().controller("source-controller", None, true, 1).has(
        "Pod",
        pod("flux-system", "source-controller-7f9-x", ("Deployment", "source-controller"), states),
    );
    one(
        &world,
        CauseKind::ControllerDown,
        &["source-controller is down (it exits with 1 again and again)"],
    );
}

#[test]
fn two_independent_causes_are_both_named_and_what_more_waits_for_stands_first() {
    let world = gitea_waits_for_its_image(&format!("{IMAGE}: not found")).has(
        "HelmRelease",
        helm_release(
            "bp-reflector",
            &["bp-absent"],
            "DependencyNotReady",
            "dependency 'flux-system/bp-absent' is not ready",
        ),
    );
    let causes = world.causes();
    let kinds: Vec<_> = causes.iter().map(|cause| cause.kind).collect();
    assert_eq!(kinds, [CauseKind::DependencyMissing, CauseKind::ImageNotFound]);
    assert_eq!(causes[0].waiting.len(), 2);
}

#[test]
fn what_cannot_be_read_is_said_and_stands_last() {
    let world = World::kit().unreadable("Event", "events is forbidden");
    let cause = one(
        &world,
        CauseKind::EvidenceUnreadable,
        &["Event objects cannot be read: events is forbidden"],
    );
    assert!(cause.releases.is_empty());
    let both = gitea_waits_for_its_image(&format!("{IMAGE}: not found")).unreadable("Node", "no");
    assert_eq!(both.causes().last().unwrap().kind, CauseKind::EvidenceUnreadable);
}

#[test]
fn what_is_well_and_what_only_waits_have_no_cause() {
    let waits = "dependency 'flux-system/bp-gitea' is not ready";
    let world = World::kit()
        .has(
            "HelmRelease",
            helm_release(
                "bp-gitea",
                &["bp-reflector"],
                "Progressing",
                "Running 'install' action with timeout of 15m0s",
            ),
        )
        .has(
            "HelmRelease",
            helm_release("bp-catalyst-platform", &["bp-gitea"], "DependencyNotReady", waits),
        )
        .has(
            "Pod",
            pod(
                "gitea",
                "gitea-0",
                ("StatefulSet", "gitea"),
                json!([{"name": "gitea", "image": "x", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]),
            ),
        );
    assert!(world.causes().is_empty(), "{:#?}", world.causes());
}

#[test]
fn a_failure_without_a_better_name_is_told_in_the_controllers_words() {
    let message = "Helm install failed for release gitea/gitea with chart bp-gitea@0.1.0: cannot re-use a name that is still in use";
    let world =
        World::kit().has("HelmRelease", helm_release("bp-gitea", &[], "InstallFailed", message));
    one(&world, CauseKind::ReleaseFailed, &["release bp-gitea failed", "cannot re-use a name"]);
}

#[test]
fn pods_that_are_refused_name_why() {
    let message = "Error creating: pods \"gitea-7f9-\" is forbidden: error looking up service account gitea/gitea: serviceaccount \"gitea\" not found";
    let world = World::kit()
        .has("Event", warning(("ReplicaSet", "gitea", "gitea-7f9"), "FailedCreate", message, 4));
    one(
        &world,
        CauseKind::PodsRefused,
        &["Pods of Deployment gitea/gitea are refused", "serviceaccount \"gitea\" not found"],
    );
}
