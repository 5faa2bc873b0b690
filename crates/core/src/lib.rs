//! The use cases of Hierophant: accept, claim, deliver, verify, execute, expire, cancel, collect.
//!
//! Owns what happens between the ports. Invariants: nothing is acknowledged before the store says it is durable;
//! nothing is fulfilled before it was verified; a worker's word alone never ends a request. What is kept in memory here
//! (sessions, progress) may be dropped at any moment and is rebuilt from the store and from the workers.
//!
//! Not here: wire contracts (the doors, the worker link), rows (`hierophant-store`), states (`hierophant-domain`).

mod carried;
mod checking;
mod clients;
mod dispatch;
pub mod error;
mod execute;
pub mod failpoint;
mod followers;
mod gate;
mod known;
mod lost;
pub mod metric;
mod operators;
mod orphans;
pub mod ports;
mod programs;
mod service;
mod sessions;
pub mod settings;
mod staging;
mod sweep;
mod urls;
mod verify;
mod workers;

pub use clients::{PROOF_LABEL, TOOLCHAIN_LABEL};
pub use error::CoreError;
pub use service::Core;
pub use settings::CoreSettings;
