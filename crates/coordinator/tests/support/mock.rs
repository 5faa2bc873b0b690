//! The mock prover as these tests use it: its programs, their ids, and the one right proof of each request.

use hierophant_testkit::Binaries;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

/// Serves the circuits and kinds of proof that the coordinator takes by default.
pub(crate) const ARGUMENTS: [&str; 2] = ["--system", "sp1=v6.1.0:core,compressed"];

/// A worker's `provers`: the mock, misbehaving by `script` in every job.
pub(crate) fn worker(script: &str) -> (&'static str, Value) {
    ("provers", Value::Array(vec![Value::Table(prover(script))]))
}

/// The coordinator's `provers`: the mock, running every check by `script`.
pub(crate) fn light(script: &str) -> Value {
    let mut prover = prover(script);
    prover.insert("system".to_owned(), "sp1".into());
    Value::Array(vec![Value::Table(prover)])
}

fn prover(script: &str) -> Table {
    let mut prover = Table::new();
    let executable = Binaries::built().find("prover-mock");
    prover.insert(
        "executable".to_owned(),
        executable.to_string_lossy().into_owned().into(),
    );
    prover.insert("args".to_owned(), ARGUMENTS.to_vec().into());
    let mut options = Table::new();
    options.insert("script".to_owned(), script.into());
    prover.insert("options".to_owned(), options.into());
    prover
}

/// A program's bytes, with `script` in them.
pub(crate) fn elf(script: &str) -> Vec<u8> {
    format!("\u{7f}ELF of a program\0mock:{script};").into_bytes()
}

/// What clients call the hash of a program's verification key.
pub(crate) fn program_id(elf: &[u8]) -> Vec<u8> {
    hash("mock-program", &[elf])
}

/// The verification key.
pub(crate) fn vk(elf: &[u8]) -> Vec<u8> {
    [b"mock-vk:", program_id(elf).as_slice()].concat()
}

/// What a program says of an input.
pub(crate) fn public_values(elf: &[u8], stdin: &[u8]) -> Vec<u8> {
    hash("mock-public-values", &[elf, &inputs(stdin)])
}

/// The other hash than SHA-256 that the mock's programs may commit to their public values with.
pub(crate) fn other_hash(public_values: &[u8]) -> Vec<u8> {
    hash("mock-other-hash", &[public_values])
}

/// The only right proof.
pub(crate) fn proof(elf: &[u8], stdin: &[u8], kind: &str) -> Vec<u8> {
    let text = format!(
        "mock-proof-1\nsystem=sp1\nkind={kind}\ntoolchain=v6.1.0\nprogram_id={}\ninputs={}\npublic_values={}\n",
        hex::encode(program_id(elf)),
        hex::encode(inputs(stdin)),
        hex::encode(public_values(elf, stdin)),
    );
    let checksum = hex::encode(Sha256::digest(text.as_bytes()));
    format!("{text}checksum={checksum}\n").into_bytes()
}

fn inputs(stdin: &[u8]) -> Vec<u8> {
    hash("mock-inputs", &[b"stdin", stdin])
}

/// A SHA-256 over parts, each behind its length, for one purpose: `proof.rs` of the mock.
fn hash(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}
