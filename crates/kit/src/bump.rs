//! New tags for images and new versions for charts, written where the kit says them.
//!
//! Entry point: [`plan`]. Which line gives an image its tag is not guessed: every place that holds the
//! old tag is tried on a copy of the tree, and what it changes in the rendering decides. The plan is
//! made only if the rendering of all edits together carries the new tag in every image of the group
//! and is otherwise as before. [`Plan::write`] then changes all files or none.

mod charts;
mod edit;
mod mention;
mod places;
mod stage;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use crate::assemble::{Options, assemble};
use crate::facts::Facts;
use crate::finding::Spot;
use crate::render::Renderer;
use crate::tree::{Tree, TreeError};
use edit::Edit;
use mention::{Mentions, Reference};
use places::Places;
use stage::Stage;

pub use edit::Changed;
pub use stage::WriteError;

/// What is to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// New tags.
    pub images: Vec<NewTag>,
    /// Whether charts that change get their next version, and releases their charts' versions.
    pub charts: bool,
}

/// A new tag for a group of images, read from `name=tag` or `name=tag@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTag {
    /// The end of a repository, such as `catalyst-api` or `openova-io/services-*`; `*` stands for
    /// anything but `/`.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The digest, for images that are pinned by one.
    pub digest: Option<String>,
}

/// An order that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no `=`, or nothing before it.
    #[error("`{0}` is not of the form `name=tag`")]
    Form(String),
    /// The tag is none.
    #[error("`{0}` is no tag: letters, digits, `_`, `.` and `-`, at most 128")]
    Tag(String),
    /// The digest is none.
    #[error("`{0}` is no digest of the form `sha256:<64 hexadecimal digits>`")]
    Digest(String),
}

impl FromStr for NewTag {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        let form = || OrderError::Form(text.to_owned());
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-/:*".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(form());
        }
        let (tag, digest) = match value.split_once('@') {
            Some((tag, digest)) => (tag, Some(digest)),
            None => (value, None),
        };
        let first = tag.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        if !first || tag.len() > 128 || !tag.chars().all(mention::is_tag) {
            return Err(OrderError::Tag(tag.to_owned()));
        }
        if let Some(digest) = digest {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(OrderError::Digest(digest.to_owned()));
            }
        }
        let digest = digest.map(str::to_owned);
        Ok(Self { name: name.to_owned(), tag: tag.to_owned(), digest })
    }
}

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The tree cannot be listed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A copy to try the edits on cannot be made.
    #[error("cannot use the copy of `{path}` that edits are tried on")]
    Copy {
        /// The file.
        path: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// What is not rendered may hold an image of the group.
    #[error("{spot}: {message}; whatever this holds would stay behind")]
    Partial {
        /// Where.
        spot: Spot,
        /// What could not be read or rendered.
        message: String,
    },
    /// The kit has no such image.
    #[error("no image of the kit is called `{name}`; there are {known}")]
    NoImage {
        /// The name asked for.
        name: String,
        /// Repositories of the kit.
        known: String,
    },
    /// An image states no tag.
    #[error("{spot}: `{image}` has no tag that could be changed")]
    NoTag {
        /// The image.
        image: String,
        /// Where it stands.
        spot: Spot,
    },
    /// The digest wins over the tag, so that a new tag alone changes nothing.
    #[error("{spot}: `{image}` is pinned by its digest; give the new one too, as `tag@sha256:…`")]
    Pinned {
        /// The image.
        image: String,
        /// Where it stands.
        spot: Spot,
    },
    /// A digest was given for an image without one.
    #[error("{spot}: `{image}` is not pinned by a digest; give the tag alone")]
    NotPinned {
        /// The image.
        image: String,
        /// Where it stands.
        spot: Spot,
    },
    /// A line holds the old value in a form that is not changed by a program.
    #[error("{spot}: this line does not have the expected shape: {why}")]
    Shape {
        /// The line.
        spot: Spot,
        /// What is unexpected.
        why: &'static str,
    },
    /// One value gives the tag of other images too.
    #[error(
        "{spot}: this value is also the tag of {others}; name them too, or give them a value of their own"
    )]
    Shared {
        /// Where the value stands.
        spot: Spot,
        /// The other images.
        others: String,
    },
    /// Nothing that could be edited gives the image its tag.
    #[error("{spot}: `{image}` gets its tag from no line of the tree that could be changed")]
    NoPlace {
        /// The image.
        image: String,
        /// Where it stands.
        spot: Spot,
    },
    /// The rendering of all edits together is not as it should be.
    #[error("the edits would not only change the group: {0}")]
    Proof(String),
    /// A chart's version has no next one.
    #[error("{spot}: `{version}` is not of the form `1.2.3`")]
    Version {
        /// Where it stands.
        spot: Spot,
        /// The version.
        version: String,
    },
    /// A release names no exact version.
    #[error("{spot}: release `{release}` does not name one version of its chart")]
    Pin {
        /// Where it stands.
        spot: Spot,
        /// The release.
        release: String,
    },
}

