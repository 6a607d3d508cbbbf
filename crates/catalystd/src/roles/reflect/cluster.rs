//! The cluster as reflection sees it: [`Cluster::watch`] keeps an image of it, [`Cluster::view`] shows
//! the image in the words of [`plan`](super::plan), [`Cluster::carry_out`] does one write.
//!
//! Objects that are neither a source nor a copy are kept by name only: their values never stay here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::stream::{BoxStream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::plan::{Action, Content, Existing, Key, Kind, Source};
use super::rules::{AUTO_REFLECTS, Grant, Mark, REFLECTED_VERSION, REFLECTS};

/// Time for one write, the read before it included.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Secrets of these types belong to their place: a token of one account, the record of one release.
const BOUND_TYPES: [&str; 2] = ["kubernetes.io/service-account-token", "helm.sh/release.v1"];

/// What is in the cluster, in the words of the plan.
pub(super) struct View {
    /// Objects that may be copied.
    pub(super) sources: Vec<Source>,
    /// Namespaces that take objects.
    pub(super) namespaces: BTreeSet<String>,
    /// All Secrets and ConfigMaps.
    pub(super) existing: Vec<Existing>,
}

/// An image of the cluster that follows it, and the way to write.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    secrets: Store<Secret>,
    config_maps: Store<ConfigMap>,
    namespaces: Store<Namespace>,
}

/// Something changed, or a watch failed and goes on by itself.
pub(super) type Event = Result<(), watcher::Error>;

impl Cluster {
    /// Starts to follow the cluster. The image moves only while the stream is polled.
    pub(super) fn watch(client: Client) -> (Self, BoxStream<'static, Event>) {
        let (secrets, secret_events) = follow::<Secret>(&client, slim);
        let (config_maps, config_map_events) = follow::<ConfigMap>(&client, slim);
        let (namespaces, namespace_events) =
            follow::<Namespace>(&client, |namespace| namespace.metadata.managed_fields = None);
        let events =
            futures::stream::select_all([secret_events, config_map_events, namespace_events]);
        (Self { client, secrets, config_maps, namespaces }, events.boxed())
    }

    /// Waits until the image is whole: a plan made before that would take copies away.
    ///
    /// # Errors
    /// When a watch is dropped.
    pub(super) async fn whole(&self) -> Result<()> {
        self.secrets.wait_until_ready().await.context("watch Secrets")?;
        self.config_maps.wait_until_ready().await.context("watch ConfigMaps")?;
        self.namespaces.wait_until_ready().await.context("watch Namespaces")
    }

    /// The image of this moment.
    pub(super) fn view(&self) -> View {
        let mut view =
            View { sources: Vec::new(), namespaces: BTreeSet::new(), existing: Vec::new() };
        for secret in self.secrets.state() {
            view.add(&*secret);
        }
        for config_map in self.config_maps.state() {
            view.add(&*config_map);
        }
        view.namespaces = self
            .namespaces
            .state()
            .iter()
            .filter(|namespace| namespace.metadata.deletion_timestamp.is_none())
            .filter_map(|namespace| namespace.metadata.name.clone())
            .collect();
        view
    }

    /// Does one write. A write that is too late, for somebody else was faster, does nothing: the
    /// change that overtook it starts the next round.
    ///
    /// # Errors
    /// When the API server refuses or does not answer in time.
    pub(super) async fn carry_out(&self, action: &Action) -> Result<()> {
        let target = action.target();
        let write = async {
            match target.kind {
                Kind::Secret => self.write::<Secret>(action).await,
                Kind::ConfigMap => self.write::<ConfigMap>(action).await,
            }
        };
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_overtaken(&error) => {
                tracing::debug!(%target, "somebody was faster");
                Ok(())
            }
            Ok(Err(error)) => Err(error).with_context(|| format!("write {target}")),
            Err(_) => bail!("no answer to the write of {target}"),
        }
    }

    async fn write<K: Copied>(&self, action: &Action) -> kube::Result<()> {
        let api: Api<K> = Api::namespaced(self.client.clone(), &action.target().namespace);
        match action {
            Action::Create { target, source } => {
                let mut object = K::default();
                let mut annotations = marks(source);
                annotations.insert(AUTO_REFLECTS.to_owned(), "True".to_owned());
                *object.meta_mut() = ObjectMeta {
                    name: Some(target.name.clone()),
                    namespace: Some(target.namespace.clone()),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                };
                object.fill(&source.content);
                api.create(&PostParams::default(), &object).await?;
                tracing::info!(%target, source = %source.key, "made a copy");
            }
            Action::Update { target, version, source } => {
                let Some(mut object) = api.get_opt(&target.name).await? else { return Ok(()) };
                if object.meta().resource_version.as_ref() != Some(version) {
                    return Ok(());
                }
                object.meta_mut().annotations.get_or_insert_default().extend(marks(source));
                object.fill(&source.content);
                api.replace(&target.name, &PostParams::default(), &object).await?;
                tracing::info!(%target, source = %source.key, "renewed a copy");
            }
            Action::Delete { target, version, uid, reason } => {
                let only_this = DeleteParams::default().preconditions(Preconditions {
                    resource_version: Some(version.clone()),
                    uid: Some(uid.clone()),
                });
                api.delete(&target.name, &only_this).await?;
                tracing::info!(%target, ?reason, "took a copy away");
            }
        }
        Ok(())
    }
}

