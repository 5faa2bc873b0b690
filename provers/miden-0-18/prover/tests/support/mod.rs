//! Drives the built prover through the protocol, with witnesses made on a mock chain.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{path::Path, time::Duration};

use hierophant_prover_protocol::{
    host::{CallError, CallOptions, HostCall, ProverProcess, ProverSpec},
    proto::{
        Execute, ExecuteReply, Failure, Limits, NamedBlob, ProgramFault, Prove, ProveReply, Role, Verify, VerifyReply,
        failure::Class, program_fault::Cause,
    },
    read_output,
};
use miden_objects::proto;
use miden_witnesses::{Recipe, Wallet};
use prost::Message as _;

pub const SYSTEM: &str = "miden-0.18";
pub const TOOLCHAIN: &str = "0.18";
const OUTPUT_BYTES_MAX: u64 = 1 << 30;

/// Longest that any call of these tests may take; a hang fails instead of waiting for ever.
const CALL_TIMEOUT: Duration = Duration::from_mins(10);

/// An ECDSA wallet that consumes one note.
pub fn recipe(seed: u32) -> Recipe {
    Recipe {
        wallet: Wallet::Ecdsa,
        notes: 1,
        seed,
    }
}

/// The witness of a transaction.
pub async fn transaction(recipe: Recipe) -> Vec<u8> {
    let inputs = miden_witnesses::transaction(recipe).await.expect("a chain");
    proto::transaction::TransactionInputs::from(inputs).encode_to_vec()
}

/// The witness of a batch of really proven transactions.
pub async fn batch(recipe: Recipe, transactions: usize) -> Vec<u8> {
    let batch = miden_witnesses::batch(recipe, transactions).await.expect("a chain");
    proto::transaction::ProposedBatch::from(batch).encode_to_vec()
}

/// The witness of a block.
pub async fn block(recipe: Recipe) -> Vec<u8> {
    let (block, inputs) = miden_witnesses::block(recipe, 2).await.expect("a chain");
    miden_wire_0_18::block::request(&block, &inputs).encode_to_vec()
}

/// A running prover and the directory of its files.
pub struct Host {
    pub process: ProverProcess,
    directory: tempfile::TempDir,
}

/// A proof and what was told with it.
pub struct Proved {
    pub proof: Vec<u8>,
    pub reply: ProveReply,
}

impl Proved {
    pub fn statement(&self) -> Vec<u8> {
        self.reply
            .record
            .as_ref()
            .expect("a record")
            .public_values_sha256
            .clone()
    }
}

impl Host {
    /// Starts the built prover.
    pub async fn start(role: Role, options: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spec = ProverSpec::new(env!("CARGO_BIN_EXE_prover-miden-0-18"), directory.path());
        spec.role = role;
        // The machine that runs the tests may be busy with others.
        spec.hello_timeout = Duration::from_mins(2);
        spec.heartbeat = Duration::from_secs(10);
        spec.options = options
            .iter()
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

    pub async fn prove(&self, kind: &str, witness: &[u8]) -> Result<Proved, CallError> {
        let outputs = self.process.output_dir().expect("a directory");
        let call = Prove {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("witness", witness)],
            output_dir: outputs.path().to_str().expect("a path in UTF-8").to_owned(),
            ..Prove::default()
        };
        let reply = self.call(call).await?;
        let proof = output(&reply.outputs, "proof", outputs.path());
        Ok(Proved { proof, reply })
    }

