//! Who makes the Secrets, ConfigMaps and other objects that are referred to by name: rendered objects,
//! programs of hooks, operators, copies of other objects, and what is given.
//!
//! Entry point: [`Producers::of`]. What operators make is declared knowledge, in `producers/known.rs`.

mod known;

use std::collections::HashMap;

use crate::facts::Facts;
use crate::object::{Object, Owner};
use crate::shell;
use crate::shell::calls::{Made, Reach, Target};
use crate::yaml::Node;

/// One who makes an object.
#[derive(Debug, Clone)]
pub(crate) struct Producer<'a> {
    /// What makes it, or is it.
    pub(crate) object: &'a Object,
    pub(crate) how: How,
    /// Its keys; nothing if they are not known.
    pub(crate) keys: Option<Vec<String>>,
}

/// In which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It is the object itself.
    Itself,
    /// A program of its Pods makes or changes it.
    Program,
    /// An operator makes it of this object.
    Operator,
    /// It is copied from this object.
    Copy,
}

/// What is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Want<'a> {
    pub(crate) group: &'a str,
    pub(crate) kind: &'a str,
    /// Nothing for kinds without one.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: &'a str,
}

/// Everything that is made.
#[derive(Debug)]
pub(crate) struct Producers<'a> {
    facts: &'a Facts,
    by_name: HashMap<&'a str, Vec<&'a Object>>,
    /// What operators make: kind, namespace (none: every one), name.
    generated: HashMap<String, Vec<Generated<'a>>>,
    /// What programs make, and the object whose program it is.
    programs: Vec<(&'a Object, Made)>,
    /// The words of programs that write objects in a way that is not read here.
    writers: Vec<(&'a Object, Vec<String>)>,
}

#[derive(Debug, Clone)]
struct Generated<'a> {
    object: &'a Object,
    kind: &'static str,
    namespace: Option<String>,
    keys: Option<Vec<String>>,
}

impl<'a> Producers<'a> {
    /// Gathers them.
    pub(crate) fn of(facts: &'a Facts) -> Self {
        let mut all = Self {
            facts,
            by_name: HashMap::new(),
            generated: HashMap::new(),
            programs: Vec::new(),
            writers: Vec::new(),
        };
        for object in &facts.objects {
            all.by_name.entry(object.name.as_str()).or_default().push(object);
            for (name, one) in known::made_of(object) {
                all.generated.entry(name).or_default().push(one);
            }
            if object.pod_spec().is_some() {
                all.add_programs(object);
            }
        }
        all
    }

    fn add_programs(&mut self, object: &'a Object) {
        let mut words = Vec::new();
        for program in shell::programs(self.facts, object) {
            let made = shell::calls::doings(&program).made;
            self.programs.extend(made.into_iter().map(|made| (object, made)));
            words.extend(program.env.into_values());
            words.extend(shell::texts(program.container).into_iter().map(str::to_owned));
        }
        if is_task(object) && words.iter().any(|text| shell::writes(text)) {
            self.writers.push((object, words));
        }
    }

