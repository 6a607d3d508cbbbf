//! What a ServiceAccount may ask of the API server, by the roles that are bound to it here.

use crate::facts::Facts;
use crate::object::Object;
use crate::shell::calls::{Call, Reach, Target};
use crate::yaml::Node;

const RBAC: &str = "rbac.authorization.k8s.io";

/// What an account is granted.
#[derive(Debug)]
pub(crate) struct Grants<'a> {
    /// Where each rule holds (none: everywhere), and the rule.
    rules: Vec<(Option<&'a str>, &'a Node)>,
    /// Whether a role is bound that is not known here.
    pub(crate) is_open: bool,
    /// The roles that were found.
    pub(crate) roles: Vec<&'a Object>,
}

/// Gathers what an account is granted.
pub(crate) fn grants<'a>(facts: &'a Facts, namespace: &str, account: &str) -> Grants<'a> {
    let mut grants = Grants { rules: Vec::new(), is_open: false, roles: Vec::new() };
    let bindings = facts.objects.iter().filter(|object| {
        object.group() == RBAC
            && object.kind.ends_with("RoleBinding")
            && binds(object, namespace, account)
    });
    for binding in bindings {
        let (Some(kind), Some(name)) =
            (binding.node.str_at("roleRef/kind"), binding.node.str_at("roleRef/name"))
        else {
            continue;
        };
        let scope = if binding.kind == "RoleBinding" { binding.namespace.as_deref() } else { None };
        let home = if kind == "Role" { binding.namespace.as_deref() } else { None };
        match facts.find(RBAC, kind, home, name) {
            // What an aggregated role holds is put together in the cluster.
            Some(role) if role.node.get("aggregationRule").is_none() => {
                grants.roles.push(role);
                grants.rules.extend(role.node.items_at("rules").iter().map(|rule| (scope, rule)));
            }
            _ => grants.is_open = true,
        }
    }
    grants
}

fn binds(binding: &Object, namespace: &str, account: &str) -> bool {
    let groups = [
        "system:authenticated".to_owned(),
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ];
    binding.node.items_at("subjects").iter().any(|subject| {
        let name = subject.str_at("name").unwrap_or_default();
        match subject.str_at("kind") {
            Some("ServiceAccount") => {
                let home = subject.str_at("namespace").or(binding.namespace.as_deref());
                name == account && home == Some(namespace)
            }
            Some("Group") => groups.iter().any(|group| group == name),
            Some("User") => name == format!("system:serviceaccount:{namespace}:{account}"),
            _ => false,
        }
    })
}

impl Grants<'_> {
    /// Whether a request to these resources is granted.
    pub(crate) fn covers(&self, call: &Call, group: &str, resource: &str) -> bool {
        self.rules.iter().any(|(scope, rule)| {
            let has = |member: &str, wanted: &str| {
                rule.items_at(member)
                    .iter()
                    .filter_map(Node::text)
                    .any(|one| one == wanted || one == "*")
            };
            let reaches = match (&call.reach, scope) {
                (_, None) | (Reach::Unknown, _) => true,
                (Reach::In(namespace), Some(scope)) => namespace == scope,
                (Reach::All, Some(_)) => false,
            };
            let part = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            let mut resources = rule.items_at("resources").iter().filter_map(Node::text);
            let names_it =
                resources.any(|one| one == "*" || one == resource || part.as_deref() == Some(one));
            reaches
                && names_it
                && has("apiGroups", group)
                && has("verbs", call.verb)
                && names(rule, call)
        })
    }
}

/// Whether a rule's names hold the request's. One that is known at run time only is taken to fit; a
/// request without a name never does.
fn names(rule: &Node, call: &Call) -> bool {
    let names = rule.items_at("resourceNames");
    if names.is_empty() {
        return true;
    }
    match (&call.name, call.verb) {
        (_, "create" | "deletecollection") => false,
        (Some(name), _) => names.iter().any(|one| one.text() == Some(name.as_str())),
        // `kubectl get x` without a name lists; with one that is not known it may be any.
        (None, verb) => !matches!(verb, "list" | "watch"),
    }
}

