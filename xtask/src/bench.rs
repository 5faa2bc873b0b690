//! `cargo xtask bench`: builds the programs in release and measures them; `docs/benchmarks.md` is the manual.
//!
//! Not here: what is measured and how (`crates/bench`).

use std::process::Command;

use anyhow::Result;

use crate::env::{Env, Workspace};
use crate::{builds, process};

/// The packages whose programs are measured, and the one that measures.
const PACKAGES: [&str; 4] = ["hierophant", "contemplant", "prover-mock", "hierophant-bench"];
/// The guest of `real-proof`.
const GUEST: &str = "guests/sp1/elf/fibonacci.elf";

/// The Miden prover of the benchmarks.
const MIDEN: &str = "miden-0-15";

/// What `bench` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One benchmark alone: machine, core, contemplant, door, handover, polls, transfer, real-proof, miden-door,
    /// miden-remote, miden-capacity, miden-status or miden-pair. May be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// For how long each rate is measured, in seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Filter of the coordinator's log, which is written to a file.
    #[arg(long, default_value = "info")]
    log: String,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    builds::packages(env, &PACKAGES, &["--release"])?;
    let mut bench = Command::new(env.target(&Workspace::Main).join("release/hierophant-bench"));
    bench.args(["--seconds", &args.seconds.to_string(), "--log", &args.log]);
    for name in &args.only {
        bench.args(["--only", name]);
    }
    bench.arg("--cache").arg(env.bench_cache());
    bench
        .arg("--sp1")
        .arg(env.target(&Workspace::Prover("sp1".to_owned())).join("release"));
    bench.arg("--elf").arg(env.root().join(GUEST));
    bench
        .arg("--miden")
        .arg(env.target(&Workspace::Prover(MIDEN.to_owned())).join("release"));
    bench
        .arg("--miden-upstream")
        .arg(env.tools().join("bin/miden-remote-prover"));
    process::run(&mut bench)
}
