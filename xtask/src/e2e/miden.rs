//! Miden end to end: published clients, a real coordinator, real workers, real proofs, each verified by the client's own code.
//!
//! Not here: what a scenario shows (`scenarios`), the line that it is shown with (`line`).

mod line;
mod network;
mod scenarios;
mod upstream;
mod witness;

use anyhow::{Result, ensure};

pub(crate) use self::line::Line;
use super::scenario::Report;
use crate::{
    build_prover,
    env::{Env, Workspace},
    process,
    stage::Tally,
};

/// What `e2e miden` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The line of the protocol: 0.15 or 0.18.
    #[arg(long, value_enum, default_value = "0.15")]
    line: Line,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    let tally = scenarios(env, args.line)?;
    println!(
        "\n{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    );
    ensure!(tally.failed == 0, "{} failed", tally.failed);
    Ok(())
}

/// Every scenario of line 0.15.
pub(crate) fn v0_15(env: &Env) -> Result<Tally> {
    scenarios(env, Line::V0_15)
}

/// Every scenario of line 0.18.
pub(crate) fn v0_18(env: &Env) -> Result<Tally> {
    scenarios(env, Line::V0_18)
}

fn scenarios(env: &Env, line: Line) -> Result<Tally> {
    let programs = [
        "build",
        "--locked",
        "--package",
        "hierophant",
        "--package",
        "contemplant",
    ];
    process::run(env.cargo(&Workspace::Main)?.args(programs))?;
    build_prover::build(env, line.prover())?;
    let upstream = match line {
        Line::V0_15 => Some(upstream::WORKER.ensure(env)?),
        Line::V0_18 => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let run = async {
            let mut report = Report::default();
            scenarios::all(env, line, upstream.as_deref(), &mut report).await?;
            Ok(report.finish())
        };
        tokio::select! {
            tally = run => tally,
            () = process::until_interrupted() => anyhow::bail!("interrupted"),
        }
    })
}
