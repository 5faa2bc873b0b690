//! What an operator sees: the pages of JSON, and waiting until they say something.

use hierophant_testkit::{Cluster, wait_until};
use serde_json::Value;

use super::PATIENCE;

/// The path of a request's page. Clients are given the request's UUID followed by a seal of the same length.
pub(crate) fn page(id: &[u8]) -> String {
    let text = hex::encode(&id[..16]);
    format!(
        "/requests/{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

/// A request with its attempts.
pub(crate) async fn request(cluster: &Cluster, id: &[u8]) -> Value {
    cluster
        .json(&page(id))
        .await
        .expect("the coordinator answers its operator")
}

/// Waits until a request's page is as wanted, and gives it.
pub(crate) async fn request_until(cluster: &Cluster, id: &[u8], what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(cluster, &page(id), what, holds).await
}

/// Waits until any page is as wanted, and gives it.
pub(crate) async fn until(cluster: &Cluster, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, PATIENCE, async || {
        let page = cluster.json(path).await?;
        if holds(&page) { Ok(page) } else { Err(page.to_string()) }
    })
    .await
}

/// The states of a request's attempts, oldest first.
pub(crate) fn states(request: &Value) -> Vec<&str> {
    attempts(request)
        .iter()
        .map(|attempt| text(&attempt["state"]))
        .collect()
}

/// A request's attempts, oldest first.
pub(crate) fn attempts(request: &Value) -> &[Value] {
    request["attempts"].as_array().map_or(&[], Vec::as_slice)
}

/// Why an attempt ended as it did; empty when nothing is said.
pub(crate) fn reason(attempt: &Value) -> &str {
    text(&attempt["reason"])
}

/// A text of a page; empty when it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The worker of this number on a page of workers.
pub(crate) fn worker(page: &Value, number: usize) -> Option<&Value> {
    let name = format!("worker-{number}");
    page["workers"]
        .as_array()?
        .iter()
        .find(|worker| worker["name"] == name.as_str())
}

/// Waits until a worker on `/contemplants` is as wanted.
pub(crate) async fn worker_until(
    cluster: &Cluster,
    number: usize,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let page = until(cluster, "/contemplants", what, |page| {
        worker(page, number).is_some_and(&holds)
    })
    .await;
    worker(&page, number).cloned().expect("it was there")
}

/// Waits until a worker says how far it is with something: its prover works on it.
pub(crate) async fn at_work(cluster: &Cluster, number: usize) {
    worker_until(cluster, number, "a worker at work", |worker| {
        worker["working_on"][0]["progress"].is_object()
    })
    .await;
}

/// Waits until a worker is one of those that are gone, and gives it.
pub(crate) async fn dead_worker(cluster: &Cluster, number: usize) -> Value {
    let page = until(cluster, "/dead-contemplants", "a dropped worker", |page| {
        worker(page, number).is_some()
    })
    .await;
    worker(&page, number).cloned().expect("it was there")
}

/// Asserts that a request was fulfilled once, by one attempt, and that it is the only one of its kind in the history.
pub(crate) async fn assert_fulfilled_once(cluster: &Cluster, id: &[u8]) -> Value {
    let request = request(cluster, id).await;
    assert_eq!(request["state"], "fulfilled", "{request}");
    let won = states(&request).iter().filter(|state| **state == "won").count();
    assert_eq!(won, 1, "{request}");
    let history = cluster
        .json("/proof-history")
        .await
        .expect("the coordinator answers its operator");
    let proofs = history["proofs"].as_array().expect("a list of proofs");
    let of_it = proofs
        .iter()
        .filter(|proof| proof["request_id"] == request["id"])
        .count();
    assert_eq!(of_it, 1, "{history}");
    request
}
