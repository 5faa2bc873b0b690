//! The coordinator is ended at each of its fail points, in the middle of a conversation with a client that comes back as
//! published clients do.

#![cfg(feature = "failpoints")]

use std::{fmt::Write as _, time::Duration};

use futures::future::join_all;
use hierophant_core::failpoint::POINTS;
use hierophant_testkit::Cluster;

use crate::support::{PATIENCE, client::Client, operator, setup};

/// What the coordinator looks for in its environment.
const VARIABLE: &str = "FAILPOINT";

/// A row of the table: the point, whether it was hit, how the request ended, and the states of its attempts.
struct Row {
    point: &'static str,
    hit: bool,
    outcome: String,
    attempts: String,
}

async fn crash_at(point: &'static str) -> Row {
    let mut cluster = Cluster::start(setup().variable(VARIABLE, point)).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let conversation = async {
        let (wish, id) = client.ask_scripted("").await;
        client.proven(&wish, &id).await;
        (wish, id)
    };
    let crash = async {
        let status = cluster.wait_for_coordinator_end(PATIENCE).await;
        assert!(!status.success(), "{point}: {status}");
        cluster.coordinator().variable(VARIABLE, None);
        cluster.start_coordinator().await;
    };
    let ((wish, id), ()) = tokio::join!(conversation, crash);
    let hit = cluster.coordinator().log().contains(&format!("failpoint hit: {point}"));
    assert_eq!(client.ask(&wish).await, id, "the same request, not another");
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    let page = cluster
        .json("/requests")
        .await
        .expect("the coordinator answers its operator");
    assert_eq!(page["requests"].as_array().map(Vec::len), Some(1), "{page}");
    assert!(
        !operator::states(&seen).contains(&"failed"),
        "nobody tried and failed: {seen}"
    );
    let row = Row {
        point,
        hit,
        outcome: operator::text(&seen["state"]).to_owned(),
        attempts: operator::states(&seen).join(", "),
    };
    cluster.finish(Duration::from_secs(30)).await;
    row
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the table is for people")]
async fn the_coordinator_is_ended_at_each_fail_point() {
    let mut table = format!("{:<22}{:<6}{:<12}attempts\n", "point", "hit", "outcome");
    let rows = join_all(POINTS.map(crash_at)).await;
    for row in &rows {
        let hit = if row.hit { "yes" } else { "no" };
        writeln!(table, "{:<22}{hit:<6}{:<12}{}", row.point, row.outcome, row.attempts).expect("a string grows");
    }
    eprint!("{table}");
    let missed: Vec<_> = rows.iter().filter(|row| !row.hit).map(|row| row.point).collect();
    assert!(missed.is_empty(), "never hit: {missed:?}\n{table}");
}
