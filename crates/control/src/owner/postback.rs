//! Taking the kubeconfig a node posts: checked in a fixed order, kept, and the bearer used up.
//!
//! The owner does this alone, from the first check to the durable event, so of two posts at the
//! same moment one finds the bearer used up.

use catalyst_fleet::kubeconfig;
use catalyst_model::{DeploymentEvent, KubeconfigState, Problem, Trouble};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::Owner;
use crate::{Error, Provisioning, provision::workdir, secret};

impl Owner {
    pub(super) async fn take_post(
        &mut self,
        bearer: Option<SecretString>,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        self.check_bearer(bearer)?;
        if body.len() > kubeconfig::MAX_BYTES {
            return Err(Problem::KUBECONFIG_TOO_LARGE.plain().into());
        }
        if body.is_empty() {
            return Err(Problem::KUBECONFIG_EMPTY.plain().into());
        }
        let Some(kubeconfigs) = self.around.kubeconfigs.clone() else {
            return Err(Problem::KUBECONFIGS_DIR_MISSING.plain().into());
        };
        let (id, expected_api) = {
            let state = self.state.borrow();
            (state.id.clone(), state.placement.expected_api.clone())
        };
        let clean = kubeconfig::check(&body, Some(&expected_api))?.text;
        kubeconfigs
            .prepare()
            .await
            .map_err(|e| broken(Problem::KUBECONFIGS_DIR_UNWRITABLE.plain(), e))?;
        let size_bytes = clean.expose_secret().len() as u64;
        // Should the process end between the file and the event, the bearer is still good and the
        // node's next post replaces the file.
        let sha256 = kubeconfigs
            .keep(&id, SecretSlice::from(clean.expose_secret().as_bytes().to_vec()))
            .await
            .map_err(|e| broken(Problem::KUBECONFIG_WRITE_FAILED.plain(), e))?;
        self.record(vec![DeploymentEvent::KubeconfigStored { sha256, size_bytes }]).await?;
        tracing::info!(%id, size_bytes, "kubeconfig stored");
        self.forget_bearer().await;
        Ok(())
    }

    /// Removes the bearer's file once the bearer is used up; harmless when that was done before.
    pub(super) async fn forget_bearer(&self) {
        let id = {
            let state = self.state.borrow();
            match state.kubeconfig {
                KubeconfigState::Stored { .. } => state.id.clone(),
                KubeconfigState::Awaited | KubeconfigState::TimedOut { .. } => return,
            }
        };
        let Provisioning::Enabled(settings) = &self.around.provisioning else { return };
        if let Err(trouble) = workdir::forget_bearer(&settings.tofu_dir, &id).await {
            tracing::warn!(%id, %trouble, "the file of a used bearer is still there");
        }
    }

    fn check_bearer(&self, bearer: Option<SecretString>) -> Result<(), Trouble> {
        let state = self.state.borrow();
        let bearer = bearer.filter(|b| !b.expose_secret().trim().is_empty());
        let bearer = bearer.ok_or_else(|| Problem::BEARER_MISSING.plain())?;
        if state.bearer_hash.0.is_empty() {
            return Err(Problem::BEARER_NOT_MINTED.plain());
        }
        if !secret::matches(&bearer, &state.bearer_hash) {
            return Err(Problem::BEARER_WRONG.plain());
        }
        match state.kubeconfig {
            KubeconfigState::Stored { .. } => return Err(Problem::KUBECONFIG_ALREADY_SET.plain()),
            KubeconfigState::Awaited | KubeconfigState::TimedOut { .. } => {}
        }
        if Timestamp::now() >= state.bearer_expires_at {
            return Err(Problem::BEARER_EXPIRED.plain());
        }
        Ok(())
    }
}

fn broken(trouble: Trouble, source: catalyst_store::Error) -> Error {
    Error::Broken { trouble, source: Box::new(source) }
}
