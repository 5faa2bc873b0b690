//! Artifacts, who refers to them, and what the collector may take.

use std::collections::HashSet;

use hierophant_domain::{
    ArtifactId, BlobRef, Digest, Input, Name, Record, Timestamp, Visibility,
    attempt::{Delivery, Fence},
    job::Verification,
};

use super::world::{World, valid};
use crate::{ArtifactState, Hint, StoreError};

const FAR: Timestamp = Timestamp(i64::MAX);

async fn collect(world: &World, older_than: Timestamp) -> HashSet<ArtifactId> {
    let rows = world.store().collectable(older_than, 100).await.expect("collects");
    assert!(rows.iter().all(|row| row.state == ArtifactState::Going));
    rows.into_iter().map(|row| row.id).collect()
}

fn input(id: ArtifactId) -> Vec<Input> {
    vec![Input {
        name: Name::literal("stdin"),
        blob: BlobRef::Artifact(id),
    }]
}

async fn deliver(world: &World, token: hierophant_domain::LeaseToken, id: ArtifactId) -> Result<Fence, StoreError> {
    let outputs = vec![(Name::literal("proof"), BlobRef::Artifact(id))];
    world
        .store()
        .deliver(
            token,
            Delivery {
                outputs,
                record: Record::default(),
            },
        )
        .await
}

/// An artifact's row reads back, before and after it is complete, with a size over i64::MAX.
pub async fn an_artifact_reads_back(mut world: World) {
    let id = world.announce(Visibility::Private).await;
    let announced = world.store().artifact(id).await.expect("reads").expect("is there");
    assert_eq!(
        (announced.state, announced.visibility),
        (ArtifactState::Announced, Visibility::Private)
    );
    assert!(
        world
            .store()
            .complete_artifact(id, u64::MAX, Digest([5; 32]))
            .await
            .expect("completes")
    );
    world.reopen().await;
    let complete = world.store().artifact(id).await.expect("reads").expect("is there");
    assert_eq!((complete.state, complete.size), (ArtifactState::Complete, u64::MAX));
    assert_eq!(complete.sha256, Some(Digest([5; 32])));
    assert_eq!(complete.owner, announced.owner);
    assert!(
        world
            .store()
            .artifact(world.artifact_id())
            .await
            .expect("reads")
            .is_none()
    );
}

/// The first complete writer wins; nobody completes what was not announced; an id is announced once.
pub async fn the_first_complete_writer_wins(world: World) {
    let id = world.announce(Visibility::Signed).await;
    assert!(
        world
            .store()
            .complete_artifact(id, 1, Digest([1; 32]))
            .await
            .expect("completes")
    );
    assert!(
        !world
            .store()
            .complete_artifact(id, 2, Digest([2; 32]))
            .await
            .expect("is complete")
    );
    let row = world.store().artifact(id).await.expect("reads").expect("is there");
    assert_eq!((row.size, row.sha256), (1, Some(Digest([1; 32]))));
    let unknown = world
        .store()
        .complete_artifact(world.artifact_id(), 1, Digest([1; 32]))
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
    let twice = world.store().create_artifact(row).await;
    assert!(matches!(twice, Err(StoreError::Refused(_))), "{twice:?}");
}

/// What nobody refers to goes once it is old: at the edge of its age.
pub async fn unreferenced_artifacts_go_when_they_are_old(world: World) {
    let (announced, complete) = (
        world.announce(Visibility::Private).await,
        world.upload(Visibility::Signed).await,
    );
    let now = world.store().now();
    assert!(collect(&world, now).await.is_empty());
    assert_eq!(
        collect(&world, Timestamp(now.0 + 1)).await,
        HashSet::from([announced, complete])
    );
}

