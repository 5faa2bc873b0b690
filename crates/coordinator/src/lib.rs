//! Hierophant, the coordinator, as a library: the command line over it is `main.rs`, and the benchmarks run it whole with a
//! submitter in the same process.
//!
//! Not here: any of the coordinator's work (`hierophant-core`).

mod backup;
mod checker;
pub mod cli;
mod doors;
mod miden;
mod recorder;
mod remote_provers;
mod servers;
pub mod wiring;
