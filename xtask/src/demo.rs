//! `cargo xtask demo`: a network of one coordinator and one worker, a request by a client that people use, a real proof, verified.
//!
//! Must stay true: what it shows is what happened, and nothing it started is left when it ends, however it ends.

mod bar;
mod miden;
mod network;
mod sp1;

use std::{process::Command, sync::mpsc, thread};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{builds, e2e::MidenLine, env::Env, process};

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    system: Option<System>,
    #[command(flatten)]
    sp1: Sp1,
}

#[derive(Debug, clap::Subcommand)]
enum System {
    /// SP1, which is shown without a name too.
    Sp1(Sp1),
    /// Miden: a wallet's transaction.
    Miden(Miden),
}

#[derive(Debug, clap::Args)]
struct Sp1 {
    /// Which Fibonacci number the guest computes.
    #[arg(long, default_value_t = 20)]
    n: u32,
    /// The kind of proof.
    #[arg(long, default_value = "core", value_parser = ["core", "compressed"])]
    mode: String,
}

#[derive(Debug, clap::Args)]
struct Miden {
    /// The line of the protocol: 0.15 or 0.18.
    #[arg(long, value_enum, default_value = "0.15")]
    line: MidenLine,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("hierophant-demo-").tempdir()?;
    match &args.system {
        None => sp1::run(env, &args.sp1, folder.path()),
        Some(System::Sp1(sp1)) => sp1::run(env, sp1, folder.path()),
        Some(System::Miden(miden)) => miden::run(env, miden, folder.path()),
    }
}

fn step(words: &str) {
    println!("\n== {words}");
}

fn build_programs(env: &Env) -> Result<()> {
    step("Building the coordinator and the worker");
    builds::programs(env)
}

/// Runs a client beside a bar of progress. It must end well, and have said `event`.
fn asked(client: &mut Command, http: String, event: &str) -> Result<()> {
    let (done, ended) = mpsc::sync_channel::<()>(1);
    let watcher = thread::spawn(move || bar::watch(&http, &ended));
    let mut verified = false;
    let status = process::status_with_lines(client, |line| {
        verified |= serde_json::from_str::<Value>(line).is_ok_and(|said| said["event"] == event);
    });
    drop(done);
    let _ = watcher.join();
    ensure!(status?.success(), "the client failed; what it said stands above");
    ensure!(verified, "the client ended without a verified proof");
    Ok(())
}
