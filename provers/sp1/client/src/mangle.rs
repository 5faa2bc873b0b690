//! Forged proofs, made from real ones, for tests of those who must refuse them.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use sp1_sdk::{SP1ProofWithPublicValues, SP1PublicValues};

use crate::events::Event;

/// See the command's help.
#[derive(Debug, clap::Args)]
pub(crate) struct MangleArguments {
    /// A proof as the SDK saves it, or as the network serves it.
    #[arg(long)]
    proof: PathBuf,
    /// What to do to it.
    #[arg(long, value_enum)]
    how: How,
    /// Where to write the forgery.
    #[arg(long)]
    out: PathBuf,
}

/// Ways to forge.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// One bit in the middle of the proof is flipped.
    Flip,
    /// The second half is missing.
    Truncate,
    /// The proof claims other public values.
    PublicValues,
    /// The proof claims another circuit version.
    Version,
}

/// Writes the forgery.
pub(crate) fn run(arguments: &MangleArguments) -> anyhow::Result<()> {
    let path = &arguments.proof;
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let forged = forge(bytes, arguments.how)?;
    std::fs::write(&arguments.out, forged).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Event::Saved {
        path: arguments.out.display().to_string(),
    }
    .print();
    Ok(())
}

fn forge(mut bytes: Vec<u8>, how: How) -> anyhow::Result<Vec<u8>> {
    ensure!(bytes.len() >= 2, "the file is too small to be a proof");
    let middle = bytes.len() / 2;
    match how {
        How::Flip => bytes[middle] ^= 1,
        How::Truncate => bytes.truncate(middle),
        How::PublicValues => {
            return edited(&bytes, |proof| {
                let mut values = proof.public_values.to_vec();
                match values.first_mut() {
                    Some(byte) => *byte ^= 1,
                    None => values.push(1),
                }
                proof.public_values = SP1PublicValues::from(&values);
            });
        }
        How::Version => return edited(&bytes, |proof| proof.sp1_version = "v6.0.0".into()),
    }
    Ok(bytes)
}

fn edited(bytes: &[u8], edit: impl FnOnce(&mut SP1ProofWithPublicValues)) -> anyhow::Result<Vec<u8>> {
    let network: sp1_sdk::ProofFromNetwork = bincode::deserialize(bytes).context("the file is no proof")?;
    let mut proof = SP1ProofWithPublicValues::from(network);
    edit(&mut proof);
    Ok(bincode::serialize(&proof)?)
}
