//! The renderer for the tests: named by `CATALYST_KIT_RENDER`, else the one in the cache of tools.
//! Without one there is nothing to test with, and that is a failure, not a reason to skip.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalyst_kit::render::wire::{Request, StrictRequest};
use catalyst_kit::render::{HelperError, Limits, Renderer};
use catalyst_kit::{Facts, Options, Tree, assemble};

/// A renderer of the source's own state.
pub(crate) async fn renderer() -> Renderer {
    renderer_with(Limits::default()).await
}

/// The same, within other bounds.
pub(crate) async fn renderer_with(limits: Limits) -> Renderer {
    let mut tried = Vec::new();
    for program in candidates() {
        let renderer = Renderer::new(&program, limits, None);
        let nothing = Request::Strict(StrictRequest { documents: Vec::new() });
        match renderer.batch(vec![nothing]).await.remove(0) {
            Err(error @ (HelperError::Spawn { .. } | HelperError::Stale(_))) => {
                tried.push(error.to_string());
            }
            _ => return renderer,
        }
    }
    panic!(
        "no renderer of this state of the source: run `scripts/kit-render`, or name one \
         with CATALYST_KIT_RENDER; tried: {tried:#?}"
    );
}

fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("CATALYST_KIT_RENDER") {
        return vec![named.into()];
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("CATALYST_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("catalyst")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/catalyst")))
        .unwrap_or_default();
    let kept = std::fs::read_dir(cache.join("tools/kit-render")).into_iter().flatten().flatten();
    let complete = kept.map(|entry| entry.path()).filter(|path| path.join("complete").is_file());
    complete.map(|path| path.join("bin/kit-render")).collect()
}

/// The facts of a folder of this crate's tests, judged as a tree of its own.
pub(crate) async fn facts(root: &Path, renderer: &Renderer) -> Facts {
    let tree = Arc::new(Tree::open(root).unwrap());
    assemble(tree, &Options::default(), renderer).await.unwrap()
}
