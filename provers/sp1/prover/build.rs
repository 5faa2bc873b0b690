//! Tells the program which commit it was built from, where that is known.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=HIEROPHANT_COMMIT");
    let commit = std::env::var("HIEROPHANT_COMMIT").ok().or_else(|| {
        let output = Command::new("git")
            .args(["rev-parse", "--short=12", "HEAD"])
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    println!(
        "cargo::rustc-env=PROVER_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
}