/// What is going cannot be referred to, is named again until it is forgotten, and is then gone.
pub async fn a_going_artifact_is_lost(mut world: World) {
    let id = world.upload(Visibility::Signed).await;
    assert_eq!(collect(&world, FAR).await, HashSet::from([id]));
    let refused = world
        .store()
        .accept(world.new_request(|request| request.inputs = input(id)))
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    let late = world.store().complete_artifact(id, 1, Digest([1; 32])).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))), "{late:?}");
    world.reopen().await;
    assert_eq!(
        collect(&world, Timestamp(0)).await,
        HashSet::from([id]),
        "whoever marked it may have died since"
    );
    world.store().forget_artifacts(vec![id]).await.expect("forgets");
    assert!(world.store().artifact(id).await.expect("reads").is_none());
    assert!(collect(&world, FAR).await.is_empty());
}

/// What is not going is not forgotten.
pub async fn a_wanted_artifact_is_not_forgotten(world: World) {
    let id = world.upload(Visibility::Signed).await;
    world.store().forget_artifacts(vec![id]).await.expect("forgets nothing");
    assert!(world.store().artifact(id).await.expect("reads").is_some());
}

/// The collector keeps its limit.
pub async fn a_collection_keeps_its_limit(world: World) {
    for _ in 0..5 {
        world.upload(Visibility::Signed).await;
    }
    let first = world.store().collectable(FAR, 3).await.expect("collects");
    assert_eq!(first.len(), 3);
    let ids = first.iter().map(|row| row.id).collect();
    world.store().forget_artifacts(ids).await.expect("forgets");
    assert_eq!(world.store().collectable(FAR, 3).await.expect("collects").len(), 2);
}

/// An open request keeps its program and inputs; an ended one until it is released; then they go.
pub async fn a_request_keeps_its_artifacts(mut world: World) {
    let program = world.program().await;
    let stdin = world.upload(Visibility::Signed).await;
    let all = HashSet::from([program.artifact, stdin]);
    let id = world
        .accept(|request| {
            request.program = Some(program);
            request.inputs = input(stdin);
        })
        .await;
    assert!(collect(&world, FAR).await.is_empty());
    world.advance(10);
    assert!(world.cancel(id).await);
    assert!(collect(&world, FAR).await.is_empty(), "kept for those who ask");
    let ended = world.store().now();
    assert_eq!(world.store().release_ended(ended, 10).await.expect("releases"), 0);
    world.reopen().await;
    assert_eq!(
        world
            .store()
            .release_ended(Timestamp(ended.0 + 1), 10)
            .await
            .expect("releases"),
        1
    );
    assert_eq!(world.store().release_ended(FAR, 10).await.expect("releases"), 0, "once");
    assert_eq!(collect(&world, FAR).await, all);
}

/// An artifact that two requests refer to stays until both let go.
pub async fn a_shared_artifact_stays_for_the_other(world: World) {
    let shared = world.upload(Visibility::Signed).await;
    let first = world.accept(|request| request.inputs = input(shared)).await;
    let second = world.accept(|request| request.inputs = input(shared)).await;
    for (id, left) in [(first, HashSet::new()), (second, HashSet::from([shared]))] {
        assert!(world.cancel(id).await);
        assert_eq!(world.store().release_ended(FAR, 10).await.expect("releases"), 1);
        assert_eq!(collect(&world, FAR).await, left);
    }
}

/// An input that is named twice in one request is one reference.
pub async fn an_input_named_twice_is_one_reference(world: World) {
    let id = world.upload(Visibility::Signed).await;
    let request = world
        .accept(|request| request.inputs = [input(id), input(id)].concat())
        .await;
    assert!(world.cancel(request).await);
    assert_eq!(world.store().release_ended(FAR, 10).await.expect("releases"), 1);
    assert_eq!(collect(&world, FAR).await, HashSet::from([id]));
}

