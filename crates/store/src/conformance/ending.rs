//! Cancelling and expiring, in each state of the task.

use hierophant_domain::{
    AttemptState, Execution, FailureClass, RequestState, attempt::Fence, job::ExecutionVerdict, request::RequestEvent,
};

use super::world::{DEADLINE, World, failure, record, valid};
use crate::{Hint, StoreError};

async fn cancelled(world: &World, id: hierophant_domain::RequestId) {
    assert!(world.cancel(id).await);
    assert!(!world.cancel(id).await, "once");
    let request = world.request(id).await;
    assert_eq!(request.state, RequestState::Cancelled);
    assert_eq!(request.ended_at, Some(world.store().now()));
    assert_eq!(request.failure, Some(failure(FailureClass::Cancelled)));
    assert_eq!(world.ready().await, 0);
    assert_eq!(world.store().counts().await.expect("counts").tasks, [0; 7]);
}

/// While it is ready.
pub async fn cancel_while_ready(mut world: World) {
    let id = world.accept_one().await;
    cancelled(&world, id).await;
    world.reopen_and_compare().await;
    let worker = world.worker(1).await;
    assert!(world.claim(worker, 1).await.is_empty());
}

/// While it is leased: its worker is told.
pub async fn cancel_while_leased(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    let mut hints = world.store().hints();
    cancelled(&world, id).await;
    let mut changed = false;
    loop {
        match hints.recv().await.expect("wake-ups come") {
            Hint::Revoked {
                worker: whose,
                token: which,
                ..
            } => {
                assert_eq!((whose, which), (worker, token));
                break;
            }
            hint => changed |= hint == Hint::RequestChanged(id),
        }
    }
    while !changed {
        changed = hints.recv().await.expect("wake-ups come") == Hint::RequestChanged(id);
    }
}

/// While a reservation of it is held.
pub async fn cancel_while_reserved(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    world.reserve_one(worker).await;
    cancelled(&world, id).await;
    assert_eq!(
        world.store().attempts(id).await.expect("reads")[0].state,
        AttemptState::Revoked
    );
    assert_eq!(
        world
            .store()
            .withdraw_reservations(super::class(), 10)
            .await
            .expect("withdraws"),
        0
    );
}

/// While a lapsed attempt may still deliver: it may not any more.
pub async fn cancel_while_lapsed(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world
        .store()
        .lapse_worker(worker, "cut off".to_owned())
        .await
        .expect("lapses");
    cancelled(&world, id).await;
    assert_eq!(world.deliver(token).await, Fence::Gone);
}

/// While a result waits: it is not verified any more, and a claimed verification is lost.
pub async fn cancel_while_delivered(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let work = world.verification().await;
    cancelled(&world, id).await;
    assert!(!world.settle(&work, valid()).await);
    world.advance(1_000_000);
    assert!(world.verifications().await.is_empty());
    assert_eq!(world.state(id).await, RequestState::Cancelled);
}

/// While it is in dispute.
pub async fn cancel_while_disputed(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.fail(token, FailureClass::Program).await;
    let work = world.execution().await;
    cancelled(&world, id).await;
    assert!(!world.executed(&work, ExecutionVerdict::Ended(record(1))).await);
}

/// What has ended otherwise cannot be cancelled, and stays as it ended.
pub async fn an_end_is_final(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    world.fulfil(worker).await;
    assert!(!world.cancel(id).await);
    world.advance(DEADLINE.0);
    assert!(world.store().expire_requests(10).await.expect("sweeps").is_empty());
    assert_eq!(world.state(id).await, RequestState::Fulfilled);
}

/// Nobody cancels what is not there.
pub async fn an_unknown_request_cannot_end(world: World) {
    let id = world.new_request(|_| {}).request.id;
    let event = RequestEvent::Cancelled;
    let refused = world
        .store()
        .end_request(id, event, failure(FailureClass::Cancelled))
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
}

/// A deadline passes at its very moment, not before; leased or not.
pub async fn a_deadline_passes(mut world: World) {
    let ready = world.accept_one().await;
    world.advance(1);
    let leased = world.accept(|request| request.priority = 1).await;
    let worker = world.worker(1).await;
    assert_eq!(world.claim(worker, 1).await[0].request.id, leased);
    world.advance(DEADLINE.0 - 2);
    assert!(world.store().expire_requests(10).await.expect("sweeps").is_empty());
    world.advance(1);
    assert_eq!(world.store().expire_requests(10).await.expect("sweeps"), [ready]);
    world.advance(1);
    assert_eq!(world.store().expire_requests(10).await.expect("sweeps"), [leased]);
    world.reopen_and_compare().await;
    for id in [ready, leased] {
        let request = world.request(id).await;
        assert_eq!(request.state, RequestState::Expired);
        assert_eq!(
            request.failure.as_ref().expect("says why").class,
            FailureClass::Deadline
        );
    }
}

/// A sweep keeps its limit, and the earliest deadlines go first.
pub async fn a_sweep_keeps_its_limit(world: World) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.accept_one().await);
        world.advance(1);
    }
    world.advance(DEADLINE.0);
    assert_eq!(world.store().expire_requests(3).await.expect("sweeps"), ids[..3]);
    assert_eq!(world.store().expire_requests(3).await.expect("sweeps"), ids[3..]);
}

/// Ends are counted by state.
pub async fn counts_follow_the_states(world: World) {
    let worker = world.worker(1).await;
    world.accept_one().await;
    world.fulfil(worker).await;
    let id = world.accept_one().await;
    world.cancel(id).await;
    world.accept_one().await;
    world.claim_one(worker).await;
    world.accept_one().await;
    let counts = world.store().counts().await.expect("counts");
    assert_eq!(counts.requests, [2, 1, 0, 1, 0]);
    assert_eq!(counts.tasks, [0, 1, 1, 0, 0, 0, 0]);
}
