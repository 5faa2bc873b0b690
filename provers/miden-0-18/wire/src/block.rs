//! A block's witness: from the objects of the protocol to the message and back.
//!
//! What must stay true: no account, nullifier or note is named twice, so that nothing that was sent goes unused.

use std::collections::BTreeMap;

use miden_objects::{ConversionError, DecodeMessageExt as _};
use miden_protocol::{
    Word,
    account::AccountId,
    block::{BlockInputs, ProposedBlock, account_tree::AccountWitness, nullifier_tree},
    note::Nullifier,
};

use crate::{
    DecodeError,
    lists::BLOCK_PROOF_REQUEST,
    messages::{self, AccountWitnessRecord, BlockProofRequest, NullifierWitness},
    strict,
};

/// Says which field is missing.
fn present<T>(field: Option<T>, name: &str) -> Result<T, DecodeError> {
    field.ok_or_else(|| DecodeError::words(format_args!("{name} is missing")))
}

/// Says in which field it is.
fn within(name: &str) -> impl Fn(ConversionError) -> DecodeError + '_ {
    move |error| DecodeError::words(format_args!("{name}: {}", DecodeError::new(&error)))
}

/// Reads a `block_proving.BlockProofRequest`. The batches' proofs are not verified; the chain is checked for
/// consistency, not trusted.
pub fn proposed_block(bytes: &[u8]) -> Result<ProposedBlock, DecodeError> {
    strict::<BlockProofRequest>(bytes, BLOCK_PROOF_REQUEST)?.build()
}

/// Makes the message that a block is proved from.
pub fn request(block: &ProposedBlock, inputs: &BlockInputs) -> BlockProofRequest {
    BlockProofRequest {
        batches: block.batches().as_slice().iter().map(Into::into).collect(),
        block_inputs: Some(inputs_message(inputs)),
        timestamp: block.timestamp(),
        next_validator_config: Some(block.next_validator_config().into()),
        next_protocol_config: block.next_protocol_config().map(Into::into),
    }
}

fn inputs_message(inputs: &BlockInputs) -> messages::BlockInputs {
    let accounts = inputs.account_witnesses().iter();
    let nullifiers = inputs.nullifier_witnesses().iter();
    messages::BlockInputs {
        prev_block_header: Some(inputs.prev_block_header().into()),
        partial_blockchain: Some(inputs.partial_blockchain().into()),
        account_witnesses: accounts
            .map(|(id, witness)| AccountWitnessRecord {
                account_id: Some((*id).into()),
                witness: Some(witness.into()),
            })
            .collect(),
        nullifier_witnesses: nullifiers
            .map(|(nullifier, witness)| NullifierWitness {
                nullifier: Some(nullifier.as_word().into()),
                opening: Some(witness.proof().clone().into()),
            })
            .collect(),
        unauthenticated_note_proofs: inputs.unauthenticated_note_proofs().iter().map(Into::into).collect(),
    }
}

impl BlockProofRequest {
    /// Rebuilds the block.
    fn build(self) -> Result<ProposedBlock, DecodeError> {
        let mut batches = Vec::with_capacity(self.batches.len());
        for (index, batch) in self.batches.into_iter().enumerate() {
            let name = format!("batches[{index}]");
            batches.push(batch.decode_and_build_unchecked().map_err(within(&name))?);
        }
        let inputs = present(self.block_inputs, "block_inputs")?.build()?;
        let validators = present(self.next_validator_config, "next_validator_config")?
            .decode_and_verify()
            .map_err(within("next_validator_config"))?;
        let upgrade = self
            .next_protocol_config
            .map(|config| config.decode_and_verify().map_err(within("next_protocol_config")))
            .transpose()?;
        let block = ProposedBlock::new_at(inputs, batches, self.timestamp).map_err(|error| DecodeError::new(&error))?;
        Ok(block
            .with_next_validator_config(validators)
            .with_next_protocol_config(upgrade))
    }
}

impl messages::BlockInputs {
    fn build(self) -> Result<BlockInputs, DecodeError> {
        let header = present(self.prev_block_header, "prev_block_header")?
            .decode_and_build_unchecked()
            .map_err(within("prev_block_header"))?;
        let chain = present(self.partial_blockchain, "partial_blockchain")?
            .decode_and_build_unchecked()
            .map_err(within("partial_blockchain"))?;
        let accounts = once_each("account_witnesses", self.account_witnesses, AccountWitnessRecord::build)?;
        let nullifiers = once_each("nullifier_witnesses", self.nullifier_witnesses, NullifierWitness::build)?;
        let notes = once_each(
            "unauthenticated_note_proofs",
            self.unauthenticated_note_proofs,
            |proof| proof.decode_and_verify().map_err(within("proof")),
        )?;
        Ok(BlockInputs::new(header, chain, accounts, nullifiers, notes))
    }
}

impl AccountWitnessRecord {
    fn build(self) -> Result<(AccountId, AccountWitness), DecodeError> {
        let id = present(self.account_id, "account_id")?;
        let witness = present(self.witness, "witness")?;
        Ok((
            id.decode_and_verify().map_err(within("account_id"))?,
            witness.decode_and_verify().map_err(within("witness"))?,
        ))
    }
}

impl NullifierWitness {
    fn build(self) -> Result<(Nullifier, nullifier_tree::NullifierWitness), DecodeError> {
        let nullifier = Word::try_from(present(self.nullifier, "nullifier")?).map_err(within("nullifier"))?;
        let opening = present(self.opening, "opening")?;
        let opening = opening.decode_and_verify().map_err(within("opening"))?;
        Ok((
            Nullifier::from_raw(nullifier),
            nullifier_tree::NullifierWitness::new(opening),
        ))
    }
}

/// Builds a map of what may be named only once.
fn once_each<M, K: Ord, V>(
    name: &str,
    messages: Vec<M>,
    build: impl Fn(M) -> Result<(K, V), DecodeError>,
) -> Result<BTreeMap<K, V>, DecodeError> {
    let mut map = BTreeMap::new();
    for (index, message) in messages.into_iter().enumerate() {
        let (key, value) =
            build(message).map_err(|error| DecodeError::words(format_args!("{name}[{index}]: {error}")))?;
        if map.insert(key, value).is_some() {
            return Err(DecodeError::words(format_args!(
                "{name}[{index}] names what was named before"
            )));
        }
    }
    Ok(map)
}
