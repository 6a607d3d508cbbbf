//! Taking a Sovereign down, however much or little of it there is.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::launch::InitProcess;
use super::{Machine, Record, group_of, lock, record, refuse_without_root};
use crate::cgroup::Cgroups;
use crate::init::STOP_DEADLINE;
use crate::netns::Netns;
use crate::node::older_label;
use crate::paths::NodeName;
use crate::problem::{Result, file};

/// PID 1 gets its own deadline and this much more before everything is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What becomes of a Sovereign's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Images, etcd's data and volumes stay for the next `up`.
    Keep,
    /// The whole folder is removed.
    Purge,
}

impl Machine {
    /// Ends every process of the Sovereign and removes its control groups, namespace, link and rules.
    /// Harmless when it is half there or not there at all.
    ///
    /// # Errors
    /// CAT-3211 when processes cannot be ended, CAT-3210, CAT-3230 and CAT-3002 when something is
    /// still in use; what could be removed is removed all the same.
    pub async fn down(&self, name: &NodeName, data: Data) -> Result<()> {
        refuse_without_root()?;
        let _one = lock::one(&self.roots.home, name).await?;
        let layout = self.layout(name);
        let group = group_of(&layout)?;
        if let Some(init) = InitProcess::find(&group) {
            init.ask_to_stop();
            let deadline = Instant::now() + STOP_DEADLINE + GRACE;
            while InitProcess::find(&group).is_some() && Instant::now() < deadline {
                tokio::time::sleep(LOOK).await;
            }
        }
        let killed = group.kill().await;
        let unlinked = self.remove_link(name).await;
        let unpinned = Netns::of(&layout).remove();
        let ungrouped = group.remove().await;
        remove_older_group(name).await;
        killed.and(unlinked).and(unpinned).and(ungrouped)?;
        self.remove_files(name, data)
    }

    async fn remove_link(&self, name: &NodeName) -> Result<()> {
        match Record::read(&self.roots.home, name) {
            Ok(record) => record.link()?.remove(&self.nft()).await,
            // Without a record the pair goes with its namespace.
            Err(_) => Ok(()),
        }
    }

    fn remove_files(&self, name: &NodeName, data: Data) -> Result<()> {
        let home = &self.roots.home;
        let folder = home.sovereign(name);
        match data {
            Data::Keep => {
                let layout = self.layout(name);
                for path in [layout.status(), layout.first_boot()] {
                    gone(fs::remove_file(&path)).map_err(|error| file("remove", &path, error))?;
                }
                gone(fs::remove_dir_all(layout.tmp()))
                    .map_err(|error| file("remove", &layout.tmp(), error))
            }
            Data::Purge => {
                let path = record::place(home, name);
                gone(fs::remove_dir_all(&folder))
                    .map_err(|error| file("remove", &folder, error))?;
                debug_assert!(!path.exists(), "the record lies in the folder");
                let lock = home.sovereigns().join(format!(".{name}.lock"));
                gone(fs::remove_file(&lock)).map_err(|error| file("remove", &lock, error))
            }
        }
    }
}

/// Removes the group that an older version made under this name, unless something runs in it.
async fn remove_older_group(name: &NodeName) {
    let Ok(cgroups) = Cgroups::detect() else { return };
    let older = cgroups.group(&older_label(name.as_str()));
    if older.exists() && older.processes().is_empty() {
        // Not ours to insist on: nothing is in it.
        let _ = older.remove().await;
    }
}

/// What is not there need not be removed.
fn gone(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
