//! Requests that are refused: for good, and in words.

use hierophant_domain::{Name, time::Millis};
use hierophant_door_sp1::DoorSettings;
use prost::Message;
use tonic::Code;

use crate::support::{Rig, wire};

const REQUEST_PROOF: &str = "/network.ProverNetwork/RequestProof";

#[tokio::test]
async fn item_25_a_tampered_body_or_signature_is_refused_at_once() {
    let rig = Rig::start().await;
    let signed = rig.base_body().await;
    let signature = rig.client.sign(&signed.encode_to_vec(), 27);
    let tampered = [
        wire::BaseBody {
            nonce: 8,
            ..signed.clone()
        },
        wire::BaseBody {
            cycle_limit: 1,
            ..signed.clone()
        },
        wire::BaseBody {
            mode: 1,
            ..signed.clone()
        },
        wire::BaseBody {
            version: "sp1-v9".to_owned(),
            ..signed.clone()
        },
        wire::BaseBody {
            deadline: 1,
            ..signed.clone()
        },
    ];
    for body in tampered {
        let envelope = wire::Envelope {
            format: 1,
            signature: signature.clone(),
            body: Some(body.encode_to_vec()),
        };
        let refused = rig
            .client
            .call::<_, wire::SignedReply>(REQUEST_PROOF, envelope)
            .await
            .expect_err("altered");
        assert_eq!(refused.code(), Code::Unauthenticated, "{body:?}: {}", refused.message());
    }
    for at in [0, 31, 32, 63, 64] {
        let mut signature = signature.clone();
        signature[at] ^= 0x40;
        let envelope = wire::Envelope {
            format: 1,
            signature,
            body: Some(signed.encode_to_vec()),
        };
        let refused = rig
            .client
            .call::<_, wire::SignedReply>(REQUEST_PROOF, envelope)
            .await
            .expect_err("altered");
        assert_eq!(
            refused.code(),
            Code::Unauthenticated,
            "byte {at}: {}",
            refused.message()
        );
    }
    assert_eq!(rig.core.submissions(), 0);
}

#[tokio::test]
async fn item_28_other_circuit_versions_are_refused_for_good_and_in_words() {
    let rig = Rig::start().await;
    let body = rig.base_body().await;
    for version in [
        "sp1-v6.0.0",
        "sp1-v5.0.0",
        "v6.1.0",
        "sp1-",
        "",
        "\u{1f980}\n\"x\"",
        "sp1-v6.1.0\n",
    ] {
        let refused = rig
            .client
            .request_proof(&wire::BaseBody {
                version: version.to_owned(),
                ..body.clone()
            })
            .await;
        let refused = refused.expect_err(version);
        assert_eq!(refused.code(), Code::FailedPrecondition, "{version}");
        assert!(
            refused.message().contains("sp1-v6.1.0"),
            "names what is served: {}",
            refused.message()
        );
        assert!(
            refused.message().contains(&format!("{version:?}")),
            "names what was sent: {}",
            refused.message()
        );
    }
}

#[tokio::test]
async fn item_29_an_unregistered_program_is_refused_for_good() {
    let rig = Rig::start().await;
    let body = wire::BaseBody {
        vk_hash: vec![0xcc; 32],
        ..rig.base_body().await
    };
    let refused = rig.client.request_proof(&body).await.expect_err("not registered");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("CreateProgram"), "{}", refused.message());
}

