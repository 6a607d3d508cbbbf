//! Images: in containers, in fields of custom objects, and in the words of programs.

use super::{RULE, is_allowed};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::image::Reference;
use crate::kinds;
use crate::object::Object;
use crate::shell;
use crate::yaml::Node;

/// Members of custom objects that hold an image.
const FIELDS: [&str; 2] = ["image", "imageName"];

pub(super) fn check(facts: &Facts, findings: &mut Vec<Finding>) {
    for object in facts.applied() {
        for container in object.containers() {
            if let Some(image) = container.get("image") {
                judge(facts, object, image, findings);
            }
            for text in shell::nodes(container) {
                mentioned(facts, object, text, findings);
            }
        }
        if object.is("", "ConfigMap") {
            let entries = object.node.get("data").map(Node::entries).unwrap_or_default();
            entries.iter().for_each(|entry| mentioned(facts, object, &entry.value, findings));
        }
        let is_custom = !kinds::is_core(object.group(), &object.kind);
        if is_custom && !kinds::is_flux(object.group()) {
            object.node.walk(&mut |node| {
                for entry in node.entries().iter().filter(|entry| FIELDS.contains(&entry.name())) {
                    let is_image = |text: &str| text.contains('/') && !text.contains("://");
                    if entry.value.str().is_some_and(is_image) {
                        judge(facts, object, &entry.value, findings);
                    }
                }
            });
        }
    }
}

fn judge(facts: &Facts, object: &Object, image: &Node, findings: &mut Vec<Finding>) {
    let Some(name) = image.text().filter(|name| !name.is_empty()) else {
        let finding = RULE
            .at(object.spot(image), format!("{} has a container without image", object.title()));
        findings.push(finding.cause("the Pod is refused"));
        return;
    };
    let mut tell = |message: String, cause: &str, fix: &str| {
        findings.push(RULE.at(object.spot(image), message).cause(cause).fix(fix));
    };
    let Some(reference) = Reference::read(name) else {
        let message = format!("`{name}` is no reference to an image");
        return tell(message, "the kubelet refuses it with InvalidImageName", RULE.fix);
    };
    match reference.registry {
        None => tell(
            format!("`{name}` states no registry"),
            "the runtime adds docker.io by itself: no mirror list and no allow list sees that, and its \
             limits for anonymous pulls count",
            "write the registry in front, docker.io too if it is meant",
        ),
        Some(registry) if !is_allowed(facts, name) => tell(
            format!("`{name}` comes from `{registry}`, which is not allowed"),
            "`allowedImages` of catalyst-kit.yaml says what is mirrored; anything else is missing once \
             the way out is closed",
            "mirror the image and name the mirror, or allow the place",
        ),
        Some(_) => {}
    }
    match (reference.tag, reference.digest) {
        (None, None) => tell(
            format!("`{name}` has neither tag nor digest"),
            "the runtime takes `latest`, whatever that is on that day",
            "write the tag or the digest",
        ),
        (Some("latest"), None) => tell(
            format!("`{name}` has the tag `latest`"),
            "two nodes run two programs under one name, and no rollback brings the old one back",
            "write the version or the digest",
        ),
        _ => {}
    }
}

/// Images that a program is told of: only where they come from is judged, for what they are used for
/// is not known.
fn mentioned(facts: &Facts, object: &Object, text: &Node, findings: &mut Vec<Finding>) {
    if facts.settings.allowed_images.is_empty() {
        return;
    }
    for (line, content) in text.text().unwrap_or_default().lines().enumerate() {
        let is_separator = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | '(' | ')' | '[' | ']')
        };
        for word in content.split(is_separator).filter(|word| is_reference(word)) {
            if !is_allowed(facts, word) {
                let spot = object.spot_in(text, line, word);
                let message = format!("`{word}`, named to a program, is not from an allowed place");
                let finding = RULE.at(spot, message);
                findings.push(finding.cause("what the program starts is pulled from there"));
            }
        }
    }
}

/// Whether a word can only be meant as an image: a host, a path, and a tag with a digit or a digest.
fn is_reference(word: &str) -> bool {
    Reference::read(word).is_some_and(|reference| {
        let has_host = reference.registry.is_some_and(|registry| registry.contains('.'));
        let is_version = reference.tag.is_some_and(|tag| tag.bytes().any(|b| b.is_ascii_digit()));
        has_host && (is_version || reference.digest.is_some())
    })
}
