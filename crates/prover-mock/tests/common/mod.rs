//! What the process tests of the mock share: calls that mention only what matters.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::{path::Path, time::Duration};

use hierophant_prover_protocol::{
    host::ProverSpec,
    proto::{Execute, Limits, NamedBlob, Prove, Role, Setup, Verify},
};
use tempfile::TempDir;

/// Longer than anything takes that is not hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The made-up system of these tests.
pub(crate) const SYSTEM: &str = "mock";

/// A prover whose scratch directories are made in the returned one.
pub(crate) fn spec(role: Role) -> (ProverSpec, TempDir) {
    let parent = tempfile::tempdir().unwrap();
    let mut spec = ProverSpec::new(env!("CARGO_BIN_EXE_prover-mock"), parent.path());
    spec.role = role;
    spec.heartbeat = Duration::from_millis(100);
    spec.cancel_grace = Duration::from_millis(300);
    (spec, parent)
}

/// A call that proves what `script` says.
pub(crate) fn prove(script: &str, output_dir: &Path) -> Prove {
    Prove {
        system: SYSTEM.into(),
        kind: "core".into(),
        inputs: inputs(script),
        limits: Some(Limits {
            cycles: None,
            gas: None,
            guest_log_bytes: 100,
        }),
        output_dir: output_dir.to_str().unwrap().into(),
        program_id: Vec::new(),
        mock: false,
    }
}

/// Program and stdin; the script is in stdin.
pub(crate) fn inputs(script: &str) -> Vec<NamedBlob> {
    vec![
        NamedBlob::inline("program", *b"a program"),
        NamedBlob::inline("stdin", format!("mock:{script}")),
    ]
}

/// A call that executes what `script` says.
pub(crate) fn execute(script: &str, output_dir: &Path) -> Execute {
    Execute {
        system: SYSTEM.into(),
        inputs: inputs(script),
        limits: None,
        output_dir: output_dir.to_str().unwrap().into(),
        ..Execute::default()
    }
}

/// A call that sets up the program of [`inputs`].
pub(crate) fn setup() -> Setup {
    Setup {
        system: SYSTEM.into(),
        inputs: inputs("").drain(..1).collect(),
    }
}

/// A call that sets up a program with a script.
pub(crate) fn setup_of(program: &str) -> Setup {
    Setup {
        system: SYSTEM.into(),
        inputs: vec![NamedBlob::inline("program", program)],
    }
}

/// A call that verifies a proof of the program of [`inputs`].
pub(crate) fn verify(proof: &[u8], program_id: &[u8]) -> Verify {
    let mut inputs = setup().inputs;
    inputs.push(NamedBlob::inline("proof", proof));
    Verify {
        system: SYSTEM.into(),
        kind: "core".into(),
        inputs,
        program_id: program_id.into(),
        public_values_sha256: Vec::new(),
        toolchain: "v1".into(),
        mock: false,
    }
}
