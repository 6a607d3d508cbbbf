//! What programs in Pods say: arguments, commands and scripts, and the waits in them.

use crate::yaml::Node;

/// Every text of a container's command and arguments.
pub(crate) fn texts(container: &Node) -> Vec<&str> {
    ["command", "args"]
        .iter()
        .flat_map(|part| container.items_at(part))
        .filter_map(Node::text)
        .collect()
}
