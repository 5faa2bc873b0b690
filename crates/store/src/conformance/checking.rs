//! Verification of delivered results.

use hierophant_domain::{
    AttemptState, Execution, FailureClass, Name, RequestState,
    attempt::Fence,
    job::{ExecutionVerdict, Verification},
    time::Millis,
    worker::Offence,
};

use super::world::{HOLD, World, delivery, record, system, valid};
use crate::Undone;

/// A verified result fulfils its request, with the outputs that were delivered.
pub async fn a_verified_result_fulfils(mut world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let leased = world.claim_one(worker).await;
    world.advance(500);
    assert_eq!(world.deliver(leased.attempt.token).await, Fence::Pass);
    world.reopen_and_compare().await;
    let work = world.verification().await;
    assert_eq!((work.request.id, work.worker, work.tries), (id, worker, 1));
    assert_eq!(work.delivery, delivery("proof"));
    assert_eq!(work.task.id, leased.task.id);
    assert!(world.settle(&work, valid()).await);
    world.reopen_and_compare().await;
    let status = world.store().status(id).await.expect("reads").expect("is there");
    assert_eq!(status.state, RequestState::Fulfilled);
    assert_eq!(status.proof, Some(delivery("proof").outputs[0].1.clone()));
    assert_eq!(world.outcome(id).await.record, record(5));
    let attempts = world.store().attempts(id).await.expect("reads");
    assert_eq!(attempts[0].state, AttemptState::Won);
    assert_eq!(attempts[0].delivery, Some(delivery("proof")));
}

/// A refused result strikes its worker and goes to another.
pub async fn a_refused_result_is_tried_elsewhere(world: World) {
    let id = world.accept_one().await;
    let (bad, good) = (world.worker(1).await, world.worker(2).await);
    let token = world.claim_one(bad).await.attempt.token;
    world.deliver(token).await;
    let work = world.verification().await;
    assert!(
        world
            .settle(&work, Verification::Invalid("wrong curve".to_owned()))
            .await
    );
    assert_eq!(world.state(id).await, RequestState::Open);
    let rows = world.store().workers(false, 0, 10).await.expect("lists");
    let row = rows.iter().find(|row| row.profile.id == bad).expect("is there");
    assert_eq!(row.standing.strikes, 1);
    assert!(
        row.strike_reasons[0].1.contains("wrong curve"),
        "{:?}",
        row.strike_reasons
    );
    let counted = world.store().counts().await.expect("counts").strikes;
    assert_eq!(counted[Offence::InvalidProof.place()], 1);
    assert!(world.claim(bad, 1).await.is_empty());
    assert_eq!(world.fulfil(good).await, id);
    assert_eq!(
        world.deliver(token).await,
        Fence::Repeated,
        "a refused token hears the same again"
    );
}

/// A check that cannot be done sends the task elsewhere without a strike.
pub async fn an_impossible_check_strikes_nobody(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let work = world.verification().await;
    assert!(
        world
            .settle(&work, Verification::Impossible("no verifier".to_owned()))
            .await
    );
    let rows = world.store().workers(false, 0, 10).await.expect("lists");
    assert_eq!(rows[0].standing.strikes, 0);
    world.advance(2000);
    assert_eq!(world.fulfil(worker).await, id);
}

/// Refused results are bounded, too.
pub async fn refusals_are_bounded(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    for _ in 0..world.settings.retry.max_attempts {
        let token = world.claim_one(worker).await.attempt.token;
        world.deliver(token).await;
        let work = world.verification().await;
        assert!(world.settle(&work, Verification::Impossible("no".to_owned())).await);
        world.advance(2000);
    }
    assert_eq!(world.state(id).await, RequestState::Failed);
}

/// A claimed check is nobody else's until its end, and then the next one's alone.
pub async fn a_check_is_claimed_by_one(mut world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let first = world.verification().await;
    assert!(world.verifications().await.is_empty());
    world.advance(HOLD.0 - 1);
    assert!(world.verifications().await.is_empty());
    world.reopen().await;
    world.advance(1);
    let second = world.verification().await;
    assert_eq!(second.tries, 2);
    assert!(!world.settle(&first, Verification::Invalid("late".to_owned())).await);
    assert_eq!(world.state(id).await, RequestState::Open);
    assert!(world.settle(&second, valid()).await);
    assert!(!world.settle(&second, valid()).await, "once");
}

