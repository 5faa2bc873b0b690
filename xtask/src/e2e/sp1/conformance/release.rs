//! Clients of other SDK releases: built from their own workspaces, run against a network.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use super::{replay, stock::Stock};
use crate::{
    env::{Env, Workspace},
    process,
};

/// Where the workspaces are, below `provers/`.
const FOLDER: &str = "sp1-clients";

/// Builds the client of a release and returns its program.
pub(super) fn build(env: &Env, version: &str) -> Result<PathBuf> {
    let folder = env.root().join("provers").join(FOLDER);
    let known = releases(&folder)?;
    if !known.iter().any(|name| name == version) {
        bail!(
            "there is no client of sp1-sdk {version}: choose one of {}",
            known.join(", ")
        );
    }
    let workspace = Workspace::Prover(format!("{FOLDER}/{version}"));
    let mut cargo = env.cargo(&workspace)?;
    let target = target(env);
    process::run(
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .args(["build", "--locked", "--release"]),
    )?;
    Ok(target
        .join("release")
        .join(format!("sp1-client-{}", version.replace('.', "-"))))
}

/// Lets it register, ask, look and verify in both modes.
pub(super) async fn run(stock: &Stock, program: &Path, elf: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command
        .arg(stock.cluster.grpc_url())
        .arg(elf)
        .arg(replay::NUMBER.to_string())
        .kill_on_drop(true);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    ensure!(
        output.status.success(),
        "it failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    for mode in ["Mainnet", "Reserved"] {
        for step in ["registered", "requested", "details decoded", "verified"] {
            ensure!(said.contains(&format!("{mode}: {step}")), "{mode} lacks {step:?}");
        }
    }
    Ok("registered, asked, details decoded, verified in both modes".to_owned())
}

/// The target folder of all of them: of what they are made of, little but the SDK itself differs.
fn target(env: &Env) -> PathBuf {
    let sp1 = env.target(&Workspace::Prover("sp1".to_owned()));
    sp1.with_file_name(format!("{FOLDER}-target"))
}

fn releases(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let folders = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_release_is_refused_by_name() {
        let message = build(&Env::discover().unwrap(), "1.0.0").unwrap_err().to_string();
        assert!(message.contains("6.1.0") && message.contains("6.4.0"), "{message}");
    }
}
