//! `cargo xtask e2e metrics`: every query of the dashboard and of the alerts, run by a real Prometheus against a coordinator that
//! has worked.
//!
//! Prometheus is on PATH, or Debian's package, unpacked into the folder of tools and installed nowhere. It is not pinned: the archive
//! keeps no older build of a package, and `apt-get` checks the archive's signatures. Not here: the test itself (`crates/coordinator/tests/operators`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    env::{Env, Workspace, is_executable},
    process,
    stage::Tally,
    tools::{NEXTEST, on_path},
};

/// Debian's package.
const PACKAGE: &str = "prometheus";
/// Where the program is in the folder of tools, once the package is unpacked.
const UNPACKED: &str = "prometheus/usr/bin/prometheus";
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

/// Why no Prometheus can be had here, if so.
pub(super) fn unavailable(env: &Env) -> Option<&'static str> {
    let unpacked = is_executable(&env.tools().join(UNPACKED));
    let nowhere = !unpacked && on_path("prometheus").is_none() && on_path("apt-get").is_none();
    nowhere.then_some("no Prometheus on PATH, and no apt-get to get it with")
}

/// The executable, with `promtool` beside it.
fn ensure_prometheus(env: &Env) -> Result<PathBuf> {
    let with_tool = |program: &PathBuf| is_executable(&program.with_file_name("promtool"));
    if let Some(found) = on_path("prometheus").filter(with_tool) {
        return Ok(found);
    }
    let folder = env.tools().join("prometheus");
    let program = env.tools().join(UNPACKED);
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
    // Lists of its own: the machine's may be missing or old, and are not ours to renew.
    let apt = |arguments: &[&str]| {
        let lists = format!("Dir::State::Lists={}", aside.path().join("lists").display());
        let cache = format!("Dir::Cache={}", aside.path().join("cache").display());
        let mut apt = Command::new("apt-get");
        apt.args(["-o", &lists, "-o", &cache]).args(arguments);
        apt
    };
    for needed in ["lists/partial", "cache/archives/partial", "package"] {
        fs::create_dir_all(aside.path().join(needed)).context("could not make a folder")?;
    }
    process::run(&mut apt(&["-qq", "update"]))?;
    let package = aside.path().join("package");
    process::run(apt(&["-qq", "download", PACKAGE]).current_dir(&package))?;
    let file = only_file(&package)?;
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
