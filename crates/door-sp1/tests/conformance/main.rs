//! The door through a real server on a free port, with clients that put exactly the contract's bytes on the wire.
//!
//! Tests named `item_NN_...` are rows of the contract's checklist in `docs/door-sp1.md`.

mod artifacts;
mod hostile;
mod programs;
mod queries;
mod refusals;
mod requests;
mod speed;
mod statuses;
mod support;
