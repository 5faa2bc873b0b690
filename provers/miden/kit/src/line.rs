//! What a line of Miden's protocol does, as the service asks for it.
//!
//! Not here: the prover protocol, options that all lines have, panics; the service looks after those.

use crate::{Kind, Reader};

/// SHA-256 of all that a result states, its proof aside.
pub type Digest = [u8; 32];

/// A line of Miden's protocol, ready to work: everything that does not depend on an input is made by [`Line::start`].
///
/// Every method may panic on hostile input; the service turns that into the answer that fits.
pub trait Line: Send + Sync + Sized + 'static {
    /// The system's name in the prover protocol: "miden-0.15".
    const SYSTEM: &'static str;
    /// The toolchain's version in the prover protocol: "0.15".
    const TOOLCHAIN: &'static str;
    /// The line's own options.
    type Options: Send + 'static;
    /// A decoded witness of any kind.
    type Witness;

    /// Memory of one job of a kind at its peak, in bytes: the default of the option `<kind>_memory`.
    fn default_memory(kind: Kind) -> u64;

    /// Takes the line's own options.
    fn options(reader: &mut Reader<'_>) -> Self::Options;

    /// Gets ready to work.
    fn start(options: Self::Options) -> Self;

    /// Decodes the whole of `bytes`.
    ///
    /// # Errors
    ///
    /// A cause, for people: reads after "it is no transaction of the line 0.15: ".
    fn decode(&self, kind: Kind, bytes: &[u8]) -> Result<Self::Witness, String>;

    /// Computes what the witness states, without proving it, in at most `max_cycles`.
    ///
    /// # Errors
    ///
    /// Why the witness states nothing.
    fn execute(&self, witness: &Self::Witness, max_cycles: u64) -> Result<Executed, Fault>;

    /// Proves a witness that was executed; returns what the client gets.
    ///
    /// # Errors
    ///
    /// The prover is at fault: the witness was executed before.
    fn prove(&self, witness: Self::Witness) -> Result<Vec<u8>, String>;

    /// Checks a proof and whether it is for this witness; returns the digest of what the result states.
    ///
    /// # Errors
    ///
    /// A sentence that says why the proof is not valid.
    fn verify(&self, witness: &Self::Witness, proof: &[u8]) -> Result<Digest, String>;
}

/// What an execution found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// What the result of this witness states.
    pub statement: Digest,
    /// The virtual machine's cycles; absent where none was run.
    pub cycles: Option<u64>,
}

/// Why a witness states nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It takes more cycles than allowed.
    #[error("it takes more than {0} cycles; ask for a higher limit, or do less in one transaction")]
    CycleLimit(u64),
    /// It does not execute, or what it holds does not verify.
    #[error("{0}")]
    Invalid(String),
}
