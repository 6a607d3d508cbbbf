//! What is judged, and with what: the flags that all verbs share, and the facts they make.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalyst_kit::render::{Cache, Limits, Renderer, source_hash};
use catalyst_kit::{Facts, Options, Tree, assemble};
use catalyst_sandbox::tools;

use super::super::Context;
use super::UNREAD;
use super::wait::shown;
use crate::problem::{Ended, Explained};

/// What is judged, and with what.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is judged")]
pub(super) struct Judged {
    /// A folder of a Flux tree, or a chart.
    #[arg(default_value = ".", help_heading = None::<&str>)]
    path: PathBuf,
    /// Only the builds whose folder ends so, such as `profiles/sandbox`.
    #[arg(long, value_name = "FOLDER")]
    profile: Option<String>,
    /// A variable of Flux's substitution, over those of catalyst-kit.yaml; may be given often.
    #[arg(long = "set-substitute", value_name = "NAME=VALUE", value_parser = variable)]
    substitute: Vec<(String, String)>,
    /// A folder with charts, from the repository's root; may be given often.
    #[arg(long, value_name = "FOLDER")]
    charts: Vec<String>,
    /// The renderer [default: the one of this program's version, from the cache].
    #[arg(long, env = "CATALYST_KIT_RENDER", value_name = "FILE")]
    renderer: Option<PathBuf>,
    /// Render everything anew.
    #[arg(long)]
    no_cache: bool,
    /// Seconds after which a rendering is given up.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    time_limit: u64,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// A tree, what of it is meant, and what renders it.
pub(super) struct Ready {
    pub(super) tree: Arc<Tree>,
    pub(super) options: Options,
    pub(super) renderer: Renderer,
}

impl Judged {
    /// Reads, builds and renders what is judged. What could not be is among the facts' problems.
    pub(super) async fn facts(&self, context: &Context<'_>) -> anyhow::Result<Facts> {
        self.facts_of(&self.path, None, context).await
    }

    /// The folder that is judged, with every link followed.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        whole_path(&self.path)
    }

    /// The same of another folder, in the tree at `root` or in its own repository.
    pub(super) async fn facts_of(
        &self,
        folder: &Path,
        root: Option<&Path>,
        context: &Context<'_>,
    ) -> anyhow::Result<Facts> {
        let Ready { tree, options, renderer } = self.ready_of(folder, root, context).await?;
        let work = assemble(tree, &options, &renderer);
        Ok(shown(context.output, "building and rendering", work).await?)
    }

    /// Opens the tree and finds the renderer, or builds it.
    pub(super) async fn ready(&self, context: &Context<'_>) -> anyhow::Result<Ready> {
        self.ready_of(&self.path, None, context).await
    }

    async fn ready_of(
        &self,
        folder: &Path,
        root: Option<&Path>,
        context: &Context<'_>,
    ) -> anyhow::Result<Ready> {
        let path = whole_path(folder)?;
        let root = root.map(whole_path).transpose()?;
        let root = root.as_deref().unwrap_or_else(|| repository(&path));
        let target = path.strip_prefix(root).unwrap_or(Path::new("")).display().to_string();
        let options = Options {
            target,
            profile: self.profile.clone(),
            substitute: self.substitute.iter().cloned().collect(),
            charts: self.charts.clone(),
        };
        let program = self.program(context).await?;
        let limits = Limits { time: Duration::from_secs(self.time_limit), ..Limits::default() };
        let cache = Cache::new(&context.roots.cache.root().join("kit"));
        let renderer = Renderer::new(&program, limits, (!self.no_cache).then_some(cache));
        Ok(Ready { tree: Arc::new(Tree::open(root)?), options, renderer })
    }

    /// The renderer: the one named, the one in the cache, or built by the checkout around us.
    async fn program(&self, context: &Context<'_>) -> anyhow::Result<PathBuf> {
        if let Some(named) = &self.renderer {
            return Ok(named.clone());
        }
        let renderer = tools::Renderer::of(&context.roots.cache, source_hash());
        let missing = match renderer.locate() {
            Ok(program) => return Ok(program),
            Err(missing) => missing,
        };
        let Ok(checkout) = context.checkout() else { return Err(missing.into()) };
        context.output.say("… building the renderer, once: about a minute");
        let work = renderer.build(&checkout);
        Ok(shown(context.output, "building the renderer", work).await?)
    }
}

fn whole_path(folder: &Path) -> anyhow::Result<PathBuf> {
    let missing = |error: std::io::Error| {
        let headline = format!("`{}` cannot be read: {error}", folder.display());
        Explained::new(headline, "Name a folder of a Flux tree, or a chart.")
    };
    Ok(folder.canonicalize().map_err(missing)?)
}

/// The nearest folder above with a `.git`; without one, the folder itself.
pub(super) fn repository(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(path)
}

/// Fails when something could not be read or rendered, after telling each.
pub(super) fn whole(facts: &Facts, context: &Context<'_>) -> anyhow::Result<()> {
    for problem in &facts.problems {
        context.output.failure(&format!("{}: {}", problem.spot, problem.message));
    }
    if facts.problems.is_empty() { Ok(()) } else { Err(Ended(UNREAD).into()) }
}
