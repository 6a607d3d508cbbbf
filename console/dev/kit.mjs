// The kits the recorded runs install: the sandbox profile, and a full one of 55 for the picture's sake.

/** name, slot, version, needs, seconds to install, workloads */
const rows = (list) =>
  list.map(([component, slot, version, needs, seconds, ...workloads]) => ({
    name: `bp-${component}`,
    component,
    slot,
    version,
    dependsOn: needs.map((n) => `bp-${n}`),
    seconds,
    workloads: workloads.map((w) => {
      const [kind, namespace, name, desired = "1"] = w.split("/");
      return { kind, namespace, name, desired: Number(desired) };
    }),
  }));

export const sandboxKit = rows([
  ["reflector", "05a", "1.0.0", [], 6, "Deployment/reflector/reflector"],
  ["gitea", "10", "1.2.3", ["reflector"], 17, "Deployment/gitea/gitea"],
  ["powerdns", "11", "1.1.3", ["reflector"], 12, "StatefulSet/powerdns/powerdns"],
  ["harbor", "19", "1.0.2", ["reflector"], 9, "Deployment/harbor/registry"],
  [
    "catalyst-platform",
    "13",
    "1.4.140",
    ["gitea", "harbor"],
    14,
    "Deployment/catalyst-system/catalyst-api",
    "Job/catalyst-system/gitea-token-mint",
  ],
]);

const full = [
  ["cilium", "01", "1.1.1", []],
  ["cert-manager", "02", "1.1.1", ["cilium"]],
  ["flux", "03", "1.1.2", ["cert-manager"]],
  ["crossplane", "04", "1.1.3", ["flux"]],
  ["sealed-secrets", "05", "1.1.1", ["cert-manager"]],
  ["reflector", "05a", "1.0.0", ["cert-manager"]],
  ["spire", "06", "1.1.4", ["cert-manager"]],
  ["nats-jetstream", "07", "1.1.1", ["spire"]],
  ["openbao", "08", "1.1.1", ["spire"]],
  ["keycloak", "09", "1.1.2", ["cert-manager", "cnpg"]],
  ["gitea", "10", "1.1.2", ["keycloak"]],
  ["powerdns", "11", "1.1.3", ["cert-manager", "cnpg"]],
  ["external-dns", "12", "1.1.2", ["cert-manager", "powerdns"]],
  ["catalyst-platform", "13", "1.4.140", ["gitea"]],
  ["crossplane-claims", "14", "1.0.0", ["crossplane"]],
  ["external-secrets", "15", "1.0.1", ["openbao", "cert-manager"]],
  ["cnpg", "16", "1.0.0", ["flux"]],
  ["valkey", "17", "1.0.0", ["flux"]],
  ["seaweedfs", "18", "1.0.1", ["flux", "cert-manager"]],
  ["harbor", "19", "1.0.0", ["cnpg", "seaweedfs", "cert-manager"]],
  ["opentelemetry", "20", "1.0.0", ["cert-manager"]],
  ["alloy", "21", "1.0.0", ["opentelemetry"]],
  ["loki", "22", "1.0.0", ["seaweedfs"]],
  ["mimir", "23", "1.0.0", ["seaweedfs"]],
  ["tempo", "24", "1.0.0", ["seaweedfs"]],
  ["grafana", "25", "1.0.0", ["cnpg", "loki", "mimir", "tempo", "keycloak"]],
  ["langfuse", "26", "1.0.0", ["cnpg", "keycloak", "cert-manager"]],
  ["kyverno", "27", "1.0.0", ["cilium"]],
  ["reloader", "28", "1.0.0", []],
  ["vpa", "29", "1.0.0", []],
  ["trivy", "30", "1.0.0", ["cert-manager"]],
  ["falco", "31", "1.0.0", ["cilium"]],
  ["sigstore", "32", "1.0.0", ["cert-manager"]],
  ["syft-grype", "33", "1.0.0", ["cert-manager"]],
  ["velero", "34", "1.0.0", ["seaweedfs"]],
  ["coraza", "35", "1.0.0", ["cilium", "cert-manager"]],
  ["powerdns-webhook", "49", "1.0.0", ["powerdns"]],
  ["guacamole", "50", "1.0.0", ["keycloak", "cnpg"]],
  ["k8s-ws-proxy", "51", "1.0.0", ["guacamole"]],
  ["vllm", "60", "1.0.0", ["cert-manager"]],
  ["temporal", "61", "1.0.0", ["cnpg"]],
  ["flink", "62", "1.0.0", ["seaweedfs"]],
  ["clickhouse", "63", "1.0.0", ["seaweedfs"]],
  ["superset", "64", "1.0.0", ["clickhouse", "keycloak"]],
  ["stalwart", "65", "1.0.0", ["cnpg", "seaweedfs"]],
  ["livekit", "66", "1.0.0", ["valkey"]],
  ["matrix", "67", "1.0.0", ["cnpg", "keycloak"]],
  ["knative", "68", "1.0.0", ["cilium"]],
  ["kserve", "69", "1.0.0", ["knative", "cert-manager"]],
  ["milvus", "70", "1.0.0", ["seaweedfs"]],
  ["neo4j", "71", "1.0.0", ["cert-manager"]],
  ["librechat", "72", "1.0.0", ["keycloak", "newapi"]],
  ["opensearch", "73", "1.0.0", ["cert-manager"]],
  ["strongswan", "74", "1.0.0", ["cilium"]],
  ["newapi", "80", "1.4.1", ["cnpg", "valkey", "catalyst-platform"]],
];

export const fullKit = rows(
  full.map(([c, slot, v, needs], i) => [
    c,
    slot,
    v,
    needs,
    5 + ((i * 7) % 19),
    `Deployment/${c}/${c}`,
    ...(i % 3 === 0 ? [`StatefulSet/${c}/${c}-store/${1 + (i % 3)}`] : []),
  ]),
);

/** n components in layers, for the weight of it. */
export const hugeKit = (n) =>
  rows(
    Array.from({ length: n }, (_, i) => {
      const needs = i < 20 ? [] : [`part-${(i - 20) % 400}`];
      return [`part-${i}`, String(i), "1.0.0", needs, 2 + (i % 9), `Deployment/part-${i}/part-${i}`];
    }),
  );
