//! What the process says of itself: lines for a person at a terminal, JSON for whatever else reads.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Logs to standard error from here on. A filter that cannot be read is the same as `info`.
pub(crate) fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
}
