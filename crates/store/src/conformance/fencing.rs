//! What each write of a token may still do, by the state of its attempt.

use hierophant_domain::{AttemptState, FailureClass, LeaseToken, RequestState, attempt::Fence, time::Millis};

use super::world::{HOLD, World, delivery, failure, valid};
use crate::Beat;

async fn beat(world: &World, token: LeaseToken) -> Fence {
    let worker = super::worker_id(1);
    let until = world.store().now().plus(Millis(1));
    world
        .store()
        .beat(
            worker,
            vec![Beat {
                token,
                running: true,
                until,
            }],
        )
        .await
        .expect("beats")[0]
        .1
}

async fn release(world: &World, token: LeaseToken) -> Fence {
    world.store().release(token, "no".to_owned()).await.expect("releases")
}

async fn state(world: &World, token: LeaseToken, request: hierophant_domain::RequestId) -> AttemptState {
    let attempts = world.store().attempts(request).await.expect("reads");
    attempts
        .iter()
        .find(|attempt| attempt.token == token)
        .expect("is there")
        .state
}

/// A token that nobody gave out may do nothing.
pub async fn an_unknown_token_may_do_nothing(world: World) {
    let token = LeaseToken(uuid::Uuid::nil());
    assert_eq!(world.deliver(token).await, Fence::Gone);
    assert_eq!(world.fail(token, FailureClass::Transient).await, Fence::Gone);
    assert_eq!(release(&world, token).await, Fence::Gone);
    assert!(world.store().lease(token).await.expect("reads").is_none());
}

/// A lapsed token may deliver, and nothing else.
pub async fn a_lapsed_token_may_only_deliver(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.advance(HOLD.0);
    world.store().lapse_due(10).await.expect("sweeps");
    assert_eq!(beat(&world, token).await, Fence::Gone);
    assert_eq!(world.fail(token, FailureClass::Transient).await, Fence::Gone);
    assert_eq!(release(&world, token).await, Fence::Gone);
    assert!(
        world.store().lease(token).await.expect("reads").is_some(),
        "it may still upload"
    );
    assert_eq!(world.deliver(token).await, Fence::Pass);
    let work = world.verification().await;
    assert!(world.settle(&work, valid()).await);
    assert_eq!(world.state(id).await, RequestState::Fulfilled);
}

/// A late result takes the task from whoever has it now, who is told, and may do nothing more.
pub async fn a_late_result_wins_an_open_task(world: World) {
    let id = world.accept_one().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let late = world.claim_one(first).await.attempt.token;
    world
        .store()
        .lapse_worker(first, "cut off".to_owned())
        .await
        .expect("lapses");
    let running = world.claim_one(second).await.attempt.token;
    let mut hints = world.store().hints();
    assert_eq!(world.deliver(late).await, Fence::Pass);
    assert_eq!(state(&world, running, id).await, AttemptState::Revoked);
    assert_eq!(world.deliver(running).await, Fence::Gone);
    assert_eq!(world.fail(running, FailureClass::Prover).await, Fence::Gone);
    assert_eq!(release(&world, running).await, Fence::Gone);
    loop {
        if let crate::Hint::Revoked { worker, token, .. } = hints.recv().await.expect("a wake-up comes") {
            assert_eq!((worker, token), (second, running));
            break;
        }
    }
}

/// The second of two results of one task is told that it is gone.
pub async fn a_result_after_another_is_gone(world: World) {
    let id = world.accept_one().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let late = world.claim_one(first).await.attempt.token;
    world
        .store()
        .lapse_worker(first, "cut off".to_owned())
        .await
        .expect("lapses");
    let token = world.claim_one(second).await.attempt.token;
    assert_eq!(world.deliver(token).await, Fence::Pass);
    assert_eq!(world.deliver(late).await, Fence::Gone);
    assert_eq!(state(&world, late, id).await, AttemptState::Revoked);
    assert_eq!(world.verifications().await.len(), 1);
}

/// A repeated delivery is acknowledged again, at every later moment, and changes nothing.
pub async fn a_repeated_delivery_is_acknowledged(mut world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(world.deliver(token).await, Fence::Pass);
    let other = delivery("something else");
    assert_eq!(
        world.store().deliver(token, other.clone()).await.expect("delivers"),
        Fence::Repeated
    );
    world.reopen().await;
    assert_eq!(
        world.store().deliver(token, other.clone()).await.expect("delivers"),
        Fence::Repeated
    );
    let work = world.verification().await;
    assert_eq!(work.delivery, delivery("proof"));
    assert!(world.settle(&work, valid()).await);
    assert_eq!(
        world.store().deliver(token, other).await.expect("delivers"),
        Fence::Repeated
    );
    assert_eq!(world.outcome(id).await.artifacts.len(), 1);
    assert_eq!(beat(&world, token).await, Fence::Gone);
    assert_eq!(world.fail(token, FailureClass::Prover).await, Fence::Gone);
}

/// A repeated report of failure is acknowledged again and counted once.
pub async fn a_repeated_failure_counts_once(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Transient).await, Fence::Pass);
    for _ in 0..10 {
        assert_eq!(world.fail(token, FailureClass::Transient).await, Fence::Repeated);
    }
    assert_eq!(world.deliver(token).await, Fence::Gone);
    world.advance(2000);
    assert_eq!(world.claim_one(worker).await.task.failures.len(), 1);
    assert_eq!(world.state(id).await, RequestState::Open);
}

/// A repeated release is acknowledged again; anything else with its token is gone.
pub async fn a_repeated_release_is_acknowledged(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.reserve_one(worker).await.attempt.token;
    assert_eq!(release(&world, token).await, Fence::Pass);
    assert_eq!(release(&world, token).await, Fence::Repeated);
    assert_eq!(world.deliver(token).await, Fence::Gone);
    assert_eq!(beat(&world, token).await, Fence::Gone);
    assert_eq!(world.ready().await, 1);
}

/// A token of a cancelled request may do nothing.
pub async fn a_revoked_token_may_do_nothing(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert!(world.cancel(id).await);
    assert_eq!(state(&world, token, id).await, AttemptState::Revoked);
    assert_eq!(beat(&world, token).await, Fence::Gone);
    assert_eq!(world.deliver(token).await, Fence::Gone);
    assert_eq!(
        world
            .store()
            .fail(token, failure(FailureClass::Prover))
            .await
            .expect("fails"),
        Fence::Gone
    );
    assert_eq!(release(&world, token).await, Fence::Gone);
    assert!(world.store().lease(token).await.expect("reads").is_none());
    let kept = world
        .store()
        .readopt(worker, vec![token], world.store().now())
        .await
        .expect("readopts");
    assert!(kept.is_empty());
}

/// A reservation may deliver at once: its worker was faster than its word.
pub async fn a_reservation_may_deliver(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.reserve_one(worker).await.attempt.token;
    assert_eq!(world.deliver(token).await, Fence::Pass);
    assert_eq!(state(&world, token, id).await, AttemptState::Delivered);
}
