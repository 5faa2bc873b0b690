//! A prover that gives a proof that was made before, as often as it is asked for the same program and input.
//!
//! A real proof takes minutes; what the stock SDK does with one can then be tried many times. The network under test checks
//! the replayed proof as any other. Run as a process of its own, by `--replay-prover`.
//!
//! An input may have a second item `hold:NAME`, which the guests do not read: its proof comes once the file `released/NAME`
//! is there. Of programs and inputs without a recorded proof nothing ever comes, until they are cancelled.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use hierophant_prover_protocol::{
    proto::{Failure, Hello, HelloReply, Kind, Prove, ProveReply, Record, System},
    prover::{JobContext, Prover, serve},
};
use sha2::{Digest as _, Sha256};

/// The input of the recorded proofs, for the guest `fibonacci`.
pub(super) const NUMBER: u32 = 100;
/// Kinds that can be recorded.
pub(super) const KINDS: [&str; 2] = ["core", "compressed"];
/// The folder of names that are held no longer.
const RELEASED: &str = "released";
/// Announces a name to hold for.
const HOLD: &[u8] = b"hold:";
/// Longest name.
const NAME_BYTES_MAX: usize = 32;
/// Largest input that is read.
const INPUT_BYTES_MAX: u64 = 64 << 20;
/// Between two looks for a file.
const LOOK: Duration = Duration::from_millis(20);
/// Jobs at once, nearly all of them held.
const JOBS: u32 = 16;

/// Serves until the host closes the pipe.
pub(super) fn run(folder: &Path) -> Result<()> {
    serve(Replay {
        folder: folder.to_owned(),
    })
    .context("the prover protocol failed")
}

/// Where the proof of a kind is recorded.
pub(super) fn proof_file(folder: &Path, kind: &str) -> PathBuf {
    folder.join(format!("fibonacci-{NUMBER}-{kind}.proof"))
}

/// Lets the proofs that are held for a name go.
pub(super) fn release(folder: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(folder.join(RELEASED))?;
    fs::write(folder.join(RELEASED).join(name), b"")?;
    Ok(())
}

#[derive(Debug)]
struct Replay {
    folder: PathBuf,
}

impl Prover for Replay {
    fn hello(&self, _hello: &Hello) -> Result<HelloReply, Failure> {
        let kind = |name: &str| Kind {
            name: name.to_owned(),
            memory_bytes: 1 << 20,
            ..Kind::default()
        };
        Ok(HelloReply {
            name: "prover-replay".to_owned(),
            calls: ["prove", "cancel"].map(String::from).to_vec(),
            systems: vec![System {
                name: "sp1".to_owned(),
                toolchain: "v6.1.0".to_owned(),
                kinds: KINDS.map(kind).to_vec(),
                ..System::default()
            }],
            max_jobs: JOBS,
            ..HelloReply::default()
        })
    }

    fn prove(&self, job: &JobContext, call: Prove) -> Result<ProveReply, Failure> {
        let packed = job.input(&call.inputs, "stdin", INPUT_BYTES_MAX)?;
        // Uploads are kept as they came: one zstd frame or bare.
        let stdin = zstd::decode_all(packed.as_slice()).unwrap_or(packed);
        let program = job.input(&call.inputs, "program", INPUT_BYTES_MAX)?;
        let recorded = is_recorded_input(&stdin) && Some(hex::encode(&call.program_id)) == self.program_id();
        job.progress("replay", 0, 1, 0);
        if let Some(name) = held(&stdin) {
            self.wait(job, || self.folder.join(RELEASED).join(&name).is_file())?;
        }
        if !recorded || program.is_empty() {
            self.wait(job, || false)?;
        }
        let path = proof_file(&self.folder, &call.kind);
        let proof = fs::read(&path).map_err(|error| Failure::prover(format!("{}: {error}", path.display())))?;
        let public_values = public_values();
        let record = Record {
            exit_code: Some(0),
            public_values_sha256: Sha256::digest(&public_values).to_vec(),
            ..Record::default()
        };
        let outputs = vec![job.output("proof", proof)?, job.output("public_values", public_values)?];
        Ok(ProveReply {
            outputs,
            record: Some(record),
        })
    }
}

impl Replay {
    fn wait(&self, job: &JobContext, done: impl Fn() -> bool) -> Result<(), Failure> {
        while !done() {
            job.check_cancelled()?;
            if !self.folder.is_dir() {
                return Err(Failure::cancelled());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn program_id(&self) -> Option<String> {
        fs::read_to_string(program_file(&self.folder)).ok()
    }
}

/// Where the hash of the recorded program is, in hexadecimal.
pub(super) fn program_file(folder: &Path) -> PathBuf {
    folder.join("program")
}

/// bincode of an input whose first item is the number.
fn is_recorded_input(stdin: &[u8]) -> bool {
    let item = [&4_u64.to_le_bytes()[..], &NUMBER.to_le_bytes()].concat();
    stdin.get(8..20) == Some(&item)
}

/// The name in an input after `hold:`.
fn held(stdin: &[u8]) -> Option<String> {
    let start = stdin.windows(HOLD.len()).position(|bytes| bytes == HOLD)? + HOLD.len();
    let name = stdin[start..]
        .iter()
        .take(NAME_BYTES_MAX)
        .take_while(|byte| byte.is_ascii_alphanumeric());
    Some(name.map(|&byte| char::from(byte)).collect())
}

/// What the guest commits to: the number, and its Fibonacci number and the next modulo 7919.
fn public_values() -> Vec<u8> {
    let (mut current, mut next) = (0_u32, 1_u32);
    for _ in 0..NUMBER {
        (current, next) = (next, (current + next) % 7919);
    }
    [NUMBER, current, next].map(u32::to_le_bytes).concat()
}

#[cfg(test)]
mod tests {
    use super::super::mocked::encoded_stdin;
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        let number = NUMBER.to_le_bytes();
        let plain = encoded_stdin(&[&number]);
        let holding = encoded_stdin(&[&number, b"hold:slow"]);
        assert!(is_recorded_input(&plain) && is_recorded_input(&holding));
        assert!(!is_recorded_input(&encoded_stdin(&[&[1, 0, 0, 0]])));
        assert_eq!((held(&plain), held(&holding)), (None, Some("slow".to_owned())));
    }
}
