//! L12: what a hook may wait fits into the time its release has, and outlasts a cold start.

mod watch;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};
use crate::shell::time::{Loop, Span, Timing, Wait, timing};
use crate::shell::{self, Program};

pub(super) const RULE: Rule = Rule {
    id: "L12",
    title: "what a hook waits fits into its release's time",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "Helm gives the hook up before the hook gives up itself: the release fails with a bare time-out, \
            Flux uninstalls it, and the wait begins anew",
    fix: "shorten the wait, set `activeDeadlineSeconds` below the release's time-out, or give the release \
          more time",
    page: include_str!("../../../../docs/rules/L12.md"),
    check,
};

/// Seconds that the rest of an action needs besides its hook.
const SLACK: u64 = 60;
/// What a Job tries after the first time when it says nothing.
const BACKOFF_LIMIT: u64 = 6;

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied().filter(|object| object.hook.is_some()) {
        if let Owner::Release(at) = object.owner
            && object.pod_spec().is_some()
        {
            hook(facts, object, &facts.releases[at], &mut findings);
        }
    }
    findings.extend(watch::check(facts));
    findings
}

/// What all the Pods of a hook may take.
struct Budget<'a> {
    /// The program that waits longest, with what it does.
    longest: Option<(Program<'a>, Timing)>,
    /// One Pod: init containers one after the other, then the others at once.
    attempt: Wait,
    /// Pods at most.
    attempts: u64,
    /// The Job's or Pod's own end.
    deadline: Option<u64>,
}

impl Budget<'_> {
    fn total(&self) -> Span {
        let all = self.attempt.worst.times(self.attempts);
        self.deadline.map_or(all, |deadline| all.min(Span::For(deadline)))
    }
}

fn hook(facts: &Facts, object: &Object, release: &Release, findings: &mut Vec<Finding>) {
    let Some((event, limit)) = limit(object, release) else { return };
    let budget = budget(facts, object);
    let allowed = limit.saturating_sub(SLACK);
    if let Some((deadline, node)) = facts.number(object, "spec/activeDeadlineSeconds")
        && u64::try_from(deadline).is_ok_and(|deadline| deadline > limit)
    {
        let message = format!(
            "{} may run {deadline} s, the release has {limit} s for its {event}",
            object.title()
        );
        let finding = RULE.at(object.spot(node), message);
        findings.push(finding.related(time_spot(facts, release, event), "the release's time-out"));
    } else if budget.total() > Span::For(allowed)
        && let Some((program, timing)) = &budget.longest
    {
        let spot = main_loop(timing).map_or_else(|| program.spot(1), |one| program.spot(one.line));
        let message = format!(
            "{} may wait {}: more than the {limit} s of its {event}, less {SLACK} s for the rest",
            object.title(),
            sum(&budget, timing)
        );
        let mut finding = RULE.at(spot, message);
        if budget.attempt.worst == Span::Endless {
            finding = finding
                .fix("let the wait end by itself, with a failure, before the release's time is up");
        } else if budget.attempt.quick < budget.attempt.worst
            && budget.attempt.quick.times(budget.attempts) <= Span::For(allowed)
        {
            finding = finding.fix(
                "count the time limit of each try as well: where nobody refuses the connection every try \
                 takes all of it",
            );
        }
        findings.push(finding.related(time_spot(facts, release, event), "the release's time-out"));
    }
    cold_start(facts, object, &budget, findings);
    falls_through(facts, object, findings);
}

/// The first event that has a limit, and its seconds.
fn limit(object: &Object, release: &Release) -> Option<(&'static str, u64)> {
    let events = &object.hook.as_ref()?.events;
    let has = |names: [&str; 2]| events.iter().any(|event| names.contains(&event.as_str()));
    let install =
        has(["pre-install", "post-install"]).then_some(release.declared.install.timeout.as_secs());
    let upgrade =
        has(["pre-upgrade", "post-upgrade"]).then_some(release.declared.upgrade.timeout.as_secs());
    match (install, upgrade) {
        (Some(install), Some(upgrade)) if upgrade < install => Some(("upgrade", upgrade)),
        (Some(install), _) => Some(("install", install)),
        (None, Some(upgrade)) => Some(("upgrade", upgrade)),
        (None, None) => None,
    }
}

fn time_spot(facts: &Facts, release: &Release, event: &str) -> Spot {
    let object = facts.declaration(release);
    let paths = [format!("spec/{event}/timeout"), "spec/timeout".to_owned()];
    let node = paths.iter().find_map(|path| object.node.at(path));
    node.map_or_else(|| object.place(), |node| object.spot(node))
}

