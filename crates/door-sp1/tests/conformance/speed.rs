//! How many calls the door answers on this machine, the load generator included. Measures, so it is not run with the other
//! tests: `cargo nextest run --release -p hierophant-door-sp1 --run-ignored only --no-capture`.

use std::time::Instant;

use prost::Message;
use tokio::task::JoinSet;

use crate::support::{Rig, wire};

const CONNECTIONS: usize = 8;
const CALLS_PER_CONNECTION: usize = 2_000;
const IN_FLIGHT_PER_CONNECTION: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures instead of checking; run it alone and in release"]
async fn calls_per_second() {
    let rig = Rig::start().await;
    let body = rig.auction_body().await;
    let id = rig.client.request_proof(&body).await.expect("accepted");

    let begun = Instant::now();
    let mut load = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = rig.other(1).await;
        for lane in 0..IN_FLIGHT_PER_CONNECTION {
            let (client, body) = (client.clone(), body.clone());
            load.spawn(async move {
                for call in 0..CALLS_PER_CONNECTION / IN_FLIGHT_PER_CONNECTION {
                    let nonce = (connection << 32 | lane << 16 | call) as u64;
                    client
                        .request_proof(&wire::AuctionBody { nonce, ..body.clone() })
                        .await
                        .expect("accepted");
                }
            });
        }
    }
    let lanes = CONNECTIONS * IN_FLIGHT_PER_CONNECTION;
    let calls = lanes * (CALLS_PER_CONNECTION / IN_FLIGHT_PER_CONNECTION);
    load.join_all().await;
    report("signed RequestProof, signing included", calls, begun);

    let begun = Instant::now();
    let mut load = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = rig.other(1).await;
        for _ in 0..IN_FLIGHT_PER_CONNECTION {
            let (client, id) = (client.clone(), id.clone());
            load.spawn(async move {
                for _ in 0..CALLS_PER_CONNECTION / IN_FLIGHT_PER_CONNECTION {
                    client.status(&id).await.expect("a status");
                }
            });
        }
    }
    load.join_all().await;
    report("GetProofRequestStatus", calls, begun);

    let (begun, bytes) = (Instant::now(), body.encode_to_vec());
    for _ in 0..1_000 {
        std::hint::black_box(rig.client.sign(&bytes, 27));
    }
    report("signatures made on one core", 1_000, begun);
}

fn report(what: &str, calls: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {calls} in {seconds:.2} s, {:.0} per second",
        f64::from(u32::try_from(calls).expect("few")) / seconds
    );
}
