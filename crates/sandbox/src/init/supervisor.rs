//! Which daemon is started, looked at, restarted or stopped, and when: decisions without effects.
//!
//! Entry point: [`Supervisor`]. PID 1 tells it what happened ([`Supervisor::exited`],
//! [`Supervisor::probed`] …) and performs what [`Supervisor::next`] returns. Time comes in as a
//! parameter, so every rule here is tested without waiting.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::node::daemons::{Daemon, Kind};

/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who ran this long is healthy: the next failure starts again with the first pause.
const STEADY: Duration = Duration::from_secs(60);

/// What one daemon is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// For others to be ready.
    Waiting,
    /// Its process is there and not ready yet.
    Starting {
        /// Its pid inside the namespace.
        pid: i32,
    },
    /// It is ready.
    Ready {
        /// Its pid inside the namespace.
        pid: i32,
    },
    /// It ended and is started again at this time.
    Pausing {
        /// When.
        until: Instant,
    },
    /// It ended and is not started again: a task that is done, or the node is stopping.
    Ended,
}

/// How a process is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM.
    Ask,
    /// SIGKILL.
    Kill,
}

/// What PID 1 has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start this daemon and tell the pid.
    Start(usize),
    /// Look whether this daemon is ready and tell.
    Probe(usize),
    /// Signal this pid.
    Signal(i32, Stop),
}

/// One daemon as the supervisor knows it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it does now.
    pub state: State,
    /// How often it was started after a failure.
    pub restarts: u32,
    /// When the state began.
    pub since: Instant,
    /// How it ended last, for people.
    pub last_end: Option<String>,
    kind: Kind,
    after: Vec<usize>,
    pause: Duration,
    probing: bool,
    asked: Option<Stop>,
}

/// All daemons of a node.
#[derive(Debug, Clone)]
pub struct Supervisor {
    all: Vec<Watched>,
    stopping: Option<Instant>,
    held: Option<usize>,
    changed: bool,
}

impl Supervisor {
    /// Everything waits.
    pub fn new(daemons: &[Daemon]) -> Self {
        let now = Instant::now();
        let index = |name: &&str| daemons.iter().position(|daemon| daemon.name == *name);
        let watch = |daemon: &Daemon| Watched {
            state: State::Waiting,
            restarts: 0,
            since: now,
            last_end: None,
            kind: daemon.kind,
            after: daemon.after.iter().filter_map(index).collect(),
            pause: FIRST_PAUSE,
            probing: false,
            asked: None,
        };
        Self { all: daemons.iter().map(watch).collect(), stopping: None, held: None, changed: true }
    }

    /// Every daemon, in the order given at the start.
    pub fn all(&self) -> &[Watched] {
        &self.all
    }

    /// Whether the node was told to stop.
    pub fn stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether anything changed since this was last asked.
    pub fn changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether the node was told to stop and every process has ended.
    pub fn ended(&self) -> bool {
        self.stopping() && self.all.iter().all(|one| one.state == State::Ended)
    }

