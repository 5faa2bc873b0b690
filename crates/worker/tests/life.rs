//! The life of a real contemplant: cut links, kills, restarts, drains, and what is left afterwards.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{sync::atomic::Ordering, time::Duration};

use common::{
    World,
    link::{Call, PATIENCE, cut},
};
use hierophant_domain::BlobRef;
use rustix::process::Signal;

/// Longer than [`contemplant::held::EFFORT`].
const EFFORT: &str = "prove_ms=1100";

#[tokio::test]
async fn a_worker_registers_before_its_provers_are_ready_and_tells_the_truth_about_itself() {
    let mut slow = common::mock(&[], &[("hello_ms", "1500")]);
    slow.insert("memory_limit".into(), "1GiB".into());
    let mut world = World::prepare(&[
        ("provers", vec![toml::Value::from(slow)].into()),
        ("name", "attic".into()),
    ])
    .await;
    world.worker.start();
    let (profile, _) = world.core.registration(1).await;
    assert_eq!((profile.name.as_str(), profile.capabilities.len()), ("attic", 0));
    assert!(
        profile.version.starts_with("contemplant ") && profile.capacity.memory > 0,
        "{profile:?}"
    );
    world
        .page_is("/readyz", |status, text| {
            status == 503 && text.contains("no prover is ready")
        })
        .await;
    world
        .page_is("/health", |status, text| status == 200 && text == "true")
        .await;
    world.core.serves("core").await;
    world
        .page_is("/readyz", |status, text| status == 200 && text.contains("prover-mock"))
        .await;
    world.page_is("/livez", |status, _| status == 200).await;
    let token = world.lease("").await;
    world.core.delivery(token).await;
    world
        .page_is("/metrics", |_, text| {
            text.contains("contemplant_tasks_total{") && text.contains("outcome=\"done\"")
        })
        .await;
    cut(&world.proxy, None);
    world.page_is("/health", |_, text| text == "false").await;
    world
        .page_is("/readyz", |status, text| {
            status == 503 && text.contains("not connected")
        })
        .await;
    cut(&world.proxy, Some(world.coordinator.address));
    world.page_is("/health", |_, text| text == "true").await;
}

#[tokio::test]
async fn a_cut_link_does_not_disturb_what_is_running() {
    let world = World::start(&[]).await;
    let token = world.lease("prove_ms=2500").await;
    world.core.beaten(token, true).await;
    cut(&world.proxy, None);
    world.page_is("/health", |_, text| text == "false").await;
    cut(&world.proxy, Some(world.coordinator.address));
    let (_, leases) = world.core.registration(2).await;
    assert_eq!(leases, [token]);
    world.core.delivery(token).await;
    let delivered = |call: &&Call| matches!(call, Call::Delivered(..));
    assert_eq!(
        world.core.calls().iter().filter(delivered).count(),
        1,
        "it was proved once"
    );
}

#[tokio::test]
async fn a_result_outlives_the_coordinator_and_a_kill_of_the_worker() {
    let mut world = World::start(&[]).await;
    world.core.down.store(true, Ordering::Relaxed);
    let token = world.lease(EFFORT).await;
    world.result_held(token).await;
    cut(&world.proxy, None);
    world.worker.kill9();
    world.no_processes().await;
    world.worker.start();
    cut(&world.proxy, Some(world.coordinator.address));
    assert_eq!(world.core.registration(2).await.1, [token], "the next process names it");
    world.core.down.store(false, Ordering::Relaxed);
    // The first answer was that the store is away; the next connection repeats it at once.
    cut(&world.proxy, Some(world.coordinator.address));
    world.core.delivery(token).await;
    world.nothing_held().await;
    cut(&world.proxy, Some(world.coordinator.address));
    assert!(world.core.registration(4).await.1.is_empty());
}

#[tokio::test]
async fn an_effortless_result_is_held_too_when_it_waits() {
    let mut world = World::start(&[]).await;
    world.core.down.store(true, Ordering::Relaxed);
    let token = world.lease("").await;
    world.result_held(token).await;
    world.worker.kill9();
    world.core.down.store(false, Ordering::Relaxed);
    world.worker.start();
    world.core.delivery(token).await;
    world.nothing_held().await;
}

