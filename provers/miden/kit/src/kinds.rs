//! The kinds of Miden proofs. Contract: the names are those of the prover protocol, the same in every line.

use std::fmt;

/// A kind of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One transaction of one account.
    Transaction,
    /// Several proven transactions.
    Batch,
    /// Several proven batches.
    Block,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transaction, Self::Batch, Self::Block];

    /// The name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Batch => "batch",
            Self::Block => "block",
        }
    }

    /// Finds a kind by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
