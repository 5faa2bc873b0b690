//! Retries, poison and what a failed request says.

use hierophant_domain::{FailureClass, RequestState, attempt::Fence};

use super::world::{HOLD, World, class};
use crate::ClaimOrder;

/// A transient failure goes to the ready tasks again, and other workers may have it at once.
pub async fn a_failure_is_tried_elsewhere(world: World) {
    let id = world.accept_one().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let token = world.claim_one(first).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Transient).await, Fence::Pass);
    assert!(
        world.claim(first, 1).await.is_empty(),
        "the worker that failed is passed over for a while"
    );
    assert_eq!(world.claim_one(second).await.task.attempts, 2);
    assert_eq!(world.state(id).await, RequestState::Open);
}

/// A worker that failed a task gets it again when the while is over, at its edge.
pub async fn a_worker_may_try_again_later(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.fail(token, FailureClass::Prover).await;
    world.advance(999);
    assert!(world.claim(worker, 1).await.is_empty());
    world.advance(1);
    world.claim_one(worker).await;
}

/// A worker that nobody else could stand in for waits less, at the edges: longer after each failure, never longer than others.
pub async fn the_only_worker_tries_again_sooner(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let claim = || async {
        let order = ClaimOrder {
            nobody_else_serves: vec![class()],
            ..World::order(worker, 1, false)
        };
        world.store().claim(order).await.expect("claims").pop()
    };
    for wait in [0, 300, 600, 1000] {
        world.advance(wait - wait.min(1));
        if wait > 0 {
            assert!(claim().await.is_none(), "too early after less than {wait} ms");
            world.advance(1);
        }
        let leased = claim().await.expect("leased");
        world.fail(leased.attempt.token, FailureClass::Prover).await;
    }
}

/// Tasks that a worker is passed over for do not hide those behind them.
pub async fn passing_over_finds_the_next_task(world: World) {
    let first = world.accept_one().await;
    world.advance(1);
    let second = world.accept_one().await;
    let worker = world.worker(1).await;
    let leased = world.claim(worker, 1).await;
    assert_eq!(leased[0].request.id, first);
    world.fail(leased[0].attempt.token, FailureClass::Transient).await;
    assert_eq!(world.claim_one(worker).await.request.id, second);
}

/// Attempts are bounded: the last one ends the request, which says why.
pub async fn attempts_are_bounded(mut world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    for attempt in 1..=world.settings.retry.max_attempts {
        assert_eq!(world.state(id).await, RequestState::Open);
        let leased = world.claim_one(worker).await;
        assert_eq!(leased.task.attempts, attempt);
        world.fail(leased.attempt.token, FailureClass::Transient).await;
        world.advance(2000);
    }
    world.reopen_and_compare().await;
    assert_eq!(world.state(id).await, RequestState::Failed);
    let status = world.store().status(id).await.expect("reads").expect("is there");
    let failure = status.failure.expect("says why");
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(failure.message.contains("it broke"), "{}", failure.message);
    assert!(world.claim(worker, 1).await.is_empty());
}

/// Crashes on enough different workers are poison, before attempts run out.
pub async fn crashes_on_different_workers_are_poison(world: World) {
    let id = world.accept_one().await;
    for n in 1..=2 {
        let worker = world.worker(n).await;
        let token = world.claim_one(worker).await.attempt.token;
        world.fail(token, FailureClass::Prover).await;
    }
    assert_eq!(world.state(id).await, RequestState::Failed);
    assert_eq!(
        world.request(id).await.failure.as_ref().expect("says why").class,
        FailureClass::Prover
    );
}

/// Leases that run out count as attempts, so that a task that hangs everybody ends.
pub async fn lapses_are_bounded(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    for _ in 0..world.settings.retry.max_attempts {
        world.claim_one(worker).await;
        world.advance(HOLD.0);
        assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 1);
        world.advance(2000);
    }
    assert_eq!(world.state(id).await, RequestState::Failed);
}