    /// Begins the end: processes are asked, and killed `deadline` later.
    pub fn stop(&mut self, now: Instant, deadline: Duration) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(now + deadline);
        for which in 0..self.all.len() {
            if matches!(self.all[which].state, State::Waiting | State::Pausing { .. }) {
                self.enter(which, State::Ended, now);
            }
        }
    }

    /// Keeps a daemon from being asked to end, for something outside these daemons needs it.
    pub fn hold(&mut self, which: usize) {
        self.held = Some(which);
    }

    /// Ends a hold.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Whether a daemon has ended for good.
    pub fn has_ended(&self, which: usize) -> bool {
        self.all[which].state == State::Ended
    }

    /// What is to be done at `now`.
    pub fn next(&mut self, now: Instant) -> Vec<Action> {
        if let Some(deadline) = self.stopping {
            return self.next_stops(now, deadline);
        }
        let mut actions = Vec::new();
        for which in 0..self.all.len() {
            match self.all[which].state {
                State::Waiting if self.may_start(which) => actions.push(Action::Start(which)),
                State::Pausing { until } if now >= until => {
                    self.enter(which, State::Waiting, now);
                    if self.may_start(which) {
                        actions.push(Action::Start(which));
                    }
                }
                State::Starting { .. } if !self.all[which].probing => {
                    self.all[which].probing = true;
                    actions.push(Action::Probe(which));
                }
                _ => {}
            }
        }
        actions
    }

    /// Users of the API end before it, and it before its store: dependants first.
    fn next_stops(&mut self, now: Instant, deadline: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for which in 0..self.all.len() {
            let Some(pid) = pid_of(&self.all[which].state) else { continue };
            let needed = self
                .all
                .iter()
                .any(|other| other.after.contains(&which) && pid_of(&other.state).is_some());
            let needed = needed || self.held == Some(which);
            let how = match (now >= deadline, needed) {
                (true, _) => Stop::Kill,
                (false, true) => continue,
                (false, false) => Stop::Ask,
            };
            if self.all[which].asked != Some(how) {
                self.all[which].asked = Some(how);
                actions.push(Action::Signal(pid, how));
            }
        }
        actions
    }

    /// A daemon was started.
    pub fn started(&mut self, which: usize, pid: i32, now: Instant) {
        self.all[which].probing = false;
        self.enter(which, State::Starting { pid }, now);
    }

    /// A daemon could not be started at all.
    pub fn not_started(&mut self, which: usize, why: &str, now: Instant) {
        self.all[which].last_end = Some(why.to_owned());
        self.pause(which, now);
    }

    /// A look at a daemon came back.
    pub fn probed(&mut self, which: usize, ready: bool, now: Instant) {
        self.all[which].probing = false;
        if let (true, State::Starting { pid }) = (ready, &self.all[which].state) {
            let pid = *pid;
            self.enter(which, State::Ready { pid }, now);
        }
    }

    /// A process ended; says which daemon it was, or none for an orphan.
    pub fn exited(&mut self, pid: i32, status: ExitStatus, now: Instant) -> Option<usize> {
        let which = self.all.iter().position(|one| pid_of(&one.state) == Some(pid))?;
        self.all[which].last_end = Some(status.to_string());
        self.all[which].probing = false;
        let done = self.all[which].kind == Kind::Task && status.success();
        if self.stopping() || done {
            self.enter(which, State::Ended, now);
        } else {
            if now.duration_since(self.all[which].since) >= STEADY {
                self.all[which].pause = FIRST_PAUSE;
            }
            self.pause(which, now);
        }
        Some(which)
    }

    fn pause(&mut self, which: usize, now: Instant) {
        let one = &mut self.all[which];
        let pause = one.pause;
        one.pause = (pause * 2).min(LONGEST_PAUSE);
        one.restarts += 1;
        self.enter(which, State::Pausing { until: now + pause }, now);
    }

    fn may_start(&self, which: usize) -> bool {
        let ready = |on: &usize| matches!(self.all[*on].state, State::Ready { .. } | State::Ended);
        // Once started, a daemon is started again whatever the others do: they retry by themselves.
        self.all[which].restarts > 0 || self.all[which].after.iter().all(ready)
    }

    fn enter(&mut self, which: usize, state: State, now: Instant) {
        self.all[which].state = state;
        self.all[which].since = now;
        self.changed = true;
    }
}

