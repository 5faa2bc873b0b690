//! Checks finished proofs as stock clients do, and holds them against what the host knows.
//!
//! What must stay true: a proof is valid only if a stock client would accept it for this very program, with exit code
//! 0. A proof that cannot be decoded, or that makes a decoder or verifier panic, is not valid; it is no failure of ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hierophant_prover_protocol::proto::VerifyReply;
use sha2::{Digest as _, Sha256};
use sp1_engine::Light;
use sp1_sdk::{ProofFromNetwork, SP1_CIRCUIT_VERSION, SP1ProofWithPublicValues, SP1PublicValues, SP1VerifyingKey};

use crate::{inputs, kinds::Kind};

/// What the host demands of a proof.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands<'a> {
    /// The kind that was asked for.
    pub(crate) kind: Kind,
    /// SHA-256 (or, for programs built that way, BLAKE3) of the public values; empty: any.
    pub(crate) public_values_hash: &'a [u8],
    /// A mock proof and nothing else is wanted. Otherwise mock proofs are never valid.
    pub(crate) mock: bool,
}

/// Decodes a proof in either layout that SP1 writes: `ProofFromNetwork`, or the same with an absent TEE proof behind.
pub(crate) fn decode(blob: &[u8]) -> Result<SP1ProofWithPublicValues, String> {
    let decoded = catch_unwind(|| {
        inputs::decode::<ProofFromNetwork>(blob, "a proof")
            .map(SP1ProofWithPublicValues::from)
            .or_else(|error| {
                inputs::decode::<SP1ProofWithPublicValues>(blob, "a proof")
                    .ok()
                    .filter(|proof| proof.tee_proof.is_none())
                    .ok_or(error)
            })
    });
    match decoded {
        Ok(Ok(proof)) => Ok(proof),
        Ok(Err(error)) => Err(format!("the proof cannot be decoded: {error}")),
        Err(_) => Err("the proof cannot be decoded: it holds what is no field element".into()),
    }
}

/// Encodes a proof as clients download it.
pub(crate) fn encode(proof: &ProofFromNetwork) -> Vec<u8> {
    bincode::serialize(proof).expect("a proof holds numbers, bytes and strings only")
}

/// Makes a mock proof as SP1's clients do: of the right shape, proving nothing.
pub(crate) fn mock(vk: &SP1VerifyingKey, kind: Kind, public_values: SP1PublicValues) -> ProofFromNetwork {
    let mock = SP1ProofWithPublicValues::create_mock_proof(vk, public_values, kind.client_mode(), SP1_CIRCUIT_VERSION);
    ProofFromNetwork {
        proof: mock.proof,
        public_values: mock.public_values,
        sp1_version: mock.sp1_version,
    }
}

/// Checks `blob` for the program of `vk`.
pub(crate) fn verify(light: &Light, blob: &[u8], vk: &SP1VerifyingKey, demands: Demands<'_>) -> VerifyReply {
    let proof = match decode(blob) {
        Ok(proof) => proof,
        Err(reason) => return invalid(reason, Vec::new()),
    };
    let sha256 = Sha256::digest(proof.public_values.as_slice()).to_vec();
    match check(light, &proof, vk, demands, &sha256) {
        Ok(()) => VerifyReply {
            valid: true,
            reason: String::new(),
            public_values_sha256: sha256,
        },
        Err(reason) => invalid(reason, sha256),
    }
}

fn check(
    light: &Light,
    proof: &SP1ProofWithPublicValues,
    vk: &SP1VerifyingKey,
    demands: Demands<'_>,
    sha256: &[u8],
) -> Result<(), String> {
    let found = Kind::of(&proof.proof);
    if found != demands.kind {
        return Err(format!(
            "the proof is of kind {}, not {}",
            found.name(),
            demands.kind.name()
        ));
    }
    if proof.sp1_version != SP1_CIRCUIT_VERSION {
        return Err(format!(
            "the proof is for circuit version {:?}, not {SP1_CIRCUIT_VERSION}",
            shortened(&proof.sp1_version)
        ));
    }
    let expected = demands.public_values_hash;
    if !expected.is_empty() && expected != sha256 && expected != proof.public_values.blake3_hash() {
        return Err("the proof's public values are not those of the execution".into());
    }
    if demands.mock {
        // Mock proofs are a function of what they claim, so there is one for each claim.
        let only = encode(&mock(vk, demands.kind, proof.public_values.clone()));
        let given = bincode::serialize(&(&proof.proof, &proof.public_values, &proof.sp1_version));
        let is_mock = given.is_ok_and(|given| given == only);
        return if is_mock {
            Ok(())
        } else {
            Err("the proof is not a mock proof of this program".into())
        };
    }
    // The verifier asserts here and there; a proof that trips it is not valid.
    catch_unwind(AssertUnwindSafe(|| light.verify(proof, vk)))
        .map_err(|_| "the proof is malformed: SP1's verifier gave up on it".to_owned())?
        .map_err(|error| format!("the proof does not verify: {error}"))
}

fn invalid(reason: String, public_values_sha256: Vec<u8>) -> VerifyReply {
    VerifyReply {
        valid: false,
        reason,
        public_values_sha256,
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
