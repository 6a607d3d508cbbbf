//! Declared knowledge: the Secrets and ConfigMaps that operators make of other objects.

use super::Generated;
use crate::object::Object;
use crate::yaml::Node;

/// What an operator makes of an object.
struct Known {
    group: &'static str,
    kind: &'static str,
    /// The member that holds the name; empty: the object's own name.
    member: &'static str,
    /// What stands behind the name.
    after: &'static str,
    makes: &'static str,
    /// Empty: not known.
    keys: &'static [&'static str],
}

const fn secret(
    group: &'static str,
    kind: &'static str,
    member: &'static str,
    after: &'static str,
    keys: &'static [&'static str],
) -> Known {
    Known { group, kind, member, after, makes: "Secret", keys }
}

const TABLE: &[Known] = &[
    secret(
        "cert-manager.io",
        "Certificate",
        "spec/secretName",
        "",
        &["tls.crt", "tls.key", "ca.crt"],
    ),
    secret("postgresql.cnpg.io", "Cluster", "", "-app", &[]),
    secret("postgresql.cnpg.io", "Cluster", "", "-superuser", &[]),
    secret("postgresql.cnpg.io", "Cluster", "", "-ca", &["ca.crt", "ca.key"]),
    secret("postgresql.cnpg.io", "Cluster", "", "-server", &["tls.crt", "tls.key"]),
    secret("postgresql.cnpg.io", "Cluster", "", "-replication", &["tls.crt", "tls.key"]),
    secret("kafka.strimzi.io", "KafkaUser", "", "", &[]),
    secret("kafka.strimzi.io", "Kafka", "", "-cluster-ca-cert", &[]),
    secret("kafka.strimzi.io", "Kafka", "", "-clients-ca-cert", &[]),
    secret("rabbitmq.com", "RabbitmqCluster", "", "-default-user", &[]),
    secret("elasticsearch.k8s.elastic.co", "Elasticsearch", "", "-es-elastic-user", &["elastic"]),
    secret("elasticsearch.k8s.elastic.co", "Elasticsearch", "", "-es-http-certs-public", &[]),
    secret("k8s.keycloak.org", "Keycloak", "", "-initial-admin", &["username", "password"]),
    secret("secrets.hashicorp.com", "VaultStaticSecret", "spec/destination/name", "", &[]),
    secret("secrets.hashicorp.com", "VaultDynamicSecret", "spec/destination/name", "", &[]),
    secret("onepassword.com", "OnePasswordItem", "", "", &[]),
    secret("objectbucket.io", "ObjectBucketClaim", "", "", &[]),
    Known { makes: "ConfigMap", ..secret("objectbucket.io", "ObjectBucketClaim", "", "", &[]) },
];

/// Members of custom objects that name a Secret which the object's controller makes: cert-manager's
/// account keys, and the connection of whatever Crossplane or a database operator provisions.
const NAMED: &[&str] = &[
    "spec/acme/privateKeySecretRef/name",
    "spec/writeConnectionSecretToRef/name",
    "spec/writeConnectionSecretToReference/name",
];

