//! The line 0.18 as `miden-kit` asks for it: which kind goes where, and how each is made ready.
//!
//! What must stay true: what does not depend on a witness is made in `start`, so that the first call is as fast as the
//! others; the statement of a result is everything in it but the proof, and the same whether executed or verified.

use miden_kit::{Digest, Executed, Fault, Kind, Line, Reader};
use miden_processor::ExecutionOptions;
use miden_protocol::{batch::ProposedBatch, transaction::TransactionInputs};
use miden_prover::{HashFunction, Prover};
use miden_wire_0_18::causes;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::{
    batch::Batches,
    block::{Block, Blocks},
    transaction::Transactions,
};

/// Fewest cycles that the virtual machine takes as a limit: its shortest trace.
const MIN_CYCLES: u32 = 64;

/// Most field elements of memory that a program may use at once, 2^24: a sixteenth of what the virtual machine allows on its
/// own, which would fill gigabytes of the host's memory, and far above what a kernel with all its notes uses.
const MAX_MEMORY_ELEMENTS: usize = 1 << 24;

/// Everything that is ready to work.
pub(crate) struct Miden018 {
    transactions: Transactions,
    batches: Batches,
    blocks: Blocks,
}

/// A decoded witness.
pub(crate) enum Witness {
    Transaction(Box<TransactionInputs>),
    Batch(Box<ProposedBatch>),
    Block(Box<Block>),
}

/// The line's own options.
pub(crate) struct Options {
    /// `batch_precompile_proof`: whether a batch's precompiles are proved too, in a proof that is thrown away.
    batch_precompile_proof: bool,
}

impl Line for Miden018 {
    const SYSTEM: &'static str = "miden-0.18";
    const TOOLCHAIN: &'static str = "0.18";
    type Options = Options;
    type Witness = Witness;

    fn default_memory(kind: Kind) -> u64 {
        // Measured (docs/prover-miden.md), with room for larger transactions.
        match kind {
            Kind::Transaction => 2 << 30,
            Kind::Batch => 1 << 30,
            Kind::Block => 512 << 20,
        }
    }

    fn options(reader: &mut Reader<'_>) -> Options {
        Options {
            batch_precompile_proof: reader.flag("batch_precompile_proof", false),
        }
    }

    fn start(options: Options) -> Self {
        Self {
            transactions: Transactions::start(),
            batches: Batches::start(options.batch_precompile_proof),
            blocks: Blocks::start(),
        }
    }

    fn decode(&self, kind: Kind, bytes: &[u8]) -> Result<Witness, String> {
        let witness = match kind {
            Kind::Transaction => {
                miden_wire_0_18::transaction_inputs(bytes).map(|inputs| Witness::Transaction(Box::new(inputs)))
            }
            Kind::Batch => miden_wire_0_18::proposed_batch(bytes).map(|batch| Witness::Batch(Box::new(batch))),
            Kind::Block => Block::decode(bytes).map(|block| Witness::Block(Box::new(block))),
        };
        witness.map_err(|error| error.to_string())
    }

    fn execute(&self, witness: &Witness, max_cycles: u64) -> Result<Executed, Fault> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.execute(inputs, max_cycles),
            Witness::Batch(batch) => Batches::execute(batch, max_cycles),
            Witness::Block(block) => Blocks::execute(block, max_cycles),
        }
    }

    fn prove(&self, witness: Witness) -> Result<Vec<u8>, String> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.prove(&inputs),
            Witness::Batch(batch) => self.batches.prove(*batch),
            Witness::Block(block) => self.blocks.prove(*block),
        }
    }

    fn verify(&self, witness: &Witness, proof: &[u8]) -> Result<Digest, String> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.verify(inputs, proof),
            Witness::Batch(batch) => self.batches.verify(batch, proof),
            Witness::Block(block) => self.blocks.verify(block, proof),
        }
    }
}

/// The prover of every kind: Poseidon2, as all clients and nodes of this line.
pub(crate) fn prover() -> Prover {
    Prover::new().with_hash_fn(HashFunction::Poseidon2)
}

/// The virtual machine's options for at most `max_cycles`. A limit below the shortest trace is that trace's length.
pub(crate) fn options(max_cycles: u64) -> ExecutionOptions {
    let max_cycles = u32::try_from(max_cycles)
        .unwrap_or(u32::MAX)
        .clamp(MIN_CYCLES, ExecutionOptions::MAX_CYCLES);
    ExecutionOptions::new(
        Some(max_cycles),
        MIN_CYCLES,
        ExecutionOptions::DEFAULT_CORE_TRACE_FRAGMENT_SIZE,
    )
    .expect("the limit was put into the range that is taken")
    .with_max_memory_elements(MAX_MEMORY_ELEMENTS)
}

/// The digest of a result without its proof.
pub(crate) fn digest(statement: &impl Message) -> Digest {
    Sha256::digest(statement.encode_to_vec()).into()
}

/// What is wrong with a witness, and why.
pub(crate) fn invalid(what: &str, error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault::Invalid(format!("{what}: {}", causes(error)))
}
