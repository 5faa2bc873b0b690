//! The kinds of SP1 proofs.

use sp1_prover_types::network_base_types::ProofMode;
use sp1_sdk::{SP1Proof, SP1ProofMode};

/// A kind of proof. Contract: the names are those of the prover protocol; the order is that of SP1's modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One proof per shard.
    Core,
    /// One recursive proof.
    Compressed,
    /// A plonk proof over BN254 of a compressed one.
    Plonk,
    /// A groth16 proof over BN254 of a compressed one.
    Groth16,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Core, Self::Compressed, Self::Plonk, Self::Groth16];

    /// The name in the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Compressed => "compressed",
            Self::Plonk => "plonk",
            Self::Groth16 => "groth16",
        }
    }

    /// Finds a kind by its name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The mode that SP1's prover calls it.
    pub(crate) fn mode(self) -> ProofMode {
        match self {
            Self::Core => ProofMode::Core,
            Self::Compressed => ProofMode::Compressed,
            Self::Plonk => ProofMode::Plonk,
            Self::Groth16 => ProofMode::Groth16,
        }
    }

    /// The mode that SP1's clients call it.
    pub(crate) fn client_mode(self) -> SP1ProofMode {
        match self {
            Self::Core => SP1ProofMode::Core,
            Self::Compressed => SP1ProofMode::Compressed,
            Self::Plonk => SP1ProofMode::Plonk,
            Self::Groth16 => SP1ProofMode::Groth16,
        }
    }

    /// The kind that a proof is of.
    pub(crate) fn of(proof: &SP1Proof) -> Self {
        match proof {
            SP1Proof::Core(_) => Self::Core,
            SP1Proof::Compressed(_) => Self::Compressed,
            SP1Proof::Plonk(_) => Self::Plonk,
            SP1Proof::Groth16(_) => Self::Groth16,
        }
    }

    /// Whether it is a gnark proof over a compressed one.
    pub(crate) fn is_wrapped(self) -> bool {
        matches!(self, Self::Plonk | Self::Groth16)
    }
}
