//! The coordinator forgets everything that it has in memory between any two steps: nothing that was acknowledged is lost.

use hierophant_core::ports::{Clients as _, Operators as _};
use hierophant_domain::{AttemptState, RequestState, attempt::Fence, request::Binding, time::Millis, worker::Liveness};

use crate::support::{
    Adapter, Execute, Network, Verify, Worker, alice, eventually, forged_proof, good_proof, over_both_adapters,
};

over_both_adapters!(
    a_restart_between_any_two_steps_loses_nothing,
    a_verification_of_a_coordinator_that_died_is_done_again,
    an_execution_of_a_coordinator_that_died_is_done_again,
    strikes_cancellations_and_ends_survive,
    a_lease_of_before_runs_out_when_its_worker_does_not_come_back,
    a_coordinator_that_was_away_for_long_gives_its_workers_time_to_come_back,
    a_worker_of_before_that_does_not_come_back_is_gone,
    a_result_may_be_delivered_to_the_next_coordinator,
);

async fn a_restart_between_any_two_steps_loses_nothing<A: Adapter>() {
    let mut network = Network::start().await;
    let registration = network.registration(b"an elf").await;
    network.restart().await;
    let program = network.core().register_program(registration).await.unwrap();
    network.restart().await;
    assert_eq!(
        network
            .core()
            .program(program.owner.door.clone(), program.id.clone())
            .await
            .unwrap(),
        Some(program.clone())
    );
    let submission = network
        .ask()
        .executed()
        .program(program.id.clone(), program.artifact)
        .submission;
    let request = network.core().submit(submission.clone()).await.unwrap().request;
    network.restart().await;
    let again = network.core().submit(submission).await.unwrap();
    assert_eq!((again.existed, again.request), (true, request));
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    network.restart().await;
    let worker = worker.rejoin(&network, vec![task.token]).await;
    assert_eq!(worker.kept, [task.token]);
    worker.prove(&network, &task).await;
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Pass);
    network.restart().await;
    // The claim on the check may have died with the coordinator that had it.
    network.advance(network.settings.check_hold);
    let outcome = network.fulfilled(request).await;
    assert_eq!(outcome.binding, Binding::TrustedExecution);
    network.restart().await;
    assert_eq!(network.fulfilled(request).await, outcome);
    assert_eq!(network.core().attempts(request).await.unwrap().len(), 1);
    let secret = network.core().secret("artifact-urls").await.unwrap();
    network.restart().await;
    assert_eq!(
        network.core().secret("artifact-urls").await.unwrap(),
        secret,
        "URLs given out stay good"
    );
}

async fn a_verification_of_a_coordinator_that_died_is_done_again<A: Adapter>() {
    let mut network = Network::start().await;
    network.checker.next_verifications([Verify::Hang]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    eventually("the verification has begun", || async {
        let begun = network.checker.verified().len();
        if begun == 1 { Ok(()) } else { Err(begun) }
    })
    .await;
    // Nobody else can hold a claim on this store, so the next coordinator does not wait for its end.
    network.restart().await;
    network.fulfilled(request).await;
    assert_eq!(network.checker.verified().len(), 2);
}

async fn an_execution_of_a_coordinator_that_died_is_done_again<A: Adapter>() {
    let mut network = Network::start().await;
    network.checker.next_executions([Execute::Hang]);
    let request = network.ask().executed().submit().await;
    eventually("the execution has begun", || async {
        let begun = network.checker.executed().len();
        if begun == 1 { Ok(()) } else { Err(begun) }
    })
    .await;
    network.restart().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::TrustedExecution);
    assert_eq!(network.checker.executed().len(), 2);
}

async fn strikes_cancellations_and_ends_survive<A: Adapter>() {
    let mut network = Network::start().await;
    let mut forger = Worker::<A>::join(&network, 1).await;
    let retried = network.submit().await;
    let task = forger.lease().await;
    forger.deliver(&network, task.token, forged_proof()).await;
    network.strikes(forger.id(), 1).await;
    let cancelled = network.submit().await;
    network.core().cancel(cancelled, alice()).await.unwrap();
    network.restart().await;
    assert_eq!(network.view(forger.id()).await.row.standing.strikes, 1);
    assert_eq!(network.state(cancelled).await, RequestState::Cancelled);
    let mut honest = Worker::<A>::join(&network, 2).await;
    let task = honest.lease().await;
    assert_eq!(task.request, retried);
    honest.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(retried).await;
}

async fn a_lease_of_before_runs_out_when_its_worker_does_not_come_back<A: Adapter>() {
    let mut network = Network::start().await;
    let mut lost = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = lost.lease().await;
    network.restart().await;
    let mut other = Worker::<A>::join(&network, 2).await;
    network.time_is_looked_at().await;
    assert_eq!(
        network.core().attempts(request).await.unwrap()[0].state,
        AttemptState::Running,
        "its worker may be back"
    );
    network.advance(Millis::from_secs(91));
    let second = other.lease().await;
    assert_eq!(second.request, request);
    assert_eq!(lost.beat(&network, task.token, true).await, Fence::Gone);
    other.deliver(&network, second.token, good_proof()).await;
    network.fulfilled(request).await;
}

async fn a_coordinator_that_was_away_for_long_gives_its_workers_time_to_come_back<A: Adapter>() {
    let mut network = Network::start().await;
    let mut lost = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    lost.lease().await;
    network.die().await;
    // Nobody could renew a lease meanwhile, or be heard of.
    network.advance(Millis::from_secs(600));
    network.open().await;
    let mut other = Worker::<A>::join(&network, 2).await;
    network.time_is_looked_at().await;
    assert_eq!(
        network.core().attempts(request).await.unwrap()[0].state,
        AttemptState::Running,
        "its worker may be on its way"
    );
    assert_eq!(network.view(lost.id()).await.row.liveness, Liveness::Alive);
    network.advance(Millis::from_secs(91));
    let second = other.lease().await;
    assert_eq!(second.request, request);
    other.deliver(&network, second.token, good_proof()).await;
    network.fulfilled(request).await;
}

async fn a_worker_of_before_that_does_not_come_back_is_gone<A: Adapter>() {
    let mut network = Network::start().await;
    let worker = Worker::<A>::join(&network, 1).await;
    network.restart().await;
    network.time_is_looked_at().await;
    assert_eq!(
        network.view(worker.id()).await.row.liveness,
        Liveness::Alive,
        "it may be back"
    );
    network.advance(Millis::from_secs(181));
    eventually("it is gone", || async {
        let row = network.view(worker.id()).await.row;
        if row.liveness == Liveness::Gone {
            Ok(())
        } else {
            Err(row.liveness)
        }
    })
    .await;
}

async fn a_result_may_be_delivered_to_the_next_coordinator<A: Adapter>() {
    let mut network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    network.restart().await;
    // Before it has registered again, and once more after it has.
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Pass);
    let worker = worker.rejoin(&network, vec![task.token]).await;
    assert_eq!(worker.kept, []);
    assert_eq!(
        worker.deliver(&network, task.token, good_proof()).await,
        Fence::Repeated
    );
    network.fulfilled(request).await;
}
