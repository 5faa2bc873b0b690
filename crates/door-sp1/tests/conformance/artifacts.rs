//! Announcing uploads, and accounts.

use hierophant_core::ports::Clients;
use hierophant_domain::Visibility;
use tonic::Code;

use crate::support::{Rig, fake::FakeClients, wire};

#[tokio::test]
async fn item_02_both_services_answer_on_one_url_uncompressed() {
    let rig = Rig::start().await;
    // Compression is asserted on every answer by the client.
    rig.client.create_artifact(wire::STDIN).await.expect("artifact service");
    rig.client.nonce().await.expect("main service");
}

#[tokio::test]
async fn item_06_07_create_artifact_gives_the_same_account_for_every_v() {
    let rig = Rig::start().await;
    for v in [54, 27, 0] {
        let request = wire::CreateArtifactRequest {
            signature: rig.client.sign(b"create_artifact", v),
            artifact_type: wire::STDIN,
        };
        let created: wire::CreateArtifactResponse = rig
            .client
            .call("/artifact.ArtifactStore/CreateArtifact", request)
            .await
            .expect("announced");
        let row = rig
            .core
            .artifact(FakeClients::artifact_of(&created.artifact_uri))
            .await
            .expect("here")
            .expect("a row");
        let owner = row.owner.expect("an owner");
        assert_eq!(
            (owner.door.as_str(), owner.principal),
            ("sp1", rig.client.address()),
            "v {v}"
        );
    }
}

#[tokio::test]
async fn create_artifact_refuses_signatures_of_something_else() {
    let rig = Rig::start().await;
    for signature in [
        vec![],
        vec![0; 65],
        rig.client.sign(b"create_artifact", 29),
        vec![0xff; 65],
    ] {
        let request = wire::CreateArtifactRequest {
            signature,
            artifact_type: wire::STDIN,
        };
        let refused = rig
            .client
            .call::<_, wire::CreateArtifactResponse>("/artifact.ArtifactStore/CreateArtifact", request)
            .await
            .expect_err("no account");
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("sign"), "{}", refused.message());
    }
}

#[tokio::test]
async fn item_11_types_1_2_and_7_are_taken_and_only_7_is_private() {
    let rig = Rig::start().await;
    for (artifact_type, role, visibility) in [
        (wire::PROGRAM, "program", Visibility::Signed),
        (wire::STDIN, "input", Visibility::Signed),
        (wire::PRIVATE_STDIN, "input", Visibility::Private),
    ] {
        let created = rig.client.create_artifact(artifact_type).await.expect("announced");
        assert!(created.artifact_presigned_url.starts_with("http://"));
        assert!(
            !created.artifact_uri.contains("token"),
            "URIs are repeated in what others may read"
        );
        let row = rig
            .core
            .artifact(FakeClients::artifact_of(&created.artifact_uri))
            .await
            .expect("here")
            .expect("a row");
        assert_eq!((row.role.as_str(), row.visibility), (role, visibility));
    }
    for artifact_type in [0, 3, 4, 5, 6, 8, -1] {
        let refused = rig
            .client
            .create_artifact(artifact_type)
            .await
            .expect_err("not an upload");
        assert_eq!(refused.code(), Code::InvalidArgument, "type {artifact_type}");
    }
}

#[tokio::test]
async fn nonces_grow_and_are_not_enforced() {
    let rig = Rig::start().await;
    let first = rig.client.nonce().await.expect("a nonce").value;
    let second = rig.client.nonce().await.expect("a nonce").value;
    assert!(second > first);
    for length in [0, 19, 21, 32] {
        for method in ["/network.ProverNetwork/GetNonce", "/network.ProverNetwork/GetBalance"] {
            let refused = rig
                .client
                .call::<_, wire::OneNumber>(method, wire::OneBytes { value: vec![1; length] })
                .await;
            assert_eq!(
                refused.expect_err("no address").code(),
                Code::InvalidArgument,
                "{length} bytes"
            );
        }
    }
}

#[tokio::test]
async fn item_46_balances_parse() {
    let settings = hierophant_door_sp1::DoorSettings {
        balance: hierophant_door_sp1::U256::MAX,
        ..hierophant_door_sp1::DoorSettings::default()
    };
    let rig = Rig::with(settings).await;
    let address = wire::OneBytes {
        value: rig.client.address(),
    };
    let balance: wire::OneText = rig
        .client
        .call("/network.ProverNetwork/GetBalance", address)
        .await
        .expect("a balance");
    let read: hierophant_door_sp1::U256 = balance.value.parse().expect("as clients parse it");
    assert_eq!(read, hierophant_door_sp1::U256::MAX);
}
