//! Names the commit that the binary is built from, where there is one.

use std::{path::Path, process::Command};

fn main() {
    // Every commit and every change of branch is appended to this log.
    let log = Path::new("../../.git/logs/HEAD");
    if log.exists() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    let asked = Command::new("git")
        .args(["rev-parse", "--short=9", "HEAD"])
        .output()
        .ok();
    let commit = asked
        .filter(|answer| answer.status.success())
        .and_then(|answer| String::from_utf8(answer.stdout).ok())
        .map_or_else(|| "commit unknown".to_owned(), |text| text.trim().to_owned());
    println!("cargo:rustc-env=CONTEMPLANT_COMMIT={commit}");
}
