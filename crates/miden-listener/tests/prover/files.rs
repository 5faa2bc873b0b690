//! Where witnesses lie, and for how long.

use std::{fs, os::unix::fs::PermissionsExt as _};

use hierophant_miden_api::Kind;

use crate::bench::{Bench, PATIENCE, below, settings, witness};

/// A witness too large for a frame: it has to lie in a file.
fn large(script: &str) -> Vec<u8> {
    let mut bytes = witness(script);
    bytes.resize(300_000, b'w');
    bytes
}

#[tokio::test]
async fn a_large_witness_lies_in_a_private_folder_and_only_while_it_is_proved() {
    let bench = Bench::start(|_| {}).await;
    let call = bench.prove_bytes(Kind::Transaction, large("prove_ms=1000"));
    let look = async {
        let found = |bench: &Bench| bench.scratch().into_iter().find(|path| path.ends_with("witness"));
        let path = hierophant_testkit::wait_until("a witness on disk", PATIENCE, async || {
            found(&bench).ok_or_else(|| "none".to_owned())
        })
        .await;
        let private = path
            .ancestors()
            .any(|folder| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o777 == 0o700));
        assert!(private, "{}", path.display());
    };
    let (proof, ()) = tokio::join!(call, look);
    proof.unwrap();
    let left: Vec<_> = bench.scratch().into_iter().filter(|path| path.is_file()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn nothing_is_left_of_calls_that_ended_badly_nor_of_the_worker() {
    let bench = Bench::start(|_| {}).await;
    for script in ["fail=input", "crash=kill", "lie=forged"] {
        bench.prove_bytes(Kind::Transaction, large(script)).await.unwrap_err();
    }
    let left: Vec<_> = bench.scratch().into_iter().filter(|path| path.is_file()).collect();
    assert!(left.is_empty(), "{left:?}");
    bench.prover.end().await;
    let scratch = bench.folder.path().join("scratch");
    let Bench { prover, folder } = bench;
    drop(prover);
    // The last hold on it may be a task that ends a moment later.
    hierophant_testkit::wait_until("an empty scratch directory", PATIENCE, async || {
        match &below(&scratch)[..] {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
    drop(folder);
}

#[tokio::test]
async fn what_a_killed_worker_left_goes_at_the_next_start_and_what_lives_stays() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    let stale = scratch.join("prover-stale/call-1");
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("witness"), "private").unwrap();
    let living = hierophant_miden_listener::Prover::new(settings(&folder)).unwrap();
    assert!(!scratch.join("prover-stale").exists());
    let folders = below(&scratch);
    assert_eq!(folders.len(), 1, "{folders:?}");
    let second = hierophant_miden_listener::Prover::new(settings(&folder)).unwrap();
    assert_eq!(below(&scratch).len(), 2, "workers share the directory");
    drop((living, second));
}
