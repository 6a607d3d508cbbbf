//! Flux, the pull secret, and what the Sovereign installs itself from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{FirstBoot, STEP_FAILED};
use crate::problem::{Result, file};

const FLUX: &str = include_str!("../../../../sandbox/manifests/flux.yaml");
const KIT: &str = include_str!("../../../../sandbox/manifests/kit.yaml");

/// The kinds that must be known before Flux starts, or its controllers crash.
const CRDS: &[&str] = &[
    "gitrepositories.source.toolkit.fluxcd.io",
    "helmrepositories.source.toolkit.fluxcd.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "helmreleases.helm.toolkit.fluxcd.io",
];

/// Every namespace with private images; a missing one shows as images that cannot be pulled.
const PULL_NAMESPACES: &str = "catalyst-system,gitea,harbor,newapi,powerdns";

/// The credentials file: what a person would type at `docker login`.
#[derive(Deserialize)]
struct Credentials {
    registry: String,
    username: String,
    password: SecretString,
}

impl FirstBoot {
    /// Applies the CRDs, waits until the API knows them, then applies the controllers.
    pub(super) async fn flux(&self) -> Result<()> {
        for folder in &self.spec.tools.crds {
            self.kubectl.apply_folder(folder).await?;
        }
        let kinds: Vec<String> = CRDS.iter().map(|name| format!("crd/{name}")).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        self.kubectl.wait("condition=Established", &kinds, 60).await?;
        let ca = match &self.spec.outside_ca {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| file("read", path, error))?
            }
            None => String::new(),
        };
        self.kubectl.apply(fill(FLUX, &[("OUTSIDE_CA", &indent(&ca))])).await
    }

    /// Waits until the three controllers run.
    pub(super) async fn flux_ready(&self) -> Result<()> {
        self.pods_run("flux-system", "app.kubernetes.io/part-of=flux").await
    }

    /// Writes `ghcr-pull` with the annotations that let the reflector copy it.
    pub(super) async fn pull_secret(&self) -> Result<()> {
        let Some(path) = &self.spec.boot.ghcr_credentials_file else { return Ok(()) };
        let text = std::fs::read(path).map_err(|error| file("read", path, error))?;
        let Credentials { registry, username, password } =
            serde_json::from_slice(&text).map_err(|error| {
                // The error's own text could quote the password.
                let at = format!("line {} column {}", error.line(), error.column());
                STEP_FAILED.because(format!("`{}` is no credentials file: {at}", path.display()))
            })?;
        let pair = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
        let login = json!({"auths": {registry: {
            "username": username, "password": password.expose_secret(), "auth": pair,
        }}});
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "ghcr-pull", "namespace": "flux-system", "annotations": {
                "reflector.v1.k8s.emberstack.com/reflection-allowed": "true",
                "reflector.v1.k8s.emberstack.com/reflection-allowed-namespaces": PULL_NAMESPACES,
                "reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true",
                "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces": PULL_NAMESPACES,
            }},
            "data": {".dockerconfigjson": STANDARD.encode(login.to_string())},
        });
        self.kubectl.apply(secret.to_string()).await
    }

    /// Applies the GitRepository and the Kustomization; Flux does the rest.
    pub(super) async fn kit(&self) -> Result<()> {
        let boot = &self.spec.boot;
        let text = fill(
            KIT,
            &[
                ("GITOPS_REPO_URL", &quoted(&boot.gitops_repo_url)),
                ("GITOPS_BRANCH", &quoted(&boot.gitops_branch)),
                ("KIT_PATH", &quoted(&boot.kit_path)),
                ("SOVEREIGN_FQDN", &quoted(&boot.fqdn)),
            ],
        );
        self.kubectl.apply(text).await
    }
}

/// A string as YAML, whatever is in it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Puts values in the places of `${NAME}`.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let replace =
        |text: String, (name, value): &(&str, &str)| text.replace(&format!("${{{name}}}"), value);
    values.iter().fold(template.to_owned(), replace)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_is_judged_with_the_namespaces_that_get_the_pull_secret() {
        let given = include_str!("../../../../clusters/_template/catalyst-kit.yaml");
        for list in ["reflection-allowed-namespaces", "reflection-auto-namespaces"] {
            let line = format!("reflector.v1.k8s.emberstack.com/{list}: {PULL_NAMESPACES}\n");
            assert!(given.contains(&line), "{line}");
        }
    }

    #[test]
    fn every_place_in_the_manifests_is_filled() {
        let flux = fill(FLUX, &[("OUTSIDE_CA", "    x")]);
        assert!(!flux.contains("${"), "{flux}");
        let kit = fill(
            KIT,
            &[
                ("GITOPS_REPO_URL", "x"),
                ("GITOPS_BRANCH", "x"),
                ("KIT_PATH", "x"),
                ("SOVEREIGN_FQDN", "x"),
            ],
        );
        assert!(!kit.contains("${"), "{kit}");
    }

    #[test]
    fn nothing_is_insecure_and_substitution_is_strict() {
        for text in [FLUX, KIT] {
            assert!(!text.contains("insecure"), "{text}");
        }
        assert!(FLUX.contains("StrictPostBuildSubstitutions=true"));
        assert!(!FLUX.contains("leader-election"));
    }

    #[test]
    fn a_value_with_yaml_in_it_stays_a_string() {
        assert_eq!(quoted("a: b\n\"c\""), r#""a: b\n\"c\"""#);
    }
}
