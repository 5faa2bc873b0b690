//! What the Miden provers of every line share.
//!
//! A line's crate says what the line does ([`Line`]); this crate puts the prover protocol, the options, the log and the
//! limits around it. What must stay true: no Miden crate among the dependencies, because each line pins its own.

#[cfg(feature = "client")]
pub mod client;
mod kinds;
mod line;
mod log;
mod service;
mod settings;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

pub use kinds::Kind;
pub use line::{Digest, Executed, Fault, Line};
pub use settings::{MAX_CYCLES, Reader, Settings};

use crate::service::MidenProver;

/// The `main` of a line's prover: serves a host on stdin and stdout until the host closes stdin.
///
/// `name` and `version` are the executable's, `crates` says whose crates it is made of: "protocol crates 0.15.3".
pub fn run<L: Line>(name: &'static str, version: &str, crates: &str) -> ExitCode {
    let version = format!("{version} ({}, {crates})", env!("PROVER_COMMIT"));
    clap::Command::new(name)
        .about("Serves Miden on the prover protocol: a host starts it and speaks to it on stdin and stdout.")
        .version(version.clone())
        .get_matches();
    log::start();
    match hierophant_prover_protocol::prover::serve(MidenProver::<L>::new(format!("{name} {version}"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when stderr is closed too.
            let _ = writeln!(io::stderr(), "{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