/// What would be written.
#[derive(Debug, Default)]
pub struct Plan {
    /// Every file that changes.
    pub files: Vec<Changed>,
    /// How many images get a new tag.
    pub images: usize,
    /// Charts with a new version: name, old, new.
    pub charts: Vec<(String, String, String)>,
}

impl Plan {
    /// Whether everything is as ordered already.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The change in unified form.
    pub fn diff(&self) -> String {
        self.files.iter().map(Changed::diff).collect()
    }

    /// Writes every file of the plan into the tree, or none.
    ///
    /// # Errors
    /// [`WriteError`]; the files are then as before, unless it says otherwise.
    pub fn write(&self, tree: &Tree) -> Result<(), WriteError> {
        stage::write(tree, &self.files)
    }
}

/// Finds and proves the edits that carry out `order` in a tree.
///
/// # Errors
/// [`Refused`]: nothing is written in any case.
pub async fn plan(
    tree: &Arc<Tree>,
    options: &Options,
    order: &Order,
    renderer: &Renderer,
) -> Result<Plan, Refused> {
    let facts = whole(tree.clone(), options, renderer).await?;
    let mut bump = Bump { options, renderer, stage: None, edits: BTreeSet::new(), shared: None };
    let mut images = 0;
    for new in &order.images {
        images += bump.image(&facts, new).await?;
    }
    let moved = if order.charts { charts::edits(&facts, &mut bump.edits)? } else { Vec::new() };
    if bump.edits.is_empty() {
        return Ok(Plan::default());
    }
    let edits: Vec<Edit> = bump.edits.iter().cloned().collect();
    let after = bump.with(&facts, &edits).await?;
    prove(&facts, &after, &order.images, order.charts)?;
    Ok(Plan { files: edit::changed(&facts.tree, &edits)?, images, charts: moved })
}

/// The facts of a tree of which nothing is left out.
async fn whole(tree: Arc<Tree>, options: &Options, renderer: &Renderer) -> Result<Facts, Refused> {
    let facts = assemble(tree, options, renderer).await?;
    match facts.problems.first() {
        None => Ok(facts),
        Some(problem) => {
            Err(Refused::Partial { spot: problem.spot.clone(), message: problem.message.clone() })
        }
    }
}

struct Bump<'a> {
    options: &'a Options,
    renderer: &'a Renderer,
    stage: Option<Stage>,
    edits: BTreeSet<Edit>,
    /// The first value that would change other images too, and those.
    shared: Option<(Edit, String)>,
}

