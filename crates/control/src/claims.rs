//! What only one deployment may have: domain name, short name and number on this machine.
//!
//! A claim is taken in one critical section before anything is written and given back if the
//! deployment does not come to be, so two requests at the same moment cannot both have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use catalyst_model::{CreateSpec, Deployment, DeploymentId, Fqdn, Problem, SovereignName, Trouble};

/// How many sandbox Sovereigns one machine carries.
const INDEXES: u8 = 16;

#[derive(Debug, Default)]
struct Taken {
    fqdns: BTreeMap<Fqdn, DeploymentId>,
    names: BTreeMap<SovereignName, DeploymentId>,
    indexes: BTreeSet<u8>,
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
    }

    /// Claims what `spec` asks for, and the lowest free number from `first` on.
    ///
    /// # Errors
    /// One of them is taken.
    pub(crate) fn take(
        &self,
        spec: &CreateSpec,
        id: &DeploymentId,
        first: u8,
    ) -> Result<Claim, Trouble> {
        let mut taken = self.lock();
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
        let (fqdn, name) = (spec.fqdn.clone(), spec.name.clone());
        Ok(Claim { claims: self.clone(), fqdn, name, index, kept: false })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing that holds the lock can leave it half-changed.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Keeps the claim for good.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.kept {
            let mut taken = self.claims.lock();
            taken.fqdns.remove(&self.fqdn);
            taken.names.remove(&self.name);
            taken.indexes.remove(&self.index);
        }
    }
}
