//! What the line 0.15 does with each kind.

use miden_kit::{Digest, Executed, Fault, Kind, Line, Reader};
use miden_protocol::batch::ProposedBatch;
use miden_protocol::transaction::TransactionInputs;

use crate::{batch, block, decoding::decode, transaction::Transactions};

/// The proof security level in bits that everybody of this line asks for.
pub(crate) const SECURITY_BITS: u32 = 96;

const MIB: u64 = 1 << 20;

/// The line 0.15, ready to work.
pub(crate) struct Line015 {
    transactions: Transactions,
}

/// A decoded witness.
pub(crate) enum Witness {
    /// What a transaction is executed from.
    Transaction(Box<TransactionInputs>),
    /// The proven transactions and what they are held against.
    Batch(Box<ProposedBatch>),
    /// A block's proof is empty: its inputs are decoded, and only their digest matters from there on.
    Block(Digest),
}

impl Line for Line015 {
    const SYSTEM: &'static str = "miden-0.15";
    const TOOLCHAIN: &'static str = "0.15";
    type Options = ();
    type Witness = Witness;

    fn default_memory(kind: Kind) -> u64 {
        match kind {
            // Measured: 1.3 GB for a trace of 2^17 rows, which all ordinary transactions fit.
            Kind::Transaction => 2048 * MIB,
            Kind::Batch | Kind::Block => 512 * MIB,
        }
    }

    fn options(_reader: &mut Reader<'_>) -> Self::Options {}

    fn start((): Self::Options) -> Self {
        Self {
            transactions: Transactions::start(),
        }
    }

    fn decode(&self, kind: Kind, bytes: &[u8]) -> Result<Witness, String> {
        match kind {
            Kind::Transaction => decode(bytes).map(Box::new).map(Witness::Transaction),
            Kind::Batch => decode(bytes).map(Box::new).map(Witness::Batch),
            Kind::Block => block::decode(bytes).map(Witness::Block),
        }
    }

    fn execute(&self, witness: &Witness, max_cycles: u64) -> Result<Executed, Fault> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.execute(inputs, max_cycles),
            Witness::Batch(proposed) => batch::execute(proposed),
            Witness::Block(witness) => Ok(block::execute(witness)),
        }
    }

    fn prove(&self, witness: Witness) -> Result<Vec<u8>, String> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.prove(*inputs),
            Witness::Batch(proposed) => batch::prove(*proposed),
            Witness::Block(_) => Ok(block::prove()),
        }
    }

    fn verify(&self, witness: &Witness, proof: &[u8]) -> Result<Digest, String> {
        match witness {
            Witness::Transaction(inputs) => self.transactions.verify(inputs, proof),
            Witness::Batch(proposed) => batch::verify(proposed, proof),
            Witness::Block(witness) => block::verify(witness, proof),
        }
    }
}

#[cfg(test)]
mod tests {
    use miden_kit::Settings;

    use super::*;

    #[test]
    fn every_option_is_in_the_manual() {
        let manual = include_str!("../../../../docs/prover-miden.md");
        for name in Settings::names::<Line015>() {
            assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in the manual");
        }
    }
}
