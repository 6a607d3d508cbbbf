//! Fields that cannot be changed, kind by kind.

use serde_json::Value as Json;

use crate::object::Object;
use crate::quantity::thousandths;
use crate::yaml::Node;

/// One change that is refused.
pub(super) struct Change<'a> {
    /// The field, as `spec.selector`.
    pub(super) path: String,
    /// What is wrong with it, after its name.
    pub(super) what: String,
    /// The field now.
    pub(super) new: Option<&'a Node>,
    /// The field before.
    pub(super) old: Option<&'a Node>,
    /// Why it breaks, if not for the rule's own reason.
    pub(super) cause: Option<&'static str>,
    /// What to do, if not the rule's own.
    pub(super) fix: Option<&'static str>,
    /// Whether Helm, which compares three versions, gets over it.
    pub(super) is_softened: bool,
}

/// Group, kind, and the fields that stay as they were first written.
const FIXED: &[(&str, &str, &[&str])] = &[
    ("apps", "Deployment", &["spec/selector"]),
    ("apps", "DaemonSet", &["spec/selector"]),
    ("apps", "ReplicaSet", &["spec/selector"]),
    (
        "apps",
        "StatefulSet",
        &[
            "spec/selector",
            "spec/serviceName",
            "spec/podManagementPolicy",
            "spec/volumeClaimTemplates",
        ],
    ),
    (
        "batch",
        "Job",
        &["spec/selector", "spec/template", "spec/completionMode", "spec/podFailurePolicy"],
    ),
    (
        "",
        "PersistentVolumeClaim",
        &[
            "spec/storageClassName",
            "spec/accessModes",
            "spec/volumeName",
            "spec/volumeMode",
            "spec/selector",
        ],
    ),
    ("", "Secret", &["type"]),
    (
        "storage.k8s.io",
        "StorageClass",
        &["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
    ),
    ("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"]),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &["roleRef"]),
    ("scheduling.k8s.io", "PriorityClass", &["value", "preemptionPolicy"]),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        &["spec/group", "spec/scope", "spec/names/kind"],
    ),
];

/// What is there when a field is left out; only where both are the same thing.
const DEFAULTS: &[(&str, &str)] = &[
    ("spec/podManagementPolicy", "OrderedReady"),
    ("spec/completionMode", "NonIndexed"),
    ("spec/volumeMode", "Filesystem"),
    ("type", "Opaque"),
    ("reclaimPolicy", "Delete"),
    ("volumeBindingMode", "Immediate"),
    ("preemptionPolicy", "PreemptLowerPriority"),
];

