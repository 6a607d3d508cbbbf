//! Puts everything a Sovereign pulls into the outside, under its real name: images, charts, git.
//!
//! [`Publisher`] pushes to the two registries and [`everything`] also to git. Content is addressed by
//! its digest, so what is there already is skipped, a second run sends nothing, and an interrupted
//! one is simply repeated.

use std::path::Path;

use crate::charts::Chart;
use crate::images::{ImageSet, Realm};
use crate::oci::{Login, Pushed, Registry};
use crate::outside::{Outside, Ports, Published};
use crate::problem::Result;

/// The folders of a checkout that Flux reads.
pub const GIT_FOLDERS: [&str; 1] = ["clusters"];

/// What happened to one thing that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is looked for, and sent if need be.
    Begun {
        /// The name it is pulled by.
        name: String,
    },
    /// It is there now.
    Done {
        /// The name it is pulled by.
        name: String,
        /// Whether it was there before.
        was_there: bool,
    },
}

/// Hears of progress.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What was sent; all 0 and `false` when everything was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Images that the registries lacked.
    pub images: usize,
    /// Charts that the private registry lacked.
    pub charts: usize,
    /// The commit on `main`, and whether it is new.
    pub git: Published,
}

/// Publishes the images, the charts and the git folders of a checkout.
///
/// # Errors
/// CAT-3125 and CAT-3126 for the registries, CAT-3153 for git.
pub async fn everything(
    outside: &Outside,
    checkout: &Path,
    images: &ImageSet,
    charts: &[Chart],
    report: Report<'_>,
) -> Result<Sent> {
    let publisher = Publisher::new(outside)?;
    let images = publisher.images(images, report).await?;
    let charts = publisher.charts(charts, report).await?;
    let name = "https://github.com/openova-io/openova".to_owned();
    report(Progress::Begun { name: name.clone() });
    let git = outside.publish_tree(checkout, &GIT_FOLDERS).await?;
    report(Progress::Done { name, was_there: !git.pushed });
    Ok(Sent { images, charts, git })
}

/// Pushes to the registries of one outside.
#[derive(Debug)]
pub struct Publisher {
    public: Registry,
    private: Registry,
}

impl Publisher {
    /// For the outside as it is configured; it must be up when something is pushed.
    ///
    /// # Errors
    /// CAT-3152 when the credentials cannot be read, CAT-3125.
    pub fn new(outside: &Outside) -> Result<Self> {
        let Ports { public, private, .. } = outside.config().ports;
        let credentials = outside.pull_credentials()?;
        let login = Login { username: credentials.username, password: credentials.password };
        Ok(Self {
            public: Registry::on_loopback(public, None)?,
            private: Registry::on_loopback(private, Some(login))?,
        })
    }

    /// Pushes what the registries lack of `images` and returns how many that were. Images that are
    /// imported into nodes are nobody's to pull and left out.
    ///
    /// # Errors
    /// CAT-3125, CAT-3126.
    pub async fn images(&self, images: &ImageSet, report: Report<'_>) -> Result<usize> {
        let mut sent = 0;
        for image in images.iter() {
            let registry = match image.realm {
                Realm::Public => &self.public,
                Realm::Private => &self.private,
                Realm::Import => continue,
            };
            let push = registry.push(&image.layout, image.path(), &image.tag);
            sent += told(image.reference(), report, push).await?;
        }
        Ok(sent)
    }

    /// Pushes what the private registry lacks of `charts` and returns how many that were.
    ///
    /// # Errors
    /// CAT-3125, CAT-3126.
    pub async fn charts(&self, charts: &[Chart], report: Report<'_>) -> Result<usize> {
        let mut sent = 0;
        for chart in charts {
            let name = format!("oci://ghcr.io/{}:{}", chart.path(), chart.version);
            sent += told(name, report, chart.push(&self.private)).await?;
        }
        Ok(sent)
    }
}

/// Reports on one push; 1 when something was sent.
async fn told(
    name: String,
    report: Report<'_>,
    push: impl Future<Output = Result<Pushed>>,
) -> Result<usize> {
    report(Progress::Begun { name: name.clone() });
    let Pushed { was_there, .. } = Box::pin(push).await?;
    report(Progress::Done { name, was_there });
    Ok(usize::from(!was_there))
}
