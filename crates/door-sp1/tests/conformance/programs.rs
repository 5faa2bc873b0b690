//! Registering programs.

use tonic::Code;

use crate::support::{Rig, wire};

const HASH: [u8; 32] = [0xab; 32];

#[tokio::test]
async fn item_12_13_14_a_program_is_unknown_then_known_and_may_be_registered_again() {
    let rig = Rig::start().await;
    let unknown = rig.client.get_program(&HASH).await.expect_err("not registered yet");
    assert_eq!(
        unknown.code(),
        Code::NotFound,
        "clients register on this code and on no other"
    );
    rig.register(HASH).await;
    let program = rig
        .client
        .get_program(&HASH)
        .await
        .expect("registered")
        .program
        .expect("a program");
    assert_eq!(
        (program.vk_hash, program.vk, program.owner),
        (HASH.to_vec(), vec![7; 104], rig.client.address())
    );
    assert_eq!(program.created_at, rig.core.seconds());
    rig.register(HASH).await;
    let by_another = rig.signing_with(2).await;
    by_another.register(HASH).await;
}

#[tokio::test]
async fn item_15_an_executable_of_another_hash_is_refused_for_good() {
    let rig = Rig::start().await;
    let uri = rig.upload(wire::PROGRAM).await;
    let refused = rig
        .client
        .create_program(&HASH, &[7; 104], &uri)
        .await
        .expect_err("another hash");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        rig.client.get_program(&HASH).await.expect_err("not registered").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn hashes_of_other_lengths_are_refused() {
    let rig = Rig::start().await;
    let uri = rig.upload(wire::PROGRAM).await;
    for length in [0, 31, 33] {
        let hash = vec![1; length];
        assert_eq!(
            rig.client.get_program(&hash).await.expect_err("no hash").code(),
            Code::InvalidArgument
        );
        let refused = rig
            .client
            .create_program(&hash, &[7; 104], &uri)
            .await
            .expect_err("no hash");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let refused = rig
        .client
        .create_program(&HASH, &vec![7; 64 * 1024 + 1], &uri)
        .await
        .expect_err("no key");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn echoed_uris_are_not_believed() {
    let rig = Rig::start().await;
    let announced = rig
        .client
        .create_artifact(wire::PROGRAM)
        .await
        .expect("announced")
        .artifact_uri;
    let stdin = rig.upload(wire::STDIN).await;
    let own = format!("hierophant://artifacts/{}", rig.core.own_artifact());
    let foreign = {
        let created = rig
            .other(2)
            .await
            .create_artifact(wire::PROGRAM)
            .await
            .expect("announced");
        rig.core.complete(&created.artifact_uri, HASH);
        created.artifact_uri
    };
    for (uri, code) in [
        (announced.as_str(), Code::FailedPrecondition),
        (stdin.as_str(), Code::InvalidArgument),
        (own.as_str(), Code::FailedPrecondition),
        (foreign.as_str(), Code::Unauthenticated),
        ("", Code::FailedPrecondition),
        ("file:///etc/passwd", Code::FailedPrecondition),
        ("hierophant://artifacts/../../x", Code::FailedPrecondition),
        (
            "hierophant://artifacts/01920000-0000-7000-8000-00000000ffff",
            Code::FailedPrecondition,
        ),
    ] {
        let refused = rig.client.create_program(&HASH, &[7; 104], uri).await.expect_err(uri);
        assert_eq!(refused.code(), code, "{uri}: {}", refused.message());
        assert!(!refused.message().is_empty());
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_no_refusal() {
    let rig = Rig::start().await;
    rig.register(HASH).await;
    rig.core.set_unavailable(true);
    assert_eq!(
        rig.client.get_program(&HASH).await.expect_err("away").code(),
        Code::Unavailable
    );
    assert_eq!(
        rig.client.create_artifact(wire::STDIN).await.expect_err("away").code(),
        Code::Unavailable
    );
    rig.core.set_unavailable(false);
    rig.client.get_program(&HASH).await.expect("back");
}
