//! The port that the core calls: set-up, execution and verification in the light role.

use async_trait::async_trait;
use hierophant_domain::{Digest, Kind, Limits, Name, Record, System};

/// Trusted checks, in processes that can be killed. Files named are readable by the check only.
#[async_trait]
pub trait Checker: Send + Sync + std::fmt::Debug + 'static {
    /// The systems that this checker has a light role for.
    fn systems(&self) -> Vec<System>;

    /// Derives the id and the verification key of a program.
    async fn set_up(&self, system: &System, program: CheckInput) -> std::result::Result<Identity, CheckError>;

    /// Runs a program. `fresh`: in a process that has done nothing else.
    async fn execute(&self, job: ExecuteJob) -> std::result::Result<ExecutionReport, CheckError>;

    /// Checks a proof.
    async fn verify(&self, job: VerifyJob) -> std::result::Result<VerifyReport, CheckError>;
}

/// An input of a check.
#[derive(Clone, Debug)]
pub struct CheckInput {
    /// The name that the prover documents.
    pub name: Name,
    /// The value.
    pub source: CheckSource,
}

/// Where a check's input is.
#[derive(Clone, Debug)]
pub enum CheckSource {
    /// Here it is; small.
    Inline(Vec<u8>),
    /// A readable file.
    File(std::path::PathBuf),
}

/// What set-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id as clients send it.
    pub program_id: Vec<u8>,
    /// The verification key as clients send it.
    pub vk: Vec<u8>,
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct ExecuteJob {
    /// The proof system.
    pub system: System,
    /// The kind of proof that is asked for.
    pub kind: Kind,
    /// "program", "stdin" ...
    pub inputs: Vec<CheckInput>,
    /// The client's limits, and the checker's own maximum already applied.
    pub limits: Limits,
    /// In a process that has done nothing else.
    pub fresh: bool,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    /// How the program was at fault, if it was.
    pub fault: Option<(hierophant_domain::ProgramFault, String)>,
    /// What is known of the run.
    pub record: Record,
    /// What else than SHA-256 the system's programs may hash their public values with, and what that gives; empty where it is
    /// not known.
    pub public_values_hashes: Vec<Digest>,
}

/// A proof to check.
#[derive(Clone, Debug)]
pub struct VerifyJob {
    /// The proof system.
    pub system: System,
    /// The kind that was asked for.
    pub kind: Kind,
    /// "proof", "program" or "vk" where there is one, and the other inputs of the request.
    pub inputs: Vec<CheckInput>,
    /// The id that the proof must be for.
    pub program_id: Vec<u8>,
    /// What the public values must hash to, by SHA-256 or as the system's programs do otherwise.
    pub public_values: Option<Digest>,
    /// The toolchain version that the proof must carry.
    pub toolchain: Name,
    /// Whether a mock proof is what was asked for: then nothing else is valid.
    pub mock: bool,
}

/// What a check of a proof found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyReport {
    /// It is right; the SHA-256 of its public values.
    Valid(Option<Digest>),
    /// It is not.
    Invalid(String),
}

/// Why a check was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The input is at fault and can never be checked.
    #[error("{0}")]
    Input(String),
    /// The process died, hung or ran over its memory or time: the check itself may be at fault.
    #[error("the check did not end well: {0}")]
    Died(String),
    /// A blob that was whole here is gone or damaged: this coordinator's fault and nobody else's.
    #[error("{0}")]
    Lost(String),
    /// Not now (no process free, no such system): to be tried again.
    #[error("the check cannot be done now: {0}")]
    Unavailable(String),
}
