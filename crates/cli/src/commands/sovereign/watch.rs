//! `catalyst sovereign watch`: follow a run to its end; live on a terminal, plain lines otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::api::wire::{Answer, Event, Sovereign};
use crate::api::{Client, Frame};
use crate::args::Format;
use crate::output::{Output, OutputClosed};
use crate::problem::Explained;
use crate::tree;

/// How long a server may be away (a restart, say) before following gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);
/// Times on screen move even when nothing happens.
const TICK: Duration = Duration::from_millis(500);

/// How long a Sovereign that did not become ready in time is followed on: its watching goes on at
/// the mothership, and it may be ready yet.
const HOPE: Duration = Duration::from_secs(600);

/// Whether an end that is not `ready` may still change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hope {
    /// It is the answer.
    None,
    /// It may, until then.
    Until(tokio::time::Instant),
}

impl Hope {
    /// From now on, for as long as it is worth waiting.
    pub(crate) fn begin() -> Self {
        Self::Until(tokio::time::Instant::now() + HOPE)
    }

    fn is_left(self) -> bool {
        matches!(self, Self::Until(end) if tokio::time::Instant::now() < end)
    }
}

/// Follows until ready (success) or any other end (failure with the cause).
pub(crate) async fn run(
    client: &Client,
    id: &str,
    hope: Hope,
    output: &Output,
) -> anyhow::Result<()> {
    let mut view = View::new(output);
    let sovereign = match follow(client, id, hope, &mut view).await {
        // Nobody listens any more; what is left to tell is the exit code.
        Err(error) if error.is::<OutputClosed>() => {
            let ready = client.sovereign(id).await.is_ok_and(|now| now.status == "ready");
            return if ready { Ok(()) } else { Err(error) };
        }
        outcome => outcome?,
    };
    view.close(&sovereign)?;
    if sovereign.status == "ready" {
        return Ok(());
    }
    let Answer { headline, cause, fix, code, .. } = sovereign.answer.clone();
    let mut failure = Explained::new(headline, fix.unwrap_or_default());
    (failure.code, failure.cause) = (code, cause);
    if sovereign.can_be_retried() {
        let again = format!("`catalyst sovereign retry {}` tries again.", sovereign.name);
        failure.fix = format!("{} {again}", failure.fix).trim_start().to_owned();
    }
    Err(failure.into())
}

async fn follow(
    client: &Client,
    id: &str,
    hope: Hope,
    view: &mut View<'_>,
) -> anyhow::Result<Sovereign> {
    let mut seen = 0;
    let mut away: Option<tokio::time::Instant> = None;
    loop {
        match follow_once(client, id, &mut seen, view).await {
            Ok(Some(sovereign)) if sovereign.status == "ready" || !hope.is_left() => {
                return Ok(sovereign);
            }
            Ok(Some(sovereign)) => {
                away = None;
                view.state = Some(sovereign);
                view.draw();
            }
            Ok(None) => away = None,
            Err(error) if error.is::<OutputClosed>() => return Err(error),
            Err(error) => {
                let refused = error
                    .downcast_ref::<crate::api::ApiProblem>()
                    .is_some_and(|problem| problem.status != 0 && problem.status < 500);
                let since = *away.get_or_insert_with(tokio::time::Instant::now);
                if refused || since.elapsed() > PATIENCE {
                    return Err(error);
                }
                view.stale(since.elapsed());
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One connection: the snapshot, then events after its `seq`, each followed by a new snapshot, so
/// that what is shown is always what the server says and never a second fold of our own.
async fn follow_once(
    client: &Client,
    id: &str,
    seen: &mut u64,
    view: &mut View<'_>,
) -> anyhow::Result<Option<Sovereign>> {
    let mut stream = client.events(id, *seen).await?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut stale = true;
    loop {
        tokio::select! {
            frame = stream.next() => match frame? {
                Some(Frame::Event(event)) => {
                    *seen = (*seen).max(event.seq);
                    view.event(&event)?;
                    stale = true;
                }
                Some(Frame::Done(sovereign)) => return Ok(Some(*sovereign)),
                None => return Ok(None),
            },
            _ = tick.tick() => {
                if stale {
                    let sovereign = client.sovereign(id).await?;
                    stale = false;
                    if sovereign.is_settled() && *seen >= sovereign.seq {
                        return Ok(Some(sovereign));
                    }
                    stale |= sovereign.is_settled();
                    view.state = Some(sovereign);
                }
                view.draw();
            }
        }
    }
}

/// What the person sees.
struct View<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    state: Option<Sovereign>,
}

impl<'a> View<'a> {
    fn new(output: &'a Output) -> Self {
        let live = output.live && output.format == Format::Table;
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Self { output, bar, state: None }
    }

    fn event(&self, event: &Event) -> anyhow::Result<()> {
        if self.bar.is_some() { Ok(()) } else { self.output.item(event, || plain(event)) }
    }

    fn draw(&self) {
        if let (Some(bar), Some(state)) = (&self.bar, &self.state) {
            bar.set_message(tree::lines(state, Timestamp::now(), width(), self.output).join("\n"));
        }
    }

    fn stale(&self, since: Duration) {
        let text = format!(
            "catalyst-api is away since {} s; catching up when it is back",
            since.as_secs()
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.output.say(&text),
        }
    }

    fn close(&self, sovereign: &Sovereign) -> anyhow::Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.output.format == Format::Table {
            let lines = tree::lines(sovereign, Timestamp::now(), width(), self.output);
            self.output.say(&lines.join("\n"));
            return Ok(());
        }
        self.output.item(sovereign, String::new)
    }
}

/// One event as one line for a pipe or a log.
fn plain(event: &Event) -> String {
    let time = event.time.map(|time| time.strftime("%H:%M:%S").to_string()).unwrap_or_default();
    let sign = match event.level.as_str() {
        "error" => "ERROR",
        "warn" => "WARN ",
        _ => "     ",
    };
    let component = event.component.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
    tree::clip(&format!("{time} {sign} {component}{}", event.message), 400)
}

fn width() -> usize {
    let columns = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    columns.clamp(40, 160)
}
