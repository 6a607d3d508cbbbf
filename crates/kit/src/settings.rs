//! `catalyst-kit.yaml`: what a kit may take for granted, said once beside it.
//!
//! Everything in it is optional. An unknown member is a fault, not ignored.

use std::collections::BTreeMap;

use crate::finding::{Finding, Spot};
use crate::tree::SourceFile;
use crate::yaml::Node;

/// The file's name.
pub const FILE_NAME: &str = "catalyst-kit.yaml";

/// What stands around a kit.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Variables of Flux's substitution, with values to render with.
    pub substitute: BTreeMap<String, String>,
    /// Folders with one chart each in a subfolder, relative to the tree.
    pub charts: Vec<String>,
    /// The version of Kubernetes the kit is for; empty: the renderer's own.
    pub kubernetes: String,
    /// APIs served besides Kubernetes' own and those of the kit's CRDs.
    pub api_versions: Vec<String>,
    /// Objects that are there before the kit: what first boot makes.
    pub given: Vec<Node>,
    /// Image prefixes that nobody may pull without a pull secret.
    pub private_images: Vec<String>,
    /// Image prefixes that may be pulled from; empty: any explicit registry.
    pub allowed_images: Vec<String>,
    /// Slots that nobody may take: `36-48` or `49`.
    pub reserved_slots: Vec<(u32, u32)>,
    /// Words that must not be left in a manifest: hosts of another installation, placeholders.
    pub foreign_words: Vec<String>,
    /// Seconds a new node may take until Pods run on it; hooks that wait must outlast it.
    pub cold_start_seconds: Option<i64>,
    /// Where the file is.
    pub file: Option<String>,
}

impl Settings {
    /// Reads the file at `path`; `folder` is where relative folders begin.
    pub fn read(file: &SourceFile, folder: &str) -> (Self, Vec<Finding>) {
        let mut settings = Self { file: Some(file.path.to_string()), ..Self::default() };
        let mut findings = Vec::new();
        let loaded = file.yaml();
        for fault in &loaded.faults {
            let mut spot = Spot::line(file.path.clone(), fault.line);
            spot.column = fault.column;
            findings.push(Finding::load(spot, fault.reason.clone(), "mend the file"));
        }
        let Some(doc) = loaded.documents.first() else { return (settings, findings) };
        for entry in doc.root.entries() {
            if let Err(wanted) = settings.take(entry.name(), &entry.value, folder) {
                let spot = Spot::span(file.path.clone(), entry.key.span);
                let message = format!("`{}` {wanted}", entry.name());
                findings.push(Finding::load(
                    spot,
                    message,
                    "see docs/rules/README.md for the form",
                ));
            }
        }
        (settings, findings)
    }

    fn take(&mut self, name: &str, node: &Node, folder: &str) -> Result<(), &'static str> {
        let texts = || -> Vec<String> {
            node.items().iter().filter_map(Node::text).map(str::to_owned).collect()
        };
        match name {
            "substitute" => {
                for entry in node.entries() {
                    let value = entry.value.text().ok_or("takes a mapping of texts")?;
                    self.substitute.insert(entry.name().to_owned(), value.to_owned());
                }
            }
            "charts" => {
                for path in texts() {
                    let at = crate::render::bounds::normal(folder, &path);
                    self.charts.push(at.ok_or("names a folder outside of the tree")?);
                }
            }
            "kubernetes" => node.text().unwrap_or_default().clone_into(&mut self.kubernetes),
            "apiVersions" => self.api_versions = texts(),
            "given" => self.given = node.items().to_vec(),
            "privateImages" => self.private_images = texts(),
            "allowedImages" => self.allowed_images = texts(),
            "foreignWords" => self.foreign_words = texts(),
            "coldStartSeconds" => {
                self.cold_start_seconds = Some(node.int().ok_or("takes a whole number")?);
            }
            "reservedSlots" => {
                for range in texts() {
                    let (from, to) = range.split_once('-').unwrap_or((&range, &range));
                    let number = |text: &str| text.trim().parse::<u32>().ok();
                    let pair = number(from).zip(number(to));
                    self.reserved_slots.push(pair.ok_or("takes ranges such as `36-48`")?);
                }
            }
            _ => return Err("is no member of this file"),
        }
        Ok(())
    }
}
