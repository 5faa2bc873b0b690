//! Deadlines: a request ends at its deadline, wherever it is, and what it held is free again.

use hierophant_testkit::Cluster;
use serde_json::Value;

use crate::support::{
    PATIENCE,
    client::{Client, Wish, now},
    operator, setup,
};

async fn open() -> (Cluster, Client) {
    let cluster = Cluster::start(setup().coordinator("min_lifetime", "1s")).await;
    let client = Client::new(&cluster, 1);
    (cluster, client)
}

/// Asks for a proof within two seconds, and waits until it is too late for it.
async fn expire(cluster: &Cluster, client: &Client, wish: &Wish) -> Value {
    let mut body = wish.auction();
    body.deadline = now() + 2;
    let id = client.request_proof(&body).await.unwrap();
    let (_, details, trace) = client.unfulfilled(&id).await;
    assert!(!details.is_canceled && trace.contains("deadline"), "{trace}");
    let seen = operator::request(cluster, &id).await;
    assert_eq!(
        (&seen["state"], &seen["failure"]["class"]),
        (&"expired".into(), &"deadline".into()),
        "{seen}"
    );
    seen
}

#[tokio::test]
async fn a_deadline_passes_while_a_request_waits() {
    let (cluster, client) = open().await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    let seen = expire(&cluster, &client, &wish).await;
    assert!(operator::attempts(&seen).is_empty(), "{seen}");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_deadline_passes_while_a_request_is_proved() {
    let (mut cluster, client) = open().await;
    cluster.add_worker(&[("slots", 1.into())]).await;
    cluster.wait_for_workers(1, PATIENCE).await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "mock:prove_ms=600000;").await;
    let seen = expire(&cluster, &client, &wish).await;
    // The worker knows the deadline too, and may be first to stop.
    assert!(matches!(operator::states(&seen)[..], ["revoked" | "failed"]), "{seen}");
    // The only slot is free again, and the worker is not blamed.
    let (wish, next) = client.ask_scripted("").await;
    client.proven(&wish, &next).await;
    assert_eq!(
        operator::worker_until(&cluster, 0, "the worker", |_| true).await["strikes"],
        0
    );
    cluster.finish(PATIENCE).await;
}