    pub async fn execute(&self, kind: &str, witness: &[u8], cycles: Option<u64>) -> Result<ExecuteReply, CallError> {
        self.call(Execute {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("witness", witness)],
            limits: Some(Limits {
                cycles,
                ..Limits::default()
            }),
            ..Execute::default()
        })
        .await
    }

    /// Executes what must execute; returns the statement and the cycles.
    pub async fn states(&self, kind: &str, witness: &[u8]) -> (Vec<u8>, Option<u64>) {
        let reply = self.execute(kind, witness, None).await.expect("an answer");
        assert_eq!(reply.fault, None);
        let record = reply.record.expect("a record");
        assert_eq!(record.public_values_sha256.len(), 32);
        (record.public_values_sha256, record.cycles)
    }

    /// The verdict on a proof; `statement` may be empty.
    pub async fn verify(&self, kind: &str, witness: &[u8], proof: &[u8], statement: &[u8]) -> VerifyReply {
        let call = Verify {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("proof", proof), self.input("witness", witness)],
            public_values_sha256: statement.to_vec(),
            toolchain: TOOLCHAIN.into(),
            ..Verify::default()
        };
        self.call(call).await.expect("a verdict")
    }

    /// Asserts that a proof is refused, with and without a known statement, for a reason that says `part`.
    #[track_caller]
    pub fn refuses<'a>(
        &'a self,
        kind: &'a str,
        witness: &'a [u8],
        proof: &'a [u8],
        statement: &'a [u8],
        part: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            for statement in [statement, &[]] {
                let verdict = self.verify(kind, witness, proof, statement).await;
                assert!(!verdict.valid, "at {caller}: it is taken");
                assert!(verdict.reason.contains(part), "at {caller}: {}", verdict.reason);
            }
        }
    }
}

/// Asserts what both sides of a good proof say.
pub async fn assert_valid(host: &Host, kind: &str, witness: &[u8], proved: &Proved) {
    let (statement, _) = host.states(kind, witness).await;
    assert_eq!(proved.statement(), statement, "what the prover says it proved");
    for known in [statement.as_slice(), &[]] {
        let verdict = host.verify(kind, witness, &proved.proof, known).await;
        assert!(verdict.valid, "{}", verdict.reason);
        assert_eq!(verdict.public_values_sha256, statement);
    }
    let other = host.verify(kind, witness, &proved.proof, &[7; 32]).await;
    assert!(!other.valid, "it states something else than is known");
}

/// Asserts that bytes are refused as an input, by every call, with a sentence that says `part`.
pub async fn assert_no_witness(light: &Host, prover: &Host, kind: &str, bytes: &[u8], part: &str) {
    let executed = failure(light.execute(kind, bytes, None).await);
    let proved = failure(prover.prove(kind, bytes).await);
    for failure in [executed, proved] {
        assert_eq!(failure.class(), Class::Input, "{}", failure.message);
        for part in [part, kind, "0.18"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
}

/// Ways to spoil a witness that every kind must survive, and what is said of each.
pub fn spoiled(witness: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    // Field 15, which no message of these has, of a length that is not there.
    let hostile_length = [&[0x7a], varint(1 << 60).as_slice()].concat();
    vec![
        (Vec::new(), "missing"),
        (b"garbage".to_vec(), "protobuf"),
        (vec![0xff; 1000], "protobuf"),
        (witness[..witness.len() / 2].to_vec(), "protobuf"),
        (witness[..witness.len() - 1].to_vec(), "protobuf"),
        ([witness, b"trailing"].concat(), "protobuf"),
        ([witness, &[0x78, 0x01]].concat(), "fields of another version"),
        (hostile_length.clone(), "protobuf"),
        ([witness, &hostile_length].concat(), "protobuf"),
    ]
}

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}

/// The failure that a call must have ended with.
pub fn failure<T>(result: Result<T, CallError>) -> Failure {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(CallError::Failed(failure)) => failure,
        Err(error) => panic!("the prover is gone: {error}"),
    }
}

/// The cause that an execution must have ended with.
pub fn cause(reply: &ExecuteReply) -> Cause {
    reply.fault.as_ref().map(ProgramFault::cause).expect("a fault")
}

fn output(outputs: &[NamedBlob], name: &str, directory: &Path) -> Vec<u8> {
    let blob = NamedBlob::find(outputs, name).unwrap_or_else(|| panic!("no output {name}"));
    read_output(blob, directory, OUTPUT_BYTES_MAX).expect("readable")
}
