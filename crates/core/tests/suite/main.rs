//! The core's suite: every use case through its ports, over a real store and real blobs, and over two adapters of workers.
//!
//! Each case says in its name what must hold. Time is the case's own; what must come by itself is waited for, with a bound.

#![expect(clippy::unwrap_used, reason = "tests")]

mod artifacts;
mod checks;
mod durability;
mod leases;
mod lost;
mod operators;
mod programs;
mod proving;
mod strikes;
mod submitting;
mod support;
