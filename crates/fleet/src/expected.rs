//! What must be there: the kit that Flux has fetched, built as Flux builds it.
//!
//! Entry point: [`Cluster::expected_kit`]. One call is one attempt: it never waits for Flux, it
//! says what is still missing. The set is built from the very artifact that the controllers use, so
//! it cannot differ from what they apply.

use std::path::PathBuf;
use std::time::Duration;

use catalyst_kit::archive::{self, ArchiveError};
use catalyst_kit::render::{Additions, RenderError, kustomize_build};
use catalyst_kit::{
    Graph, GraphProblem, Place, Problem, SubstituteError, Variables, freeze, read_stream, split,
    substitute,
};
use catalyst_model::{ConditionStatus, FrozenKit, KitRefused};
use serde_json::Value;

use crate::artifact::{Artifact, ArtifactError};
use crate::cluster::{Cluster, RequestError};
use crate::flux::{CONTROLLERS, NAMESPACE, condition, list, number, text};
use crate::workload;

/// Which kit is expected, and with what it is built.
#[derive(Debug, Clone)]
pub struct KitSource {
    /// Name of the Kustomization in `flux-system`, usually `bootstrap-kit`.
    pub kustomization: String,
    /// The pinned `kustomize`.
    pub kustomize: PathBuf,
    /// Folder for a temporary copy of the source; made if absent.
    pub work: PathBuf,
    /// How long the build may take.
    pub build_timeout: Duration,
}

/// Outcome of one attempt.
#[derive(Debug)]
pub enum Expected {
    /// The kit, and what is wrong with its edges (a release behind such an edge never gets ready).
    Frozen(FrozenKit, Vec<GraphProblem>),
    /// Flux is not that far.
    NotYet(NotYet),
}

/// What the kit waits for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// The cluster does not know Flux's kinds.
    #[error("Flux is not installed yet")]
    NoFlux,
    /// An object that first boot creates is not there.
    #[error("{kind} `{name}` has not been created yet")]
    Absent {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A controller does not run, so nothing is reconciled.
    #[error("Flux is not reconciling: {controller} is not available{}", .message.as_ref().map(|m| format!(" ({m})")).unwrap_or_default())]
    NotReconciling {
        /// The controller.
        controller: &'static str,
        /// What keeps it.
        message: Option<String>,
    },
    /// The source has no artifact, and says why.
    #[error("GitRepository `{name}` is not fetched: {message}")]
    Fetching {
        /// Name of the GitRepository.
        name: String,
        /// The reason Flux gives, such as `GitOperationFailed`.
        reason: String,
        /// The message Flux gives.
        message: String,
    },
    /// The controller has not looked at the source.
    #[error("the source controller has not looked at GitRepository `{name}` yet")]
    Unobserved {
        /// Name of the GitRepository.
        name: String,
    },
}

/// Why the kit could not be read although Flux has it, or why the cluster could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ExpectedError {
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The artifact could not be fetched.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The artifact could not be unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A folder of this machine could not be used.
    #[error("cannot use the working folder `{path}`")]
    Work {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The Kustomization asks for something that is not supported.
    #[error("Kustomization `{name}` has {what}, which is not supported")]
    Unsupported {
        /// Name of the Kustomization.
        name: String,
        /// The member.
        what: String,
    },
    /// The folder does not build.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A variable is missing or an expression is wrong.
    #[error("{place}: {source}")]
    Substitute {
        /// Where the document stands in the build's output.
        place: Place,
        /// What is wrong. It has no message of its own beside this one.
        source: SubstituteError,
    },
    /// A variable's source does not exist.
    #[error("Kustomization `{name}` takes variables from {kind} `{from}`, which does not exist")]
    NoVariables {
        /// Name of the Kustomization.
        name: String,
        /// Kind of the source.
        kind: String,
        /// Name of the source.
        from: String,
    },
    /// Documents of the kit are wrong.
    #[error("the kit has {} faults; first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Faulty(Vec<Problem>),
    /// The releases do not make a kit.
    #[error(transparent)]
    Refused(#[from] KitRefused),
}

/// Whose fault it is that there is no kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The API server does not let us in.
    Refused,
    /// The API server does not answer.
    Unreachable,
    /// Flux has the kit and it could not be fetched whole.
    NotFetched,
    /// This machine could not build it, whatever is in it.
    NotBuilt,
    /// The kit's own: it is wrong, or asks for what is not supported.
    Kit,
}

