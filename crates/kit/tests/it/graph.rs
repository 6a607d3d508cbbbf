//! The derived graph: every sort of evidence, and what the declared order makes of it.

use std::time::Duration;

use catalyst_kit::DerivedGraph;
use catalyst_kit::graph::{EdgeState, draw};

use crate::kit::{Kit, THINGS, after};
use crate::renderer::renderer;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n";
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {ports: [{port: 80}]}\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {host: http://api.maker.svc:80/}\n";

/// The graph as `from → to`, with what is needed, and the state.
fn told(graph: &DerivedGraph) -> Vec<String> {
    let name = |at: usize| graph.releases[at].name.as_str();
    let edges = graph.derived.iter().map(|edge| {
        let what: Vec<&str> = edge.evidence.iter().map(|one| one.what.as_str()).collect();
        let state = match &edge.state {
            EdgeState::Declared => "declared".to_owned(),
            EdgeState::Missing(fix) => fix.to_string(),
            EdgeState::ComesWith(at) => format!("comes with {}", name(*at)),
            EdgeState::Reversed => "reversed".to_owned(),
            EdgeState::Mutual => "mutual".to_owned(),
        };
        format!("{} → {}: {}; {state}", name(edge.from), name(edge.to), what.join(", "))
    });
    edges.collect()
}

#[tokio::test]
async fn every_sort_of_need_is_an_edge_with_both_places() {
    let object = |api: &str, kind: &str, rest: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\n{rest}")
    };
    let thing = object("example.test/v1", "Thing", "");
    let secret = object("v1", "Secret", "");
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i, args: [kubectl create secret generic minted -n user]}]}}}\n";
    let elsewhere = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: far}\n";
    let far = "apiVersion: v1\nkind: Namespace\nmetadata: {name: far}\n";
    let webhook = "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: w}\nwebhooks:\n- {name: things.w, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {url: 'https://w'}, rules: [{apiGroups: [example.test], apiVersions: [v1], operations: [CREATE], resources: [things]}]}\n";
    let cluster = format!(
        "{}---\n{}",
        THINGS
            .replace("things.example.test", "clusters.postgresql.cnpg.io")
            .replace("group: example.test", "group: postgresql.cnpg.io")
            .replace("kind: Thing, plural: things", "kind: Cluster, plural: clusters"),
        "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: db, namespace: user}\n"
    );
    let class = |group: &str, kind: &str, rest: &str| {
        format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: fast}}\n{rest}")
    };
    let env = |name: &str| {
        format!(
            "{POD}  containers: [{{name: c, image: i, env: [{{name: A, valueFrom: {{secretKeyRef: {{name: {name}, key: k}}}}}}]}}]\n"
        )
    };
    let in_user =
        |text: &str| text.replace("metadata: {name: a}", "metadata: {name: a, namespace: user}");
    let claim = object(
        "v1",
        "PersistentVolumeClaim",
        "spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n",
    );
    let ingress = object(
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {ingressClassName: fast, defaultBackend: {service: {name: x, port: {number: 1}}}}\n",
    );
    let cases: Vec<(&str, String, String, &str)> = vec![
        ("a kind", THINGS.to_owned(), thing.clone(), "the kind Thing.example.test"),
        ("a webhook", format!("{THINGS}{webhook}"), thing, "the kind Thing.example.test, webhook things.w"),
        ("a namespace", far.to_owned(), elsewhere.to_owned(), "Namespace far"),
        ("a Secret", in_user(&secret), env("a"), "Secret user/a"),
        ("a Secret of a Job", job.to_owned(), env("minted"), "Secret user/minted"),
        ("a Secret of an operator", cluster, env("db-app"), "Secret user/db-app"),
        ("a pull secret", in_user(&secret), format!("{POD}  imagePullSecrets: [{{name: a}}]\n  containers: [{{name: c, image: i}}]\n"), "Secret user/a"),
        ("a Service", SERVICE.to_owned(), CONFIG.to_owned(), "Service maker/api"),
        ("a storage class", class("storage.k8s.io", "StorageClass", "provisioner: p\n"), claim, "StorageClass fast"),
        ("an ingress class", class("networking.k8s.io", "IngressClass", "spec: {controller: c}\n"), ingress, "IngressClass fast"),
        ("a look-up", in_user(&secret), "{{ $s := lookup \"v1\" \"Secret\" \"user\" \"a\" }}\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n".to_owned(), "Secret user/a"),
    ];
    let renderer = renderer().await;
    for (name, made, used, what) in cases {
        let kit = Kit::new();
        kit.release("maker", "", &made).release("user", "", &used);
        let graph = DerivedGraph::of(&kit.facts(&renderer).await);
        let fix = "add `dependsOn: [{name: maker}]` to `spec` in user.yaml";
        assert_eq!(told(&graph), [format!("user → maker: {what}; {fix}")], "{name}");
        for one in &graph.derived[0].evidence {
            assert!(one.provider.file.starts_with("charts/maker/"), "{name}: {}", one.provider);
            let is_there =
                one.consumer.file.starts_with("charts/user/") || &*one.consumer.file == "user.yaml";
            assert!(is_there && one.consumer.line > 0 && one.provider.line > 0, "{name}: {one:?}");
        }
        assert!(!graph.is_clean(), "{name}");
        // With the edge declared, nothing is left to say.
        kit.release("user", &after(&["maker"]), &used);
        let graph = DerivedGraph::of(&kit.facts(&renderer).await);
        assert_eq!(told(&graph), [format!("user → maker: {what}; declared")], "{name}");
        assert!(graph.is_clean() && graph.declared[0].has_evidence, "{name}");
    }
}