impl View {
    fn add<K: Copied>(&mut self, object: &K) {
        let meta = object.meta();
        let (Some(namespace), Some(name)) = (&meta.namespace, &meta.name) else { return };
        let key = Key { kind: K::KIND, namespace: namespace.clone(), name: name.clone() };
        let none = BTreeMap::new();
        let annotations = meta.annotations.as_ref().unwrap_or(&none);
        let version = meta.resource_version.clone().unwrap_or_default();
        // An object that is going away is no copy to keep right and no source to copy from.
        let staying = meta.deletion_timestamp.is_none();
        let mark = Mark::read(annotations).filter(|_| staying);
        let content = Arc::new(object.content());
        let bound = |kind: &String| BOUND_TYPES.contains(&kind.as_str());
        let copyable =
            mark.is_none() && staying && !content.secret_type.as_ref().is_some_and(bound);
        if let Some(grant) = Grant::read(annotations).filter(|_| copyable) {
            self.sources.push(Source {
                key: key.clone(),
                grant,
                version: version.clone(),
                content: Arc::clone(&content),
            });
        }
        let uid = meta.uid.clone().unwrap_or_default();
        self.existing.push(Existing { key, version, uid, mark, content });
    }
}

impl Action {
    fn target(&self) -> &Key {
        match self {
            Self::Create { target, .. }
            | Self::Update { target, .. }
            | Self::Delete { target, .. } => target,
        }
    }
}

/// A kind that is copied.
trait Copied:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + Default
    + DeserializeOwned
    + Serialize
{
    const KIND: Kind;
    fn content(&self) -> Content;
    fn fill(&mut self, content: &Content);
}

impl Copied for Secret {
    const KIND: Kind = Kind::Secret;

    fn content(&self) -> Content {
        Content {
            secret_type: self.type_.clone(),
            bytes: self.data.clone().unwrap_or_default(),
            texts: BTreeMap::new(),
        }
    }

    fn fill(&mut self, content: &Content) {
        self.type_.clone_from(&content.secret_type);
        self.data = Some(content.bytes.clone());
    }
}

impl Copied for ConfigMap {
    const KIND: Kind = Kind::ConfigMap;

    fn content(&self) -> Content {
        Content {
            secret_type: None,
            bytes: self.binary_data.clone().unwrap_or_default(),
            texts: self.data.clone().unwrap_or_default(),
        }
    }

    fn fill(&mut self, content: &Content) {
        self.binary_data = Some(content.bytes.clone());
        self.data = Some(content.texts.clone());
    }
}

fn follow<K>(client: &Client, slim: fn(&mut K)) -> (Store<K>, BoxStream<'static, Event>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changes = watcher(Api::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(slim);
    (store, reflector::reflector(writer, changes).map(|change| change.map(drop)).boxed())
}

/// Forgets what the plan does not ask for; above all, the values of objects that do not concern it.
fn slim<K: Copied>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    let annotations = meta.annotations.get_or_insert_default();
    if Mark::read(annotations).is_none() && Grant::read(annotations).is_none() {
        meta.annotations = None;
        meta.labels = None;
        object.fill(&Content::default());
    }
}

fn marks(source: &Source) -> BTreeMap<String, String> {
    let key = &source.key;
    BTreeMap::from([
        (REFLECTS.to_owned(), format!("{}/{}", key.namespace, key.name)),
        (REFLECTED_VERSION.to_owned(), source.version.clone()),
    ])
}

fn is_overtaken(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 || status.code == 409)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secret(annotations: &[(&str, &str)]) -> Secret {
        let annotations =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Secret {
            metadata: ObjectMeta {
                namespace: Some("flux-system".to_owned()),
                name: Some("ghcr-pull".to_owned()),
                annotations: Some(annotations.collect()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(BTreeMap::from([("k".to_owned(), ByteString(b"v".to_vec()))])),
            ..Secret::default()
        }
    }

    fn view_of(secret: &Secret) -> View {
        let mut view =
            View { sources: Vec::new(), namespaces: BTreeSet::new(), existing: Vec::new() };
        view.add(secret);
        view
    }

    const ALLOWED: (&str, &str) = ("reflector.v1.k8s.emberstack.com/reflection-allowed", "true");

    #[test]
    fn values_of_strangers_are_forgotten() {
        let mut stranger = secret(&[("example.org/note", "x")]);
        slim(&mut stranger);
        assert_eq!(stranger.data, Some(BTreeMap::new()));
        let view = view_of(&stranger);
        assert!(view.sources.is_empty());
        assert_eq!(view.existing.len(), 1);
    }

    #[test]
    fn a_source_keeps_its_values() {
        let mut source = secret(&[ALLOWED]);
        slim(&mut source);
        let view = view_of(&source);
        assert_eq!(view.sources[0].content.bytes["k"].0, b"v");
        assert!(view.existing[0].mark.is_none());
    }

    #[test]
    fn a_copy_is_no_source() {
        let copy = secret(&[ALLOWED, (REFLECTS, "elsewhere/ghcr-pull")]);
        let view = view_of(&copy);
        assert!(view.sources.is_empty());
        assert!(view.existing[0].mark.is_some());
    }

    #[test]
    fn tokens_and_release_records_stay_where_they_are() {
        for bound in BOUND_TYPES {
            let mut token = secret(&[ALLOWED]);
            token.type_ = Some(bound.to_owned());
            assert!(view_of(&token).sources.is_empty(), "{bound}");
        }
    }
}
