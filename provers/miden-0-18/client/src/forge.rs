//! False proofs out of true ones, to see who believes them.

use std::fs;

use anyhow::Context as _;
use miden_kit::client::{Event, Forge, ForgeArguments};
use miden_objects::proto::transaction::ProvenTransaction;
use miden_wire_0_18::{lists::PROVEN_TRANSACTION, strict};
use prost::Message as _;

/// Makes a false proof of a transaction.
pub(crate) fn forge(arguments: &ForgeArguments) -> anyhow::Result<()> {
    let proof = fs::read(&arguments.proof).context("cannot read the proof")?;
    let message = strict::<ProvenTransaction>(&proof, PROVEN_TRANSACTION).context("it is no proven transaction")?;
    let (what, message) = match arguments.kind_of {
        Forge::Flip => ("a proof with a flipped bit", flipped(message)?),
        Forge::OtherOutputs => ("a proof beside other outputs", other_outputs(message)?),
    };
    let bytes = message.encode_to_vec();
    fs::write(&arguments.out, &bytes).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Event::Made {
        what: what.into(),
        bytes: bytes.len(),
    }
    .print();
    Ok(())
}

/// Flips a bit in the middle of the proof itself; around it all is as it was.
fn flipped(mut message: ProvenTransaction) -> anyhow::Result<ProvenTransaction> {
    let proof = &mut message.proof.as_mut().context("it has no proof")?.encoded;
    let middle = proof.len() / 2;
    *proof.get_mut(middle).context("its proof is empty")? ^= 1;
    Ok(message)
}

/// Lets the transaction expire a block earlier than it was proved to.
fn other_outputs(mut message: ProvenTransaction) -> anyhow::Result<ProvenTransaction> {
    let expiration = message.expiration_block_num.as_mut().context("it has no expiration")?;
    expiration.block_num = expiration.block_num.saturating_sub(1);
    Ok(message)
}