/// A private request's inputs go at once when it ends, however young; its program and others' inputs stay.
pub async fn private_inputs_go_at_the_end(world: World) {
    let program = world.program().await;
    let (secret, public) = (
        world.upload(Visibility::Private).await,
        world.upload(Visibility::Signed).await,
    );
    let id = world
        .accept(|request| {
            request.private = true;
            request.program = Some(program);
            request.inputs = [input(secret), input(public)].concat();
        })
        .await;
    let young = Timestamp(0);
    assert!(collect(&world, young).await.is_empty());
    let mut hints = world.store().hints();
    assert!(world.cancel(id).await);
    while hints.recv().await.expect("wake-ups come") != Hint::Collectable {}
    assert_eq!(collect(&world, young).await, HashSet::from([secret]));
    assert_eq!(collect(&world, FAR).await, HashSet::from([secret, public]));
}

/// So do they when it is fulfilled, while its proof stays.
pub async fn private_inputs_go_when_fulfilled(world: World) {
    let (secret, proof) = (
        world.upload(Visibility::Private).await,
        world.upload(Visibility::Private).await,
    );
    world
        .accept(|request| {
            request.private = true;
            request.inputs = input(secret);
        })
        .await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(deliver(&world, token, proof).await.expect("delivers"), Fence::Pass);
    let work = world.verification().await;
    assert!(collect(&world, FAR).await.is_empty());
    assert!(world.settle(&work, valid()).await);
    assert_eq!(collect(&world, FAR).await, HashSet::from([secret]));
    assert_eq!(world.store().release_ended(FAR, 10).await.expect("releases"), 1);
    assert_eq!(collect(&world, Timestamp(0)).await, HashSet::from([secret, proof]));
}

/// A private input that another open request needs stays for it.
pub async fn a_private_input_stays_for_another_request(world: World) {
    let secret = world.upload(Visibility::Private).await;
    let private = |request: &mut hierophant_domain::Request| {
        request.private = true;
        request.inputs = input(secret);
    };
    let (first, second) = (world.accept(private).await, world.accept(private).await);
    assert!(world.cancel(first).await);
    assert!(collect(&world, FAR).await.is_empty());
    assert!(world.cancel(second).await);
    assert_eq!(collect(&world, Timestamp(0)).await, HashSet::from([secret]));
}

/// A result whose outputs are not uploaded is not taken, and its lease stays.
pub async fn outputs_are_uploaded_first(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    let output = world.announce(Visibility::Signed).await;
    let refused = deliver(&world, token, output).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    assert!(
        world
            .store()
            .lease(token)
            .await
            .expect("reads")
            .expect("live")
            .attempt
            .state
            .is_live()
    );
    world
        .store()
        .complete_artifact(output, 1, Digest([0; 32]))
        .await
        .expect("completes");
    assert_eq!(deliver(&world, token, output).await.expect("delivers"), Fence::Pass);
}

/// Outputs stay while the result waits and when it won; a refused result's go.
pub async fn only_a_result_that_counts_keeps_its_outputs(world: World) {
    world.accept_one().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let (bad, good) = (
        world.upload(Visibility::Signed).await,
        world.upload(Visibility::Signed).await,
    );
    let token = world.claim_one(first).await.attempt.token;
    deliver(&world, token, bad).await.expect("delivers");
    assert_eq!(collect(&world, Timestamp(world.store().now().0)).await, HashSet::new());
    let work = world.verification().await;
    let token = {
        assert!(world.settle(&work, Verification::Invalid("no".to_owned())).await);
        world.claim_one(second).await.attempt.token
    };
    deliver(&world, token, good).await.expect("delivers");
    let work = world.verification().await;
    assert!(world.settle(&work, valid()).await);
    assert_eq!(collect(&world, FAR).await, HashSet::from([bad]));
}

/// A result that waits when its request is cancelled is not kept.
pub async fn a_cancelled_request_lets_its_result_go(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    let output = world.upload(Visibility::Signed).await;
    deliver(&world, token, output).await.expect("delivers");
    assert!(collect(&world, FAR).await.is_empty());
    assert!(world.cancel(id).await);
    assert_eq!(collect(&world, FAR).await, HashSet::from([output]));
}
