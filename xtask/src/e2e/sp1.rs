//! SP1 end to end: the stock SDK as client, a real coordinator, a real worker, prover-sp1 proving and checking.
//!
//! One prover process stays warm over all scenarios, so a restart of it shows.

mod conformance;
mod forged;
mod mock;
mod network;
mod scenarios;

use anyhow::{Result, ensure};

use self::network::Network;
use super::scenario::Report;
use crate::{builds, env::Env, process, stage::Tally};

/// What `e2e sp1` can be told.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only one core proof, with the coordinator killed meanwhile.
    #[arg(long)]
    core: bool,
    /// The contract's checklist instead, row by row. Makes one core and one compressed proof.
    #[arg(long, conflicts_with = "core")]
    conformance: bool,
    /// Idle, polled and restarted for as long as the checklist says: an hour and a half more.
    #[arg(long, requires = "conformance")]
    long: bool,
    /// Uses the proofs of the last run instead of making new ones.
    #[arg(long)]
    recorded: bool,
    /// Only this row of the checklist. May be repeated.
    #[arg(long, value_name = "NUMBER", requires = "conformance", value_parser = conformance::row)]
    row: Vec<usize>,
    /// Lets the client of another release of sp1-sdk, one in provers/sp1-clients, ask too. May be repeated.
    #[arg(long, value_name = "VERSION", conflicts_with = "core")]
    sdk: Vec<String>,
    /// Is a prover that gives the proofs in this folder again; the checklist's network starts it.
    #[arg(long, hide = true, value_name = "FOLDER", exclusive = true)]
    replay_prover: Option<std::path::PathBuf>,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    if let Some(folder) = &args.replay_prover {
        return conformance::replay_prover(folder);
    }
    let options = conformance::Options {
        long: args.long,
        recorded: args.recorded,
        sdks: &args.sdk,
        rows: &args.row,
    };
    if !args.conformance && !args.sdk.is_empty() {
        return conformance::run_releases(env, options);
    }
    let tally = if args.conformance {
        conformance::run(env, options)?
    } else {
        scenarios(env, args.core)?
    };
    println!(
        "\n{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    ensure!(tally.failed == 0, "{} failed", tally.failed);
    Ok(())
}

/// The contract's checklist as one runs it who names no option.
pub(crate) fn checklist(env: &Env) -> Result<Tally> {
    conformance::run(env, conformance::Options::default())
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
    builds::programs(env)?;
    builds::prover(env, "sp1")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let run = async {
            let mut network = Network::start(env).await;
            let mut report = Report::default();
            scenarios::all(&mut network, &mut report, core_only).await;
            network.finish().await;
            if !core_only {
                report.run("mock mode", mock::all_modes(env)).await;
            }
            report.finish()
        };
        tokio::select! {
            tally = run => Ok(tally),
            () = process::until_interrupted() => anyhow::bail!("interrupted"),
        }
    })
}