fn budget<'a>(facts: &'a Facts, object: &'a Object) -> Budget<'a> {
    let inits = object.pod_spec().map(|spec| spec.items_at("initContainers")).unwrap_or_default();
    let mut attempt = Wait::default();
    let mut others = Wait::default();
    let mut longest: Option<(Program<'a>, Timing)> = None;
    for program in shell::programs(facts, object) {
        let read = timing(&program.script, &program.env);
        let is_init = inits.iter().any(|init| std::ptr::eq(init, program.container));
        if is_init {
            attempt = attempt.plus(read.total);
        } else {
            others = others.max(read.total);
        }
        if longest.as_ref().is_none_or(|(_, most)| read.total.worst > most.total.worst) {
            longest = Some((program, read));
        }
    }
    let seconds = |path: &str| {
        let found = facts.number(object, path).map(|(value, _)| value);
        found.and_then(|value| u64::try_from(value).ok())
    };
    let is_job = object.is("batch", "Job");
    let retries = if is_job { seconds("spec/backoffLimit").unwrap_or(BACKOFF_LIMIT) } else { 0 };
    let deadlines = ["spec/activeDeadlineSeconds", "spec/template/spec/activeDeadlineSeconds"];
    let own = seconds(deadlines[0]);
    let of_pod =
        seconds(deadlines[1]).filter(|_| is_job).map(|one| one.saturating_mul(retries + 1));
    let deadline = [own, of_pod].into_iter().flatten().min();
    Budget { longest, attempt: attempt.plus(others), attempts: retries.saturating_add(1), deadline }
}

/// The loop that waits longest.
fn main_loop(timing: &Timing) -> Option<&Loop> {
    timing.loops.iter().max_by_key(|one| one.total.worst)
}

/// How the seconds come about: `168 × 8 s = 1344 s`.
fn sum(budget: &Budget<'_>, timing: &Timing) -> String {
    let once = match (main_loop(timing), budget.attempt.worst) {
        (_, Span::Endless) => return "without end".to_owned(),
        (Some(Loop { tries: Some(tries), each, .. }), Span::For(all)) => match each.worst {
            Span::For(each) if each * tries == all => format!("{tries} × {each} s = {all} s"),
            _ => format!("{all} s"),
        },
        (_, Span::For(all)) => format!("{all} s"),
    };
    match (budget.attempts, budget.total()) {
        (1, _) => once,
        (tries, Span::For(all)) => format!("{tries} × ({once}) = {all} s (backoffLimit + 1)"),
        (_, Span::Endless) => once,
    }
}

/// A new node takes its time until Pods run on it; a wait for one of them must last longer.
fn cold_start(facts: &Facts, object: &Object, budget: &Budget<'_>, findings: &mut Vec<Finding>) {
    let cold = facts.settings.cold_start_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let (Some(cold), Some((program, timing))) = (cold, &budget.longest) else { return };
    let Some(Loop { line, total, tries: Some(_), .. }) = main_loop(timing) else { return };
    let capped =
        budget.deadline.map_or(total.quick, |deadline| total.quick.min(Span::For(deadline)));
    let Span::For(waits) = capped else { return };
    if waits < cold {
        let message = format!(
            "{} gives up after {waits} s, but a new node may take {cold} s (coldStartSeconds)",
            object.title()
        );
        let cause =
            "on a cluster that must first add a node the wait always ends before its Pods run";
        findings.push(
            RULE.at(program.spot(*line), message)
                .cause(cause)
                .fix("wait longer, or in a release that comes later"),
        );
    }
}

/// Loops after which a program goes on as if what it waited for were there.
fn falls_through(facts: &Facts, object: &Object, findings: &mut Vec<Finding>) {
    for program in shell::programs(facts, object) {
        for one in timing(&program.script, &program.env).loops {
            let Some(tries) = one.tries.filter(|_| one.falls_through) else { continue };
            let message = format!(
                "{} goes on as if nothing were wrong when all {tries} tries are used up",
                object.title()
            );
            let cause = "the step after the wait fails with an error that has nothing to do with its cause, or \
                         does half of its work";
            let finding = RULE.at(program.spot(one.line), message).cause(cause);
            findings.push(finding.fix("end the loop with `exit 1` when nothing came").warning());
        }
    }
}