/// Concurrent claims give each result to one.
pub async fn no_check_is_claimed_twice(world: World) {
    let worker = world.worker(1).await;
    for _ in 0..20 {
        world.accept_one().await;
        let token = world.claim_one(worker).await.attempt.token;
        world.deliver(token).await;
    }
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = world.shared_store();
        claims.spawn(async move {
            store
                .claim_verifications(vec![system()], 2, HOLD)
                .await
                .expect("claims")
        });
    }
    let works: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
    let tasks: std::collections::HashSet<_> = works.iter().map(|work| work.task.id).collect();
    assert_eq!((works.len(), tasks.len()), (20, 20));
}

/// Only results of the systems that the verifier knows.
pub async fn checks_are_claimed_by_system(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let other = vec![Name::literal("other")];
    assert!(
        world
            .store()
            .claim_verifications(other, 10, HOLD)
            .await
            .expect("claims")
            .is_empty()
    );
    assert!(
        world
            .store()
            .claim_verifications(Vec::new(), 10, HOLD)
            .await
            .expect("claims")
            .is_empty()
    );
    let both = vec![Name::literal("other"), system()];
    assert_eq!(
        world
            .store()
            .claim_verifications(both, 10, HOLD)
            .await
            .expect("claims")
            .len(),
        1
    );
}

/// A check that is given back may be claimed after the while asked for, and its tries stay counted.
pub async fn a_check_is_given_back(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let work = world.verification().await;
    let claim = work.claim();
    world
        .store()
        .return_check(claim, Undone::Tried, Millis(100))
        .await
        .expect("gives back");
    assert!(!world.settle(&work, valid()).await, "it is nobody's now");
    world.advance(99);
    assert!(world.verifications().await.is_empty());
    world.advance(1);
    let again = world.verification().await;
    assert_eq!(again.tries, 2);
    world
        .store()
        .return_check(claim, Undone::Tried, Millis(0))
        .await
        .expect("an old claim gives nothing back");
    assert!(world.settle(&again, valid()).await);
}

/// A check that could not be begun is no try, whatever is checked.
pub async fn not_now_is_no_try(world: World) {
    world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    for _ in 0..5 {
        let work = world.execution().await;
        assert_eq!(work.tries, 1);
        let claim = work.claim();
        world
            .store()
            .return_check(claim, Undone::NotNow, Millis(0))
            .await
            .expect("gives back");
    }
    let execution = world.execution().await;
    assert!(world.executed(&execution, ExecutionVerdict::Ended(record(1))).await);
    for _ in 0..5 {
        let work = world.verification().await;
        assert_eq!(work.tries, 1);
        let claim = work.claim();
        world
            .store()
            .return_check(claim, Undone::NotNow, Millis(0))
            .await
            .expect("gives back");
    }
}

/// A result waits for the trusted execution that is still to come.
pub async fn a_result_waits_for_the_execution(mut world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(world.deliver(token).await, Fence::Pass);
    assert!(world.verifications().await.is_empty());
    let execution = world.execution().await;
    world.reopen_and_compare().await;
    assert!(
        world
            .executed(&execution, ExecutionVerdict::Ended(record(u64::MAX)))
            .await
    );
    assert_eq!(world.request(id).await.execution, Execution::Executed(record(u64::MAX)));
    let work = world.verification().await;
    assert_eq!(work.request.execution, Execution::Executed(record(u64::MAX)));
    assert!(world.settle(&work, valid()).await);
    assert_eq!(world.state(id).await, RequestState::Fulfilled);
}

/// A result that was delivered before an execution ends in a fault is not verified.
pub async fn a_fault_ends_the_request_with_its_result(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let execution = world.execution().await;
    let fault = super::world::failure(FailureClass::Program);
    assert!(
        world
            .executed(&execution, ExecutionVerdict::Fault(fault, record(3)))
            .await
    );
    assert_eq!(world.state(id).await, RequestState::Failed);
    assert!(world.verifications().await.is_empty());
}
