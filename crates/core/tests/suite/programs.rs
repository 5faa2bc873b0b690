//! Programs under the ids that they really have.

use std::sync::Arc;

use futures::future::join_all;
use hierophant_core::{
    CoreError,
    ports::{Clients as _, Registration},
};
use hierophant_domain::{ArtifactId, Name, Requester};
use uuid::Uuid;

use crate::support::{Network, alice, checker, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_found_under_its_own_id_by_its_own_door() {
    let network = Network::start().await;
    let registration = network.registration(b"an elf").await;
    let row = network
        .core()
        .register_program(Registration {
            vk: Vec::new(),
            ..registration.clone()
        })
        .await
        .unwrap();
    assert_eq!(
        (&row.id, row.vk, row.artifact),
        (&registration.id, checker::program_vk(b"an elf"), registration.artifact)
    );
    let found = |door| network.core().program(Name::literal(door), registration.id.clone());
    assert!(found("door").await.unwrap().is_some());
    assert!(found("other").await.unwrap().is_none());
    // The first registration of an id wins.
    let again = Registration {
        artifact: network.upload("program", false, b"an elf").await,
        ..registration.clone()
    };
    assert_eq!(
        network.core().register_program(again).await.unwrap().artifact,
        registration.artifact
    );
    assert_eq!(
        network.checker.set_ups(),
        1,
        "what set-up found is kept by the executable's digest"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_id_or_key_is_refused() {
    let network = Network::start().await;
    let registration = network.registration(b"an elf").await;
    for wrong in [
        Registration {
            id: checker::program_id(b"another elf"),
            ..registration.clone()
        },
        Registration {
            vk: checker::program_vk(b"another elf"),
            ..registration.clone()
        },
    ] {
        let refused = network.core().register_program(wrong.clone()).await;
        assert!(matches!(refused, Err(CoreError::Invalid(_))), "{refused:?}");
        assert!(
            network
                .core()
                .program(Name::literal("door"), wrong.id)
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_complete_upload_of_ones_own_can_be_registered() {
    let network = Network::start().await;
    let registration = network.registration(b"an elf").await;
    let announced = network
        .core()
        .create_artifact(alice(), Name::literal("program"), false)
        .await
        .unwrap()
        .id;
    let bob = Requester {
        principal: b"bob".to_vec(),
        ..alice()
    };
    for wrong in [
        Registration {
            artifact: announced,
            ..registration.clone()
        },
        Registration {
            artifact: ArtifactId(Uuid::nil()),
            ..registration.clone()
        },
        Registration {
            owner: bob,
            ..registration
        },
    ] {
        let refused = network.core().register_program(wrong).await;
        assert!(matches!(refused, Err(CoreError::NotFound(_))), "{refused:?}");
    }
    assert_eq!(network.checker.set_ups(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_registrations_at_once_are_one_set_up() {
    let network = Arc::new(Network::start().await);
    let registration = network.registration(b"an elf").await;
    let calls = (0..20).map(|_| {
        let (network, registration) = (Arc::clone(&network), registration.clone());
        tokio::spawn(async move { network.core().register_program(registration).await })
    });
    for registered in join_all(calls).await {
        assert_eq!(registered.unwrap().unwrap().id, registration.id);
    }
    assert_eq!(network.checker.set_ups(), 1);
}

/// Time stands still but for what is waited for, so that the 45 s of patience are over at once.
#[tokio::test(start_paused = true)]
async fn a_slow_set_up_goes_on_while_its_callers_are_told_to_come_back() {
    let mut network = Network::prepare(|_, _| {});
    network.open_idle().await;
    network.checker.hold_set_ups();
    let registration = network.registration(b"an elf").await;
    for _ in 0..2 {
        let told = network.core().register_program(registration.clone()).await;
        assert!(
            matches!(&told, Err(CoreError::Unavailable(why)) if why.contains("still being checked")),
            "{told:?}"
        );
    }
    tokio::time::resume();
    network.checker.release_set_ups();
    eventually("it is registered", || async {
        network.core().register_program(registration.clone()).await
    })
    .await;
    assert_eq!(network.checker.set_ups(), 1);
}
