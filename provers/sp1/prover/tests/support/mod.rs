//! Drives the built prover through the protocol, with the guests of the repository.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use hierophant_prover_protocol::{
    host::{CallError, CallOptions, HostCall, ProgressSink, ProverProcess, ProverSpec},
    proto::{
        Execute, ExecuteReply, Failure, Limits, NamedBlob, ProgramFault, Progress, Prove, ProveReply, Role, Setup,
        SetupReply, Verify, VerifyReply, failure::Class, program_fault::Cause,
    },
    read_output,
};

pub const SYSTEM: &str = "sp1";
pub const TOOLCHAIN: &str = "v6.1.0";
const GUEST_LOG_BYTES: u64 = 1 << 20;
const OUTPUT_BYTES_MAX: u64 = 1 << 30;

/// Longest that any call of these tests may take; a hang fails instead of waiting for ever.
const CALL_TIMEOUT: Duration = Duration::from_mins(40);

/// Reads a guest's ELF file.
pub fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../guests/sp1/elf")
        .join(format!("{name}.elf"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Encodes a program as clients upload it.
pub fn program(elf: &[u8]) -> Vec<u8> {
    let plain = bincode::serialize(elf).expect("encodes");
    zstd::encode_all(plain.as_slice(), 3).expect("compresses")
}

/// Encodes an input of several items as clients upload it.
pub fn stdin(items: &[Vec<u8>]) -> Vec<u8> {
    // SP1Stdin: items, read pointer, no proofs.
    let plain = bincode::serialize(&(items, 0_u64, 0_u64)).expect("encodes");
    zstd::encode_all(plain.as_slice(), 3).expect("compresses")
}

/// An input of one u32.
pub fn number(n: u32) -> Vec<u8> {
    stdin(&[n.to_le_bytes().to_vec()])
}

/// Reads `name=value,name=value` from the environment, to try settings without a change here.
pub fn pairs_from(variable: &str) -> Vec<(String, String)> {
    std::env::var(variable)
        .unwrap_or_default()
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What the fibonacci guest commits to for `n`.
pub fn fibonacci_values(n: u32) -> Vec<u8> {
    let (mut current, mut next) = (0_u32, 1_u32);
    for _ in 0..n {
        (current, next) = (next, (current + next) % 7919);
    }
    [n, current, next].map(u32::to_le_bytes).concat()
}

/// Everything an execution gave, read.
pub struct Executed {
    pub reply: ExecuteReply,
    pub public_values: Vec<u8>,
    pub guest_log: Vec<u8>,
}

impl Executed {
    pub fn cause(&self) -> Option<Cause> {
        self.reply.fault.as_ref().map(ProgramFault::cause)
    }

    pub fn cycles(&self) -> u64 {
        self.reply.record.and_then_cycles()
    }
}

/// Shortens the tests.
pub trait CyclesOf {
    fn and_then_cycles(&self) -> u64;
}

impl CyclesOf for Option<hierophant_prover_protocol::proto::Record> {
    fn and_then_cycles(&self) -> u64 {
        self.as_ref()
            .and_then(|record| record.cycles)
            .expect("cycles are counted")
    }
}

/// No limits but the guest's output.
pub fn unlimited() -> Limits {
    Limits {
        cycles: None,
        gas: None,
        guest_log_bytes: GUEST_LOG_BYTES,
    }
}

/// A running prover and the directory of its files.
pub struct Host {
    pub process: ProverProcess,
    /// Whether proofs that are asked for are mock proofs.
    pub mock: bool,
    directory: tempfile::TempDir,
}

impl Host {
    /// Starts the built prover, with the environment that `PROVER_SP1_ENV` says.
    pub async fn start(role: Role, options: &[(&str, &str)]) -> Self {
        let environment = pairs_from("PROVER_SP1_ENV");
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Self::start_with(role, options, &environment).await
    }

    /// Starts the built prover.
    pub async fn start_with(role: Role, options: &[(&str, &str)], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spec = ProverSpec::new(env!("CARGO_BIN_EXE_prover-sp1"), directory.path());
        spec.role = role;
        spec.hello_timeout = Duration::from_mins(15);
        // The machine that runs the tests may be busy with others.
        spec.heartbeat = Duration::from_secs(10);
        let owned = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        spec.options = owned(options);
        spec.env = owned(environment);
        let process = ProverProcess::spawn(&spec).await.expect("the prover starts");
        Self {
            process,
            mock: false,
            directory,
        }
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

    pub async fn execute_uploads(&self, program: &[u8], stdin: &[u8], limits: Limits) -> Result<Executed, CallError> {
        let outputs = self.process.output_dir().expect("a directory");
        let reply = self
            .call(Execute {
                system: SYSTEM.into(),
                inputs: vec![self.input("program", program), self.input("stdin", stdin)],
                limits: Some(limits),
                output_dir: path_text(outputs.path()),
                ..Execute::default()
            })
            .await?;
        let read = |name| output(&reply.outputs, name, outputs.path());
        Ok(Executed {
            public_values: read("public_values"),
            guest_log: read("guest_log"),
            reply,
        })
    }

    pub async fn execute(&self, guest_name: &str, stdin: &[u8], limits: Limits) -> Executed {
        self.execute_uploads(&program(&guest(guest_name)), stdin, limits)
            .await
            .expect("executes")
    }

    pub async fn setup(&self, program: &[u8]) -> Result<SetupReply, CallError> {
        let inputs = vec![self.input("program", program)];
        self.call(Setup {
            system: SYSTEM.into(),
            inputs,
        })
        .await
    }

    pub async fn verify(&self, verify: Verify) -> Result<VerifyReply, CallError> {
        self.call(verify).await
    }

    /// Proves; returns the reply, the proof and what was heard of progress.
    pub async fn prove(
        &self,
        kind: &str,
        uploads: (&[u8], &[u8]),
        program_id: &[u8],
    ) -> Result<(ProveReply, Vec<u8>, Vec<Progress>), CallError> {
        let outputs = self.process.output_dir().expect("a directory");
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = std::sync::Arc::clone(&heard);
        let call = Prove {
            system: SYSTEM.into(),
            kind: kind.into(),
            inputs: vec![self.input("program", uploads.0), self.input("stdin", uploads.1)],
            limits: Some(unlimited()),
            output_dir: path_text(outputs.path()),
            program_id: program_id.to_vec(),
            mock: self.mock,
        };
        let options = CallOptions {
            timeout: Some(CALL_TIMEOUT),
            progress: Some(ProgressSink::new(move |progress| {
                sink.lock().expect("no panic inside").push(progress);
            })),
        };
        let reply = self.process.call(self.process.new_job(), call, options).await?;
        let proof = output(&reply.outputs, "proof", outputs.path());
        let heard = heard.lock().expect("no panic inside").clone();
        Ok((reply, proof, heard))
    }
}

/// A call to check `proof` of the program with this key.
pub fn verify_call(host: &Host, kind: &str, proof: &[u8], key: &SetupReply) -> Verify {
    Verify {
        system: SYSTEM.into(),
        kind: kind.into(),
        inputs: vec![host.input("proof", proof), host.input("vk", &key.vk)],
        program_id: key.program_id.clone(),
        public_values_sha256: Vec::new(),
        toolchain: TOOLCHAIN.into(),
        mock: false,
    }
}

/// Processor time that the prover and its ended children used so far: what a busy machine disturbs least.
pub fn processor_time(host: &Host) -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = proc_file(host, "stat");
    let fields = stat.rsplit(") ").next().expect("a command in parentheses");
    // utime, stime, cutime, cstime
    let ticks = fields.split(' ').skip(11).take(4);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// The resident memory that the prover had at most since the last [`forget_peak_memory`], in bytes.
pub fn peak_memory_bytes(host: &Host) -> u64 {
    let status = proc_file(host, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")).expect("in kB");
    kib.trim().parse::<u64>().expect("a number") * 1024
}

/// Starts to measure the peak of resident memory anew.
pub fn forget_peak_memory(host: &Host) {
    std::fs::write(format!("/proc/{}/clear_refs", host.process.pid()), "5").expect("the prover is ours");
}

fn proc_file(host: &Host, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{name}", host.process.pid())).expect("it runs")
}

/// The failure that a call must have ended with.
pub fn failure<T>(result: Result<T, CallError>) -> Failure {
    match result {
        Ok(_) => panic!("the call succeeded"),
        Err(CallError::Failed(failure)) => failure,
        Err(error) => panic!("the prover is gone: {error}"),
    }
}

/// Asserts class and part of the sentence of a failure.
#[track_caller]
pub fn assert_input<T>(result: Result<T, CallError>, part: &str) {
    let failure = failure(result);
    assert_eq!(failure.class(), Class::Input, "{}", failure.message);
    assert!(failure.message.contains(part), "{}", failure.message);
}

fn output(outputs: &[NamedBlob], name: &str, directory: &Path) -> Vec<u8> {
    let blob = NamedBlob::find(outputs, name).unwrap_or_else(|| panic!("no output {name}"));
    read_output(blob, directory, OUTPUT_BYTES_MAX).expect("readable")
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Proofs made once and kept between runs, because they take minutes: `proving.rs` makes them.
pub fn kept_proof(kind: &str) -> PathBuf {
    let directory = std::env::var_os("HIEROPHANT_SP1_PROOFS").map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME")).join(".cache/hierophant/sp1-proofs"),
        PathBuf::from,
    );
    directory.join(format!("fibonacci-100-{kind}.bin"))
}