#[tokio::test]
async fn outputs_that_could_not_be_uploaded_outlive_a_kill_of_the_worker() {
    let mut world = World::start(&[]).await;
    world.blobs.down.store(true, Ordering::Relaxed);
    let token = world.lease("output_bytes=300000").await;
    world.result_held(token).await;
    world.worker.kill9();
    world.blobs.down.store(false, Ordering::Relaxed);
    // The coordinator has given the lease away meanwhile: what is finished is delivered all the same.
    world.core.gone.lock().unwrap().insert(token);
    world.core.heartbeat_ms.store(60_000, Ordering::Relaxed);
    world.worker.start();
    let delivery = world.core.delivery(token).await;
    let padding = delivery
        .outputs
        .iter()
        .find(|(name, _)| name.as_str() == "padding")
        .map(|(_, blob)| blob);
    let Some(BlobRef::Artifact(id)) = padding else {
        panic!("{delivery:?}")
    };
    assert_eq!(world.blobs.get(&id.to_string()).map(|blob| blob.len()), Some(300_000));
    world.nothing_held().await;
}

#[tokio::test]
async fn a_killed_worker_leaves_no_prover() {
    let mut world = World::start(&[]).await;
    let token = world.lease("prove_ms=600000").await;
    world.core.beaten(token, true).await;
    world.worker.kill9();
    world.no_processes().await;
}

#[tokio::test]
async fn a_drained_worker_finishes_what_runs_and_hands_back_the_rest() {
    let mut world = World::start(&[]).await;
    let running = world.lease("prove_ms=2000").await;
    world.core.beaten(running, true).await;
    let waiting = world.lease("").await;
    world.core.beaten(waiting, false).await;
    world.worker.process().signal(Signal::TERM);
    let released = |calls: &[Call]| {
        calls
            .iter()
            .any(|call| matches!(call, Call::Released(of, _) if *of == waiting))
            .then_some(())
    };
    world.core.wait_for("release", released).await;
    let ended = world.worker.wait_for_end(PATIENCE).await;
    assert_eq!(ended.code(), Some(0));
    world.core.delivery(running).await;
    assert_eq!(
        world.core.disconnection(1).await,
        ("the worker hung up".to_owned(), true)
    );
    assert!(world.core.calls().iter().any(|call| matches!(call, Call::Drained)));
    assert!(world.listed("held").is_empty());
    world.no_processes().await;
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_whose_prover_does_not_listen() {
    let mut world = World::start(&[]).await;
    let token = world.lease("hang=busy").await;
    world.core.beaten(token, true).await;
    world.worker.process().signal(Signal::INT);
    world
        .page_is("/readyz", |status, text| status == 503 && text.contains("draining"))
        .await;
    world.worker.process().signal(Signal::TERM);
    let ended = world.worker.wait_for_end(Duration::from_secs(10)).await;
    assert_eq!(ended.code(), Some(3));
    world.no_processes().await;
    let failed = world.core.calls().iter().any(|call| matches!(call, Call::Failed(..)));
    assert!(!failed, "the task is not to blame");
}

#[tokio::test]
async fn work_that_outlasts_the_drain_is_cut_off() {
    let mut world = World::start(&[("drain_timeout", "300ms".into())]).await;
    let token = world.lease("prove_ms=600000").await;
    world.core.beaten(token, true).await;
    let ended = world.worker.terminate(Duration::from_secs(20)).await;
    assert_eq!(ended.code(), Some(3));
    assert!(
        world.core.disconnection(1).await.1,
        "the coordinator may lease it to another at once"
    );
    world.no_processes().await;
}

#[tokio::test]
async fn a_prover_that_cannot_be_started_is_told_and_does_not_end_the_worker() {
    let mut prover = toml::Table::new();
    prover.insert("executable".into(), "/nonexistent/prover".into());
    let mut world = World::prepare(&[("provers", vec![toml::Value::from(prover)].into())]).await;
    world.worker.start();
    world.core.registration(1).await;
    world
        .page_is("/readyz", |_, text| {
            text.contains("cannot start the prover /nonexistent/prover")
        })
        .await;
    assert_eq!(world.worker.terminate(PATIENCE).await.code(), Some(0));
}

#[tokio::test]
async fn without_a_coordinator_a_worker_still_stops_in_order() {
    let mut world = World::prepare(&[]).await;
    cut(&world.proxy, None);
    world.worker.start();
    world.page_is("/health", |_, text| text == "false").await;
    assert_eq!(world.worker.terminate(PATIENCE).await.code(), Some(0));
    world.no_processes().await;
}
