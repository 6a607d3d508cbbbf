//! One tool's pins: what to build, from which modules, with which flags, and the key over all that.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{BAD_PIN, embedded};
use crate::problem::{self, Result};

/// Lines of `tool.toml` beginning so are estimates and do not change what is built.
const ESTIMATE: &str = "seconds";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 16;

/// One program of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// The file's name.
    pub name: String,
    /// The Go package of its `main`.
    pub package: String,
}

/// A folder copied out of a module before the build caches go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// The Go module.
    pub module: String,
    /// The folder inside the module.
    pub from: String,
    /// The folder inside the tool's folder in the cache.
    pub to: String,
}

/// `tool.toml` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolFile {
    name: String,
    version: String,
    seconds: u64,
    cgo: bool,
    tags: String,
    ldflags: String,
    #[serde(rename = "binary")]
    binaries: Vec<Binary>,
    #[serde(rename = "asset", default)]
    assets: Vec<Asset>,
}

/// Everything that says what a tool is.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The tool's name: the folder in `sandbox/tools` and in the cache.
    pub name: String,
    /// Its version, as its makers write it, with a leading `v`.
    pub version: String,
    /// Seconds of a cold build on two idle cores.
    pub seconds: u64,
    /// Whether it needs a C compiler.
    pub cgo: bool,
    /// Build tags, separated by blanks.
    pub tags: String,
    /// Flags of the Go linker.
    pub ldflags: String,
    /// The programs it consists of.
    pub binaries: Vec<Binary>,
    /// The folders kept from its modules.
    pub assets: Vec<Asset>,
    pub(super) tool_text: String,
    pub(super) go_mod: String,
    pub(super) go_sum: String,
}

impl Pin {
    fn parse(tool_text: &str, go_mod: &str, go_sum: &str) -> Result<Self> {
        let tool: ToolFile = toml::from_str(tool_text)
            .map_err(|error| BAD_PIN.because(format!("tool.toml: {error}")).source(error))?;
        let ToolFile { name, version, seconds, cgo, tags, ldflags, binaries, assets } = tool;
        Ok(Self {
            name,
            version,
            seconds,
            cgo,
            tags,
            ldflags,
            binaries,
            assets,
            tool_text: tool_text.to_owned(),
            go_mod: go_mod.to_owned(),
            go_sum: go_sum.to_owned(),
        })
    }

    /// The first 16 hexadecimal digits of SHA-256 over: the lines of `tool.toml`, trimmed, without
    /// empty lines, comments and estimates, each ended by a newline; `go.mod`; `go.sum`; the Go
    /// version.
    pub fn key(&self, go_version: &str) -> String {
        let mut hash = Sha256::new();
        let lines = self.tool_text.lines().map(str::trim);
        for line in
            lines.filter(|l| !l.is_empty() && !l.starts_with(['#']) && !l.starts_with(ESTIMATE))
        {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        hash.update(self.go_mod.as_bytes());
        hash.update(self.go_sum.as_bytes());
        hash.update(go_version.trim().as_bytes());
        let mut key = hex::encode(hash.finalize());
        key.truncate(KEY_DIGITS);
        key
    }
}

/// All pins, in the order of building.
#[derive(Debug, Clone)]
pub struct Pins(Vec<Pin>);

impl Pins {
    /// The pins this program was built with.
    ///
    /// # Errors
    /// CAT-3104 never in a tested build.
    pub fn embedded() -> Result<Self> {
        let parse =
            |(_, pin): &(&str, embedded::EmbeddedPin)| Pin::parse(pin.tool, pin.go_mod, pin.go_sum);
        embedded::PINS.iter().map(parse).collect::<Result<_>>().map(Self)
    }

    /// The pins of a checkout, from its folder `sandbox/tools`. A tool this program does not know
    /// is built last.
    ///
    /// # Errors
    /// CAT-3000, CAT-3104.
    pub fn from_checkout(checkout: &Path) -> Result<Self> {
        let folder = checkout.join("sandbox/tools");
        let mut pins = Vec::new();
        let list = std::fs::read_dir(&folder).map_err(|e| problem::file("list", &folder, e))?;
        for entry in list {
            let dir = entry.map_err(|error| problem::file("list", &folder, error))?.path();
            if !dir.join("tool.toml").is_file() {
                continue;
            }
            let read = |name: &str| {
                let path = dir.join(name);
                std::fs::read_to_string(&path).map_err(|e| problem::file("read", &path, e))
            };
            pins.push(Pin::parse(&read("tool.toml")?, &read("go.mod")?, &read("go.sum")?)?);
        }
        let place = |pin: &Pin| {
            let known = embedded::PINS.iter().position(|(name, _)| *name == pin.name);
            (known.unwrap_or(usize::MAX), pin.name.clone())
        };
        pins.sort_by_key(place);
        Ok(Self(pins))
    }

    /// Only the pins of these tools, in the order of building.
    #[must_use]
    pub fn only(mut self, tools: &[&str]) -> Self {
        self.0.retain(|pin| tools.contains(&pin.name.as_str()));
        self
    }

    /// The pins, in the order of building.
    pub fn iter(&self) -> std::slice::Iter<'_, Pin> {
        self.0.iter()
    }
}

impl IntoIterator for Pins {
    type Item = Pin;
    type IntoIter = std::vec::IntoIter<Pin>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn embedded_pins_are_those_of_the_checkout_in_the_same_order() {
        let keys = |pins: Pins| -> Vec<_> {
            pins.into_iter().map(|pin| (pin.name.clone(), pin.key("go1.26.8"))).collect()
        };
        assert_eq!(keys(Pins::embedded().unwrap()), keys(Pins::from_checkout(checkout()).unwrap()));
        for ((folder, _), pin) in embedded::PINS.iter().zip(Pins::embedded().unwrap()) {
            assert_eq!(*folder, pin.name);
        }
    }

    #[test]
    fn estimates_and_comments_do_not_change_a_key_but_flags_do() {
        let tool = "# about\nname = \"a\"\nversion = \"v1\"\nseconds = 1\ncgo = false\ntags = \"\"\nldflags = \"-s\"\n[[binary]]\nname = \"a\"\npackage = \"b\"\n";
        let key = |text: &str, go: &str| Pin::parse(text, "mod", "sum").unwrap().key(go);
        let base = key(tool, "go1");
        assert_eq!(base.len(), KEY_DIGITS);
        assert_eq!(base, key(&tool.replace("seconds = 1", "seconds = 99"), "go1"));
        assert_eq!(base, key(&tool.replace("# about", "\n  # other"), "go1\n"));
        assert_ne!(base, key(&tool.replace("-s", "-w"), "go1"));
        assert_ne!(base, key(tool, "go2"));
    }

    #[test]
    fn an_unknown_member_of_a_pin_is_refused() {
        let error = Pin::parse("name = \"a\"\nsurprise = 1", "", "").unwrap_err();
        assert_eq!(error.code(), &BAD_PIN);
    }
}