fn pid_of(state: &State) -> Option<i32> {
    match state {
        State::Starting { pid } | State::Ready { pid } => Some(*pid),
        State::Waiting | State::Pausing { .. } | State::Ended => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::node::daemons::Probe;

    fn daemon(name: &'static str, after: &'static [&'static str], kind: Kind) -> Daemon {
        Daemon { name, program: name.into(), args: vec![], after, probe: Probe::Alive, kind }
    }

    fn three() -> Supervisor {
        Supervisor::new(&[
            daemon("store", &[], Kind::Service),
            daemon("api", &["store"], Kind::Service),
            daemon("boot", &["api"], Kind::Task),
        ])
    }

    fn ok() -> ExitStatus {
        ExitStatus::from_raw(0)
    }

    fn up(supervisor: &mut Supervisor, which: usize, pid: i32, now: Instant) {
        assert!(supervisor.next(now).contains(&Action::Start(which)), "{which} not started");
        supervisor.started(which, pid, now);
        assert!(supervisor.next(now).contains(&Action::Probe(which)));
        supervisor.probed(which, true, now);
    }

    #[test]
    fn daemons_start_only_when_what_they_need_is_ready() {
        let (mut all, now) = (three(), Instant::now());
        assert_eq!(all.next(now), [Action::Start(0)]);
        all.started(0, 10, now);
        assert_eq!(all.next(now), [Action::Probe(0)]);
        assert_eq!(all.next(now), [], "one look at a time");
        all.probed(0, false, now);
        assert_eq!(all.next(now), [Action::Probe(0)]);
        all.probed(0, true, now);
        assert_eq!(all.next(now), [Action::Start(1)]);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_shrink_after_a_steady_run() {
        let (mut all, mut now) = (three(), Instant::now());
        let mut pauses = Vec::new();
        for pid in 10..20 {
            up(&mut all, 0, pid, now);
            all.exited(pid, ExitStatus::from_raw(9), now);
            let State::Pausing { until } = all.all()[0].state else { panic!("no pause") };
            pauses.push(until - now);
            now = until;
        }
        assert_eq!(pauses[..3], [250, 500, 1000].map(Duration::from_millis));
        assert_eq!(*pauses.last().unwrap(), LONGEST_PAUSE);
        up(&mut all, 0, 30, now);
        now += STEADY;
        all.exited(30, ok(), now);
        assert_eq!(all.all()[0].state, State::Pausing { until: now + FIRST_PAUSE });
        assert_eq!(all.all()[0].restarts, 11);
    }

    #[test]
    fn a_task_that_succeeded_is_not_repeated_and_one_that_failed_is() {
        let (mut all, now) = (three(), Instant::now());
        up(&mut all, 0, 10, now);
        up(&mut all, 1, 11, now);
        up(&mut all, 2, 12, now);
        assert_eq!(all.exited(12, ExitStatus::from_raw(256), now), Some(2));
        let later = now + LONGEST_PAUSE;
        up(&mut all, 2, 13, later);
        all.exited(13, ok(), later);
        assert_eq!(all.all()[2].state, State::Ended);
        assert_eq!(all.next(later + LONGEST_PAUSE), []);
    }

    #[test]
    fn orphans_are_nobodys_and_change_nothing() {
        let (mut all, now) = (three(), Instant::now());
        up(&mut all, 0, 10, now);
        assert!(all.changed());
        assert_eq!(all.exited(99, ok(), now), None);
        assert!(!all.changed());
    }

    #[test]
    fn the_end_goes_from_the_users_to_the_store_and_kills_at_the_deadline() {
        let (mut all, now) = (three(), Instant::now());
        up(&mut all, 0, 10, now);
        up(&mut all, 1, 11, now);
        up(&mut all, 2, 12, now);
        all.stop(now, STOP_DEADLINE);
        assert_eq!(all.next(now), [Action::Signal(12, Stop::Ask)]);
        assert_eq!(all.next(now), [], "asked once");
        all.exited(12, ok(), now);
        assert_eq!(all.next(now), [Action::Signal(11, Stop::Ask)]);
        let late = now + STOP_DEADLINE;
        assert_eq!(
            all.next(late),
            [Action::Signal(10, Stop::Kill), Action::Signal(11, Stop::Kill)]
        );
        all.exited(10, ok(), late);
        assert!(!all.ended());
        all.exited(11, ok(), late);
        assert!(all.ended());
    }

    #[test]
    fn a_held_daemon_is_asked_when_it_is_released_and_killed_at_the_deadline_all_the_same() {
        let (mut all, now) = (three(), Instant::now());
        up(&mut all, 0, 10, now);
        all.stop(now, STOP_DEADLINE);
        all.hold(0);
        assert_eq!(all.next(now), []);
        assert!(!all.has_ended(0));
        let mut late = all.clone();
        assert_eq!(late.next(now + STOP_DEADLINE), [Action::Signal(10, Stop::Kill)]);
        all.release();
        assert_eq!(all.next(now), [Action::Signal(10, Stop::Ask)]);
        all.exited(10, ok(), now);
        assert!(all.has_ended(0));
    }

    const STOP_DEADLINE: Duration = Duration::from_secs(5);
}