/// Every change of an object that the API server refuses.
pub(super) fn changes<'a>(new: &'a Object, old: &'a Object) -> Vec<Change<'a>> {
    let mut all = Vec::new();
    let fixed = FIXED.iter().find(|(group, kind, _)| new.is(group, kind));
    for path in fixed.map(|(.., paths)| *paths).unwrap_or_default() {
        let (after, before) = (new.node.at(path), old.node.at(path));
        let differs = value(path, after) != value(path, before);
        // What the server fills in by itself stays as it is when it is left out.
        if differs && !(after.is_none() && is_filled_in(path)) {
            all.push(change(path, after, before));
        }
    }
    match (new.group(), new.kind.as_str()) {
        ("apps", "Deployment") => all.extend(strategy(new, old)),
        ("", "Service") => all.extend(address(new, old)),
        ("", "PersistentVolumeClaim") => all.extend(shrinking(new, old)),
        ("", "Secret" | "ConfigMap") => all.extend(sealed(new, old)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => all.extend(stored(new, old)),
        _ => {}
    }
    all
}

fn change<'a>(path: &str, new: Option<&'a Node>, old: Option<&'a Node>) -> Change<'a> {
    Change {
        path: path.replace('/', "."),
        what: "is not what was released, and cannot be changed".to_owned(),
        new,
        old,
        cause: None,
        fix: None,
        is_softened: false,
    }
}

fn value(path: &str, node: Option<&Node>) -> Json {
    let default =
        || DEFAULTS.iter().find(|(known, _)| *known == path).map(|(_, value)| (*value).into());
    let mut value = node
        .map(Node::to_json)
        .filter(|value| !value.is_null())
        .or_else(default)
        .unwrap_or_default();
    // Of the claims of a set name and specification count; labels and types are no matter.
    if path == "spec/volumeClaimTemplates" {
        let claims = value.as_array_mut().into_iter().flatten();
        for claim in claims.filter_map(Json::as_object_mut) {
            claim.retain(|member, _| member == "metadata" || member == "spec");
            let name = claim.get("metadata").map(|metadata| metadata["name"].clone());
            claim.insert("metadata".to_owned(), name.unwrap_or_default());
        }
    }
    value
}

/// Fields that the server fills in when they are left out.
fn is_filled_in(path: &str) -> bool {
    matches!(
        path,
        "spec/storageClassName" | "spec/volumeName" | "spec/selector" | "spec/accessModes"
    )
}

/// From a rolling update to `Recreate`: the fields of the first stay unless they are taken away.
fn strategy<'a>(new: &'a Object, old: &'a Object) -> Option<Change<'a>> {
    let kind = new.node.at("spec/strategy/type")?;
    let before = old.node.at("spec/strategy/type");
    let rolled = before.and_then(Node::text).is_none_or(|text| text == "RollingUpdate");
    let cleared = new.node.at("spec/strategy/rollingUpdate").is_some_and(Node::is_null);
    (kind.text() == Some("Recreate") && rolled && !cleared).then(|| Change {
        what: "turns to Recreate over a rolling update".to_owned(),
        cause: Some(
            "the live object keeps `rollingUpdate`, which the server itself filled in, and server-side \
             apply takes nothing away that it does not own: `rollingUpdate: Forbidden`, at every pass. Helm 3 \
             takes it away, as long as nobody else has written to the object",
        ),
        fix: Some(
            "write `rollingUpdate: null` beside it, or let the object be made anew: the annotation \
             `kustomize.toolkit.fluxcd.io/force: enabled`, or `upgrade.force` of the release",
        ),
        is_softened: true,
        ..change("spec/strategy/type", Some(kind), before)
    })
}

fn address<'a>(new: &'a Object, old: &'a Object) -> Option<Change<'a>> {
    let path = "spec/clusterIP";
    let text =
        |object: &Object| object.node.at(path).and_then(Node::text).unwrap_or_default().to_owned();
    let external = |object: &Object| object.node.str_at("spec/type") == Some("ExternalName");
    let (after, before) = (text(new), text(old));
    let is_refused = after != before
        && (after == "None" || before == "None" || !after.is_empty() && !before.is_empty());
    let is_refused = is_refused && !external(new) && !external(old);
    let (after, before) = (new.node.at(path), old.node.at(path));
    is_refused.then(|| change(path, after.or_else(|| new.node.at("spec")), before))
}

fn shrinking<'a>(new: &'a Object, old: &'a Object) -> Option<Change<'a>> {
    let path = "spec/resources/requests/storage";
    let (after, before) = (new.node.at(path)?, old.node.at(path)?);
    let is_smaller = thousandths(after.text()?)? < thousandths(before.text()?)?;
    is_smaller.then(|| Change {
        what: format!("is less than before, {}", before.text().unwrap_or_default()),
        cause: Some("a volume grows and never shrinks: the claim is refused"),
        fix: Some("keep the size, or move the data into a claim of another name"),
        ..change(path, Some(after), Some(before))
    })
}

fn sealed<'a>(new: &'a Object, old: &'a Object) -> Option<Change<'a>> {
    let is_sealed = old.node.get("immutable").and_then(Node::bool) == Some(true);
    let parts = ["data", "stringData", "binaryData"];
    let changed = parts.into_iter().find(|part| {
        let content = |object: &Object| object.node.get(part).map(Node::to_json);
        content(new) != content(old)
    })?;
    is_sealed.then(|| change(changed, new.node.get(changed), old.node.get(changed)))
}

/// A version in which objects are stored cannot leave a definition.
fn stored<'a>(new: &'a Object, old: &'a Object) -> Option<Change<'a>> {
    let stores = |version: &&Node| version.get("storage").and_then(Node::bool) == Some(true);
    let before = old.node.items_at("spec/versions").iter().find(stores)?.get("name")?;
    let is_there = |version: &Node| version.get("name").and_then(Node::text) == before.text();
    let after = new.node.at("spec/versions")?;
    (!after.items().iter().any(is_there)).then(|| Change {
        what: format!(
            "holds `{}` no more, in which objects are stored",
            before.text().unwrap_or_default()
        ),
        cause: Some("the definition is refused while `status.storedVersions` names that version"),
        fix: Some(
            "keep the version with `served: false` until every object is stored in the new one",
        ),
        ..change("spec/versions", Some(after), Some(before))
    })
}
