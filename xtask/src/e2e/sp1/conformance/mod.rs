//! `cargo xtask e2e sp1 --conformance`: the contract's checklist, row by row, on real processes.
//!
//! Three networks, one after the other: a real one that makes one proof of each kind; one whose prover is the mock, for all
//! that needs no real proof; and one that checks for real and replays the proofs, for what the stock SDK shows. What must
//! stay true: a row says what was seen and passes only if it was.

mod checklist;
mod mocked;
mod raw;
mod record;
mod release;
mod replay;
mod rows;
mod stock;
mod tap;
/// Messages as published clients encode and decode them: those that the door's own tests are written with.
#[path = "../../../../../crates/door-sp1/tests/conformance/support/wire.rs"]
#[allow(dead_code, reason = "the door's tests and these each use their part of it")]
mod wire;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use self::{
    checklist::Checklist,
    mocked::Mocked,
    raw::Ledger,
    rows::{artifacts, connection, ecosystem, encrypted, programs, queries, requests, sdk, statuses},
    stock::Stock,
};
use super::network::Network;
use crate::{builds, env::Env, process, stage::Tally};

/// How long processes may take to be gone at the end.
const END_WITHIN: Duration = Duration::from_mins(1);
/// What the snark kinds need.
const CIRCUITS: &str = "circuit files for plonk and groth16 (and --sdk for 6.1.0 and 6.4.0)";

/// Serves recorded proofs as a prover, until the host closes the pipe.
pub(super) fn replay_prover(folder: &Path) -> Result<()> {
    replay::run(folder)
}

/// The number of a row, from the command line.
pub(super) fn row(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=50) => Ok(number),
        _ => Err("rows are numbered 1 to 50".to_owned()),
    }
}

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    /// Rows 3, 4 and 5 take their full time.
    pub(super) long: bool,
    /// The proofs are those of the last run.
    pub(super) recorded: bool,
    /// Other releases of the SDK.
    pub(super) sdks: &'a [String],
    /// The rows to run; none: all.
    pub(super) rows: &'a [usize],
}

/// Runs all rows, prints the table, and counts.
pub(super) fn run(env: &Env, options: Options<'_>) -> Result<Tally> {
    let releases = build(env, options)?;
    block_on(all(env, options, &releases))
}

/// Runs the clients of other releases alone.
pub(super) fn run_releases(env: &Env, options: Options<'_>) -> Result<()> {
    let releases = build(env, options)?;
    block_on(async {
        let mut list = Checklist::default();
        let (folder, ledger) = (recordings(env)?, Ledger::default());
        proofs(env, options, &folder, &ledger, &mut list, &["core"]).await;
        let stock = Stock::start(env, &folder, &ledger).await?;
        for (version, program) in &releases {
            let shown = release::run(&stock, program, &guest(env))
                .await
                .with_context(|| format!("sp1-sdk {version}"))?;
            println!("sp1-sdk {version}: {shown}");
        }
        stock.cluster.finish(END_WITHIN).await;
        anyhow::Ok(())
    })?
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            done = work => Ok(done),
            () = process::until_interrupted() => anyhow::bail!("interrupted"),
        }
    })
}

/// Builds everything that runs; gives the programs of other releases.
fn build<'a>(env: &Env, options: Options<'a>) -> Result<Vec<(&'a str, PathBuf)>> {
    builds::packages(env, &["hierophant", "contemplant", "prover-mock"], &[])?;
    if Checklist::of(options.rows).wants(&SDK_ROWS) {
        builds::prover(env, "sp1")?;
    }
    options
        .sdks
        .iter()
        .map(|version| Ok((version.as_str(), release::build(env, version)?)))
        .collect()
}