/// Names and forms of what is made of an object.
pub(super) fn made_of(object: &Object) -> Vec<(String, Generated<'_>)> {
    let mut all = Vec::new();
    let mut add =
        |name: &str, kind: &'static str, namespace: Option<&str>, keys: Option<Vec<String>>| {
            let namespace = namespace.map(str::to_owned);
            all.push((name.to_owned(), Generated { object, kind, namespace, keys }));
        };
    let own = object.namespace.as_deref();
    for known in TABLE.iter().filter(|known| object.is(known.group, known.kind)) {
        let stated = object.node.str_at(known.member).filter(|_| !known.member.is_empty());
        let base = if known.member.is_empty() { Some(object.name.as_str()) } else { stated };
        let Some(base) = base else { continue };
        let keys: Vec<String> = known.keys.iter().map(|key| (*key).to_owned()).collect();
        let keys = Some(keys).filter(|keys| !keys.is_empty());
        add(&format!("{base}{}", known.after), known.makes, own, keys);
    }
    let is_custom = object.group().contains('.');
    for path in NAMED.iter().filter(|_| is_custom) {
        let Some(name) = object.node.str_at(path) else { continue };
        let beside = path.rsplit_once('/').map_or("", |(above, _)| above);
        let namespace = object.node.at(beside).and_then(|above| above.str_at("namespace"));
        // A ClusterIssuer keeps its key where its controller runs.
        add(name, "Secret", namespace.or(own), None);
    }
    match (object.group(), object.kind.as_str()) {
        ("external-secrets.io", "ExternalSecret") => {
            let (name, keys) = external(object.node.get("spec"), &object.name);
            add(name, "Secret", own, keys);
        }
        ("external-secrets.io", "ClusterExternalSecret") => {
            let stated = object.node.str_at("spec/externalSecretName").unwrap_or(&object.name);
            let (name, keys) = external(object.node.at("spec/externalSecretSpec"), stated);
            add(name, "Secret", None, keys);
        }
        ("bitnami.com", "SealedSecret") => {
            let data = object.node.at("spec/encryptedData").map(Node::entries).unwrap_or_default();
            let plain = object.node.at("spec/template/data").map(Node::entries).unwrap_or_default();
            let keys = data.iter().chain(plain).map(|entry| entry.name().to_owned());
            add(&object.name, "Secret", own, Some(keys.collect()));
        }
        ("trust.cert-manager.io", "Bundle") => {
            let target = |part: &str| {
                object.node.str_at(&format!("spec/target/{part}/key")).map(str::to_owned)
            };
            for (part, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
                if let Some(key) = target(part) {
                    add(&object.name, kind, None, Some(vec![key]));
                }
            }
        }
        ("networking.k8s.io", "Ingress") if asks_for_certificate(object) => {
            for name in
                object.node.items_at("spec/tls").iter().filter_map(|tls| tls.str_at("secretName"))
            {
                add(name, "Secret", own, None);
            }
        }
        ("gateway.networking.k8s.io", "Gateway") if asks_for_certificate(object) => {
            for listener in object.node.items_at("spec/listeners") {
                for name in listener
                    .items_at("tls/certificateRefs")
                    .iter()
                    .filter_map(|one| one.str_at("name"))
                {
                    add(name, "Secret", own, None);
                }
            }
        }
        ("kyverno.io", "ClusterPolicy" | "Policy") => {
            for rule in object.node.items_at("spec/rules") {
                let made = rule.get("generate").and_then(|generate| {
                    Some((generate.str_at("kind")?, generate.str_at("name")?))
                });
                match made {
                    Some(("Secret", name)) => add(name, "Secret", None, None),
                    Some(("ConfigMap", name)) => add(name, "ConfigMap", None, None),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    all
}

/// Whether cert-manager makes the Secrets that the object names.
fn asks_for_certificate(object: &Object) -> bool {
    ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme"]
        .iter()
        .any(|name| object.annotation(name).is_some())
}

/// Name and keys of what an ExternalSecret makes.
fn external<'a>(spec: Option<&'a Node>, name: &'a str) -> (&'a str, Option<Vec<String>>) {
    let Some(spec) = spec else { return (name, None) };
    let target = spec.str_at("target/name").unwrap_or(name);
    if !spec.items_at("dataFrom").is_empty() || spec.at("target/template/templateFrom").is_some() {
        return (target, None);
    }
    let template = spec.at("target/template/data").map(Node::entries).unwrap_or_default();
    if !template.is_empty() && spec.str_at("target/template/mergePolicy") != Some("Merge") {
        return (target, Some(template.iter().map(|entry| entry.name().to_owned()).collect()));
    }
    let data = spec.items_at("data").iter().filter_map(|one| one.str_at("secretKey"));
    let keys = data.chain(template.iter().map(|entry| entry.name())).map(str::to_owned);
    (target, Some(keys.collect()))
}
