//! What is seen of a long run: nothing for the first moments, then one line over itself, and only
//! where there is a terminal.

use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// Below this a run is over before its line would be read.
const PATIENCE: Duration = Duration::from_millis(700);
/// The line moves even when nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// Waits for `work`, and says on a terminal what is done and for how long.
pub(super) async fn shown<T>(output: &Output, doing: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if !output.live {
        return work.await;
    }
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let bar = ProgressBar::new_spinner().with_elapsed(PATIENCE).with_message(doing.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    let done = work.await;
    bar.finish_and_clear();
    done
}
