//! Drives the built prover through the protocol, with witnesses of a mock chain.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use hierophant_prover_protocol::{
    host::{CallError, CallOptions, HostCall, ProgressSink, ProverProcess, ProverSpec},
    proto::{
        Execute, ExecuteReply, Failure, Limits, NamedBlob, Progress, Prove, ProveReply, Role, Verify, VerifyReply,
        failure::Class,
    },
    read_output,
};
use miden_protocol::utils::serde::Serializable as _;
use miden_witnesses::{Recipe, Wallet};

pub const SYSTEM: &str = "miden-0.15";
pub const TOOLCHAIN: &str = "0.15";
const OUTPUT_BYTES_MAX: u64 = 1 << 30;

/// Longest that any call of these tests may take; a hang fails instead of waiting for ever.
const CALL_TIMEOUT: Duration = Duration::from_mins(5);

/// A transaction of an ECDSA wallet with one note.
pub fn ecdsa(seed: u32) -> Recipe {
    Recipe {
        wallet: Wallet::Ecdsa,
        notes: 1,
        seed,
    }
}

/// The witness of such a transaction.
pub async fn transaction(seed: u32) -> Vec<u8> {
    let inputs = miden_witnesses::transaction(ecdsa(seed)).await.expect("executes");
    inputs.to_bytes()
}

/// A proof that was made.
pub struct Proved {
    pub reply: ProveReply,
    pub proof: Vec<u8>,
    pub progress: Vec<Progress>,
}

impl Proved {
    /// What the record says that the result states.
    pub fn statement(&self) -> Vec<u8> {
        let record = self.reply.record.as_ref().expect("a record");
        record.public_values_sha256.clone()
    }
}

/// A running prover and the directory of its files.
pub struct Host {
    pub process: ProverProcess,
    directory: tempfile::TempDir,
}

impl Host {
    /// Starts the built prover.
    pub async fn start(role: Role, options: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spec = ProverSpec::new(env!("CARGO_BIN_EXE_prover-miden-0-15"), directory.path());
        spec.role = role;
        // The machine that runs the tests may be busy with others.
        spec.heartbeat = Duration::from_secs(10);
        let options = options.iter();
        spec.options = options
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let process = ProverProcess::spawn(&spec).await.expect("the prover starts");
        Self { process, directory }
    }

    /// Puts an input into a file.
    pub fn input(&self, name: &str, bytes: &[u8]) -> NamedBlob {
        let file = tempfile::Builder::new()
            .prefix(name)
            .tempfile_in(self.directory.path())
            .expect("a file");
        let (_, path) = file.keep().expect("kept");
        std::fs::write(&path, bytes).expect("writes");
        NamedBlob::file(name, &path)
    }

    pub async fn call<C: HostCall>(&self, call: C) -> Result<C::Reply, CallError> {
        let job = self.process.new_job();
        self.process.call(job, call, CallOptions::within(CALL_TIMEOUT)).await
    }

    pub async fn execute(&self, kind: &str, witness: &[u8]) -> Result<ExecuteReply, CallError> {
        self.execute_within(kind, witness, None).await
    }

    pub async fn execute_within(
        &self,
        kind: &str,
        witness: &[u8],
        cycles: Option<u64>,
    ) -> Result<ExecuteReply, CallError> {
        self.call(Execute {
            system: SYSTEM.into(),
            inputs: vec![self.input("witness", witness)],
            limits: Some(limits(cycles)),
            output_dir: String::new(),
            kind: kind.into(),
        })
        .await
    }

    /// A call to check `proof` for `witness`.
    pub fn verify_call(&self, kind: &str, witness: &[u8], proof: &[u8], statement: &[u8]) -> Verify {
        Verify {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("proof", proof), self.input("witness", witness)],
            public_values_sha256: statement.to_vec(),
            toolchain: TOOLCHAIN.into(),
            ..Verify::default()
        }
    }

    pub async fn verify(&self, kind: &str, witness: &[u8], proof: &[u8], statement: &[u8]) -> VerifyReply {
        let call = self.verify_call(kind, witness, proof, statement);
        self.call(call).await.expect("a verdict")
    }

    /// Asserts that a proof is refused, and for which reason.
    pub async fn assert_refused(&self, (kind, witness): (&str, &[u8]), proof: &[u8], statement: &[u8], reason: &str) {
        let verdict = self.verify(kind, witness, proof, statement).await;
        assert!(!verdict.valid, "accepted; expected: {reason}");
        assert!(verdict.reason.contains(reason), "{}", verdict.reason);
    }

    pub async fn prove(&self, kind: &str, witness: &[u8]) -> Result<Proved, CallError> {
        self.prove_within(kind, witness, None).await
    }

    pub async fn prove_within(&self, kind: &str, witness: &[u8], cycles: Option<u64>) -> Result<Proved, CallError> {
        let outputs = self.process.output_dir().expect("a directory");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let call = Prove {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("witness", witness)],
            limits: Some(limits(cycles)),
            output_dir: path_text(outputs.path()),
            ..Prove::default()
        };
        let options = CallOptions {
            timeout: Some(CALL_TIMEOUT),
            progress: Some(ProgressSink::new(move |progress| {
                sink.lock().expect("no panic inside").push(progress);
            })),
        };
        let reply = self.process.call(self.process.new_job(), call, options).await?;
        let proof = NamedBlob::find(&reply.outputs, "proof").expect("a proof");
        let proof = read_output(proof, outputs.path(), OUTPUT_BYTES_MAX).expect("readable");
        let progress = heard.lock().expect("no panic inside").clone();
        Ok(Proved { reply, proof, progress })
    }

    /// The resident memory that the prover had at most so far, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")).expect("in kB");
        kib.trim().parse::<u64>().expect("a number") * 1024
    }
}

/// The failure that a call must have ended with.
#[track_caller]
pub fn failure<T>(result: Result<T, CallError>) -> Failure {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(CallError::Failed(failure)) => failure,
        Err(error) => panic!("the prover is gone: {error}"),
    }
}

/// Asserts class and parts of the sentence of a failure.
#[track_caller]
pub fn assert_failure<T>(result: Result<T, CallError>, class: Class, parts: &[&str]) {
    let failure = failure(result);
    assert_eq!(failure.class(), class, "{}", failure.message);
    for part in parts {
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}

fn limits(cycles: Option<u64>) -> Limits {
    Limits {
        cycles,
        ..Limits::default()
    }
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
