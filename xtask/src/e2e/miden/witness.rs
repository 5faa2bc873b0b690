//! Witnesses for the scenarios, made by the line's client on a mock chain.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::e2e::client::Client;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// A transaction that proves in seconds.
    Quick,
    /// A transaction that takes long enough for something to happen meanwhile.
    Slow,
    /// A batch.
    Batch,
    /// A block.
    Block,
}

impl Wish {
    /// The kind's name.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Quick | Self::Slow => "transaction",
            Self::Batch => "batch",
            Self::Block => "block",
        }
    }
}

/// Makes a witness; another seed gives another one.
pub(super) async fn make(client: &Path, folder: &Path, wish: Wish, seed: u32) -> Result<PathBuf> {
    let wallet = match wish {
        Wish::Slow => "falcon",
        Wish::Quick | Wish::Batch | Wish::Block => "ecdsa",
    };
    let file = folder.join(format!("{}-{wallet}-{seed}.witness", wish.kind()));
    let seed = seed.to_string();
    let arguments = ["witness", "--kind", wish.kind(), "--wallet", wallet, "--seed", &seed];
    let client = Client::new(client).with(&arguments);
    client.with(&["--out", &file.to_string_lossy()]).run().await?;
    Ok(file)
}
