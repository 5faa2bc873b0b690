//! Tells the provers which commit they were built from, where that is known.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=HIEROPHANT_COMMIT");
    let commit = std::env::var("HIEROPHANT_COMMIT").ok().or_else(|| {
        let asked = Command::new("git")
            .args(["rev-parse", "--short=12", "HEAD"])
            .output()
            .ok()?;
        let commit = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        asked.status.success().then_some(commit)
    });
    println!(
        "cargo::rustc-env=PROVER_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
}
