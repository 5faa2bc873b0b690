//! Requests that are refused at the door, and those that only look like new ones.

use hierophant_door_sp1::proto::types::{FulfillmentStatus, MessageFormat, ProofMode};
use hierophant_testkit::Cluster;
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, PROGRAM, assert_refused, now},
    mock, operator, setup,
};

async fn open() -> (Cluster, Client) {
    let cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    (cluster, client)
}

/// How many requests the coordinator has.
async fn accepted(cluster: &Cluster) -> usize {
    let page = cluster.json("/requests").await.unwrap();
    page["requests"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_vk_hash_is_not_that_of_the_elf() {
    let (cluster, client) = open().await;
    let elf = mock::elf("");
    let uri = client.upload(PROGRAM, &elf).await;
    let another = mock::elf("cycles=1");
    let answer = client
        .create_program(mock::program_id(&another), mock::vk(&another), &uri)
        .await;
    assert_refused(answer, Code::InvalidArgument, "another verification key");
    // The hash may be right and the key beside it wrong.
    let answer = client
        .create_program(mock::program_id(&elf), mock::vk(&another), &uri)
        .await;
    assert_refused(answer, Code::InvalidArgument, "not that of the uploaded ELF");
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_program_is_not_registered() {
    let (cluster, client) = open().await;
    let wish = client.wish(&mock::elf("cycles=2"), "").await;
    assert_refused(
        client.request_proof(&wish.auction()).await,
        Code::FailedPrecondition,
        "CreateProgram",
    );
    assert_refused(
        client.request_proof(&wish.base()).await,
        Code::FailedPrecondition,
        "CreateProgram",
    );
    assert_eq!(accepted(&cluster).await, 0);
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_version_mode_or_format_is_not_served() {
    let (cluster, client) = open().await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    for (version, code) in [("sp1-v5.0.0", Code::FailedPrecondition), ("", Code::FailedPrecondition)] {
        let mut body = wish.auction();
        body.version = version.to_owned();
        assert_refused(client.request_proof(&body).await, code, "is not served here");
    }
    let mut body = wish.auction();
    body.mode = ProofMode::Plonk as i32;
    assert_refused(
        client.request_proof(&body).await,
        Code::FailedPrecondition,
        "ask for one of: core, compressed",
    );
    body.mode = 77;
    assert_refused(
        client.request_proof(&body).await,
        Code::InvalidArgument,
        "proof mode 77 is unknown",
    );
    let mut envelope = client.envelope(&wish.auction());
    envelope.format = MessageFormat::Json as i32;
    assert_refused(
        client.send_request(envelope).await,
        Code::InvalidArgument,
        "send 1 (binary)",
    );
    assert_refused(
        client.create_artifact(3).await,
        Code::InvalidArgument,
        "artifact_type 3",
    );
    assert_eq!(accepted(&cluster).await, 0);
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_signature_is_bad_or_the_body_was_tampered_with() {
    let (cluster, client) = open().await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    let good = client.envelope(&wish.auction());
    let mut garbage = good.clone();
    garbage.signature = vec![7; 65].into();
    assert_refused(
        client.send_request(garbage).await,
        Code::Unauthenticated,
        "the signature is not valid",
    );
    let mut short = good.clone();
    short.signature = good.signature.slice(..64);
    assert_refused(client.send_request(short).await, Code::Unauthenticated, "65 bytes");
    let mut richer = wish.auction();
    richer.gas_limit += 1;
    let mut tampered = client.envelope(&richer);
    tampered.signature = good.signature.clone();
    assert_refused(
        client.send_request(tampered).await,
        Code::Unauthenticated,
        "did not make the upload",
    );
    // Another account signs well, and asks with an upload that is not its own.
    let stranger = Client::new(&cluster, 2);
    assert_refused(
        stranger.request_proof(&wish.auction()).await,
        Code::Unauthenticated,
        "did not make the upload",
    );
    assert_eq!(accepted(&cluster).await, 0);
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_signed_request_is_replayed() {
    let (mut cluster, client) = open().await;
    cluster.add_worker(&[]).await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    let envelope = client.envelope(&wish.auction());
    let id = client.send_request(envelope.clone()).await.unwrap();
    assert_eq!(client.send_request(envelope.clone()).await.unwrap(), id);
    client.proven(&wish, &id).await;
    // Somebody else may have overheard it: the same request again, which has ended, and no work for anybody.
    let stranger = Client::new(&cluster, 2);
    assert_eq!(stranger.send_request(envelope).await.unwrap(), id);
    assert_eq!(accepted(&cluster).await, 1);
    let seen = operator::assert_fulfilled_once(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["won"]);
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn an_input_was_never_uploaded() {
    let (cluster, client) = open().await;
    let elf = client.program("").await;
    let mut wish = client.wish(&elf, "").await;
    let announced = client.create_artifact(crate::support::client::STDIN).await.unwrap();
    wish.stdin_uri = announced.artifact_uri.clone();
    assert_refused(
        client.request_proof(&wish.auction()).await,
        Code::FailedPrecondition,
        "has not been uploaded yet",
    );
    wish.stdin_uri = announced.artifact_uri.replace(char::is_numeric, "7");
    assert_refused(
        client.request_proof(&wish.auction()).await,
        Code::FailedPrecondition,
        "call CreateArtifact",
    );
    wish.stdin_uri = "s3://somewhere/else".to_owned();
    assert_refused(
        client.request_proof(&wish.auction()).await,
        Code::FailedPrecondition,
        "call CreateArtifact",
    );
    assert_eq!(accepted(&cluster).await, 0);
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_request_is_cancelled_by_somebody_else_and_by_its_owner() {
    let (mut cluster, client) = open().await;
    let elf = client.program("").await;
    let (kept, taken_back) = (client.wish(&elf, "kept").await, client.wish(&elf, "taken back").await);
    let (kept_id, taken_back_id) = (client.ask(&kept).await, client.ask(&taken_back).await);
    let stranger = Client::new(&cluster, 2);
    assert_refused(
        stranger.cancel(&kept_id).await,
        Code::PermissionDenied,
        "only the account",
    );
    client.cancel(&taken_back_id).await.unwrap();
    client.cancel(&taken_back_id).await.unwrap();
    let (_, details, trace) = client.unfulfilled(&taken_back_id).await;
    assert!(
        details.is_canceled && trace.contains("cancelled by its owner"),
        "{details:?}"
    );
    cluster.add_worker(&[]).await;
    client.proven(&kept, &kept_id).await;
    let seen = operator::request(&cluster, &taken_back_id).await;
    assert_eq!(
        (&seen["state"], operator::attempts(&seen).len()),
        (&"cancelled".into(), 0),
        "{seen}"
    );
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_request_is_cancelled_while_it_is_proved() {
    let (mut cluster, client) = open().await;
    cluster.add_worker(&[("slots", 1.into())]).await;
    let (_, id) = client.ask_scripted("prove_ms=600000").await;
    operator::request_until(&cluster, &id, "a running attempt", |seen| {
        operator::states(seen) == ["running"]
    })
    .await;
    client.cancel(&id).await.unwrap();
    client.unfulfilled(&id).await;
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(operator::states(&seen), ["revoked"], "{seen}");
    assert!(
        operator::reason(&operator::attempts(&seen)[0]).contains("cancelled by its owner"),
        "{seen}"
    );
    // The only slot is free again, and the worker is not blamed.
    let (wish, next) = client.ask_scripted("").await;
    client.proven(&wish, &next).await;
    assert_eq!(
        operator::worker_until(&cluster, 0, "the worker", |_| true).await["strikes"],
        0
    );
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_reply_is_lost_and_the_request_repeated() {
    let (mut cluster, client) = open().await;
    cluster.add_worker(&[]).await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    cluster.grpc_proxy().lose_next_reply();
    let id = client.ask(&wish).await;
    assert_eq!(cluster.grpc_proxy().replies_lost(), 1);
    client.proven(&wish, &id).await;
    // So late that a new request would be refused.
    let mut late = wish.auction();
    late.deadline = now() - 1;
    assert_eq!(client.request_proof(&late).await.unwrap(), id);
    assert_eq!(accepted(&cluster).await, 1);
    operator::assert_fulfilled_once(&cluster, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_client_is_gone() {
    let (mut cluster, client) = open().await;
    let elf = client.program("").await;
    let wish = client.wish(&elf, "").await;
    let mut body = wish.base();
    body.deadline = now() + 3600;
    let id = client.request_proof(&body).await.unwrap();
    drop(client);
    cluster.add_worker(&[]).await;
    operator::request_until(&cluster, &id, "a fulfilled request", |seen| {
        seen["state"] == "fulfilled"
    })
    .await;
    operator::assert_fulfilled_once(&cluster, &id).await;
    // It may come back, from wherever.
    let client = Client::new(&cluster, 1);
    assert_eq!(
        client.ended(&id).await.fulfillment_status(),
        FulfillmentStatus::Fulfilled
    );
    client.proven(&wish, &id).await;
    cluster.finish(PATIENCE).await;
}