/// Group, resource, singular and short names of what programs ask for.
const RESOURCES: &[(&str, &str, &[&str])] = &[
    ("", "secrets", &["secret"]),
    ("", "configmaps", &["configmap", "cm"]),
    ("", "pods", &["pod", "po"]),
    ("", "services", &["service", "svc"]),
    ("", "namespaces", &["namespace", "ns"]),
    ("", "nodes", &["node", "no"]),
    ("", "endpoints", &["ep"]),
    ("", "events", &["event", "ev"]),
    ("", "serviceaccounts", &["serviceaccount", "sa"]),
    ("", "persistentvolumeclaims", &["persistentvolumeclaim", "pvc"]),
    ("", "persistentvolumes", &["persistentvolume", "pv"]),
    ("apps", "deployments", &["deployment", "deploy"]),
    ("apps", "statefulsets", &["statefulset", "sts"]),
    ("apps", "daemonsets", &["daemonset", "ds"]),
    ("apps", "replicasets", &["replicaset", "rs"]),
    ("batch", "jobs", &["job"]),
    ("batch", "cronjobs", &["cronjob", "cj"]),
    ("networking.k8s.io", "ingresses", &["ingress", "ing"]),
    ("networking.k8s.io", "networkpolicies", &["networkpolicy", "netpol"]),
    (RBAC, "roles", &["role"]),
    (RBAC, "rolebindings", &["rolebinding"]),
    (RBAC, "clusterroles", &["clusterrole"]),
    (RBAC, "clusterrolebindings", &["clusterrolebinding"]),
    ("storage.k8s.io", "storageclasses", &["storageclass", "sc"]),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &["customresourcedefinition", "crd", "crds"],
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["validatingwebhookconfiguration"],
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["mutatingwebhookconfiguration"],
    ),
    ("coordination.k8s.io", "leases", &["lease"]),
];

/// Resources that are in no namespace.
const CLUSTER_WIDE: &[&str] = &[
    "namespaces",
    "nodes",
    "persistentvolumes",
    "clusterroles",
    "clusterrolebindings",
    "storageclasses",
    "customresourcedefinitions",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

/// Group and resource of a request's target; nothing for what is not known here.
pub(crate) fn resource(facts: &Facts, target: &Target) -> Option<(String, String)> {
    match target {
        Target::Api(group, resource) => Some((group.clone(), resource.clone())),
        Target::Kind(group, kind) => {
            let lower = kind.to_ascii_lowercase();
            let known = RESOURCES.iter().find(|(own, _, names)| {
                *own == group.as_str() && names.first() == Some(&lower.as_str())
            });
            let own =
                known.map(|(group, resource, _)| ((*group).to_owned(), (*resource).to_owned()));
            let is_called = |names: &Node| names.str_at("kind") == Some(kind.as_str());
            own.or_else(|| defined(facts, is_called, Some(group.as_str())))
        }
        Target::Word(word) => {
            let (word, sub) = match word.split_once('/') {
                Some((word, sub)) => (word, Some(sub)),
                None => (word.as_str(), None),
            };
            let lower = word.to_ascii_lowercase();
            let (name, group) = match lower.split_once('.') {
                Some((name, group)) => (name, Some(group)),
                None => (lower.as_str(), None),
            };
            let known = RESOURCES.iter().find(|(own, resource, names)| {
                (*resource == name || names.contains(&name))
                    && group.is_none_or(|group| group == *own)
            });
            let own =
                known.map(|(group, resource, _)| ((*group).to_owned(), (*resource).to_owned()));
            let is_called = |names: &Node| {
                let short = names.items_at("shortNames").iter().filter_map(Node::text);
                let long = ["plural", "singular", "kind"]
                    .into_iter()
                    .filter_map(|part| names.str_at(part));
                short.chain(long).any(|one| one.eq_ignore_ascii_case(name))
            };
            let found = own.or_else(|| defined(facts, is_called, group))?;
            Some(match sub {
                Some(sub) => (found.0, format!("{}/{sub}", found.1)),
                None => found,
            })
        }
    }
}

/// Whether a resource is in no namespace, so that its namespace is of no matter.
pub(crate) fn is_cluster_wide(facts: &Facts, group: &str, resource: &str) -> bool {
    CLUSTER_WIDE.contains(&resource)
        || facts.of_kind("apiextensions.k8s.io", "CustomResourceDefinition").any(|crd| {
            crd.node.str_at("spec/group") == Some(group)
                && crd.node.str_at("spec/names/plural") == Some(resource)
                && crd.node.str_at("spec/scope") == Some("Cluster")
        })
}

/// The resource of a CRD of the kit.
fn defined(
    facts: &Facts,
    fits: impl Fn(&Node) -> bool,
    group: Option<&str>,
) -> Option<(String, String)> {
    facts.of_kind("apiextensions.k8s.io", "CustomResourceDefinition").find_map(|crd| {
        let own = crd.node.str_at("spec/group")?;
        let names = crd.node.at("spec/names").filter(|names| fits(names))?;
        let in_group = group.is_none_or(|group| group == own || own.starts_with(group));
        in_group.then(|| Some((own.to_owned(), names.str_at("plural")?.to_owned()))).flatten()
    })
}