#[tokio::test]
async fn item_30_modes_that_are_not_served_are_refused_with_what_is() {
    let rig = Rig::start().await;
    let body = rig.base_body().await;
    for (mode, code) in [
        (3, Code::FailedPrecondition),
        (4, Code::FailedPrecondition),
        (0, Code::InvalidArgument),
        (5, Code::InvalidArgument),
        (-1, Code::InvalidArgument),
    ] {
        let refused = rig
            .client
            .request_proof(&wire::BaseBody { mode, ..body.clone() })
            .await
            .expect_err("not served");
        assert_eq!(refused.code(), code, "mode {mode}");
        if code == Code::FailedPrecondition {
            assert!(refused.message().contains("core, compressed"), "{}", refused.message());
            assert!(refused.message().contains("sp1.modes"), "{}", refused.message());
        }
    }
    let all = ["core", "compressed", "plonk", "groth16"].map(Name::literal).to_vec();
    let rig = Rig::with(DoorSettings {
        modes: all.clone(),
        ..DoorSettings::default()
    })
    .await;
    for (mode, kind) in (1..).zip(all) {
        rig.client
            .request_proof(&wire::BaseBody {
                mode,
                ..rig.base_body().await
            })
            .await
            .expect("served");
        assert_eq!(rig.core.newest().kind, kind);
    }
}

#[tokio::test]
async fn deadlines_are_checked_at_their_edges() {
    let rig = Rig::with(DoorSettings {
        max_deadline: Millis::from_secs(1000),
        ..DoorSettings::default()
    })
    .await;
    let body = rig.base_body().await;
    let now = rig.core.seconds();
    for (deadline, fine) in [
        (0, false),
        (now, false),
        (now + 1, true),
        (now + 1000, true),
        (now + 1001, false),
        (u64::MAX, false),
    ] {
        let answer = rig
            .client
            .request_proof(&wire::BaseBody {
                deadline,
                stdin_uri: rig.upload(wire::STDIN).await,
                ..body.clone()
            })
            .await;
        match answer {
            Ok(_) => assert!(fine, "deadline {deadline}, now {now}"),
            Err(refused) => {
                assert!(!fine, "deadline {deadline}, now {now}: {}", refused.message());
                assert_eq!(refused.code(), Code::InvalidArgument);
            }
        }
    }
}

#[tokio::test]
async fn another_networks_domain_is_refused() {
    let rig = Rig::start().await;
    let body = rig.auction_body().await;
    for domain in [vec![], vec![0xdd; 32], rig.settings.domain[..31].to_vec()] {
        let refused = rig
            .client
            .request_proof(&wire::AuctionBody { domain, ..body.clone() })
            .await
            .expect_err("elsewhere");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(
            refused.message().contains("GetProofRequestParams"),
            "{}",
            refused.message()
        );
    }
}

#[tokio::test]
async fn echoed_inputs_are_not_believed() {
    let rig = Rig::start().await;
    let body = rig.base_body().await;
    let announced = rig
        .client
        .create_artifact(wire::STDIN)
        .await
        .expect("announced")
        .artifact_uri;
    let foreign = rig
        .other(2)
        .await
        .create_artifact(wire::STDIN)
        .await
        .expect("announced")
        .artifact_uri;
    rig.core.complete(&foreign, [1; 32]);
    let program = rig.upload(wire::PROGRAM).await;
    for (uri, code) in [
        (announced, Code::FailedPrecondition),
        (foreign, Code::Unauthenticated),
        (program, Code::InvalidArgument),
        (String::new(), Code::FailedPrecondition),
        ("s3://bucket/stdins/artifact_01".to_owned(), Code::FailedPrecondition),
        ("x".repeat(257), Code::InvalidArgument),
    ] {
        let refused = rig
            .client
            .request_proof(&wire::BaseBody {
                stdin_uri: uri.clone(),
                ..body.clone()
            })
            .await;
        assert_eq!(refused.expect_err("no input").code(), code, "{uri}");
    }
    assert_eq!(rig.core.submissions(), 0);
}

#[tokio::test]
async fn other_formats_are_refused() {
    let rig = Rig::start().await;
    let body = rig.base_body().await.encode_to_vec();
    for format in [0, 2, 3] {
        let envelope = wire::Envelope {
            format,
            signature: rig.client.sign(&body, 27),
            body: Some(body.clone()),
        };
        let refused = rig
            .client
            .call::<_, wire::SignedReply>(REQUEST_PROOF, envelope)
            .await
            .expect_err("not binary");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}
