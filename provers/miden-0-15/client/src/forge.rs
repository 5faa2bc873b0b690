//! Makes false proofs, for tests of those who must refuse them.

use anyhow::{Context as _, ensure};
use miden_kit::client::{Forge, ForgeArguments};
use miden_protocol::{block::BlockNumber, transaction::ProvenTransaction, utils::serde::Serializable as _};

use crate::files;

/// Makes a false proof.
pub(crate) fn run(arguments: &ForgeArguments) -> anyhow::Result<()> {
    let forged = match arguments.kind_of {
        Forge::Flip => flip(files::read(&arguments.proof)?)?,
        Forge::OtherOutputs => other_outputs(&files::decode(&arguments.proof)?)?.to_bytes(),
    };
    files::write(&arguments.out, "a false proof", &forged)
}

fn flip(mut proof: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    ensure!(!proof.is_empty(), "an empty proof has no bit to flip");
    let middle = proof.len() / 2;
    proof[middle] ^= 1;
    Ok(proof)
}

/// The same proof beside a transaction that expires one block sooner.
fn other_outputs(proven: &ProvenTransaction) -> anyhow::Result<ProvenTransaction> {
    let expiration = proven.expiration_block_num().as_u32();
    let sooner = expiration
        .checked_sub(1)
        .context("the transaction expires at block 0")?;
    Ok(ProvenTransaction::new(
        proven.account_update().clone(),
        proven.input_notes().iter().cloned(),
        proven.output_notes().iter().cloned(),
        proven.ref_block_num(),
        proven.ref_block_commitment(),
        proven.fee(),
        BlockNumber::from(sooner),
        proven.proof().clone(),
    )?)
}
