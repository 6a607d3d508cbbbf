//! Writes the digests of our images into a chart's values, keeping every other byte.
//!
//! An image in values is a block with `tag` and `digest`, found in one of two ways: a sibling
//! `repository: openova-io/<image>`, or the block's own key, the image's name in camel case.

use crate::images::{Image, ImageSet};

/// The values with tag and digest of every image of the set that they name.
pub(super) fn images(values: &str, images: &ImageSet) -> String {
    let mut out = String::with_capacity(values.len() + 256);
    let mut block: Option<Block<'_>> = None;
    for line in values.split_inclusive('\n') {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let trimmed = text.trim_end();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            out.push_str(line);
            continue;
        }
        block = block.filter(|block| block.holds(indent));
        let (key, value) = trimmed.split_once(':').unwrap_or((trimmed, ""));
        let value = value.trim().trim_matches(['"', '\'']);
        if key == "repository" {
            let named = |image: &&Image| image.path() == value;
            block = images.iter().find(named).map(|image| Block::Siblings { indent, image });
        } else if value.is_empty() && block.is_none() {
            let named = |image: &&Image| image.name == kebab(key);
            block = images.iter().find(named).map(|image| Block::Children { above: indent, image });
        }
        match (&block, key) {
            (Some(block), "tag") => push(&mut out, indent, "tag", &block.image().tag),
            (Some(block), "digest") => push(&mut out, indent, "digest", &block.image().digest),
            _ => out.push_str(line),
        }
    }
    out
}

/// The lines that belong to one image.
enum Block<'a> {
    /// Those as deep as its `repository`.
    Siblings { indent: usize, image: &'a Image },
    /// Those below its key.
    Children { above: usize, image: &'a Image },
}

impl Block<'_> {
    fn holds(&self, line: usize) -> bool {
        match self {
            Self::Siblings { indent, .. } => line == *indent,
            Self::Children { above, .. } => line > *above,
        }
    }

    fn image(&self) -> &Image {
        match self {
            Self::Siblings { image, .. } | Self::Children { image, .. } => image,
        }
    }
}

fn push(out: &mut String, indent: usize, key: &str, value: &str) {
    out.push_str(&format!("{:indent$}{key}: \"{value}\"\n", ""));
}

/// `catalystApi` → `catalyst-api`.
fn kebab(camel: &str) -> String {
    let mut out = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Realm;

    fn image(name: &str) -> Image {
        Image {
            name: name.into(),
            repository: format!("ghcr.io/openova-io/{name}"),
            tag: "0.2.0".into(),
            realm: Realm::Private,
            digest: format!("sha256:{name}"),
            layout: "/nowhere".into(),
        }
    }

    #[test]
    fn both_ways_to_name_an_image_are_pinned_and_strangers_and_comments_stay() {
        let set = ImageSet::new(vec![image("catalyst-api"), image("gitea")]);
        let values = r#"# about
image:
  registry: ghcr.io
  repository: openova-io/gitea
  tag: "0.1.0"
  # sha256:…; when set, the image is pinned by it.
  digest: ""
  pullPolicy: IfNotPresent
other:
  repository: elsewhere/gitea
  tag: "7"
  digest: ""
images:
  organization: openova-io
  catalystApi:
    tag: "0.1.0"
    digest: ""
gitea:
  host: ""
tag: top
"#;
        insta::assert_snapshot!(images(values, &set));
    }

    #[test]
    fn values_that_name_no_image_stay_as_they_are() {
        let set = ImageSet::new(vec![image("gitea")]);
        let values = "a: 1\nb:\n  - c\n  - d: |\n      tag: x\n";
        assert_eq!(images(values, &set), values);
    }
}
