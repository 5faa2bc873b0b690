//! Witnesses of line 0.15 and real proofs of them, made once with the line's client and kept for the next run.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use tokio::process::Command;

use super::network::SYSTEM;
use crate::{Options, figure::say, host};

/// Distinct witnesses: the same bytes at once would join one proof.
pub(crate) const POOL: u32 = 64;
/// One command of the client: a proof takes seconds.
const CLIENT_WITHIN: Duration = Duration::from_mins(5);

/// The line's programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The prover, of both roles.
    pub(crate) prover: PathBuf,
    client: PathBuf,
}

/// A witness, and a proof of it that verifies.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) witness: Bytes,
    pub(crate) proof: Bytes,
}

impl Programs {
    /// Finds them; says so and gives `None` where they are not built.
    pub(crate) fn find(options: &Options) -> Option<Self> {
        let built = options.miden.as_ref().map(|folder| Self {
            prover: folder.join("prover-miden-0-15"),
            client: folder.join("miden-client-0-15"),
        });
        let found = built.filter(|programs| programs.prover.is_file() && programs.client.is_file());
        if found.is_none() {
            say(
                "   skipped: the Miden prover is not built (`cargo xtask build-prover miden-0-15`) or --miden is not given",
            );
        }
        found
    }

    /// The first so many of the pool. Makes those that are not there.
    pub(crate) async fn pool(&self, options: &Options, count: u32) -> Result<Vec<Recorded>> {
        let cache = options.cache.as_ref();
        let cache = cache.context("name a folder for recorded proofs with --cache; `cargo xtask bench` does")?;
        let folder = cache.join(SYSTEM);
        std::fs::create_dir_all(&folder)?;
        let (begun, mut made, mut pool) = (Instant::now(), 0, Vec::new());
        for seed in 0..count.min(POOL) {
            let (witness, proof) = (
                folder.join(format!("ecdsa-{seed}.witness")),
                folder.join(format!("ecdsa-{seed}.proof")),
            );
            if !proof.is_file() {
                self.record(seed, &witness, &proof).await?;
                made += 1;
            }
            pool.push(Recorded {
                witness: std::fs::read(witness)?.into(),
                proof: std::fs::read(proof)?.into(),
            });
        }
        if made > 0 {
            say(&format!(
                "   {made} proofs recorded in {:.0} s, in {}",
                begun.elapsed().as_secs_f64(),
                folder.display()
            ));
        }
        Ok(pool)
    }

    /// The proof's file comes last and whole: where it is, both are.
    async fn record(&self, seed: u32, witness: &Path, proof: &Path) -> Result<()> {
        let (text, aside) = (host::text(witness)?, proof.with_extension("new"));
        let seed = seed.to_string();
        self.run(&[
            "witness",
            "--kind",
            "transaction",
            "--wallet",
            "ecdsa",
            "--seed",
            &seed,
            "--out",
            &text,
        ])
        .await?;
        self.run(&["local", "--witness", &text, "--out", &host::text(&aside)?])
            .await?;
        std::fs::rename(aside, proof)?;
        Ok(())
    }

    /// Fails unless the client's own code verifies a proof. `folder` is for files of its own.
    pub(crate) async fn verify(&self, folder: &Path, witness: &[u8], proof: &[u8]) -> Result<()> {
        let files = [folder.join("checked.witness"), folder.join("checked.proof")];
        std::fs::write(&files[0], witness)?;
        std::fs::write(&files[1], proof)?;
        let [witness, proof] = [host::text(&files[0])?, host::text(&files[1])?];
        self.run(&["verify", "--witness", &witness, "--proof", &proof]).await
    }

    async fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.client);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn()?;
        let ended = tokio::time::timeout(CLIENT_WITHIN, child.wait()).await;
        let status = ended.with_context(|| format!("{arguments:?} took too long"))??;
        ensure!(status.success(), "{} {arguments:?} failed", self.client.display());
        Ok(())
    }
}
