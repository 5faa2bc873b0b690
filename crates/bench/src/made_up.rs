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
    encoded(system, kind, toolchain, &PROGRAM_ID, &[5; 32])
}

/// A witness of so many bytes, for a system that has witnesses in the place of programs. `number` tells it from others.
pub(crate) fn witness(number: u32, bytes: usize) -> Vec<u8> {
    let mut witness = format!("mock:public_values={};{number};", hex::encode(PUBLIC_VALUES)).into_bytes();
    witness.resize(bytes, 0);
    witness
}

/// A proof of such a witness that the mock prover finds valid.
pub(crate) fn proof_of_witness(system: &str, kind: &str, toolchain: &str, witness: &[u8]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in [&b"mock-inputs"[..], b"witness", witness] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    encoded(system, kind, toolchain, &[], &hasher.finalize())
}

fn encoded(system: &str, kind: &str, toolchain: &str, program_id: &[u8], inputs: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "mock-proof-1\nsystem={system}\nkind={kind}\ntoolchain={toolchain}\nprogram_id={}\ninputs={}\npublic_values={}\n",
        hex::encode(program_id),
        hex::encode(inputs),
        hex::encode(PUBLIC_VALUES),
    );
    let checksum = hex::encode(Sha256::digest(text.as_bytes()));
    text.extend(["checksum=", &checksum, "\n"]);
    text.into_bytes()
}

/// What the proof binds.
pub(crate) const PUBLIC_VALUES: [u8; 32] = [6; 32];
