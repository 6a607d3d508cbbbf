//! The only crate that knows how records are kept.
//!
//! A deployment is an append-only log of checksummed frames ([`DeploymentLog`]) with a checkpoint
//! of its fold beside it; [`Records::open`] reads the checkpoints and folds only the tails.
//! Kubeconfigs are files of their own ([`Kubeconfigs`]), and so is the book of who may ask
//! ([`AuthFile`]). Everything is 0600 in folders of 0700, and a second process is refused.

mod auth;
mod checkpoint;
mod disk;
mod error;
mod frame;
mod kubeconfigs;
mod lock;
mod log;
mod records;

pub use auth::{AuthBook, AuthFile, LoginRow, SessionRow, TokenRow};
pub use error::Error;
pub use kubeconfigs::Kubeconfigs;
pub use log::{DeploymentLog, LogReader};
pub use records::{Damaged, Kept, Records};
