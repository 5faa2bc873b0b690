//! `cargo xtask e2e metrics`: every query of the dashboard and of the alerts, run by a real Prometheus against a coordinator that
//! has worked.
//!
//! Prometheus is on PATH, or Debian's package at a fixed version and digest, unpacked into the folder of tools and installed
//! nowhere. Not here: the test itself (`crates/coordinator/tests/operators`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::{
    env::{Env, Workspace, is_executable},
    process,
    stage::Tally,
    tools::{NEXTEST, on_path},
};

/// Debian's package (release 12, amd64), as `apt-get` writes it.
const PACKAGE: &str = "prometheus=2.42.0+ds-5+b6";
/// SHA-256 of the package's file, from Debian's own index.
const PACKAGE_SHA256: &str = "3b0e0255b059a7696bd4a139a4a4eb24d71df067936a61ece5093559cbc7991c";
/// Names the executable to the test.
const VARIABLE: &str = "HIEROPHANT_PROMETHEUS";
/// The test, which other runs leave out.
const TEST: &str = "prometheus::every_query_of_the_dashboard_has_an_answer";

/// Runs the queries.
pub(super) fn run(env: &Env) -> Result<Tally> {
    let prometheus = ensure_prometheus(env)?;
    process::run(
        env.cargo(&Workspace::Main)?
            .args(["build", "--locked", "--workspace", "--bins"]),
    )?;
    let mut test = NEXTEST.command(env, &env.cargo(&Workspace::Main)?)?;
    test.args([
        "nextest",
        "run",
        "--locked",
        "--package",
        "hierophant",
        "--test",
        "operators",
    ])
    .args(["--run-ignored", "only", "--no-tests", "fail", TEST])
    .env(VARIABLE, prometheus);
    process::run(&mut test)?;
    Ok(Tally::one_passed())
}

/// The executable, with `promtool` beside it.
fn ensure_prometheus(env: &Env) -> Result<PathBuf> {
    let with_tool = |program: &PathBuf| is_executable(&program.with_file_name("promtool"));
    if let Some(found) = on_path("prometheus").filter(with_tool) {
        return Ok(found);
    }
    let folder = env.tools().join("prometheus");
    let program = folder.join("usr/bin/prometheus");
    if !(is_executable(&program) && with_tool(&program)) {
        unpack(env, &folder).context(
            "Prometheus is not on PATH, and its Debian package could not be had: put prometheus and promtool (2.42 or later) on PATH",
        )?;
    }
    Ok(program)
}

fn unpack(env: &Env, folder: &Path) -> Result<()> {
    eprintln!(
        "prometheus is not installed: unpacking {PACKAGE} into {}",
        folder.display()
    );
    fs::create_dir_all(env.tools()).context("could not make the folder of tools")?;
    let aside = tempfile::tempdir_in(env.tools()).context("could not make a folder")?;
    process::run(
        Command::new("apt-get")
            .args(["download", PACKAGE])
            .current_dir(aside.path()),
    )?;
    let file = only_file(aside.path())?;
    let digest = Sha256::digest(fs::read(&file)?);
    ensure!(
        hex::encode(digest) == PACKAGE_SHA256,
        "{} is not the package that is expected: its SHA-256 differs",
        file.display()
    );
    process::run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder))
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    match <[PathBuf; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(files) => anyhow::bail!("one file was expected to be downloaded, and there are {}", files.len()),
    }
}
