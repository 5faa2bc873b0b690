//! Workers that die or are cut off: their work is kept for them for a while, then others get it, and one result counts.

use hierophant_testkit::{Cluster, wait_until};

use crate::support::{PATIENCE, client::Client, operator, setup};

/// Waits until the attempts of a request are in these states.
async fn states(cluster: &Cluster, id: &[u8], states: &[&str]) {
    operator::request_until(cluster, id, &format!("attempts {states:?}"), |seen| {
        operator::states(seen) == states
    })
    .await;
}

#[tokio::test]
async fn a_worker_is_killed_while_it_proves_and_another_finishes() {
    let mut cluster = Cluster::start(setup().coordinator("workers.link_grace", "1s")).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=3000").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.worker(0).kill9();
    states(&cluster, &id, &["lapsed"]).await;
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen).last(), Some(&"won"), "{seen}");
    assert!(!operator::reason(&operator::attempts(&seen)[0]).is_empty(), "{seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_killed_worker_is_started_again_without_its_work() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=3000").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.worker(0).kill9();
    cluster.worker(0).start();
    // It says that it has nothing: others get the task at once, not when the lease runs out.
    let seen = operator::request_until(&cluster, &id, "a failed attempt", |seen| {
        operator::states(seen) == ["failed"]
    })
    .await;
    assert!(
        operator::reason(&operator::attempts(&seen)[0]).contains("connected again without it"),
        "{seen}"
    );
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    operator::assert_fulfilled_once(&cluster, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_workers_network_is_cut_for_a_moment() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=2000").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.link(0).cut();
    operator::worker_until(&cluster, 0, "a stale worker", |worker| worker["liveness"] == "stale").await;
    cluster.link(0).mend();
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "it kept its lease: {seen}");
    assert_eq!(
        operator::worker_until(&cluster, 0, "the worker", |_| true).await["strikes"],
        0
    );
    cluster.finish(PATIENCE).await;
}

/// Nobody is told, as with a firewall that forgot the connection: the missing heartbeats tell.
#[tokio::test]
async fn a_workers_network_falls_silent_for_a_moment() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=1500").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.link(0).hold();
    // The result is made meanwhile and lies on the worker's disk until somebody has it.
    let held = cluster.worker(0).data().join("held");
    wait_until("a held result", PATIENCE, async || held_results(&held)).await;
    cluster.link(0).mend();
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"], "it kept its lease: {seen}");
    cluster.finish(PATIENCE).await;
}

fn held_results(folder: &std::path::Path) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    if entries.flatten().any(|entry| entry.path().join("entry").is_file()) {
        Ok(())
    } else {
        Err("none".to_owned())
    }
}

#[tokio::test]
async fn a_workers_network_is_cut_for_long_and_another_finishes() {
    let setup = setup()
        .coordinator("workers.link_grace", "1s")
        .coordinator("workers.heartbeat_timeout", "1s");
    let mut cluster = Cluster::start(setup).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=1500").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.link(0).cut();
    let gone = operator::dead_worker(&cluster, 0).await;
    assert!(
        operator::text(&gone["gone_reason"]).contains("network disconnected for 1 s"),
        "{gone}"
    );
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["revoked", "won"], "{seen}");
    assert_eq!(
        operator::reason(&operator::attempts(&seen)[0]),
        "another attempt was first",
        "{seen}"
    );
    // It comes back with a result that nobody needs any more, is told so, and forgets it.
    cluster.link(0).mend();
    cluster.wait_for_workers(2, PATIENCE).await;
    let held = cluster.worker(0).data().join("held");
    wait_until("a forgotten result", PATIENCE, async || match held_results(&held) {
        Ok(()) => Err("it is there".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["revoked", "won"], "{seen}");
    assert_eq!(
        operator::worker_until(&cluster, 0, "the worker", |_| true).await["strikes"],
        0
    );
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_workers_network_is_cut_for_long_and_nobody_else_is_there() {
    let mut cluster = Cluster::start(setup().coordinator("workers.link_grace", "1s")).await;
    cluster.add_worker(&[]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("prove_ms=1500").await;
    states(&cluster, &id, &["running"]).await;
    operator::at_work(&cluster, 0).await;
    cluster.link(0).cut();
    states(&cluster, &id, &["lapsed"]).await;
    cluster.link(0).mend();
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(
        operator::states(&seen),
        ["won"],
        "its result was as good as in time: {seen}"
    );
    cluster.finish(PATIENCE).await;
}
