//! Builds programs: the workspace's own, and a prover's workspace (`cargo xtask build-prover <name>`).

use anyhow::Result;

use crate::{
    env::{Env, Workspace},
    process,
    stage::Tally,
};

/// What `build-prover` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of provers/, for example sp1.
    name: String,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    prover(env, &args.name)?;
    // Data to stdout, for scripts.
    println!("{}", env.prover_executable(&args.name).display());
    Ok(())
}

/// Builds the coordinator and the worker.
pub(crate) fn programs(env: &Env) -> Result<()> {
    packages(env, &["hierophant", "contemplant"], &[])
}

/// Builds packages of the workspace.
pub(crate) fn packages(env: &Env, packages: &[&str], flags: &[&str]) -> Result<()> {
    let mut cargo = env.cargo(&Workspace::Main)?;
    cargo.args(["build", "--locked"]).args(flags);
    for package in packages {
        cargo.args(["--package", package]);
    }
    process::run(&mut cargo)
}

/// Builds a prover and what else its workspace has, from an empty cache in many minutes.
pub(crate) fn prover(env: &Env, name: &str) -> Result<Tally> {
    let workspace = env.prover(name)?;
    process::run(
        env.cargo(&workspace)?
            .args(["build", "--locked", "--release", "--workspace"])
            .args(env.rust_version_flags(&workspace)?),
    )?;
    Ok(Tally::one_passed())
}