async fn all(env: &Env, options: Options<'_>, releases: &[(&str, PathBuf)]) -> Tally {
    let (mut list, ledger) = (Checklist::of(options.rows), Ledger::default());
    let folder = match recordings(env) {
        Ok(folder) => folder,
        Err(error) => {
            list.run(30, async { Err(error) }).await;
            return list.finish();
        }
    };
    if list.wants(&[30]) || (list.wants(&SDK_ROWS) && !options.recorded) {
        proofs(env, options, &folder, &ledger, &mut list, &replay::KINDS).await;
    }
    list.needs(30, CIRCUITS);
    if list.wants(&BYTES_ROWS) {
        mocked_network(env, options, &ledger, &mut list).await;
    }
    list.run(1, encrypted::encrypted(env)).await;
    if list.wants(&SDK_ROWS) {
        stock_network(env, options, &ledger, &mut list, (&folder, releases)).await;
    }
    list.run(40, async { statuses_known(&ledger) }).await;
    list.needs(49, "tokens for clients, which the door does not look at yet");
    list.needs(50, "client certificates, which the ports do not ask for yet");
    list.finish()
}

/// All that needs no real proof.
async fn mocked_network(env: &Env, options: Options<'_>, ledger: &Ledger, list: &mut Checklist) {
    match Mocked::start(env, ledger).await {
        Ok(mut mocked) => {
            Box::pin(bytes_rows(&mut mocked, options.long, list)).await;
            mocked.cluster.finish(END_WITHIN).await;
        }
        Err(error) => {
            list.run(BYTES_ROWS[0], async { Err(error.context("the network with the mock")) })
                .await;
        }
    }
}

/// What the stock SDK and other releases of it show, over the proofs in a folder.
async fn stock_network(
    env: &Env,
    options: Options<'_>,
    ledger: &Ledger,
    list: &mut Checklist,
    (folder, releases): (&Path, &[(&str, PathBuf)]),
) {
    let mut stock = match Stock::start(env, folder, ledger).await {
        Ok(stock) => stock,
        Err(error) => {
            let error = error.context("the network for the SDK");
            return list.run(SDK_ROWS[0], async { Err(error) }).await;
        }
    };
    sdk_rows(&mut stock, options.long, list).await;
    for (version, program) in releases {
        let run = async {
            let shown = release::run(&stock, program, &guest(env)).await;
            shown
                .map(|shown| format!("SDK {version}: {shown}"))
                .with_context(|| format!("SDK {version}"))
        };
        list.run(30, run).await;
    }
    stock.cluster.finish(END_WITHIN).await;
}

/// Where proofs are kept between runs.
fn recordings(env: &Env) -> Result<PathBuf> {
    let cache = env
        .tools()
        .parent()
        .context("the cache is a folder")?
        .join("sp1-conformance");
    std::fs::create_dir_all(&cache).with_context(|| format!("could not create {}", cache.display()))?;
    // Names that an earlier run let go must hold again.
    match std::fs::remove_dir_all(cache.join("released")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("could not clear the cache"),
        _ => Ok(cache),
    }
}

fn guest(env: &Env) -> PathBuf {
    env.root().join("guests/sp1/elf/fibonacci.elf")
}

/// Makes the real proofs, or looks for those of the last run.
async fn proofs(env: &Env, options: Options<'_>, folder: &Path, ledger: &Ledger, list: &mut Checklist, kinds: &[&str]) {
    if options.recorded {
        for kind in kinds {
            list.run(30, async { record::found(folder, kind) }).await;
        }
        return;
    }
    let network = Network::start(env).await;
    for kind in kinds {
        list.run(30, record::prove(&network, folder, kind, ledger)).await;
    }
    network.finish().await;
}

/// The rows of [`bytes_rows`].
const BYTES_ROWS: [usize; 35] = [
    2, 3, 4, 6, 7, 9, 10, 11, 12, 14, 15, 16, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 34, 37, 38, 39, 41, 42, 43,
    44, 45, 46, 47, 48,
];
/// The rows of [`sdk_rows`], and the one of other releases.
const SDK_ROWS: [usize; 20] = [
    17, 1, 5, 8, 12, 13, 18, 19, 20, 25, 26, 30, 32, 33, 35, 36, 37, 42, 43, 40,
];

