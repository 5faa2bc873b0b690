//! `cargo xtask e2e <system>`: real provers, real clients, real processes, and what must hold of them together.
//!
//! Owns the command line. Each system has a module with its scenarios; `scenario` runs and counts them.

mod children;
mod client;
mod metrics;
mod miden;
mod scenario;
mod sp1;

use anyhow::Result;

pub(crate) use miden::Line as MidenLine;

use crate::env::Env;

/// What `e2e` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    system: System,
}

#[derive(Debug, clap::Subcommand)]
enum System {
    /// SP1: the stock SDK against a coordinator, a worker and prover-sp1.
    Sp1(sp1::Args),
    /// Miden: published clients against the door, listening workers and upstream's.
    Miden(miden::Args),
    /// Miden from a page in a browser: gRPC-Web from another origin.
    MidenWeb,
    /// Metrics: every query of the dashboard and of the alerts, by a real Prometheus.
    Metrics,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    match &args.system {
        System::Sp1(args) => sp1::run(env, args),
        System::Miden(args) => miden::run(env, args),
        System::MidenWeb => miden::web::run(env),
        System::Metrics => metrics(env).map(|_| ()),
    }
}

/// One real SP1 core proof, for continuous integration.
pub(crate) fn sp1_core(env: &Env) -> Result<crate::stage::Tally> {
    sp1::core_only(env)
}

/// The checklist of SP1's contract, for a full run.
pub(crate) fn sp1_conformance(env: &Env) -> Result<crate::stage::Tally> {
    sp1::checklist(env)
}

/// All scenarios of SP1, for a full run.
pub(crate) fn sp1_all(env: &Env) -> Result<crate::stage::Tally> {
    sp1::all(env)
}

/// Why `e2e metrics` cannot be run here, if so.
pub(crate) fn no_prometheus(env: &Env) -> Option<&'static str> {
    metrics::unavailable(env)
}

/// Every query of the dashboard.
pub(crate) fn metrics(env: &Env) -> Result<crate::stage::Tally> {
    metrics::run(env)
}

/// All scenarios of Miden's line 0.15.
pub(crate) fn miden_0_15(env: &Env) -> Result<crate::stage::Tally> {
    miden::v0_15(env)
}

/// All scenarios of Miden's line 0.18.
pub(crate) fn miden_0_18(env: &Env) -> Result<crate::stage::Tally> {
    miden::v0_18(env)
}

/// All scenarios of Miden in a browser.
pub(crate) fn miden_web(env: &Env) -> Result<crate::stage::Tally> {
    miden::web::all(env)
}

/// Why there is no browser for them, nor one to be had.
pub(crate) fn no_browser() -> Option<&'static str> {
    miden::web::no_browser()
}
