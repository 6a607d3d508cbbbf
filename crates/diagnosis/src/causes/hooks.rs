//! Hooks of charts: Jobs that Helm runs before and after an install, and waits for.

use std::collections::BTreeMap;

use catalyst_model::{CauseKind, ReleaseName};
use jiff::{SignedDuration, Timestamp};

use super::graph::release_named;
use crate::finding::{Finding, named};
use crate::words::{between, last_line};
use crate::{Job, Key, Observed, State, Tail, Unready};

/// A hook that runs longer than this is told with what it waits for.
const LONG: SignedDuration = SignedDuration::from_secs(20);
/// A hook that says the same as often waits, however short it has run.
const REPEATED: usize = 3;

/// When Helm runs the hooks that an install or an upgrade waits for.
const EVENTS: [&str; 4] = ["pre-install", "post-install", "pre-upgrade", "post-upgrade"];

/// A hook, with what is known of it.
struct Hook<'a> {
    key: Key,
    release: Option<&'a ReleaseName>,
    event: &'a str,
    budget: Option<&'a str>,
    job: Option<&'a Job>,
    pod: Option<&'a Unready>,
    log: Option<&'a Tail>,
    /// What the Helm controller says of its end, and since when.
    said: Option<(Option<Timestamp>, &'a str)>,
}

pub(super) fn hooks(observed: &Observed<'_>) -> Vec<Finding> {
    let mut hooks = BTreeMap::new();
    for ((namespace, kind, name), made) in &observed.owners {
        let Some(event) = made.hook.filter(|_| *kind == "Job") else { continue };
        let key = Key::new(*namespace, *name);
        hooks.insert(key.clone(), hook(observed, key, Some(made.release), event));
    }
    for (hook, said) in named_by_helm(observed) {
        hooks.entry(hook.key.clone()).or_insert(hook).said = Some(said);
    }
    hooks.values().filter_map(|hook| told(observed, hook)).collect()
}

fn hook<'a>(
    observed: &Observed<'a>,
    key: Key,
    release: Option<&'a ReleaseName>,
    event: &'a str,
) -> Hook<'a> {
    let owner = ("Job".to_owned(), key.name.clone());
    let is_its = |pod: &&'a Unready| pod.owner == owner;
    let here = observed.pods.iter().filter(|(pod, _)| pod.namespace == key.namespace);
    let job = observed.jobs.iter().find(|(known, _)| **known == &key).map(|(_, job)| *job);
    let budget = release.and_then(|name| {
        let own = observed.releases.iter().find(|(key, _)| key.name == name.as_str());
        own.map(|(_, release)| release.timeout.as_str())
    });
    let log = observed.log_of_job(&key);
    let pod = here.filter_map(|(_, pod)| pod.unready.as_deref()).find(is_its);
    Hook { key, release, event, budget, job, pod, log, said: None }
}

/// Hooks whose end the Helm controller tells of: the Job itself may be gone by then.
fn named_by_helm<'a>(observed: &Observed<'a>) -> Vec<(Hook<'a>, (Option<Timestamp>, &'a str))> {
    let mut found = Vec::new();
    for (key, release) in &observed.releases {
        let conditions = [release.ready.as_ref(), release.released.as_ref()];
        let mut failed = conditions.into_iter().flatten().filter(|c| c.is_false());
        // `failed pre-install: …` and `pre-upgrade hooks failed: …`
        let event = |message: &str| {
            let said = |event: &&str| {
                message.contains(&format!("failed {event}"))
                    || message.contains(&format!("{event} hooks failed"))
            };
            EVENTS.into_iter().find(said)
        };
        let named = failed.find_map(|c| Some((c, event(&c.fact.message)?)));
        let Some((failed, event)) = named else { continue };
        let message = &failed.fact.message;
        let job = between(message, "job ", " failed")
            .or_else(|| between(message, "Job/", " ").and_then(|r| r.rsplit('/').next()));
        let Some(job) = job else { continue };
        let job = Key::new(release.target_namespace.clone(), job.trim_matches('"'));
        let hook = hook(observed, job, release_named(observed, key), event);
        found.push((hook, (failed.since, message.as_str())));
    }
    found
}

fn told(observed: &Observed<'_>, hook: &Hook<'_>) -> Option<Finding> {
    let is_over = hook.job.is_some_and(|job| job.complete) && hook.said.is_none();
    // A Job that failed stays behind: it speaks of now only while Helm is at work on its release, or
    // while the controller names it.
    let is_at_work = |release: &ReleaseName| observed.pending.iter().any(|p| p.release == release);
    let is_of_now = hook.said.is_some() || hook.release.is_some_and(is_at_work);
    if is_over || !is_of_now {
        return None;
    }
    let finding = forbidden(hook).or_else(|| failed(hook)).or_else(|| waits(observed, hook))?;
    let what = named("Job", &hook.key);
    let lines = hook.log.map(|log| log.lines.as_slice()).unwrap_or_default();
    let mut finding = finding.log(&what, lines).of(hook.release);
    if let Some((at, text)) = hook.job.and_then(|job| job.failed.as_ref()) {
        finding = finding.evidence(format!("Condition Failed of {what}"), *at, text);
    }
    if let Some((at, text)) = hook.said {
        finding = finding.evidence("Condition of its HelmRelease", at, text);
    }
    if let Some(why) = hook.log.and_then(|log| log.unreadable.as_ref()) {
        finding =
            finding.evidence(format!("Log of {what}"), None, &format!("could not be read: {why}"));
    }
    Some(finding)
}

