//! Measures the programs as they are run, beside what the machine itself can do: `cargo xtask bench` builds in release and
//! calls this. `docs/benchmarks.md` is the manual.
//!
//! What must stay true: each figure comes from finished work that was counted and checked, never from a setting; every run is
//! bounded in count and time; everything is on loopback; nothing that was started outlives the run. Nothing here is a test:
//! figures are compared with targets by people.

mod core_life;
mod door;
mod figure;
mod handover;
mod host;
mod machine;
mod made_up;
mod miden;
mod polls;
mod process;
mod real_proof;
mod sp1_client;
mod transfer;
mod worker;

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

/// As the coordinator's program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cores that the load and the programs share, as far as the machine has as many.
const THREADS: usize = 2;

/// Last lines of a benchmark's log that are printed when it fails.
const LOG_TAIL_LINES: usize = 30;

/// Measures Hierophant. Build in release: `cargo xtask bench` does.
#[derive(Debug, Parser)]
#[command(name = "hierophant-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    options: Options,
}

/// What every benchmark is told.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// One benchmark alone; all of them otherwise. May be repeated.
    #[arg(long, value_enum)]
    only: Vec<Bench>,
    /// Where generated databases and recorded proofs are kept for the next run.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// The SP1 prover's release folder, for `real-proof`.
    #[arg(long, value_name = "FOLDER")]
    sp1: Option<PathBuf>,
    /// A guest program for `real-proof`.
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// The release folder of the Miden prover of line 0.15, with its client.
    #[arg(long, value_name = "FOLDER")]
    miden: Option<PathBuf>,
    /// Upstream's Miden worker 0.15.2, for `miden-pair`.
    #[arg(long, value_name = "PROGRAM")]
    miden_upstream: Option<PathBuf>,
    /// Filter of the coordinator's log, which is written to a file.
    #[arg(long, default_value = "info")]
    log: String,
    /// For how long each rate is measured, in seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// What the machine can do without us.
    Machine,
    /// Submitted to fulfilled, with load workers over TCP and a verifier process.
    Core,
    /// The same with the real worker program.
    Contemplant,
    /// Signed requests by the SP1 door.
    Door,
    /// Accepted to a worker that has it, at 500 a second.
    Handover,
    /// Status polls, start and memory with a million requests stored.
    Polls,
    /// Uploads and downloads of a gibibyte.
    Transfer,
    /// What the network adds to a real proof.
    RealProof,
    /// The Miden door with a worker that answers at once.
    MidenDoor,
    /// The same through a remote prover.
    MidenRemote,
    /// 64 callers on 8 workers, and callers who leave.
    MidenCapacity,
    /// Status and health while every core proves.
    MidenStatus,
    /// Real proofs, ours against upstream's worker.
    MidenPair,
}

impl Bench {
    /// All, in the order in which they run.
    const ALL: [Self; 13] = [
        Self::Machine,
        Self::Core,
        Self::Contemplant,
        Self::Door,
        Self::Handover,
        Self::Polls,
        Self::Transfer,
        Self::RealProof,
        Self::MidenDoor,
        Self::MidenRemote,
        Self::MidenCapacity,
        Self::MidenStatus,
        Self::MidenPair,
    ];
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// One benchmark, in this process.
    #[command(hide = true)]
    Run {
        #[arg(value_enum)]
        bench: Bench,
        #[command(flatten)]
        options: Options,
    },
    /// A worker that answers at once; ends when its standard input does.
    #[command(hide = true)]
    Worker(worker::Args),
    /// Moves bytes to or from a URL.
    #[command(hide = true)]
    Move(transfer::MoveArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => all(&cli.options),
        Some(Sub::Run { bench, options }) => block_on(one(bench, &options)),
        Some(Sub::Worker(args)) => block_on(worker::run(args)),
        Some(Sub::Move(args)) => block_on(transfer::move_bytes(args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figure::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Each benchmark in a process of its own: memory and processor time of one are not another's.
fn all(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        figure::say("this is a debug build: its figures mean nothing");
    }
    let wanted: Vec<Bench> = Bench::ALL
        .into_iter()
        .filter(|bench| options.only.is_empty() || options.only.contains(bench))
        .collect();
    let (mut failed, logs) = (Vec::new(), tempfile::tempdir()?);
    for bench in wanted {
        let name = bench.to_possible_value().context("every benchmark has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg(name.get_name());
        command.args(["--seconds", &options.seconds.to_string(), "--log", &options.log]);
        for (flag, value) in [
            ("--cache", &options.cache),
            ("--sp1", &options.sp1),
            ("--elf", &options.elf),
            ("--miden", &options.miden),
            ("--miden-upstream", &options.miden_upstream),
        ] {
            if let Some(value) = value {
                command.arg(flag).arg(value);
            }
        }
        let log = logs.path().join(format!("{}.log", name.get_name()));
        if !command.stderr(File::create(&log)?).status()?.success() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            figure::say(&lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n"));
            failed.push(name.get_name().to_owned());
        }
    }
    ensure!(failed.is_empty(), "these did not end well: {}", failed.join(", "));
    Ok(())
}

async fn one(bench: Bench, options: &Options) -> Result<()> {
    match bench {
        Bench::Machine => machine::run().await,
        Bench::Core => core_life::with_load_workers(options).await,
        Bench::Contemplant => core_life::with_contemplants(options).await,
        Bench::Door => door::run(options).await,
        Bench::Handover => handover::run(options).await,
        Bench::Polls => polls::run(options).await,
        Bench::Transfer => transfer::run(options).await,
        Bench::RealProof => real_proof::run(options).await,
        Bench::MidenDoor => miden::dialled(options).await,
        Bench::MidenRemote => miden::remote(options).await,
        Bench::MidenCapacity => miden::capacity(options).await,
        Bench::MidenStatus => miden::statuses(options).await,
        Bench::MidenPair => miden::pair(options).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
