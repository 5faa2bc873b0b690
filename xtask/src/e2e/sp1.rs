//! SP1 end to end: the stock SDK as client, a real coordinator, a real worker, prover-sp1 proving and checking.
//!
//! One prover process stays warm over all scenarios, so a restart of it shows.

mod client;
mod forged;
mod network;
mod scenarios;

use anyhow::{Result, ensure};

use self::network::Network;
use super::scenario::Report;
use crate::{
    build_prover,
    env::{Env, Workspace},
    process,
    stage::Tally,
};

/// What `e2e sp1` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only one core proof, with the coordinator killed meanwhile.
    #[arg(long)]
    core: bool,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    let tally = scenarios(env, args.core)?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    ensure!(tally.failed == 0, "{} scenarios failed", tally.failed);
    Ok(())
}

/// Every scenario.
pub(crate) fn all(env: &Env) -> Result<Tally> {
    scenarios(env, false)
}

/// One core proof.
pub(crate) fn core_only(env: &Env) -> Result<Tally> {
    scenarios(env, true)
}

fn scenarios(env: &Env, core_only: bool) -> Result<Tally> {
    process::run(env.cargo(&Workspace::Main)?.args(["build", "--locked", "--package", "hierophant", "--package", "contemplant"]))?;
    build_prover::build(env, "sp1")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let run = async {
            let mut network = Network::start(env).await;
            let mut report = Report::default();
            scenarios::all(&mut network, &mut report, core_only).await;
            network.finish().await;
            report.finish()
        };
        tokio::select! {
            tally = run => Ok(tally),
            () = process::until_interrupted() => anyhow::bail!("interrupted"),
        }
    })
}
