//! Miden end to end: published clients, a real coordinator, real workers, real proofs, each verified by the client's own code.
//!
//! Not here: what a scenario shows (`scenarios`), the line that it is shown with (`line`).

mod line;
mod network;
mod scenarios;
mod upstream;
pub(super) mod web;
mod witness;

use anyhow::{Result, ensure};

pub(crate) use self::line::Line;
use super::scenario::Report;
use crate::{builds, env::Env, process, stage::Tally};

/// What `e2e miden` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The line of the protocol: 0.15 or 0.18.
    #[arg(long, value_enum, default_value = "0.15")]
    line: Line,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    closing_line(scenarios(env, args.line)?)
}

/// Prints how many went which way; fails unless all were fine.
fn closing_line(tally: Tally) -> Result<()> {
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
    build(env, line)?;
    let upstream = match line {
        Line::V0_15 => Some(upstream::WORKER.ensure(env)?),
        Line::V0_18 => None,
    };
    tally(async |report| scenarios::all(env, line, upstream.as_deref(), report).await)
}

/// Builds both programs, and the line's prover with its client.
fn build(env: &Env, line: Line) -> Result<()> {
    builds::programs(env)?;
    builds::prover(env, line.prover()).map(drop)
}

/// Runs scenarios until they end or an interrupt comes, and counts them.
fn tally(scenarios: impl AsyncFnOnce(&mut Report) -> Result<()>) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let run = async {
            let mut report = Report::default();
            scenarios(&mut report).await?;
            Ok(report.finish())
        };
        tokio::select! {
            tally = run => tally,
            () = process::until_interrupted() => anyhow::bail!("interrupted"),
        }
    })
}