#[tokio::test]
async fn what_is_there_anyway_is_no_edge() {
    let own =
        format!("{THINGS}---\napiVersion: example.test/v1\nkind: Thing\nmetadata: {{name: a}}\n");
    let given = "given:\n- {apiVersion: v1, kind: Secret, metadata: {name: s, namespace: user}}\n";
    let pod = format!(
        "{POD}  containers: [{{name: c, image: i, envFrom: [{{secretRef: {{name: s}}}}]}}]\n"
    );
    let optional = pod.replace("name: s}", "name: s, optional: true}");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: user}\n";
    let renderer = renderer().await;
    for (name, settings, made, used) in [
        ("given", given, secret, pod.as_str()),
        ("optional", "", secret, optional.as_str()),
        ("its own", "", THINGS, own.as_str()),
        ("nobody's", "", "", CONFIG),
        (
            "built in",
            "",
            "",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: kube-system}\n",
        ),
    ] {
        let kit = Kit::new();
        kit.write("catalyst-kit.yaml", settings);
        kit.release("maker", "", made).release("user", "", used);
        let graph = DerivedGraph::of(&kit.facts(&renderer).await);
        assert_eq!(told(&graph), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn an_edge_may_lead_through_others_and_one_addition_carries_the_next() {
    let thing = "apiVersion: example.test/v1\nkind: Thing\nmetadata: {name: a}\n";
    let kit = Kit::new();
    kit.release("crds", "", THINGS).release("api", &after(&["crds"]), SERVICE);
    kit.release("through", &after(&["api"]), thing);
    let both = format!("{thing}---\n{}", CONFIG.replace("api.maker", "api.api"));
    kit.release("neither", "", &both);
    let graph = DerivedGraph::of(&kit.facts(&renderer().await).await);
    assert_eq!(
        told(&graph),
        [
            "neither → api: Service api/api; add `dependsOn: [{name: api}]` to `spec` in neither.yaml",
            "neither → crds: the kind Thing.example.test; comes with api",
            "through → crds: the kind Thing.example.test; declared",
        ]
    );
    // It is needed for what only it leads to; `api → crds` is for nothing that files tell.
    let bare: Vec<_> = graph.declared.iter().filter(|edge| !edge.has_evidence).collect();
    assert_eq!(bare.len(), 1);
    assert_eq!(graph.releases[bare[0].from].name, "api");
    assert_eq!(graph.missing().count(), 1);
}

#[tokio::test]
async fn the_fix_names_the_list_that_is_there() {
    let kit = Kit::new();
    kit.release("other", "", "").release("maker", "", SERVICE);
    kit.release("user", &after(&["other"]), CONFIG);
    let graph = DerivedGraph::of(&kit.facts(&renderer().await).await);
    let (_, fix) = graph.missing().next().unwrap();
    assert_eq!(fix.to_string(), "add `- name: maker` to `dependsOn` in user.yaml:5");
}

#[tokio::test]
async fn a_need_against_the_declared_order_is_an_error_only_before_anything_runs() {
    let renderer = renderer().await;
    let thing = "apiVersion: example.test/v1\nkind: Thing\nmetadata: {name: a}\n";
    for (made, used, wanted, is_clean) in [
        (SERVICE, CONFIG, "Service maker/api; mutual", true),
        (THINGS, thing, "the kind Thing.example.test; reversed", false),
    ] {
        let kit = Kit::new();
        kit.release("maker", &after(&["user"]), made).release("user", "", used);
        let graph = DerivedGraph::of(&kit.facts(&renderer).await);
        assert_eq!(told(&graph), [format!("user → maker: {wanted}")]);
        assert_eq!(graph.is_clean(), is_clean);
        let cycles: Vec<String> = graph.cycles.iter().map(|cycle| graph.circle(cycle)).collect();
        if is_clean {
            assert_eq!(cycles, Vec::<String>::new());
        } else {
            let way = "releases wait for or need each other in a circle: maker → user → maker";
            assert_eq!(cycles, [way]);
        }
    }
}

#[tokio::test]
async fn a_circle_is_told_with_its_whole_way_and_has_no_part_in_the_longest_chain() {
    let kit = Kit::new();
    for (name, edges, timeout) in [
        ("a", vec!["c"], "15m"),
        ("b", vec!["a"], "15m"),
        ("c", vec!["b"], "15m"),
        ("first", vec![], "5m"),
        ("long", vec!["first"], "30m"),
        ("short", vec!["first", "nowhere"], "1m"),
        ("last", vec!["short", "long"], "10m"),
    ] {
        let spec = format!(
            "{}  timeout: {timeout}\n  install: {{remediation: {{retries: 1}}}}\n",
            after(&edges)
        );
        kit.release(name, &spec, "");
    }
    let graph = DerivedGraph::of(&kit.facts(&renderer().await).await);
    let cycles: Vec<String> = graph.cycles.iter().map(|cycle| graph.circle(cycle)).collect();
    assert_eq!(cycles, ["releases wait in a circle: a → c → b → a"]);
    let path: Vec<&str> =
        graph.critical.path.iter().map(|at| graph.releases[*at].name.as_str()).collect();
    assert_eq!(path, ["first", "long", "last"]);
    assert_eq!(graph.critical.timeout, Duration::from_secs(45 * 60));
    assert_eq!(graph.critical.with_retries, Some(Duration::from_secs(90 * 60)));
    assert_eq!(graph.unknown.len(), 1);
    let text = draw::text(&graph);
    for line in [
        "✕ short waits for nowhere, which is not in the kit",
        "✕ releases wait in a circle: a → c → b → a",
        "longest chain: first → long → last",
        "  may take 45m, 1h30m with every retry",
    ] {
        assert!(text.lines().any(|one| one.starts_with(line)), "{line}:\n{text}");
    }
}

#[tokio::test]
async fn two_clusters_of_one_tree_do_not_serve_each_other() {
    let kit = Kit::new();
    kit.release("maker", "", SERVICE).release("user", "", CONFIG);
    for (folder, files) in [("one", vec!["maker", "user"]), ("two", vec!["user"])] {
        let mut list = "resources:\n".to_owned();
        for name in files {
            let text = kit.read(&format!("{name}.yaml"));
            kit.write(&format!("{folder}/{name}.yaml"), &text);
            list.push_str(&format!("  - {name}.yaml\n"));
        }
        kit.write(&format!("{folder}/kustomization.yaml"), &list);
    }
    let graph = DerivedGraph::of(&kit.facts(&renderer().await).await);
    let told = told(&graph);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].ends_with("in one/user.yaml"), "{told:#?}");
}
