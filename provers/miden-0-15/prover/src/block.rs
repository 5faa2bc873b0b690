//! Blocks: this line's proof of a block is empty and says nothing. Only the inputs are decoded, in both layouts that are
//! sent: the published client's (`ProposedBlock`) and the one that upstream's worker reads (batches, header, inputs).

use miden_kit::{Digest, Executed};
use miden_protocol::batch::OrderedBatches;
use miden_protocol::block::{BlockHeader, BlockInputs, BlockProof, ProposedBlock};
use miden_protocol::utils::serde::{ByteReader, Deserializable, DeserializationError, Serializable as _};
use sha2::{Digest as _, Sha256};

use crate::decoding;

/// What upstream's worker reads.
struct BlockProofRequest;

impl Deserializable for BlockProofRequest {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        OrderedBatches::read_from(source)?;
        BlockHeader::read_from(source)?;
        BlockInputs::read_from(source)?;
        Ok(Self)
    }
}

/// Decodes a witness in either layout and returns its digest.
pub(crate) fn decode(bytes: &[u8]) -> Result<Digest, String> {
    let digest = Sha256::digest(bytes).into();
    let Err(as_client) = decoding::decode::<ProposedBlock>(bytes) else {
        return Ok(digest);
    };
    decoding::decode::<BlockProofRequest>(bytes)
        .map(|_| digest)
        .map_err(|as_worker| {
            format!("neither a proposed block ({as_client}) nor batches, header and inputs ({as_worker})")
        })
}

/// States the empty proof, for this witness.
pub(crate) fn execute(witness: &Digest) -> Executed {
    Executed {
        statement: statement(witness),
        cycles: None,
    }
}

/// The proof that this line has for every block.
pub(crate) fn prove() -> Vec<u8> {
    BlockProof {}.to_bytes()
}

/// Takes exactly that proof.
pub(crate) fn verify(witness: &Digest, proof: &[u8]) -> Result<Digest, String> {
    if proof == prove() {
        return Ok(statement(witness));
    }
    Err(format!(
        "the proof of a block of this line is empty; this one has {} bytes",
        proof.len()
    ))
}

/// SHA-256 of the proof, which is empty, and the witness's own SHA-256.
fn statement(witness: &Digest) -> Digest {
    Sha256::new()
        .chain_update(prove())
        .chain_update(witness)
        .finalize()
        .into()
}
