//! What only one deployment may have: domain name, short name, number on this machine, and the key
//! its request was sent with.
//!
//! A claim is taken in one critical section before anything is written and given back if the
//! deployment does not come to be, so two requests at the same moment cannot both have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use catalyst_model::{
    CreateSpec, Deployment, DeploymentId, Fqdn, Problem, SecretHash, SovereignName, Trouble,
};

/// How many sandbox Sovereigns one machine carries.
const INDEXES: u8 = 16;

#[derive(Debug, Default)]
struct Taken {
    fqdns: BTreeMap<Fqdn, DeploymentId>,
    names: BTreeMap<SovereignName, DeploymentId>,
    indexes: BTreeSet<u8>,
    /// By the hash of a request's key the deployment it made; none while it is being made.
    keys: BTreeMap<String, Option<DeploymentId>>,
}

/// What came of asking for a claim.
#[derive(Debug)]
pub(crate) enum Taking {
    /// It is taken.
    Taken(Claim),
    /// The same key made this deployment before.
    Again(DeploymentId),
}

/// Everything that is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    taken: Arc<Mutex<Taken>>,
}

/// One deployment's claim; given back when dropped, unless it was kept.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    fqdn: Fqdn,
    name: SovereignName,
    key: Option<SecretHash>,
    pub(crate) index: u8,
    kept: bool,
}

impl Claims {
    /// Notes what a deployment that was read from its record has.
    pub(crate) fn note(&self, deployment: &Deployment) {
        let mut taken = self.lock();
        taken.fqdns.insert(deployment.spec.fqdn.clone(), deployment.id.clone());
        taken.names.insert(deployment.spec.name.clone(), deployment.id.clone());
        taken.indexes.insert(deployment.placement.sandbox_index);
        if let Some(key) = &deployment.idempotency {
            taken.keys.insert(key.0.clone(), Some(deployment.id.clone()));
        }
    }

    /// Claims what `spec` asks for, and the lowest free number from `first` on, unless `key`
    /// says that it was asked for before.
    ///
    /// # Errors
    /// One of them is taken, or the first request with this key is still under way.
    pub(crate) fn take(
        &self,
        spec: &CreateSpec,
        id: &DeploymentId,
        first: u8,
        key: Option<&SecretHash>,
    ) -> Result<Taking, Trouble> {
        let mut taken = self.lock();
        match key.and_then(|key| taken.keys.get(&key.0)) {
            Some(Some(known)) => return Ok(Taking::Again(known.clone())),
            Some(None) => return Err(Problem::KEY_UNDER_WAY.plain()),
            None => {}
        }
        if let Some(other) = taken.fqdns.get(&spec.fqdn) {
            let detail = format!("`{}` is deployment {other}'s", spec.fqdn);
            return Err(Problem::FQDN_TAKEN.with(detail));
        }
        if let Some(other) = taken.names.get(&spec.name) {
            return Err(
                Problem::NAME_TAKEN.with(format!("`{}` is deployment {other}'s", spec.name))
            );
        }
        let free = (first..INDEXES).find(|i| !taken.indexes.contains(i));
        let index = free.ok_or_else(|| Problem::NO_FREE_INDEX.plain())?;
        taken.fqdns.insert(spec.fqdn.clone(), id.clone());
        taken.names.insert(spec.name.clone(), id.clone());
        taken.indexes.insert(index);
        if let Some(key) = key {
            taken.keys.insert(key.0.clone(), None);
        }
        let (fqdn, name, key) = (spec.fqdn.clone(), spec.name.clone(), key.cloned());
        Ok(Taking::Taken(Claim { claims: self.clone(), fqdn, name, key, index, kept: false }))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing that holds the lock can leave it half-changed.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Keeps the claim for good, for the deployment `id`.
    pub(crate) fn keep(mut self, id: &DeploymentId) {
        self.kept = true;
        if let Some(key) = &self.key {
            self.claims.lock().keys.insert(key.0.clone(), Some(id.clone()));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.kept {
            let mut taken = self.claims.lock();
            taken.fqdns.remove(&self.fqdn);
            taken.names.remove(&self.name);
            taken.indexes.remove(&self.index);
            if let Some(key) = &self.key {
                taken.keys.remove(&key.0);
            }
        }
    }
}
