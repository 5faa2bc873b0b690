//! What needs no engine: set-up, verification, execution.

use std::{fmt, sync::Arc};

use sp1_core_executor::{ExecutionReport, Program, SP1CoreOpts};
use sp1_prover::worker::{SP1ExecutorConfig, execute_with_options};
use sp1_sdk::{
    Elf, LightProver, Prover as _, ProvingKey as _, SP1Context, SP1ProofWithPublicValues, SP1PublicValues, SP1Stdin,
    SP1VerificationError, SP1VerifyingKey,
};

use crate::Boxed;

/// Public values, the digest that the program committed to, and what was counted; or SP1's error, which is an
/// `ExecutionError` of `sp1-core-executor` where the executor itself ended badly.
pub type ExecutionResult = anyhow::Result<(SP1PublicValues, [u8; 32], ExecutionReport)>;

/// Sets programs up and verifies proofs as stock clients do. Clones share what they hold.
#[derive(Clone)]
pub struct Light {
    prover: LightProver,
}

impl fmt::Debug for Light {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Light")
    }
}

impl Light {
    /// Starts in well under a second.
    pub fn start() -> Boxed<'static, Self> {
        Box::pin(async {
            Self {
                prover: LightProver::new().await,
            }
        })
    }

    /// Derives a program's verification key; takes about ten seconds.
    ///
    /// # Errors
    /// The ELF file is not one that SP1 runs.
    pub fn setup(&self, elf: Arc<[u8]>) -> Boxed<'_, anyhow::Result<SP1VerifyingKey>> {
        Box::pin(async move {
            let key = self.prover.setup(Elf::from(elf)).await?;
            Ok(key.verifying_key().clone())
        })
    }

    /// Verifies a proof with exit code 0.
    ///
    /// # Errors
    /// Why a stock client would refuse it.
    ///
    /// # Panics
    /// SP1's verifier asserts here and there; a proof that trips it is malformed.
    pub fn verify(&self, proof: &SP1ProofWithPublicValues, vk: &SP1VerifyingKey) -> Result<(), SP1VerificationError> {
        self.prover.verify(proof, vk, None)
    }
}

/// Executes a program in a child process and meters its gas.
pub fn execute(
    program: Arc<Program>,
    stdin: SP1Stdin,
    context: SP1Context<'static>,
    opts: SP1CoreOpts,
) -> Boxed<'static, ExecutionResult> {
    Box::pin(execute_with_options(
        program,
        stdin,
        context,
        opts,
        SP1ExecutorConfig::default(),
    ))
}
