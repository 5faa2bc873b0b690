//! Uploads that go wrong, and disks that are full.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hierophant_door_sp1::proto::types::{ExecutionStatus, ProofRequestError};
use hierophant_testkit::{Cluster, wait_until};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, STDIN, assert_refused},
    operator, setup,
};

/// Sends half of an upload and hangs up.
async fn cut_off(cluster: &Cluster, url: &str, content: &[u8]) {
    let path = url
        .strip_prefix(&cluster.http_url())
        .expect("uploads go to the coordinator");
    let mut stream = TcpStream::connect(cluster.http_proxy().address()).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&content[..content.len() / 2]).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn an_upload_is_cut_off_and_repeated() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let mut wish = client.wish(&elf, "unused").await;
    wish.stdin = vec![b'x'; 1 << 20];
    let announced = client.create_artifact(STDIN).await.unwrap();
    wish.stdin_uri = announced.artifact_uri;
    for _ in 0..3 {
        cut_off(&cluster, &announced.artifact_presigned_url, &wish.stdin).await;
        assert_refused(
            client.request_proof(&wish.auction()).await,
            Code::FailedPrecondition,
            "has not been uploaded yet",
        );
    }
    client.put_whole(&announced.artifact_presigned_url, &wish.stdin).await;
    // The reply may have been lost: again, and with other content, which does not replace what is there.
    client.put_whole(&announced.artifact_presigned_url, &wish.stdin).await;
    client
        .put_whole(&announced.artifact_presigned_url, b"something else")
        .await;
    let id = client.ask(&wish).await;
    client.proven(&wish, &id).await;
    operator::assert_fulfilled_once(&cluster, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn an_upload_is_larger_than_the_limit() {
    let mut cluster = Cluster::start(setup().coordinator("artifacts.max_upload", "1KiB")).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let mut wish = client.wish(&elf, "unused").await;
    let announced = client.create_artifact(STDIN).await.unwrap();
    let (status, says) = client
        .put(&announced.artifact_presigned_url, vec![b'x'; 1025])
        .await
        .unwrap();
    assert_eq!(
        (status, says.trim()),
        (413, "at most 1024 bytes are accepted: send less")
    );
    wish.stdin_uri = announced.artifact_uri;
    assert_refused(
        client.request_proof(&wish.auction()).await,
        Code::FailedPrecondition,
        "has not been uploaded yet",
    );
    // Exactly the limit is fine, to the same URL.
    wish.stdin = vec![b'x'; 1024];
    client.put_whole(&announced.artifact_presigned_url, &wish.stdin).await;
    let id = client.ask(&wish).await;
    client.proven(&wish, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn the_disk_is_full() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.wait_until_ready(PATIENCE).await;
    let client = Client::new(&cluster, 1);
    // Its result is too large for the database and goes to the disk.
    let (accepted, accepted_id) = client.ask_scripted("output_bytes=100000").await;
    let uploaded = client.wish(&accepted.elf, "uploaded before").await;
    let announced = client.create_artifact(STDIN).await.unwrap();
    cluster.terminate_coordinator().await;
    cluster.coordinator().set("artifacts.min_free_space", "1000000TiB");
    cluster.start_coordinator().await;

    let page = operator::until(&cluster, "/readyz", "a full disk", |page| page["ready"] == false).await;
    assert!(page["obstacles"].to_string().contains("space"), "{page}");
    let put = wait_until("an answer", PATIENCE, async || {
        client.put(&announced.artifact_presigned_url, "x").await
    })
    .await;
    assert_eq!(put.0, 504, "clients repeat on 504: {put:?}");
    assert!(put.1.contains("no room"), "{put:?}");
    assert_refused(
        client.request_proof(&uploaded.auction()).await,
        Code::Unavailable,
        "no room",
    );
    // What was accepted before goes on.
    cluster.add_worker(&[]).await;
    // It is proved, and waits in the worker's hands.
    let held = cluster.worker(0).data().join("held");
    wait_until("a held result", PATIENCE, async || {
        let entries = std::fs::read_dir(&held).map_err(|error| error.to_string())?;
        if entries.flatten().any(|entry| entry.path().join("entry").is_file()) {
            Ok(())
        } else {
            Err("none".to_owned())
        }
    })
    .await;
    let seen = operator::request(&cluster, &accepted_id).await;
    assert_eq!(
        (&seen["state"], operator::states(&seen)),
        (&"open".into(), vec!["running"]),
        "{seen}"
    );

    cluster.terminate_coordinator().await;
    cluster.coordinator().set("artifacts.min_free_space", "0");
    cluster.start_coordinator().await;
    cluster.wait_until_ready(PATIENCE).await;
    client.proven(&accepted, &accepted_id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &accepted_id).await;
    assert_eq!(operator::states(&seen), ["won"], "{seen}");
    let id = client.ask(&uploaded).await;
    client.proven(&uploaded, &id).await;
    cluster.finish(PATIENCE).await;
}

/// The blobs below a folder of artifacts whose names begin with an id.
fn blobs(folder: &Path, id: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(blobs(&path, id));
        } else if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(id))
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn an_input_is_lost_from_the_disk() {
    let mut cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let wish = client.wish(&elf, "lost").await;
    let artifact = wish.stdin_uri.rsplit_once('/').unwrap().1;
    let lost = blobs(&cluster.coordinator().data().join("artifacts"), artifact);
    assert_eq!(lost.len(), 1, "{lost:?}");
    fs::remove_file(&lost[0]).unwrap();
    let id = client.ask(&wish).await;
    let (execution, details, trace) = client.unfulfilled(&id).await;
    assert_ne!(execution, ExecutionStatus::Unexecutable, "the program was not at fault");
    assert_eq!(details.error(), ProofRequestError::UnknownFailure, "nor was the input");
    assert!(
        trace.contains(artifact) && trace.contains("the coordinator has lost"),
        "{trace}"
    );
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(
        (&seen["state"], &seen["failure"]["class"], &seen["failure"]["message"]),
        (&"failed".into(), &"lost".into(), &trace.as_str().into()),
        "{seen}"
    );
    cluster.finish(PATIENCE).await;
}
