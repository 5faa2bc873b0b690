//! `cargo xtask test`: all tests of the workspace, with a table of how many there are of each kind.
//!
//! Must stay true: every test that exists is either run or named in the table as skipped, and a failure anywhere
//! fails the command. Not here: how long a test may take and what counts as a leak (`.config/nextest.toml`).

mod kind;
mod report;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::env::{Env, Workspace};
use crate::process;
use crate::stage::{Tally, seconds};
use crate::tools::NEXTEST;
use report::Report;
use tempfile::NamedTempFile;

/// The profile of `.config/nextest.toml` that runs everything and writes JUnit.
const PROFILE: &str = "ci";

/// Lets the tests of the whole workspace end the coordinator at its fail points, which other builds do not have.
pub(crate) const FAIL_POINTS: [&str; 2] = ["--features", "hierophant/failpoints"];

/// What `test` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Passed on to cargo-nextest, for example `-p hierophant-store` or a part of a test's name; leaves out the
    /// documentation's tests. Add `--features hierophant/failpoints` for the coordinator's fail points.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    let tally = if args.nextest.is_empty() {
        run_workspace(env)?
    } else {
        let started = Instant::now();
        let report = nextest(env, &args.nextest)?;
        finish(&report, started)
    };
    if tally.failed > 0 {
        bail!("{} of {} tests failed", tally.failed, tally.failed + tally.passed);
    }
    Ok(())
}

/// Runs all tests and prints the table.
pub(crate) fn run_workspace(env: &Env) -> Result<Tally> {
    let started = Instant::now();
    // Tests that start real processes find them in the target folder.
    process::run(
        env.cargo(&Workspace::Main)?
            .args(["build", "--locked", "--workspace", "--bins"])
            .args(FAIL_POINTS),
    )?;
    let everything: Vec<String> = ["--workspace"]
        .iter()
        .chain(&FAIL_POINTS)
        .map(ToString::to_string)
        .collect();
    let mut report = nextest(env, &everything)?;
    documentation(env, &mut report)?;
    Ok(finish(&report, started))
}

fn finish(report: &Report, started: Instant) -> Tally {
    print!("\n{}", report.table());
    println!("total time {}", seconds(started.elapsed()));
    report.total()
}

fn nextest(env: &Env, arguments: &[String]) -> Result<Report> {
    let store = env.target(&Workspace::Main).join("nextest");
    let junit = store.join(PROFILE).join("junit.xml");
    // Else a run that ends before its report is written would be taken for the last one.
    match fs::remove_file(&junit) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("could not remove {}", junit.display()));
        }
        _ => {}
    }
    let config = store_config(&store)?;
    let mut run = nextest_command(env, "run", &config)?;
    run.args(["--profile", PROFILE, "--no-tests", "pass"]).args(arguments);
    let status = process::status(&mut run)?;
    let text = fs::read_to_string(&junit)
        .with_context(|| format!("the tests did not run ({status}): no report in {}", junit.display()))?;
    let mut report = Report::from_junit(&text).with_context(|| format!("could not read {}", junit.display()))?;
    let mut list = nextest_command(env, "list", &config)?;
    list.args(["--run-ignored", "only", "--message-format", "oneline"])
        .args(arguments);
    let listed = process::status_with_lines(&mut list, |line| report.add_ignored(line))?;
    if !listed.success() {
        bail!("could not list the ignored tests ({listed})");
    }
    if !status.success() && report.total().failed == 0 {
        bail!("cargo-nextest failed ({status}) though no test did: its output above says why");
    }
    Ok(report)
}

fn nextest_command(env: &Env, verb: &str, config: &NamedTempFile) -> Result<Command> {
    let mut command = NEXTEST.command(env, &env.cargo(&Workspace::Main)?)?;
    let tool = format!("xtask:{}", config.path().display());
    command.args(["nextest", verb, "--locked", "--tool-config-file", &tool]);
    Ok(command)
}

/// A configuration that moves what cargo-nextest writes into the cache: by default it lies in the checkout, wherever
/// the target folder is.
fn store_config(store: &Path) -> Result<NamedTempFile> {
    let mut config = tempfile::Builder::new()
        .suffix(".toml")
        .tempfile()
        .context("could not create a file")?;
    let folder = store
        .to_str()
        .with_context(|| format!("{} is not UTF-8", store.display()))?;
    writeln!(config, "[store]\ndir = {folder:?}").context("could not write a file")?;
    Ok(config)
}

fn documentation(env: &Env, report: &mut Report) -> Result<()> {
    let mut cargo = env.cargo(&Workspace::Main)?;
    cargo
        .args(["test", "--locked", "--workspace", "--doc", "--no-fail-fast"])
        .args(FAIL_POINTS);
    let before = report.total().failed;
    let status = process::status_with_lines(&mut cargo, |line| report.add_libtest_line(line))?;
    if !status.success() && report.total().failed == before {
        bail!("the documentation's tests did not run ({status})");
    }
    Ok(())
}
