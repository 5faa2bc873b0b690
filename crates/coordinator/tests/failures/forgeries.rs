//! Workers that forge: nothing of theirs reaches a client, and the third strike ends it.

use hierophant_testkit::{Cluster, wait_until};

use crate::support::{PATIENCE, client::Client, mock, operator, setup};

/// Every way to lie that the mock knows, with what the verifier says of it.
const LIES: [(&str, &str); 5] = [
    ("forged", "the checksum does not match"),
    ("truncated", "a field is not hexadecimal"),
    ("other_program", "it is for another program"),
    ("other_values", "it binds other public values"),
    ("other_kind", "it is a other proof of sp1"),
];

#[tokio::test]
async fn forged_proofs_are_refused() {
    let mut cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("").await;
    for (number, (lie, reason)) in LIES.iter().enumerate() {
        cluster.add_worker(&[mock::worker(&format!("lie={lie}"))]).await;
        let liar = operator::worker_until(&cluster, number, "a strike", |worker| worker["strikes"] == 1).await;
        assert!(liar["strike_reasons"].to_string().contains(reason), "{liar}");
        let seen = operator::request(&cluster, &id).await;
        assert_eq!(seen["state"], "open", "{seen}");
        let last = operator::attempts(&seen).last().unwrap();
        assert_eq!(
            (&last["state"], operator::reason(last)),
            (&"refused".into(), reason.to_owned()),
            "{seen}"
        );
    }
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(
        operator::states(&seen),
        ["refused", "refused", "refused", "refused", "refused", "won"],
        "{seen}"
    );
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_third_strike_drops_the_worker() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[mock::worker("lie=forged")]).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let mut asked = Vec::new();
    for number in 0..4 {
        let wish = client.wish(&elf, &format!("input {number}")).await;
        let id = client.ask(&wish).await;
        asked.push((wish, id));
    }
    let dropped = operator::dead_worker(&cluster, 0).await;
    assert!(
        dropped["strike_reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.len() >= 3),
        "{dropped}"
    );
    assert!(
        operator::text(&dropped["gone_reason"]).contains("too many strikes"),
        "{dropped}"
    );
    assert!(
        operator::text(&dropped["gone_reason"]).contains("the checksum does not match"),
        "{dropped}"
    );
    assert!(!dropped["quarantined_until"].is_null(), "{dropped}");
    assert!(
        operator::text(&dropped["name"]) == "worker-0" && !operator::text(&dropped["address"]).is_empty(),
        "{dropped}"
    );
    cluster.add_worker(&[]).await;
    for (wish, id) in &asked {
        client.proven(wish, id).await;
        operator::assert_fulfilled_once(&cluster, id).await;
    }
    // Starting it again does not help: strikes count against its identity.
    cluster.worker(0).kill9();
    cluster.worker(0).start();
    wait_until("a refused worker", PATIENCE, async || {
        let log = cluster.worker(0).log();
        if log.contains("this worker is quarantined for another") {
            Ok(())
        } else {
            Err("it is not refused".to_owned())
        }
    })
    .await;
    operator::dead_worker(&cluster, 0).await;
    cluster.finish(PATIENCE).await;
}

/// A proof that is good for another input of the same program: what it binds tells.
async fn replayed(cluster: &mut Cluster, reason: &str) {
    let client = Client::new(cluster, 1);
    let elf = client.program("").await;
    let wish = client.wish(&elf, "the input").await;
    let others = hex::encode(mock::public_values(&elf, b"another input"));
    cluster
        .add_worker(&[mock::worker(&format!("public_values={others}"))])
        .await;
    let id = client.ask(&wish).await;
    let liar = operator::worker_until(cluster, 0, "a strike", |worker| worker["strikes"] == 1).await;
    assert!(liar["strike_reasons"].to_string().contains(reason), "{liar}");
    cluster.add_worker(&[]).await;
    client.proven(&wish, &id).await;
    let seen = operator::assert_fulfilled_once(cluster, &id).await;
    assert_eq!(operator::states(&seen), ["refused", "won"], "{seen}");
}

#[tokio::test]
async fn a_proof_made_for_another_request_is_replayed() {
    let mut cluster = Cluster::start(setup()).await;
    replayed(&mut cluster, "it binds other public values").await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_proof_made_for_another_request_is_replayed_where_only_the_client_knows_better() {
    let mut cluster = Cluster::start(setup().coordinator("verify.max_cycles", 0)).await;
    replayed(&mut cluster, "it binds other public values").await;
    cluster.finish(PATIENCE).await;
}
