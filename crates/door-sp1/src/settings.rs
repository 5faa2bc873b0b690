//! What an operator decides about this door.

use alloy_primitives::U256;
use hierophant_domain::{Kind, Name, time::Millis};

use crate::proto::types::ProofMode;

/// See each field; [`DoorSettings::check`] says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorSettings {
    /// The version of the circuits that clients must have, such as `v6.1.0`; on the wire it stands behind `sp1-`.
    pub toolchain: Name,
    /// The kinds of proof that are taken: of `core`, `compressed`, `plonk`, `groth16`.
    pub modes: Vec<Kind>,
    /// What auction clients sign their requests for; tells this network from others.
    pub domain: [u8; 32],
    /// The account that stands for every party of an auction. Nothing is ever paid to it.
    pub address: [u8; 20],
    /// What every account is told that it has.
    pub balance: U256,
    /// The farthest deadline that a client may name, from now.
    pub max_deadline: Millis,
    /// A fulfilled request's deadline is shown at least this far ahead: older clients throw a finished proof away when its
    /// deadline is past.
    pub fulfilled_lifetime: Millis,
}

/// Why settings are of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings(pub String);

impl std::fmt::Display for BadSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSettings {}

impl Default for DoorSettings {
    fn default() -> Self {
        Self {
            toolchain: Name::literal("v6.1.0"),
            modes: vec![Name::literal("core"), Name::literal("compressed")],
            domain: *alloy_primitives::keccak256(b"Hierophant prover network"),
            address: [0; 20],
            balance: U256::from(10).pow(U256::from(24)),
            max_deadline: Millis::from_secs(30 * 24 * 3600),
            fulfilled_lifetime: Millis::from_secs(3600),
        }
    }
}

impl DoorSettings {
    /// Says what is wrong, if something is.
    pub fn check(&self) -> Result<(), BadSettings> {
        if self.modes.is_empty() {
            return Err(BadSettings(
                "no kind of proof is served: name at least one of core, compressed, plonk, groth16".to_owned(),
            ));
        }
        for kind in &self.modes {
            if mode_of(kind) == ProofMode::UnspecifiedProofMode {
                return Err(BadSettings(format!(
                    "{kind} is no kind of proof; there are core, compressed, plonk, groth16"
                )));
            }
        }
        if self.max_deadline.0 <= 0 || self.fulfilled_lifetime.0 < 0 {
            return Err(BadSettings("spans of time must be positive".to_owned()));
        }
        Ok(())
    }
}

/// The wire's number of a kind.
pub(crate) fn mode_of(kind: &Kind) -> ProofMode {
    match kind.as_str() {
        "core" => ProofMode::Core,
        "compressed" => ProofMode::Compressed,
        "plonk" => ProofMode::Plonk,
        "groth16" => ProofMode::Groth16,
        _ => ProofMode::UnspecifiedProofMode,
    }
}

/// The kind of a number on the wire; `None` for one that means nothing.
pub(crate) fn kind_of(mode: i32) -> Option<Kind> {
    match ProofMode::try_from(mode).ok()? {
        ProofMode::UnspecifiedProofMode => None,
        ProofMode::Core => Some(Name::literal("core")),
        ProofMode::Compressed => Some(Name::literal("compressed")),
        ProofMode::Plonk => Some(Name::literal("plonk")),
        ProofMode::Groth16 => Some(Name::literal("groth16")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = DoorSettings::default();
        assert_eq!(good.check(), Ok(()));
        assert!(
            DoorSettings {
                modes: vec![],
                ..good.clone()
            }
            .check()
            .is_err()
        );
        assert!(
            DoorSettings {
                modes: vec![Name::literal("stark")],
                ..good.clone()
            }
            .check()
            .is_err()
        );
        assert!(
            DoorSettings {
                max_deadline: Millis(0),
                ..good
            }
            .check()
            .is_err()
        );
    }

    #[test]
    fn kinds_and_numbers_are_the_same_thing() {
        for mode in 1..=4 {
            assert_eq!(mode_of(&kind_of(mode).expect("known")) as i32, mode);
        }
        assert_eq!((kind_of(0), kind_of(5), kind_of(-1)), (None, None, None));
    }
}
