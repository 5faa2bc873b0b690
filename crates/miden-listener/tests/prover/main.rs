//! The queue with real prover processes behind it: what callers get, whatever the provers do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod callers;
mod faults;
mod files;
