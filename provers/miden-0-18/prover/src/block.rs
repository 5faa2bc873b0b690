//! Blocks: a STARK of the block kernel, and nothing else: the result of a block is its proof.
//!
//! That kernel binds the block before and the batches' ids, and not yet what the block changes. Both are taken from the
//! witness when the proof is verified, so a proof for other batches or another chain is refused.

use miden_block_prover::{BlockExecutor, BlockProverError, LocalBlockProver};
use miden_kit::{Digest, Executed, Fault};
use miden_objects::proto;
use miden_processor::ExecutionError;
use miden_protocol::{
    Word,
    block::{BlockKernel, BlockOutputs, ProposedBlock},
    crypto::SequentialCommit as _,
    vm::ProgramInfo,
};
use miden_verifier::{ExecutionClaim, Verifier};
use miden_wire_0_18::{DecodeError, SECURITY_LEVEL, causes, execution_proof};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::line::{invalid, options, prover};

/// A decoded witness.
pub(crate) struct Block {
    proposed: ProposedBlock,
    /// Of the witness's bytes: it stands for all that the kernel does not bind.
    sha256: Digest,
}

impl Block {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            proposed: miden_wire_0_18::block::proposed_block(bytes)?,
            sha256: Sha256::digest(bytes).into(),
        })
    }

    /// What the kernel is given, and what it binds: the block before, and the batches.
    fn commitments(&self) -> (Word, Word) {
        (
            self.proposed.prev_block_header().commitment(),
            self.proposed.batches().to_commitment(),
        )
    }

    fn statement(&self) -> Digest {
        let (before, batches) = self.commitments();
        Sha256::new()
            .chain_update(before.as_bytes())
            .chain_update(batches.as_bytes())
            .chain_update(self.sha256)
            .finalize()
            .into()
    }
}

/// What blocks need, made once.
pub(crate) struct Blocks {
    prover: LocalBlockProver,
    program: ProgramInfo,
}

impl Blocks {
    pub(crate) fn start() -> Self {
        Self {
            prover: LocalBlockProver::new(prover()),
            program: BlockKernel::program_info(),
        }
    }

    /// Runs the kernel.
    pub(crate) fn execute(block: &Block, max_cycles: u64) -> Result<Executed, Fault> {
        BlockExecutor::new()
            .with_execution_options(options(max_cycles))
            .execute(block.proposed.clone())
            .map_err(|error| match error {
                BlockProverError::BlockKernelExecutionFailed(ExecutionError::CycleLimitExceeded(_)) => {
                    Fault::CycleLimit(max_cycles)
                }
                error => invalid("the block does not execute", &error),
            })?;
        Ok(Executed {
            statement: block.statement(),
            cycles: None,
        })
    }

    pub(crate) fn prove(&self, block: Block) -> Result<Vec<u8>, String> {
        let proof = BlockExecutor::new()
            .execute(block.proposed)
            .and_then(|executed| self.prover.prove(executed))
            .map_err(|error| causes(&error))?;
        Ok(proto::primitives::ExecutionProof::from(proof).encode_to_vec())
    }

    pub(crate) fn verify(&self, block: &Block, proof: &[u8]) -> Result<Digest, String> {
        let proof = execution_proof(proof).map_err(|error| format!("the result is no execution proof: {error}"))?;
        if proof.has_precompiles() {
            return Err("the proof holds precompiles, which the block kernel has none of".into());
        }
        let (before, batches) = block.commitments();
        // The kernel of this line puts out zeros.
        let outputs = BlockOutputs::new(Word::empty(), Word::empty());
        let claim = ExecutionClaim::from_program_info(
            self.program.clone(),
            BlockKernel::build_input_stack(before, batches),
            outputs.into_stack_outputs(),
        );
        let outcome = Verifier::new()
            .with_min_conjectured_security_level_per_stark(SECURITY_LEVEL)
            .verify(&claim, &proof)
            .map_err(|error| format!("the proof does not verify: {}", causes(&error)))?;
        if !outcome.is_complete() {
            return Err("the proof leaves a precompile open".into());
        }
        Ok(block.statement())
    }
}
