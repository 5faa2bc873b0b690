//! Programs and proofs of the mock prover's made-up systems, as `prover-mock` reads them.

use sha2::{Digest as _, Sha256};

/// The made-up system of the benchmarks that need no contract of clients.
pub(crate) const SYSTEM: &str = "mock";
/// Its toolchain.
pub(crate) const TOOLCHAIN: &str = "v1";
/// The kind that is asked for.
pub(crate) const KIND: &str = "core";
/// The id of the program that everything is asked for.
pub(crate) const PROGRAM_ID: [u8; 32] = [0xab; 32];

/// A program that the mock prover gives [`PROGRAM_ID`].
pub(crate) fn program() -> Vec<u8> {
    format!("mock:program_id={};", hex::encode(PROGRAM_ID)).into_bytes()
}

/// A proof that the mock prover finds valid.
pub(crate) fn proof(system: &str, kind: &str, toolchain: &str) -> Vec<u8> {
    let mut text = format!(
        "mock-proof-1\nsystem={system}\nkind={kind}\ntoolchain={toolchain}\nprogram_id={}\ninputs={}\npublic_values={}\n",
        hex::encode(PROGRAM_ID),
        hex::encode([5; 32]),
        hex::encode(PUBLIC_VALUES),
    );
    let checksum = hex::encode(Sha256::digest(text.as_bytes()));
    text.extend(["checksum=", &checksum, "\n"]);
    text.into_bytes()
}

/// What the proof binds.
pub(crate) const PUBLIC_VALUES: [u8; 32] = [6; 32];
