//! `cargo xtask fmt`: rustfmt over the workspace and the provers' workspaces.

use anyhow::Result;

use crate::env::{Env, Workspace};
use crate::process;

/// What `fmt` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where something would change.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    if args.check { check(env) } else { format_all(env, &[]) }
}

/// Fails where rustfmt would change something.
pub(crate) fn check(env: &Env) -> Result<()> {
    format_all(env, &["--check"])
}

fn format_all(env: &Env, arguments: &[&str]) -> Result<()> {
    let provers = env.provers()?.into_iter().map(Workspace::Prover);
    for workspace in std::iter::once(Workspace::Main).chain(provers) {
        let mut cargo = env.bare_cargo();
        cargo
            .current_dir(env.folder(&workspace))
            .args(["fmt", "--all"])
            .args(arguments);
        process::run(&mut cargo)?;
    }
    Ok(())
}