impl Bump<'_> {
    /// The facts of the tree with some edits.
    async fn with(&mut self, facts: &Facts, edits: &[Edit]) -> Result<Facts, Refused> {
        let stage = match self.stage.take() {
            Some(stage) => stage,
            None => Stage::of(&facts.tree)?,
        };
        let changed = edit::changed(&facts.tree, edits)?;
        stage.put(&changed)?;
        let found = whole(stage.tree()?, self.options, self.renderer).await;
        stage.take_back(&changed)?;
        self.stage = Some(stage);
        found
    }

    /// Adds the edits that give a group its new tag; how many images get it.
    async fn image(&mut self, facts: &Facts, new: &NewTag) -> Result<usize, Refused> {
        let mentions = Mentions::of(facts, &new.name)?;
        let open = mentions.open(new)?;
        let mut wanted: BTreeSet<(&str, &str)> = BTreeSet::new();
        for reference in &open {
            if !reference.tag.is_empty() {
                wanted.insert((&reference.tag, &new.tag));
            }
            if let (Some(old), Some(digest)) = (&reference.digest, &new.digest) {
                wanted.insert((old, digest));
            }
        }
        let mut odd = Vec::new();
        for (from, to) in wanted.into_iter().filter(|(from, to)| from != to) {
            let places = Places::of(facts, &mentions, from, to);
            odd.extend(places.odd);
            self.edits.extend(places.sure);
            for edit in places.maybe {
                self.try_place(facts, &mentions, new, edit).await?;
            }
        }
        let edits: Vec<Edit> = self.edits.iter().cloned().collect();
        if edits.is_empty() && open.is_empty() {
            return Ok(0);
        }
        let after = self.with(facts, &edits).await?;
        match Mentions::of(&after, &new.name)?.open(new)?.first() {
            None => Ok(open.len()),
            Some(left) => Err(self.left_behind(left, odd)),
        }
    }

    /// Takes an edit that changes images of the group and no other.
    async fn try_place(
        &mut self,
        facts: &Facts,
        mentions: &Mentions,
        new: &NewTag,
        edit: Edit,
    ) -> Result<(), Refused> {
        let Ok(after) = self.with(facts, std::slice::from_ref(&edit)).await else { return Ok(()) };
        let Ok(changed) = Mentions::of(&after, &new.name) else { return Ok(()) };
        let others = mentions.others_lost(&changed);
        let reaches = changed.group_names() != mentions.group_names();
        match (reaches, others.is_empty()) {
            (true, true) => {
                self.edits.insert(edit);
            }
            (true, false) => {
                let others = others.into_iter().collect::<Vec<_>>().join("`, `");
                self.shared.get_or_insert((edit, format!("`{others}`")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Why an image still has its old tag.
    fn left_behind(&mut self, left: &Reference, odd: Vec<(Spot, &'static str)>) -> Refused {
        if let Some((edit, others)) = self.shared.take() {
            return Refused::Shared { spot: edit.spot(), others };
        }
        match odd.into_iter().next() {
            Some((spot, why)) => Refused::Shape { spot, why },
            None => Refused::NoPlace { image: left.name.clone(), spot: left.spot.clone() },
        }
    }
}

/// Holds the rendering of all edits against the order.
fn prove(before: &Facts, after: &Facts, images: &[NewTag], charts: bool) -> Result<(), Refused> {
    for new in images {
        let (was, is) = (Mentions::of(before, &new.name)?, Mentions::of(after, &new.name)?);
        if let Some(left) = is.open(new)?.first() {
            return Err(Refused::NoPlace { image: left.name.clone(), spot: left.spot.clone() });
        }
        if was.group.len() != is.group.len() {
            let (was, is) = (was.group.len(), is.group.len());
            let why = format!("`{}` was there {was} times and would be {is} times", new.name);
            return Err(Refused::Proof(why));
        }
    }
    let names: Vec<&str> = images.iter().map(|new| new.name.as_str()).collect();
    let (was, is) = (mention::outside(before, &names), mention::outside(after, &names));
    if let Some(lost) = was.iter().find(|name| !is.contains(*name)) {
        return Err(Refused::Proof(format!("`{lost}` is not in the rendering any more")));
    }
    if charts { charts::prove(after) } else { Ok(()) }
}
