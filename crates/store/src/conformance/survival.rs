//! Closing the store and opening it again after every step of a life.

use hierophant_domain::{
    Execution, FailureClass, RequestState,
    attempt::Fence,
    job::{ExecutionVerdict, Verification},
};

use super::world::{HOLD, World, record, valid};

/// A request's way to fulfilment, with a reservation, an execution and two workers.
pub async fn every_step_to_fulfilment(mut world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    world.reopen_and_compare().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    world.reopen_and_compare().await;
    let token = world.reserve_one(first).await.attempt.token;
    world.reopen_and_compare().await;
    world.advance(HOLD.0);
    assert_eq!(world.store().lapse_due(1).await.expect("sweeps"), 1);
    world.reopen_and_compare().await;
    let kept = world
        .store()
        .readopt(first, vec![token], world.store().now().plus(HOLD))
        .await
        .expect("readopts");
    assert_eq!(kept, [token]);
    world.reopen_and_compare().await;
    assert_eq!(world.fail(token, FailureClass::Prover).await, Fence::Pass);
    world.reopen_and_compare().await;
    let token = world.claim_one(second).await.attempt.token;
    world.reopen_and_compare().await;
    let execution = world.execution().await;
    world.reopen_and_compare().await;
    assert!(world.executed(&execution, ExecutionVerdict::Ended(record(2))).await);
    world.reopen_and_compare().await;
    assert_eq!(world.deliver(token).await, Fence::Pass);
    world.reopen_and_compare().await;
    let work = world.verification().await;
    world.reopen_and_compare().await;
    assert!(world.settle(&work, valid()).await);
    world.reopen_and_compare().await;
    assert_eq!(world.state(id).await, RequestState::Fulfilled);
}

/// A request's way to failure, over a dispute, a refusal and poison.
pub async fn every_step_to_failure(mut world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let token = world.claim_one(first).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Input).await, Fence::Pass);
    world.reopen_and_compare().await;
    let execution = world.execution().await;
    assert!(
        world
            .executed(&execution, ExecutionVerdict::Unchecked("too large".to_owned()))
            .await
    );
    world.reopen_and_compare().await;
    let token = world.claim_one(second).await.attempt.token;
    world.deliver(token).await;
    let work = world.verification().await;
    assert!(world.settle(&work, Verification::Invalid("no".to_owned())).await);
    world.reopen_and_compare().await;
    world.advance(2000);
    let token = world.claim_one(second).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Prover).await, Fence::Pass);
    world.reopen_and_compare().await;
    assert_eq!(world.state(id).await, RequestState::Failed);
}

/// Everything that was acknowledged to many callers at once is there afterwards.
pub async fn what_was_acknowledged_is_there(mut world: World) {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let new = world.new_request(|_| {});
        let store = world.shared_store();
        callers.spawn(async move { store.accept(new).await.expect("accepted").request });
    }
    let ids = callers.join_all().await;
    world.reopen().await;
    for id in ids {
        assert_eq!(world.state(id).await, RequestState::Open);
    }
    assert_eq!(world.ready().await, 50);
}