impl ExpectedError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Request(error) | Self::Artifact(ArtifactError::Request(error))
                if error.is_refusal() =>
            {
                Fault::Refused
            }
            Self::Request(_) => Fault::Unreachable,
            Self::Artifact(_) => Fault::NotFetched,
            Self::Work { .. }
            | Self::Render(RenderError::Spawn { .. } | RenderError::TimedOut(_)) => Fault::NotBuilt,
            Self::Archive(_)
            | Self::Unsupported { .. }
            | Self::Render(
                RenderError::NoFolder(_)
                | RenderError::OutOfBounds(_)
                | RenderError::File { .. }
                | RenderError::Failed(_)
                | RenderError::Output,
            )
            | Self::Substitute { .. }
            | Self::NoVariables { .. }
            | Self::Faulty(_)
            | Self::Refused(_) => Fault::Kit,
        }
    }
}

const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1";
const KUSTOMIZATIONS: &str = "/apis/kustomize.toolkit.fluxcd.io/v1";

impl Cluster {
    /// Makes one attempt to read the expected set from the kit that Flux has fetched.
    ///
    /// # Errors
    /// See [`ExpectedError`]; what Flux has not done yet is no error but [`Expected::NotYet`].
    pub async fn expected_kit(&self, source: &KitSource) -> Result<Expected, ExpectedError> {
        let (kustomization, artifact) = match self.fetched(source).await? {
            Ok(found) => found,
            Err(not_yet) => return Ok(Expected::NotYet(not_yet)),
        };
        let bytes = match artifact.fetch(self).await {
            // The controller removes an artifact soon after it made the next one.
            Err(ArtifactError::Request(error)) if error.is_not_found() => {
                let name = source.kustomization.clone();
                return Ok(Expected::NotYet(NotYet::Unobserved { name }));
            }
            fetched => fetched?,
        };
        let variables = self.variables(&kustomization, &source.kustomization).await?;
        let path = text(&kustomization, "/spec/path").unwrap_or_else(|| "./".to_owned());
        let additions = additions(&kustomization, &source.kustomization)?;
        let stream = build(source, bytes, &path, &additions).await?;
        let stream = substituted(&stream, &path, &variables)?;
        let reading = read_stream(&stream, &path);
        if !reading.problems.is_empty() {
            return Err(ExpectedError::Faulty(reading.problems));
        }
        let kit = freeze(&artifact.revision, &reading.releases)?;
        Ok(Expected::Frozen(kit, Graph::of(&reading.releases).problems))
    }

    /// The Kustomization and the artifact of its source, or what is missing of them.
    async fn fetched(
        &self,
        source: &KitSource,
    ) -> Result<Result<(Value, Artifact), NotYet>, ExpectedError> {
        for api in [SOURCES, KUSTOMIZATIONS] {
            if self.json_if_there(api).await?.is_none() {
                return Ok(Err(NotYet::NoFlux));
            }
        }
        let name = &source.kustomization;
        let path = format!("{KUSTOMIZATIONS}/namespaces/{NAMESPACE}/kustomizations/{name}");
        let absent = |kind, name: &str| Ok(Err(NotYet::Absent { kind, name: name.to_owned() }));
        let Some(kustomization) = self.json_if_there(&path).await? else {
            return absent("Kustomization", name);
        };
        let kind = text(&kustomization, "/spec/sourceRef/kind").unwrap_or_default();
        if kind != "GitRepository" {
            let what = format!("a source of kind `{kind}`");
            return Err(ExpectedError::Unsupported { name: name.clone(), what });
        }
        let repository = text(&kustomization, "/spec/sourceRef/name").unwrap_or_default();
        let namespace = text(&kustomization, "/spec/sourceRef/namespace");
        let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
        let path = format!("{SOURCES}/namespaces/{namespace}/gitrepositories/{repository}");
        let Some(repository_object) = self.json_if_there(&path).await? else {
            return absent("GitRepository", &repository);
        };
        match artifact(&repository_object) {
            Some(artifact) => Ok(Ok((kustomization, artifact))),
            None => Ok(Err(self.why_not_fetched(&repository, &repository_object).await?)),
        }
    }