/// The rows that need no real proof.
async fn bytes_rows(mocked: &mut Mocked, long: bool, list: &mut Checklist) {
    list.run(2, connection::one_url(mocked)).await;
    list.run(6, artifacts::double_offset(mocked)).await;
    list.run(7, artifacts::plain_offset(mocked)).await;
    list.run(9, artifacts::large(mocked)).await;
    list.run(10, artifacts::interrupted(mocked)).await;
    list.run(11, artifacts::types(mocked)).await;
    list.run(12, programs::unknown(mocked)).await;
    list.run(14, programs::again(mocked)).await;
    list.run(15, programs::another_elf(mocked)).await;
    list.run(16, programs::survive(mocked)).await;
    list.run(20, requests::private(mocked)).await;
    list.run(21, requests::terms(mocked)).await;
    list.run(22, requests::provers(mocked)).await;
    list.run(23, requests::lengths(mocked)).await;
    list.run(24, requests::signatures(mocked)).await;
    list.run(25, requests::tampered(mocked)).await;
    list.run(26, requests::lost_reply(mocked)).await;
    list.run(27, requests::at_once(mocked)).await;
    list.run(28, requests::versions(mocked)).await;
    list.run(29, requests::unregistered(mocked)).await;
    list.run(31, statuses::at_once(mocked)).await;
    list.run(34, statuses::race(mocked)).await;
    list.run(37, statuses::limits(mocked)).await;
    list.run(38, statuses::crash(mocked)).await;
    list.run(39, statuses::late(mocked)).await;
    list.run(41, statuses::unknown(mocked)).await;
    list.run(42, statuses::cancel(mocked)).await;
    list.run(43, queries::schemas(mocked)).await;
    list.run(44, queries::complete(mocked)).await;
    list.run(45, Box::pin(queries::filters(mocked))).await;
    list.run(46, queries::balance(mocked)).await;
    list.run(47, queries::sizes(mocked)).await;
    list.run(48, ecosystem::proposer(mocked)).await;
    list.run(3, connection::idle(mocked, long)).await;
    list.run(4, connection::connection_per_call(mocked, long)).await;
}

/// The rows that the stock SDK shows.
async fn sdk_rows(stock: &mut Stock, long: bool, list: &mut Checklist) {
    let slow = sdk::begin_long(stock).await;
    list.run(1, encrypted::plain(stock)).await;
    list.run(12, sdk::registers(stock)).await;
    list.run(13, sdk::second_run(stock)).await;
    list.run(18, sdk::reserved(stock)).await;
    list.run(17, sdk::auction(stock)).await;
    list.run(8, sdk::compressed_or_bare(stock)).await;
    list.run(19, sdk::hosted(stock)).await;
    list.run(20, sdk::private(stock)).await;
    list.run(25, sdk::tampered(stock)).await;
    list.run(26, sdk::lost_reply(stock)).await;
    list.run(35, sdk::bytes(stock)).await;
    list.run(36, sdk::panic(stock)).await;
    list.run(37, sdk::limits(stock)).await;
    list.run(42, sdk::cancel_and_details(stock)).await;
    list.run(43, sdk::details_fulfilled(stock)).await;
    list.run(32, sdk::busy(stock)).await;
    list.run(5, sdk::restart(stock, long)).await;
    list.run(33, sdk::end_long(stock, slow)).await;
    // Where row 33 was not asked for, its proof would be held for ever.
    if let Err(error) = stock.release("long") {
        println!("   {error:#}");
    }
}

/// Row 40: over every status that any client of this run was told.
fn statuses_known(ledger: &Ledger) -> Result<String> {
    let told = ledger.told();
    ensure!(told.status_replies > 0, "no status was asked for");
    let known = told
        .statuses
        .iter()
        .all(|(fulfillment, execution)| (1..=4).contains(fulfillment) && (1..=3).contains(execution));
    ensure!(known, "these statuses left the server: {:?}", told.statuses);
    Ok(format!(
        "{} replies (fulfilment, execution): {:?}",
        told.status_replies, told.statuses
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_belongs_to_a_network_or_waits_for_one() {
        let mut rows: Vec<_> = BYTES_ROWS.into_iter().chain(SDK_ROWS).chain([49, 50]).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows, (1..=50).collect::<Vec<_>>());
    }
}
