//! What `up` says while it prepares: one moving line on a terminal, a line a stage otherwise.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use catalyst_sandbox::{debian, images, publish, tools};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;
use crate::tree::duration;

/// A bar moves even when nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// The stages of preparing, one after the other.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    /// What the current stage is and since when; straight-line code only.
    stage: Mutex<Option<(String, Instant)>>,
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
        if let Ok(mut stage) = self.stage.lock() {
            *stage = Some((name.to_owned(), Instant::now()));
        }
        if let Some(bar) = &self.bar {
            bar.set_prefix(name.to_owned());
            bar.set_message("");
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
            tools::Progress::Waiting { holder } => {
                let holder = holder.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                self.say(&format!("another build is at work{holder}; waiting for it"));
            }
            tools::Progress::Working {
                tool, version, index, total, elapsed, left_in_all, ..
            } => {
                let seconds = |time: Duration| duration(i64::try_from(time.as_secs()).unwrap_or(0));
                self.moving(&format!(
                    "building {tool} {version} ({index} of {total}), {} so far, about {} left in all",
                    seconds(elapsed),
                    seconds(left_in_all),
                ));
            }
            tools::Progress::Retrying { tool, cause } => {
                self.say(&format!("{tool}: asking again: {cause}"));
            }
            tools::Progress::Built { tool, version, .. } => {
                self.say(&format!("built {tool} {version}"));
            }
            other => self.moving(&format!("{other:?}")),
        }
    }

    pub(crate) fn debian(&self, event: debian::Progress) {
        self.moving(&format!("Debian parts: {event:?}"));
    }

    pub(crate) fn images(&self, event: images::Progress) {
        match event {
            images::Progress::Making { image } => self.moving(&format!("making image {image}")),
            other => self.moving(&format!("{other:?}")),
        }
    }

    pub(crate) fn publish(&self, event: publish::Progress) {
        if let publish::Progress::Begun { name } = event {
            self.moving(&format!("publishing {name}"));
        }
    }

    fn moving(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("  {text}")),
            None => self.output.say(&format!("  {text}")),
        }
    }

    fn end_stage(&self) {
        let ended = self.stage.lock().ok().and_then(|mut stage| stage.take());
        let Some((name, since)) = ended else { return };
        let line = format!("✓ {name}  {:.1}s", since.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.output.say(&line),
        }
    }
}
