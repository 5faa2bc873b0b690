//! `cargo xtask build-prover <name>`: builds a prover's workspace in release mode into the cache.

use anyhow::Result;

use crate::env::Env;
use crate::process;
use crate::stage::Tally;

/// What `build-prover` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of provers/, for example sp1.
    name: String,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    build(env, &args.name)?;
    // Data to stdout, for scripts.
    println!("{}", env.prover_executable(&args.name).display());
    Ok(())
}

/// Builds a prover and what else its workspace has, from an empty cache in many minutes.
pub(crate) fn build(env: &Env, name: &str) -> Result<Tally> {
    let workspace = env.prover(name)?;
    process::run(
        env.cargo(&workspace)?
            .args(["build", "--locked", "--release", "--workspace"])
            .args(env.rust_version_flags(&workspace)?),
    )?;
    Ok(Tally::one_passed())
}