/// `User "system:serviceaccount:ns:name" cannot create resource "secrets" in API group ""`.
fn forbidden(hook: &Hook<'_>) -> Option<Finding> {
    // A log of JSON lines has its quotes escaped.
    let mut lines = hook.log?.lines.iter().rev().map(|line| line.replace('\\', ""));
    let line = lines.find(|line| line.contains("cannot ") && line.contains("resource \""))?;
    let line = line.as_str();
    let verb = between(line, " cannot ", " resource")?;
    let resource = between(line, "resource \"", "\"")?;
    let group = between(line, "API group \"", "\"").unwrap_or_default();
    let namespace = between(line, "in the namespace \"", "\"");
    let user = between(line, "User \"", "\"").unwrap_or("its ServiceAccount");
    let account = user.rsplit(':').next().unwrap_or(user);
    let name = &hook.key.name;
    let headline = format!("hook {name} is forbidden to {verb} {resource}");
    let (holder, place) = match namespace {
        Some(namespace) => ("Role", format!(" in namespace {namespace}")),
        None => ("ClusterRole", String::new()),
    };
    let fix = format!(
        "Add this rule to the {holder} of ServiceAccount {account}{place}: `apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]`."
    );
    let subject = format!("hook {}: {verb} {resource}", named("Job", &hook.key));
    Some(Finding::new(CauseKind::HookForbidden, subject, &headline).fix(fix).since(began(hook)))
}

fn failed(hook: &Hook<'_>) -> Option<Finding> {
    let ended = hook.pod.and_then(|pod| {
        pod.containers.iter().find_map(|container| match (&container.state, &container.last) {
            (State::Ended(exit), _) | (State::Waiting { .. }, Some(exit)) if exit.code != 0 => {
                Some(exit)
            }
            _ => None,
        })
    });
    let job = hook.job.and_then(|job| job.failed.as_ref());
    if ended.is_none() && job.is_none() && hook.said.is_none() {
        return None;
    }
    let name = &hook.key.name;
    let last = hook.log.and_then(|log| last_line(&log.lines)).map(|line| format!(": {line}"));
    let why = match (ended, job, hook.said) {
        (Some(exit), ..) => format!(" with exit code {}", exit.code),
        (None, Some((_, why)), _) => format!(" ({})", why.split(": ").next().unwrap_or(why)),
        (None, None, Some((_, said))) if last.is_none() => {
            let why = said.rsplit(" failed: ").next().unwrap_or(said);
            format!(" ({})", why.lines().next().unwrap_or(why).trim())
        }
        (None, None, _) => String::new(),
    };
    let headline = format!("{} hook {name} failed{why}{}", hook.event, last.unwrap_or_default());
    let since = job.and_then(|(at, _)| *at).or_else(|| ended.and_then(|exit| exit.at));
    let since = since.or_else(|| hook.said.and_then(|(at, _)| at));
    Some(
        Finding::new(CauseKind::HookFailed, format!("hook {}", named("Job", &hook.key)), &headline)
            .since(since),
    )
}

fn began(hook: &Hook<'_>) -> Option<Timestamp> {
    let running = |pod: &Unready| {
        pod.containers.iter().find_map(|container| match &container.state {
            State::Running { since } => *since,
            State::Waiting { .. } | State::Ended(_) => None,
        })
    };
    hook.pod.and_then(running).or_else(|| hook.job.and_then(|job| job.started))
}

fn waits(observed: &Observed<'_>, hook: &Hook<'_>) -> Option<Finding> {
    let is_running = hook.job.is_some_and(|job| !job.complete && job.failed.is_none());
    let since = began(hook).filter(|_| is_running)?;
    let lines = hook.log.map(|log| log.lines.as_slice()).unwrap_or_default();
    let last = last_line(lines);
    let repeats = last.map_or(0, |last| lines.iter().filter(|line| line.trim() == last).count());
    if observed.now.duration_since(since) < LONG && repeats < REPEATED {
        return None;
    }
    let name = &hook.key.name;
    let budget = hook.budget.map(|b| format!(", of the {b} its release has")).unwrap_or_default();
    let what = match last {
        Some(last) => format!("waits: {last}"),
        None => "runs on and says nothing".to_owned(),
    };
    let headline = format!("{} hook {name} {what} (since {since:.0}{budget})", hook.event);
    let what = named("Job", &hook.key);
    let finding = Finding::new(CauseKind::HookWaits, format!("hook {what}"), &headline);
    let text = format!("its Pod runs since {since:.0} and has not ended");
    Some(finding.evidence(format!("Status of {what}"), Some(since), &text).since(Some(since)))
}
