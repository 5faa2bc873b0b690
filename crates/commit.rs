//! Build script of both programs: names the commit that `--version` shows, "unknown" where the source is no git checkout.

use std::{path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=../commit.rs");
    // Every commit and every change of branch is appended to this log.
    let log = Path::new("../../.git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let asked = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok();
    let commit = asked
        .filter(|answer| answer.status.success())
        .and_then(|answer| String::from_utf8(answer.stdout).ok());
    println!(
        "cargo::rustc-env=HIEROPHANT_COMMIT={}",
        commit.as_deref().map_or("unknown", str::trim)
    );
}