    async fn why_not_fetched(
        &self,
        name: &str,
        repository: &Value,
    ) -> Result<NotYet, RequestError> {
        for controller in CONTROLLERS {
            let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{controller}");
            let deployment = self.json_if_there(&path).await?;
            let live = deployment.as_ref().and_then(|d| workload::Live::read("Deployment", d));
            match live {
                Some(live) if live.rolled_out => {}
                Some(live) => {
                    return Ok(NotYet::NotReconciling { controller, message: live.message });
                }
                None => {
                    let message = Some("its Deployment does not exist".to_owned());
                    return Ok(NotYet::NotReconciling { controller, message });
                }
            }
        }
        let name = name.to_owned();
        let generation = number(repository, "/metadata/generation");
        let observed = number(repository, "/status/observedGeneration");
        match condition(repository, "Ready") {
            Some(ready) if ready.status == ConditionStatus::False || observed == generation => {
                Ok(NotYet::Fetching { name, reason: ready.reason, message: ready.message })
            }
            _ => Ok(NotYet::Unobserved { name }),
        }
    }

    /// The variables of `postBuild`, in Flux's order: inline ones win, line breaks are dropped.
    async fn variables(
        &self,
        kustomization: &Value,
        name: &str,
    ) -> Result<Variables, ExpectedError> {
        let mut variables = Variables::new();
        for from in list(kustomization, "/spec/postBuild/substituteFrom") {
            let kind = text(from, "/kind").unwrap_or_default();
            let from_name = text(from, "/name").unwrap_or_default();
            let plural = match kind.as_str() {
                "ConfigMap" => "configmaps",
                "Secret" => "secrets",
                _ => {
                    let what = format!("variables from a {kind}");
                    return Err(ExpectedError::Unsupported { name: name.to_owned(), what });
                }
            };
            let path = format!("/api/v1/namespaces/{NAMESPACE}/{plural}/{from_name}");
            match self.json_if_there(&path).await? {
                Some(object) => variables.extend(data_of(&object, kind == "Secret")),
                None if from.get("optional") == Some(&Value::Bool(true)) => {}
                None => {
                    let name = name.to_owned();
                    return Err(ExpectedError::NoVariables { name, kind, from: from_name });
                }
            }
        }
        let inline = kustomization.pointer("/spec/postBuild/substitute").and_then(Value::as_object);
        for (key, value) in inline.into_iter().flatten() {
            variables.insert(key.clone(), value.as_str().unwrap_or_default().replace('\n', ""));
        }
        Ok(variables)
    }
}

fn data_of(object: &Value, is_encoded: bool) -> Variables {
    use base64::Engine as _;
    let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, value)| {
        let value = value.as_str()?;
        let value = if is_encoded {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
            String::from_utf8(bytes).ok()?
        } else {
            value.to_owned()
        };
        Some((key.clone(), value.replace('\n', "")))
    })
    .collect()
}

fn artifact(repository: &Value) -> Option<Artifact> {
    let member = |name| text(repository, &format!("/status/artifact/{name}"));
    Some(Artifact { url: member("url")?, digest: member("digest")?, revision: member("revision")? })
}

fn additions(kustomization: &Value, name: &str) -> Result<Additions, ExpectedError> {
    for member in ["decryption", "buildMetadata"] {
        if kustomization.pointer(&format!("/spec/{member}")).is_some() {
            let what = format!("`spec.{member}`");
            return Err(ExpectedError::Unsupported { name: name.to_owned(), what });
        }
    }
    let values = |pointer| list(kustomization, pointer).cloned().collect();
    Ok(Additions {
        target_namespace: text(kustomization, "/spec/targetNamespace"),
        name_prefix: text(kustomization, "/spec/namePrefix"),
        name_suffix: text(kustomization, "/spec/nameSuffix"),
        patches: values("/spec/patches"),
        images: values("/spec/images"),
        components: list(kustomization, "/spec/components")
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    })
}

