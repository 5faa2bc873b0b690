//! `cargo xtask lint`: formatting, clippy without warnings, and what is in the dependency trees (`deny.toml`).
//!
//! Not here: clippy over the provers' workspaces unless asked for, because it builds their proof systems; and
//! advisories, whose database has to be downloaded.

use anyhow::Result;

use crate::env::{Env, Workspace};
use crate::stage::Tally;
use crate::test::FAIL_POINTS;
use crate::tools::DENY;
use crate::{fmt, process};

/// What `lint` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run clippy over the provers' workspaces too; the first time this builds their proof systems for many minutes.
    #[arg(long)]
    provers: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    check(env)?;
    if args.provers {
        for name in env.provers()? {
            clippy(env, &Workspace::Prover(name))?;
        }
    }
    Ok(())
}

/// Everything but the provers' clippy, as one check.
pub(crate) fn check(env: &Env) -> Result<Tally> {
    fmt::check(env)?;
    clippy(env, &Workspace::Main)?;
    let provers = env.provers()?.into_iter().map(Workspace::Prover);
    for workspace in std::iter::once(Workspace::Main).chain(provers) {
        dependencies(env, &workspace)?;
    }
    Ok(Tally::one_passed())
}

fn clippy(env: &Env, workspace: &Workspace) -> Result<()> {
    let mut cargo = env.cargo(workspace)?;
    cargo.args(["clippy", "--locked", "--workspace", "--all-targets"]);
    cargo.args(env.rust_version_flags(workspace)?);
    if *workspace == Workspace::Main {
        // Else the tests at the coordinator's fail points would not be looked at.
        cargo.args(FAIL_POINTS);
    }
    cargo.args(["--", "-D", "warnings"]);
    process::run(&mut cargo)
}

fn dependencies(env: &Env, workspace: &Workspace) -> Result<()> {
    let mut deny = DENY.command(env, &env.cargo(workspace)?)?;
    deny.arg("--locked").arg("--config").arg(env.root().join("deny.toml"));
    deny.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    process::run(&mut deny)
}