    /// Everybody who makes it, in the order of the facts.
    pub(crate) fn find(&self, want: Want<'_>) -> Vec<Producer<'a>> {
        let objects = self.by_name.get(want.name).map(Vec::as_slice).unwrap_or_default();
        let mut all: Vec<Producer<'a>> = objects
            .iter()
            .filter(|object| object.is(want.group, want.kind) && is_in(object, want.namespace))
            .map(|object| Producer { object, how: How::Itself, keys: keys_of(object) })
            .collect();
        for one in self.generated.get(want.name).map(Vec::as_slice).unwrap_or_default() {
            let everywhere = one.namespace.is_none();
            if one.kind == want.kind && (everywhere || one.namespace.as_deref() == want.namespace) {
                let keys = one.keys.clone();
                all.push(Producer { object: one.object, how: How::Operator, keys });
            }
        }
        for (object, made) in &self.programs {
            if made.name == want.name && is_kind(&made.target, want) && reaches(&made.reach, want) {
                let keys = made.keys.clone();
                all.push(Producer { object, how: How::Program, keys });
            }
        }
        if all.is_empty() {
            all.extend(self.copies(want));
        }
        if all.is_empty() && matches!(want.kind, "Secret" | "ConfigMap") {
            let names = |(_, words): &&(&Object, Vec<String>)| {
                words.iter().any(|text| shell::names(text, want.name))
            };
            let writers = self.writers.iter().filter(names);
            all.extend(writers.map(|(object, _)| Producer {
                object,
                how: How::Program,
                keys: None,
            }));
        }
        all
    }

    /// Objects of that name elsewhere that are copied into the namespace.
    fn copies(&self, want: Want<'_>) -> Vec<Producer<'a>> {
        let objects = self.by_name.get(want.name).map(Vec::as_slice).unwrap_or_default();
        let sources = objects.iter().filter(|object| {
            object.is(want.group, want.kind)
                && copied_to(object, want.namespace.unwrap_or_default())
        });
        sources.map(|object| Producer { object, how: How::Copy, keys: keys_of(object) }).collect()
    }

    /// Objects of that name and kind, in whatever namespace.
    pub(crate) fn elsewhere(&self, want: Want<'_>) -> Option<&'a Object> {
        let objects = self.by_name.get(want.name)?;
        objects.iter().copied().find(|object| object.is(want.group, want.kind))
    }

    /// The Pods that copy objects between namespaces, should the kit bring them.
    pub(crate) fn copier(&self) -> Option<&'a Object> {
        self.facts.applied().find(|object| {
            object.containers().iter().any(|container| {
                let words = shell::texts(container);
                let image = container.str_at("image").unwrap_or_default();
                let base = image.rsplit('/').next().unwrap_or(image);
                base.starts_with("kubernetes-reflector") || words.contains(&"reflect")
            })
        })
    }
}

/// What is wrong with the moment at which something is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Late<'a> {
    /// Who makes it.
    pub(crate) by: &'a Object,
    /// In which way.
    pub(crate) how: How,
    /// The user's release.
    pub(crate) own: usize,
    /// The release to wait for; nothing when it is the user's own, which makes it after the user.
    pub(crate) release: Option<usize>,
    /// Whether that release itself waits for the user.
    pub(crate) is_circle: bool,
}

impl<'a> Producers<'a> {
    /// Nothing, if one of them makes it before the user needs it; else the best of them. What a build
    /// applies waits by itself until everything is there, so only releases are judged.
    pub(crate) fn late(&self, user: &Object, made_by: &[Producer<'a>]) -> Option<Late<'a>> {
        let Owner::Release(own) = user.owner else { return None };
        let upstream = self.facts.upstream(own);
        let before_install = user
            .hook
            .as_ref()
            .is_some_and(|hook| hook.events.iter().any(|event| event == "pre-install"));
        let mut first = None;
        for one in made_by {
            let (by, how) = (one.object, one.how);
            let maker = if how == How::Copy { self.copier().unwrap_or(by) } else { by };
            let late = match maker.owner {
                // The order of hooks is the matter of L10, late hooks that of L11.
                Owner::Release(at) if at == own => {
                    let is_object = how == How::Itself || maker.hook.is_some();
                    (before_install && !is_object).then_some(None)
                }
                Owner::Release(at) if !upstream.contains(&at) => Some(Some(at)),
                _ => None,
            };
            let release = late?;
            let is_circle = release.is_some_and(|at| self.facts.upstream(at).contains(&own));
            first.get_or_insert(Late { by: maker, how, own, release, is_circle });
        }
        first
    }
}

/// Whether an object is in a namespace. A given one that names none is in every one.
fn is_in(object: &Object, namespace: Option<&str>) -> bool {
    object.namespace.as_deref() == namespace
        || object.owner == Owner::Given && object.namespace.is_none()
}

/// The annotations by which objects are copied into other namespaces.
const REFLECTION: &str = "reflector.v1.k8s.emberstack.com/reflection-";

/// Whether annotations have an object copied into a namespace: it must be allowed there and asked for.
pub(crate) fn copied_to(object: &Object, namespace: &str) -> bool {
    let annotation = |name: &str| object.annotation(&format!("{REFLECTION}{name}"));
    let lists = |name: &str| match annotation(name).map(str::trim).filter(|list| !list.is_empty()) {
        Some(list) => list.split(',').map(str::trim).any(|one| matches(one, namespace)),
        None => true,
    };
    annotation("allowed") == Some("true")
        && annotation("auto-enabled") == Some("true")
        && lists("allowed-namespaces")
        && lists("auto-namespaces")
}

/// Whether annotations have an object copied at all.
pub(crate) fn is_copied(object: &Object) -> bool {
    object.annotation(&format!("{REFLECTION}auto-enabled")) == Some("true")
}

/// Whether an entry of a list of namespaces means this one; an entry is a name or a pattern such as
/// `team-.*`.
fn matches(entry: &str, namespace: &str) -> bool {
    match entry.split_once(".*") {
        Some((before, after)) => namespace.starts_with(before) && namespace.ends_with(after),
        None => entry == namespace,
    }
}

/// The keys of a Secret or ConfigMap; nothing where that is not known, or for another kind.
fn keys_of(object: &Object) -> Option<Vec<String>> {
    let token = object.node.str_at("type") == Some("kubernetes.io/service-account-token");
    if !(object.is("", "Secret") || object.is("", "ConfigMap")) || token {
        return None;
    }
    let parts = ["data", "stringData", "binaryData"];
    let parts: Vec<&Node> = parts.iter().filter_map(|part| object.node.get(part)).collect();
    // A given object stands for one whose content nobody writes down.
    if object.owner == Owner::Given && parts.is_empty() {
        return None;
    }
    let entries = parts.into_iter().flat_map(Node::entries);
    Some(entries.map(|entry| entry.name().to_owned()).collect())
}

fn is_kind(target: &Target, want: Want<'_>) -> bool {
    let plural = format!("{}s", want.kind.to_ascii_lowercase());
    match target {
        Target::Kind(group, kind) => group == want.group && kind == want.kind,
        Target::Api(group, resource) => group == want.group && *resource == plural,
        Target::Word(word) => {
            let word = word.split('.').next().unwrap_or(word);
            word == plural
                || plural.strip_suffix('s') == Some(word)
                || matches!((word, want.kind), ("cm", "ConfigMap") | ("sa", "ServiceAccount"))
        }
    }
}

fn reaches(reach: &Reach, want: Want<'_>) -> bool {
    match reach {
        Reach::In(namespace) => want.namespace.is_none_or(|wanted| wanted == namespace),
        Reach::Unknown | Reach::All => true,
    }
}

/// Whether an object's Pods do one thing and end.
fn is_task(object: &Object) -> bool {
    object.hook.is_some() || matches!(object.kind.as_str(), "Job" | "CronJob" | "Pod")
}