/// Unpacks the artifact into a folder of its own, builds, and removes the folder.
async fn build(
    source: &KitSource,
    bytes: Vec<u8>,
    path: &str,
    additions: &Additions,
) -> Result<String, ExpectedError> {
    let work = source.work.clone();
    let unpacked = tokio::task::spawn_blocking(move || {
        let failed = |source| ExpectedError::Work { path: work.clone(), source };
        std::fs::create_dir_all(&work).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("kit-").tempdir_in(&work).map_err(failed)?;
        archive::unpack(&bytes, folder.path(), archive::Limits::default())?;
        // The build resolves links, so its messages name the real folder.
        let real = folder.path().canonicalize().map_err(failed)?;
        Ok::<_, ExpectedError>((folder, real))
    });
    let (folder, root) = unpacked.await.map_err(|error| ExpectedError::Work {
        path: source.work.clone(),
        source: std::io::Error::other(error),
    })??;
    let timeout = source.build_timeout;
    let built = kustomize_build(&source.kustomize, &root, path, additions, timeout).await;
    // Removing takes a while on a slow disk; it must not hold up other tasks.
    tokio::task::spawn_blocking(move || drop(folder)).await.ok();
    Ok(built?)
}

/// Substitutes document by document, leaving out those that switch it off, as Flux does.
fn substituted(stream: &str, file: &str, variables: &Variables) -> Result<String, ExpectedError> {
    const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";
    let mut out = String::with_capacity(stream.len());
    for document in split(stream, file) {
        let parsed = document.parse().ok();
        let is_off = parsed.is_some_and(|value| {
            ["labels", "annotations"].iter().any(|map| {
                let switch = value.pointer(&format!("/metadata/{map}")).and_then(|m| m.get(SWITCH));
                switch.and_then(Value::as_str) == Some("disabled")
            })
        });
        out.push_str("---\n");
        if is_off {
            out.push_str(document.text);
        } else {
            let place = document.place.clone();
            let text = substitute(document.text, variables)
                .map_err(|source| ExpectedError::Substitute { place, source })?;
            out.push_str(&text);
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn substitution_is_by_document_and_can_be_switched_off() {
        let stream = "metadata:\n  annotations:\n    kustomize.toolkit.fluxcd.io/substitute: disabled\na: ${X}\n---\nb: ${X}\n";
        let variables = Variables::from([("X".to_owned(), "1".to_owned())]);
        let out = substituted(stream, "kit", &variables).unwrap();
        assert!(out.contains("a: ${X}") && out.contains("b: 1"), "{out}");
        let error = substituted("a: 1\n---\nb: ${Y}\n", "kit", &variables).unwrap_err();
        let expected = "kit:3: variable `Y` is not set (line 1 of the document)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn s8_only_the_kits_own_faults_are_the_kits() {
        let late = || RequestError::TimedOut { path: "/x".into(), after: Duration::from_secs(1) };
        let status =
            |status| RequestError::Status { status, path: "/x".into(), message: "no".into() };
        let folder = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let artifact = |error| ExpectedError::Artifact(ArtifactError::Request(error));
        assert_eq!(artifact(late()).fault(), Fault::NotFetched);
        assert_eq!(artifact(status(502)).fault(), Fault::NotFetched);
        assert_eq!(artifact(status(401)).fault(), Fault::Refused);
        assert_eq!(ExpectedError::from(late()).fault(), Fault::Unreachable);
        let work = ExpectedError::Work { path: "/x".into(), source: folder() };
        assert_eq!(work.fault(), Fault::NotBuilt);
        let spawn = RenderError::Spawn { program: "kustomize".into(), source: folder() };
        assert_eq!(ExpectedError::from(spawn).fault(), Fault::NotBuilt);
        let wrong = RenderError::NoFolder("clusters".into());
        assert_eq!(ExpectedError::from(wrong).fault(), Fault::Kit);
    }

    #[test]
    fn what_flux_would_do_and_we_cannot_is_refused_by_name() {
        let kustomization = json!({"spec": {"decryption": {"provider": "sops"}}});
        let error = additions(&kustomization, "bootstrap-kit").unwrap_err();
        assert!(error.to_string().contains("`spec.decryption`"), "{error}");
    }

    #[test]
    fn secrets_and_config_maps_give_variables_without_line_breaks() {
        let secret = json!({"data": {"A": "eAp5"}});
        assert_eq!(data_of(&secret, true)["A"], "xy");
        assert_eq!(data_of(&json!({"data": {"A": "x\n"}}), false)["A"], "x");
    }
}
