//! Files of witnesses and proofs, and how they are read.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use miden_kit::client::{Event, KindName, Layout, Wallet, WitnessArguments};
use miden_protocol::utils::serde::{Deserializable, Serializable as _};
use miden_witnesses::Recipe;

/// Makes a witness.
pub(crate) async fn witness(arguments: WitnessArguments) -> anyhow::Result<()> {
    let recipe = Recipe {
        wallet: match arguments.wallet {
            Wallet::Ecdsa => miden_witnesses::Wallet::Ecdsa,
            Wallet::Falcon => miden_witnesses::Wallet::Falcon,
        },
        notes: usize::from(arguments.notes),
        seed: arguments.seed,
    };
    let transactions = usize::from(arguments.transactions);
    let bytes = match arguments.kind {
        KindName::Transaction if arguments.unprovable => miden_witnesses::unsigned_transaction(recipe)?.to_bytes(),
        KindName::Transaction => miden_witnesses::transaction(recipe).await?.to_bytes(),
        KindName::Batch if arguments.unprovable => {
            miden_witnesses::unproven_batch(recipe, transactions).await?.to_bytes()
        }
        KindName::Batch => miden_witnesses::batch(recipe, transactions).await?.to_bytes(),
        KindName::Block if arguments.unprovable => bail!("every block that decodes has a proof in this line"),
        KindName::Block => {
            let block = miden_witnesses::block(recipe, transactions).await?;
            match arguments.layout {
                Layout::Client => block.client_layout(),
                Layout::Worker => block.worker_layout(),
            }
        }
    };
    write(&arguments.out, "a witness", &bytes)
}

/// Writes a file and says so.
pub(crate) fn write(path: &Path, what: &str, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Event::Made {
        what: what.to_owned(),
        bytes: bytes.len(),
    }
    .print();
    Ok(())
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a value from a file of our own: whole, and trusted.
pub(crate) fn decode<T: Deserializable>(path: &Path) -> anyhow::Result<T> {
    T::read_from_bytes(&read(path)?).with_context(|| format!("{} is not of this kind", path.display()))
}
