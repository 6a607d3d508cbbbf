//! Small kits, written for one test: a release a name, each with a chart of its own.

use std::path::Path;

use catalyst_kit::Facts;
use catalyst_kit::render::Renderer;

use crate::renderer::facts;

/// A folder that is a kit.
pub(crate) struct Kit {
    folder: tempfile::TempDir,
}

/// A CRD of group `example.test`, kind `Thing`.
pub(crate) const THINGS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

impl Kit {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A copy of a folder of this crate's tests.
    pub(crate) fn copy(of: &str) -> Self {
        let kit = Self::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(of);
        copy(&source, kit.folder.path());
        kit
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    /// Replaces a part of a file that must be there.
    pub(crate) fn edit(&self, path: &str, old: &str, new: &str) -> &Self {
        let text = self.read(path);
        assert!(text.contains(old), "{path} has no `{old}`");
        self.write(path, &text.replacen(old, new, 1))
    }

    /// A release in namespace `flux-system` that installs into a namespace of its own name. `spec` is
    /// added to its specification, two spaces in; `objects` are its chart's.
    pub(crate) fn release(&self, name: &str, spec: &str, objects: &str) -> &Self {
        let text = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n\
             metadata: {{name: {name}, namespace: flux-system}}\nspec:\n{spec}  \
             releaseName: {name}\n  targetNamespace: {name}\n  \
             chart: {{spec: {{chart: ./charts/{name}, sourceRef: {{kind: GitRepository, name: kit}}}}}}\n"
        );
        self.write(&format!("{name}.yaml"), &text);
        let chart = format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n");
        self.write(&format!("charts/{name}/Chart.yaml"), &chart);
        self.write(&format!("charts/{name}/templates/all.yaml"), objects)
    }

    /// What is known of it; nothing may have gone wrong.
    pub(crate) async fn facts(&self, renderer: &Renderer) -> Facts {
        let facts = facts(self.root(), renderer).await;
        assert!(facts.problems.is_empty(), "{:#?}", facts.problems);
        facts
    }
}

/// `dependsOn` of a release of these names.
pub(crate) fn after(names: &[&str]) -> String {
    let entries: Vec<String> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
    format!("  dependsOn: [{}]\n", entries.join(", "))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
