//! Services that no manifest holds: Kubernetes' own, and those that operators make of their objects.

use super::names::Name;
use crate::facts::Facts;

/// In every cluster.
const CLUSTER: [(&str, &str); 2] = [("default", "kubernetes"), ("kube-system", "kube-dns")];

/// Group and kind of an object, and how its operator names the Services it makes; `*` stands for the
/// object's name.
const OPERATORS: &[(&str, &str, &[&str])] = &[
    ("postgresql.cnpg.io", "Cluster", &["*-rw", "*-ro", "*-r"]),
    ("postgresql.cnpg.io", "Pooler", &["*"]),
    ("monitoring.coreos.com", "Prometheus", &["prometheus-operated"]),
    ("monitoring.coreos.com", "Alertmanager", &["alertmanager-operated"]),
    ("monitoring.coreos.com", "ThanosRuler", &["thanos-ruler-operated"]),
    ("minio.min.io", "Tenant", &["minio", "*-hl", "*-console"]),
    ("k8s.keycloak.org", "Keycloak", &["*-service", "*-discovery"]),
    ("redis.redis.opstreelabs.in", "Redis", &["*", "*-headless"]),
    ("rabbitmq.com", "RabbitmqCluster", &["*", "*-nodes"]),
    ("kafka.strimzi.io", "Kafka", &["*-kafka-bootstrap", "*-kafka-brokers"]),
    ("elasticsearch.k8s.elastic.co", "Elasticsearch", &["*-es-http", "*-es-transport"]),
    ("opentelemetry.io", "OpenTelemetryCollector", &["*-collector", "*-collector-headless"]),
    ("serving.knative.dev", "Service", &["*"]),
];

/// Whether a Service of that name is there without a manifest.
pub(super) fn is_made_elsewhere(facts: &Facts, name: &Name<'_>) -> bool {
    if CLUSTER.contains(&(name.namespace, name.service)) {
        return true;
    }
    OPERATORS.iter().any(|(group, kind, patterns)| {
        let here = facts.of_kind(group, kind);
        // Where the kind is not defined here, its objects may have no namespace yet.
        let is_near = |own: &str| own == name.namespace;
        let mut here = here.filter(|object| object.namespace.as_deref().is_none_or(is_near));
        here.any(|object| {
            patterns.iter().any(|made| made.replace('*', &object.name) == name.service)
        })
    })
}
