//! Remote provers that operators attached.

use hierophant_domain::{Name, Timestamp};

use super::world::World;
use crate::{REMOTE_PROVER_ADDRESS_MAX_BYTES, REMOTE_PROVERS_MAX, RemoteProverRow, StoreError};

fn prover(address: impl Into<String>, added_at: i64) -> RemoteProverRow {
    RemoteProverRow {
        address: address.into(),
        system: Name::literal("vm"),
        slots: u32::MAX,
        added_at: Timestamp(added_at),
    }
}

async fn attach(world: &World, prover: RemoteProverRow) -> bool {
    world.store().attach(prover).await.expect("attaches")
}

/// An attached one reads back, after reopening too, the oldest first.
pub async fn an_attached_prover_reads_back(mut world: World) {
    assert_eq!(world.store().attached().await.expect("reads"), []);
    let (first, second) = (prover("late.example:50051", 1), prover("10.0.0.1:50051", 2));
    assert!(attach(&world, second.clone()).await && attach(&world, first.clone()).await);
    for _ in 0..2 {
        let found = world.store().attached().await.expect("reads");
        assert_eq!(found, [first.clone(), second.clone()]);
        world.reopen().await;
    }
}

/// A second one under the same address changes nothing.
pub async fn an_address_is_attached_once(world: World) {
    let first = prover("10.0.0.1:50051", 1);
    assert!(attach(&world, first.clone()).await);
    assert!(!attach(&world, prover("10.0.0.1:50051", 2)).await);
    assert_eq!(world.store().attached().await.expect("reads"), [first]);
}

/// A detached one is gone, and may come back; an unknown one is no error.
pub async fn a_detached_prover_is_gone(mut world: World) {
    let row = prover("10.0.0.1:50051", 1);
    assert!(attach(&world, row.clone()).await);
    let detach = |world: &World| {
        let store = world.shared_store();
        async move { store.detach("10.0.0.1:50051".to_owned()).await.expect("detaches") }
    };
    assert!(detach(&world).await);
    assert!(!detach(&world).await);
    world.reopen().await;
    assert_eq!(world.store().attached().await.expect("reads"), []);
    assert!(attach(&world, row).await);
}

/// Neither addresses nor their number grow without limit.
pub async fn attached_provers_are_bounded(world: World) {
    let long = "a".repeat(REMOTE_PROVER_ADDRESS_MAX_BYTES);
    assert!(attach(&world, prover(long.clone(), 0)).await);
    let refused = world.store().attach(prover(long + "a", 0)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    for n in 1..REMOTE_PROVERS_MAX {
        assert!(attach(&world, prover(format!("host-{n}:1"), 0)).await);
    }
    let full = world.store().attach(prover("one.more:1", 0)).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    assert!(!attach(&world, prover("host-1:1", 0)).await, "a known one is none more");
    assert!(world.store().detach("host-1:1".to_owned()).await.expect("detaches"));
    assert!(attach(&world, prover("one.more:1", 0)).await);
    let attached = world.store().attached().await.expect("reads");
    assert_eq!(attached.len(), REMOTE_PROVERS_MAX);
}
