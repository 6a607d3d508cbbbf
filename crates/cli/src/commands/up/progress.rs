//! What `up` says while it prepares: one moving line on a terminal; otherwise a line where a stage
//! begins and ends, and one every half minute of a long one, so that a log never looks dead.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use catalyst_sandbox::{debian, images, publish, tools};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;
use crate::tree::duration;

/// A bar moves even when nothing happens.
const TICK: Duration = Duration::from_millis(120);
/// How often a long stage is told of where nothing can be drawn over itself.
const PLAIN_PAUSE: Duration = Duration::from_secs(30);

/// The stages of preparing, one after the other.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    /// What the current stage is; straight-line code only.
    stage: Mutex<Option<Stage>>,
}

/// One stage that is going on.
struct Stage {
    name: String,
    since: Instant,
    /// When a plain line was last printed for it.
    told: Instant,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        let bar = output.live.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { output, bar, stage: Mutex::new(None) }
    }

    /// Ends the stage before and begins another.
    pub(crate) fn stage(&self, name: &str) {
        self.end_stage();
        let now = Instant::now();
        if let Ok(mut stage) = self.stage.lock() {
            *stage = Some(Stage { name: name.to_owned(), since: now, told: now });
        }
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(name.to_owned());
                bar.set_message("");
            }
            None => self.output.say(&format!("… {name}")),
        }
    }

    /// Ends the last stage.
    pub(crate) fn done(&self) {
        self.end_stage();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub(crate) fn tools(&self, event: tools::Progress) {
        match event {
            tools::Progress::Waiting { holder } => self.waiting("build", holder),
            tools::Progress::Working {
                tool, version, index, total, elapsed, left_in_all, ..
            } => self.moving(&format!(
                "building {tool} {version} ({index} of {total}), {} so far, about {} left in all",
                rough(elapsed),
                rough(left_in_all),
            )),
            tools::Progress::Retrying { tool, cause } => {
                self.say(&format!("{tool}: asking again: {cause}"));
            }
            tools::Progress::Built { tool, version, index, total, took } => {
                let took = rough(took);
                self.say(&format!("built {tool} {version} in {took} ({index} of {total})"));
            }
            tools::Progress::Cleaning => self.moving("removing what the builds left"),
        }
    }

    pub(crate) fn debian(&self, event: debian::Progress) {
        match event {
            debian::Progress::Waiting { holder } => self.waiting("unpacking", holder),
            debian::Progress::Updating => self.moving("asking Debian's mirror for its packages"),
            debian::Progress::Downloading { packages, bytes } => {
                let size = bytes.div_ceil(1_000_000);
                self.moving(&format!("downloading {packages} Debian packages, {size} MB"));
            }
            debian::Progress::Unpacking { packages } => {
                self.moving(&format!("unpacking {packages} Debian packages"));
            }
            debian::Progress::Done => {}
        }
    }

    pub(crate) fn images(&self, event: images::Progress) {
        match event {
            images::Progress::Waiting { holder } => self.waiting("making of images", holder),
            images::Progress::Making { image } => self.moving(&format!("making image {image}")),
            images::Progress::Made { .. } => {}
        }
    }

    pub(crate) fn publish(&self, event: publish::Progress) {
        if let publish::Progress::Begun { name } = event {
            self.moving(&format!("publishing {name}"));
        }
    }

    fn waiting(&self, what: &str, holder: Option<u32>) {
        let holder = holder.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        self.say(&format!("another {what} is going on{holder}; waiting for it"));
    }

    fn moving(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.is_time_for_a_line() => self.output.say(&format!("  {text}")),
            None => {}
        }
    }

    fn is_time_for_a_line(&self) -> bool {
        let Ok(mut stage) = self.stage.lock() else { return false };
        let Some(stage) = stage.as_mut().filter(|stage| stage.told.elapsed() >= PLAIN_PAUSE) else {
            return false;
        };
        stage.told = Instant::now();
        true
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("  {text}")),
            None => self.output.say(&format!("  {text}")),
        }
    }

    fn end_stage(&self) {
        let ended = self.stage.lock().ok().and_then(|mut stage| stage.take());
        let Some(stage) = ended else { return };
        let line = format!("✓ {}  {:.1}s", stage.name, stage.since.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.output.say(&line),
        }
    }
}

/// A time as a person says it, in whole seconds.
fn rough(time: Duration) -> String {
    duration(i64::try_from(time.as_secs()).unwrap_or(0))
}
