//! Trusted executions, and workers that say that the program is at fault.

use hierophant_domain::{
    AttemptState, Execution, FailureClass, Name, ProgramFault, RequestId, RequestState, attempt::Fence,
    failure::Failure, job::ExecutionVerdict, time::Millis,
};

use super::world::{HOLD, World, record, system};

fn fault() -> ExecutionVerdict {
    ExecutionVerdict::Fault(Failure::program(ProgramFault::NonZeroExit, "exit code 1"), record(3))
}

async fn disputed(world: &World) -> RequestId {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Program).await, Fence::Pass);
    assert_eq!(
        world.state(id).await,
        RequestState::Open,
        "a worker's word ends nothing"
    );
    assert_eq!(world.request(id).await.execution, Execution::Disputed);
    id
}

async fn strikes(world: &World) -> u32 {
    world.store().workers(false, 0, 10).await.expect("lists")[0]
        .standing
        .strikes
}

/// A task in dispute is nobody's until the verdict; a fault ends it, and the worker was right.
pub async fn a_fault_is_final(mut world: World) {
    let id = disputed(&world).await;
    world.reopen_and_compare().await;
    assert_eq!(world.ready().await, 0);
    let work = world.execution().await;
    assert!(world.executed(&work, fault()).await);
    world.reopen_and_compare().await;
    let request = world.request(id).await;
    assert_eq!(request.state, RequestState::Failed);
    let failure = request.failure.as_ref().expect("says why");
    assert_eq!(
        (failure.class, failure.fault),
        (FailureClass::Program, Some(ProgramFault::NonZeroExit))
    );
    assert_eq!(request.execution, Execution::Executed(record(3)));
    assert_eq!(strikes(&world).await, 0);
}

/// An execution that ends well strikes the worker, and the task goes on.
pub async fn a_false_word_is_struck(world: World) {
    let id = disputed(&world).await;
    let work = world.execution().await;
    assert!(world.executed(&work, ExecutionVerdict::Ended(record(3))).await);
    assert_eq!(strikes(&world).await, 1);
    let other = world.worker(2).await;
    assert_eq!(world.fulfil(other).await, id);
}

/// After an execution ended well, a worker's word is struck at once.
pub async fn a_word_against_the_verdict_is_struck_at_once(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let work = world.execution().await;
    assert!(world.executed(&work, ExecutionVerdict::Ended(record(3))).await);
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    assert_eq!(world.fail(token, FailureClass::Program).await, Fence::Pass);
    assert_eq!(strikes(&world).await, 1);
    assert_eq!(world.state(id).await, RequestState::Open);
    assert!(world.executions().await.is_empty());
    assert_eq!(world.ready().await, 1);
}

/// Where nobody can find out, it counts as the prover's failure, and ends.
pub async fn a_dispute_that_cannot_be_settled_ends(world: World) {
    let id = disputed(&world).await;
    let work = world.execution().await;
    assert!(
        world
            .executed(&work, ExecutionVerdict::Unchecked("too long".to_owned()))
            .await
    );
    assert_eq!(strikes(&world).await, 0);
    let other = world.worker(2).await;
    let token = world.claim_one(other).await.attempt.token;
    world.fail(token, FailureClass::Input).await;
    let work = world.execution().await;
    assert!(
        world
            .executed(&work, ExecutionVerdict::Unchecked("too long".to_owned()))
            .await
    );
    assert_eq!(world.state(id).await, RequestState::Failed);
    assert_eq!(
        world.request(id).await.failure.as_ref().expect("says why").class,
        FailureClass::Prover
    );
}

/// A dispute takes the execution from whoever does it within its usual limits: now it decides.
pub async fn a_dispute_restarts_the_execution(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let usual = world.execution().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.fail(token, FailureClass::Program).await;
    assert!(
        !world
            .executed(&usual, ExecutionVerdict::Unchecked("too long".to_owned()))
            .await
    );
    let decisive = world.execution().await;
    assert_eq!(decisive.request.execution, Execution::Disputed);
    assert_eq!(decisive.tries, 1);
    assert!(world.executed(&decisive, fault()).await);
    assert_eq!(world.state(id).await, RequestState::Failed);
}

/// A late result is taken while its task is in dispute, and waits for the verdict.
pub async fn a_late_result_waits_for_the_verdict(world: World) {
    world.accept(|request| request.execution = Execution::Pending).await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let late = world.claim_one(first).await.attempt.token;
    world
        .store()
        .lapse_worker(first, "cut off".to_owned())
        .await
        .expect("lapses");
    let token = world.claim_one(second).await.attempt.token;
    world.fail(token, FailureClass::Program).await;
    assert_eq!(world.deliver(late).await, Fence::Pass);
    assert!(world.verifications().await.is_empty());
    let work = world.execution().await;
    assert!(world.executed(&work, ExecutionVerdict::Ended(record(1))).await);
    assert_eq!(world.verifications().await.len(), 1);
}

/// An execution is claimed by system, by one, until its end, and given back.
pub async fn an_execution_is_claimed_by_one(mut world: World) {
    world.accept(|request| request.execution = Execution::Pending).await;
    let other = vec![Name::literal("other")];
    assert!(
        world
            .store()
            .claim_executions(other, 10, HOLD)
            .await
            .expect("claims")
            .is_empty()
    );
    let twice = vec![system(), system()];
    let first = world
        .store()
        .claim_executions(twice, 10, HOLD)
        .await
        .expect("claims")
        .remove(0);
    assert!(world.executions().await.is_empty());
    world.reopen().await;
    world.advance(HOLD.0);
    let second = world.execution().await;
    assert_eq!(second.tries, 2);
    assert!(!world.executed(&first, fault()).await, "the claim was lost");
    let claim = second.claim();
    world
        .store()
        .return_check(claim, crate::Undone::Tried, Millis(5))
        .await
        .expect("gives back");
    assert!(world.executions().await.is_empty());
    world.advance(5);
    let third = world.execution().await;
    assert_eq!(third.tries, 3);
    assert!(world.executed(&third, ExecutionVerdict::Ended(record(1))).await);
    assert!(world.executions().await.is_empty());
}

/// A fault that an execution finds beside proving takes the lease away.
pub async fn a_fault_beside_proving_revokes_the_lease(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    let work = world.execution().await;
    assert!(world.executed(&work, fault()).await);
    assert_eq!(world.state(id).await, RequestState::Failed);
    assert_eq!(
        world.store().attempts(id).await.expect("reads")[0].state,
        AttemptState::Revoked
    );
    assert_eq!(world.deliver(token).await, Fence::Gone);
}

/// An execution of a request that has ended settles nothing.
pub async fn an_ended_request_is_not_executed(world: World) {
    let id = world.accept(|request| request.execution = Execution::Pending).await;
    let work = world.execution().await;
    assert!(world.cancel(id).await);
    assert!(!world.executed(&work, fault()).await);
    assert_eq!(world.state(id).await, RequestState::Cancelled);
    world.advance(HOLD.0);
    assert!(world.executions().await.is_empty());
}
