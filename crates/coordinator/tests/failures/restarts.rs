//! The coordinator is killed (SIGKILL) at every stage of a request, and goes on where it was.

use hierophant_testkit::{Cluster, wait_until};

use crate::support::{PATIENCE, client::Client, mock, operator, setup};

#[tokio::test]
async fn the_coordinator_is_killed_while_requests_wait() {
    let mut cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let mut asked = Vec::new();
    for number in 0..5 {
        let wish = client.wish(&elf, &format!("input {number}")).await;
        let id = client.ask(&wish).await;
        asked.push((wish, id));
    }
    cluster.kill9_coordinator();
    cluster.start_coordinator().await;
    cluster.add_worker(&[]).await;
    for (wish, id) in &asked {
        assert_eq!(client.ask(wish).await, *id, "the same request, not another");
        client.proven(wish, id).await;
        operator::assert_fulfilled_once(&cluster, id).await;
    }
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn the_coordinator_is_killed_while_a_request_is_proved() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=3000").await;
    operator::at_work(&cluster, 0).await;
    cluster.kill9_coordinator();
    cluster.start_coordinator().await;
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["running"], "{seen}");
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "the worker went on: {seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn the_coordinator_is_killed_while_a_result_is_verified() {
    let setup = setup().coordinator("provers", mock::light("verify_ms=1500"));
    let mut cluster = Cluster::start(setup).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("").await;
    operator::request_until(&cluster, &id, "a delivered result", |seen| {
        operator::states(seen) == ["delivered"]
    })
    .await;
    cluster.kill9_coordinator();
    // Nobody else has it: the worker was told that it may forget.
    cluster.worker(0).kill9();
    cluster.start_coordinator().await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "{seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_result_is_held_by_its_worker_while_the_coordinator_is_down() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    // Long enough to be worth the worker's disk, and with an output that has to be uploaded.
    let (wish, id) = client.ask_scripted("prove_ms=1500,output_bytes=100000").await;
    operator::at_work(&cluster, 0).await;
    cluster.kill9_coordinator();
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
    // Now it is nowhere but on this disk.
    cluster.worker(0).kill9();
    cluster.worker(0).start();
    cluster.start_coordinator().await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "it was not proved again: {seen}");
    wait_until("a forgotten result", PATIENCE, async || {
        let left = std::fs::read_dir(&held).map_err(|error| error.to_string())?.count();
        if left == 0 { Ok(()) } else { Err(format!("{left} held")) }
    })
    .await;
    cluster.finish(PATIENCE).await;
}
