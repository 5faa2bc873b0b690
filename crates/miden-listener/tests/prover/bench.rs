//! What the tests share: a prover made of mock processes in a folder of its own.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bytes::Bytes;
use hierophant_miden_api::{Caller, Kind, Line, ProveCall, Proving as _, Refusal};
use hierophant_miden_listener::{ProofSettings, Prover};
use hierophant_testkit::{Binaries, wait_until};
use tempfile::TempDir;

/// Longer than anything takes that is not hung.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// What a mock proof says that it needs.
pub(crate) const NEEDS: u64 = 1 << 30;

/// A prover and its folder.
pub(crate) struct Bench {
    pub(crate) prover: Prover,
    pub(crate) folder: TempDir,
}

/// Settings of a prover of the mock's system that makes a proof at a time.
pub(crate) fn settings(folder: &TempDir) -> ProofSettings {
    ProofSettings {
        line: Line::V0_15,
        system: "mock".into(),
        kinds: vec![Kind::Transaction, Kind::Batch],
        prover: Binaries::built().find("prover-mock"),
        prover_args: vec![
            "--system".into(),
            format!("mock=v1:transaction,batch:{NEEDS}"),
            "--max-jobs=1".into(),
        ],
        prover_options: BTreeMap::new(),
        capacity: 10,
        parallel: 1,
        memory_bytes: 2 * NEEDS - 1,
        timeout: PATIENCE,
        abandon_grace: PATIENCE,
        hello_timeout: PATIENCE,
        scratch: folder.path().join("scratch"),
    }
}

impl Bench {
    /// Takes calls; proves nothing yet.
    pub(crate) fn new(change: impl FnOnce(&mut ProofSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        change(&mut settings);
        let prover = Prover::new(settings).unwrap();
        Self { prover, folder }
    }

    /// Proves.
    pub(crate) async fn start(change: impl FnOnce(&mut ProofSettings)) -> Self {
        let bench = Self::new(change);
        bench.prover.start().await.unwrap();
        bench
    }

    /// Asks for a transaction whose witness is a script of the mock.
    pub(crate) async fn prove(&self, script: &str) -> Result<Bytes, Refusal> {
        self.prove_bytes(Kind::Transaction, witness(script)).await
    }

    pub(crate) async fn prove_bytes(&self, kind: Kind, witness: impl Into<Bytes>) -> Result<Bytes, Refusal> {
        let call = ProveCall {
            line: Line::V0_15,
            kind,
            witness: witness.into(),
            caller: Caller::default(),
        };
        self.prover.prove(call).await
    }

    /// Waits until so many wait and run.
    pub(crate) async fn in_hand(&self, waiting: usize, running: usize) {
        wait_until("proofs in hand", PATIENCE, async || {
            let seen = self.prover.in_hand();
            if seen == (waiting, running) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
    }

    /// A file that the mock makes when it misbehaves once.
    pub(crate) fn mark(&self) -> String {
        self.folder.path().join("mark").to_str().unwrap().to_owned()
    }

    /// Every path below the scratch directory.
    pub(crate) fn scratch(&self) -> Vec<PathBuf> {
        below(&self.folder.path().join("scratch"))
    }
}

/// Every path below a folder; what goes while it is looked at is not there.
pub(crate) fn below(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let mut paths = below(&entry.path());
            paths.push(entry.path());
            paths
        })
        .collect()
}

/// A witness that makes the mock do as the script says.
pub(crate) fn witness(script: &str) -> Vec<u8> {
    format!("mock:{script};").into_bytes()
}
