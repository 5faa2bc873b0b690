//! The Miden remote prover's wire contract as a front door of Hierophant: an adapter of the core's port `Clients`.
//!
//! Owns the life of a call: it is a durable request, its caller waits for the end of it, and the same witness sent again joins
//! it. Invariants: a witness lies on disk no longer than its request is open, and is never logged; nobody is answered with a
//! proof that was not verified; what nobody waits for is given up, at once while it is queued and after a grace while it runs.
//!
//! Not here: the wire (`hierophant-miden-api`), provers and what they check (`provers/`). `docs/door-miden.md` is the manual.

mod calls;
mod door;
mod ending;
mod keeper;
mod life;
pub mod metric;
mod settings;
mod submit;
mod workers;

pub use door::{DOOR, Door};
pub use settings::DoorSettings;
pub use workers::Attached;
