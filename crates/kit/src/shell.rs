//! What programs in Pods say: arguments, commands and scripts, and the waits in them.

use crate::yaml::Node;

/// Every text of a container's command and arguments.
pub(crate) fn texts(container: &Node) -> Vec<&str> {
    words(container).filter_map(Node::text).collect()
}

/// Command and arguments of a container, and the values of its variables, at their places.
pub(crate) fn nodes(container: &Node) -> impl Iterator<Item = &Node> {
    let variables = container.items_at("env").iter().filter_map(|one| one.get("value"));
    words(container).chain(variables)
}

fn words(container: &Node) -> impl Iterator<Item = &Node> {
    ["command", "args"].into_iter().flat_map(|part| container.items_at(part))
}

/// Whether a program names an object.
pub(crate) fn names(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.split(|c: char| !is_name(c)).any(|word| word == name)
}

/// Whether a program writes objects at all.
pub(crate) fn writes(text: &str) -> bool {
    ["create", "apply", "patch", "POST", "PUT", "ensure-secret", "replace"]
        .iter()
        .any(|word| text.contains(word))
}
