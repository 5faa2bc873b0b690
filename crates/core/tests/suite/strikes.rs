//! Workers that deliver what does not verify, or say what is not so.

use hierophant_core::{
    CoreError,
    ports::{Operators as _, Workers as _},
};
use hierophant_domain::{
    AttemptState, Failure, FailureClass, ProgramFault, RequestState, RetryPolicy,
    attempt::Fence,
    request::{Binding, Execution},
    time::Millis,
    worker::{Liveness, WorkerProfile},
};

use crate::support::{
    Adapter, Execute, Network, Worker, eventually, forged_proof, good_proof, over_both_adapters, worker::profile,
};

over_both_adapters!(
    a_forged_proof_is_refused_and_goes_to_another_worker,
    three_strikes_quarantine_a_worker,
    quarantine_takes_every_lease_away,
    a_quarantined_worker_is_found_among_hundreds,
    the_programs_fault_is_believed_from_the_trusted_execution,
    an_undecodable_input_is_believed_from_the_trusted_execution,
    a_worker_that_blames_a_program_wrongly_is_struck,
    an_abnormal_exit_is_believed_when_a_second_fresh_run_sees_it,
    an_abnormal_exit_that_a_second_run_does_not_see_is_the_workers,
    blame_that_nobody_can_check_ends_after_enough_workers,
    a_crash_is_retried_on_another_worker_without_a_strike,
    the_only_worker_has_a_crashed_task_back_soon,
);

async fn a_forged_proof_is_refused_and_goes_to_another_worker<A: Adapter>() {
    let network = Network::start().await;
    let mut forger = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = forger.lease().await;
    // Idle all the time, and after the forger in every order.
    let mut honest = Worker::<A>::join(&network, 2).await;
    network.advance(Millis(1));
    assert_eq!(forger.deliver(&network, task.token, forged_proof()).await, Fence::Pass);
    let second = honest.lease().await;
    assert_eq!(second.request, request);
    assert_eq!(network.state(request).await, RequestState::Open);
    network.strikes(forger.id(), 1).await;
    let view = network.view(forger.id()).await;
    assert!(
        view.row.strike_reasons[0].1.contains("the pairing does not hold"),
        "{view:?}"
    );
    assert_eq!(
        forger.deliver(&network, task.token, good_proof()).await,
        Fence::Repeated,
        "a result is delivered once"
    );
    assert_eq!(network.state(request).await, RequestState::Open);
    honest.prove(&network, &second).await;
    honest.deliver(&network, second.token, good_proof()).await;
    network.fulfilled(request).await;
    let states: Vec<_> = network
        .core()
        .attempts(request)
        .await
        .unwrap()
        .iter()
        .map(|attempt| attempt.state)
        .collect();
    assert_eq!(states, [AttemptState::Refused, AttemptState::Won]);
}

async fn three_strikes_quarantine_a_worker<A: Adapter>() {
    let network = Network::start().await;
    let mut forger = Worker::<A>::join(&network, 1).await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(network.submit().await);
        let task = forger.lease().await;
        forger.deliver(&network, task.token, forged_proof()).await;
    }
    let reason = forger.refused().await;
    assert!(
        reason.contains("too many strikes") && reason.contains("the pairing does not hold"),
        "{reason}"
    );
    assert!(forger.next().await.is_none(), "it has to go");
    let row = eventually("its row says that it is gone", || async {
        let row = network.view(forger.id()).await.row;
        if row.liveness == Liveness::Gone {
            Ok(row)
        } else {
            Err(row.liveness)
        }
    })
    .await;
    assert!(row.gone_reason.unwrap().contains("the pairing does not hold"));
    assert_eq!(row.strike_reasons.len(), 3);
    let refused = network.core().register(forger.profile.clone(), Vec::new()).await;
    assert!(
        matches!(&refused, Err(CoreError::NotAllowed(why)) if why.contains("quarantined")),
        "{refused:?}"
    );
    let mut honest = Worker::<A>::join(&network, 2).await;
    for _ in 0..3 {
        let task = honest.lease().await;
        honest.deliver(&network, task.token, good_proof()).await;
    }
    for request in requests {
        network.fulfilled(request).await;
    }
    network.advance(Millis::from_secs(3601));
    forger.rejoin(&network, Vec::new()).await;
}

async fn quarantine_takes_every_lease_away<A: Adapter>() {
    let network = Network::start_with(|_, options| options.strikes.max_strikes = 1).await;
    let mut forger = Worker::<A>::join_as(&network, WorkerProfile { slots: 2, ..profile(1) }, Vec::new()).await;
    let (_, kept) = (network.submit().await, network.submit().await);
    let tasks = [forger.lease().await, forger.lease().await];
    let (forged, other) = if tasks[1].request == kept {
        (&tasks[0], &tasks[1])
    } else {
        (&tasks[1], &tasks[0])
    };
    forger.deliver(&network, forged.token, forged_proof()).await;
    forger.refused().await;
    let mut honest = Worker::<A>::join_as(&network, WorkerProfile { slots: 2, ..profile(2) }, Vec::new()).await;
    let retried = [honest.lease().await, honest.lease().await];
    assert!(retried.iter().any(|task| task.request == kept));
    assert_eq!(forger.deliver(&network, other.token, good_proof()).await, Fence::Gone);
    for task in retried {
        honest.deliver(&network, task.token, good_proof()).await;
        network.fulfilled(task.request).await;
    }
}

async fn a_quarantined_worker_is_found_among_hundreds<A: Adapter>() {
    let network = Network::start_with(|_, options| options.strikes.max_strikes = 1).await;
    let mut forger = Worker::<A>::join(&network, 1).await;
    network.submit().await;
    let task = forger.lease().await;
    network.advance(Millis(1));
    let mut crowd = Vec::new();
    for n in 2..=150 {
        // They prove nothing: only their rows matter, all heard of later than the forger.
        crowd.push(Worker::<A>::join_as(&network, WorkerProfile { slots: 0, ..profile(n) }, Vec::new()).await);
    }
    forger.deliver(&network, task.token, forged_proof()).await;
    forger.refused().await;
    assert!(forger.next().await.is_none(), "it has to go");
}

/// One whose programs are run only when a worker blames them.
async fn unchecked_network() -> Network {
    Network::start_with(|settings, _| settings.execute_max_cycles = 0).await
}

fn blame() -> Failure {
    Failure::program(ProgramFault::NonZeroExit, "the worker says: exit code 1")
}

async fn the_programs_fault_is_believed_from_the_trusted_execution<A: Adapter>() {
    let network = unchecked_network().await;
    network
        .checker
        .next_executions([Execute::Fault(ProgramFault::NonZeroExit, "exit code 1")]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    assert!(matches!(
        network.request(request).await.execution,
        Execution::Unchecked(_)
    ));
    assert_eq!(worker.fail(&network, task.token, blame()).await, Fence::Pass);
    let failure = network
        .ends(request, RequestState::Failed)
        .await
        .failure
        .clone()
        .unwrap();
    assert_eq!(
        (failure.class, failure.fault),
        (FailureClass::Program, Some(ProgramFault::NonZeroExit))
    );
    assert_eq!(
        failure.message, "exit code 1",
        "the cause is that of the execution here, not the worker's word"
    );
    let executed = network.checker.executed();
    assert!(executed.len() == 1 && executed[0].fresh, "{executed:?}");
    assert_eq!(
        executed[0].limits.cycles, None,
        "a dispute is settled under the client's own limits"
    );
    network.strikes(worker.id(), 0).await;
}

async fn an_undecodable_input_is_believed_from_the_trusted_execution<A: Adapter>() {
    let network = unchecked_network().await;
    network
        .checker
        .next_executions([Execute::BadInput("stdin is cut short")]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    worker
        .fail(
            &network,
            task.token,
            Failure::new(FailureClass::Input, "cannot decode stdin"),
        )
        .await;
    let failure = network
        .ends(request, RequestState::Failed)
        .await
        .failure
        .clone()
        .unwrap();
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::Input, "stdin is cut short")
    );
}

async fn a_worker_that_blames_a_program_wrongly_is_struck<A: Adapter>() {
    let network = unchecked_network().await;
    let mut liar = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = liar.lease().await;
    let mut honest = Worker::<A>::join(&network, 2).await;
    liar.fail(&network, task.token, blame()).await;
    let second = honest.lease().await;
    assert_eq!(second.request, request);
    network.strikes(liar.id(), 1).await;
    honest.deliver(&network, second.token, good_proof()).await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::TrustedExecution);
    assert_eq!(network.checker.executed().len(), 1);
}

async fn an_abnormal_exit_is_believed_when_a_second_fresh_run_sees_it<A: Adapter>() {
    let network = unchecked_network().await;
    let abnormal = || Execute::Fault(ProgramFault::AbnormalExit, "it ended abnormally");
    network.checker.next_executions([abnormal(), abnormal()]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    worker
        .fail(
            &network,
            task.token,
            Failure::program(ProgramFault::AbnormalExit, "it broke"),
        )
        .await;
    let failure = network
        .ends(request, RequestState::Failed)
        .await
        .failure
        .clone()
        .unwrap();
    assert_eq!(
        (failure.class, failure.fault),
        (FailureClass::Program, Some(ProgramFault::AbnormalExit))
    );
    let executed = network.checker.executed();
    assert!(
        executed.len() == 2 && executed.iter().all(|job| job.fresh),
        "{executed:?}"
    );
}

async fn an_abnormal_exit_that_a_second_run_does_not_see_is_the_workers<A: Adapter>() {
    let network = unchecked_network().await;
    network.checker.next_executions([
        Execute::Fault(ProgramFault::AbnormalExit, "it ended abnormally"),
        Execute::EndWell,
    ]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    worker
        .fail(
            &network,
            task.token,
            Failure::program(ProgramFault::AbnormalExit, "it broke"),
        )
        .await;
    network.strikes(worker.id(), 1).await;
    assert_eq!(network.state(request).await, RequestState::Open);
    let mut other = Worker::<A>::join(&network, 2).await;
    let task = other.lease().await;
    other.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
    assert_eq!(network.checker.executed().len(), 2);
}

async fn blame_that_nobody_can_check_ends_after_enough_workers<A: Adapter>() {
    let network = Network::start().await;
    // Its kind has no execution here.
    let request = network.submit().await;
    for n in 1..=3 {
        let mut worker = Worker::<A>::join(&network, n).await;
        let task = worker.lease().await;
        worker.fail(&network, task.token, blame()).await;
        network.strikes(worker.id(), 0).await;
    }
    let failure = network
        .ends(request, RequestState::Failed)
        .await
        .failure
        .clone()
        .unwrap();
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(
        failure.message.contains("3 different workers") && failure.message.contains("exit code 1"),
        "{failure:?}"
    );
}

async fn a_crash_is_retried_on_another_worker_without_a_strike<A: Adapter>() {
    let network = Network::start().await;
    let mut first = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = first.lease().await;
    let mut second = Worker::<A>::join(&network, 2).await;
    network.advance(Millis(1));
    // A worker may not end a request by a word that is not its to say.
    first
        .fail(
            &network,
            task.token,
            Failure::new(FailureClass::Cancelled, "out of memory"),
        )
        .await;
    let task = second.lease().await;
    assert_eq!(
        (task.request, network.state(request).await),
        (request, RequestState::Open)
    );
    let attempts = network.core().attempts(request).await.unwrap();
    assert_eq!(
        (attempts[0].state, attempts[0].reason.as_deref()),
        (AttemptState::Failed, Some("out of memory"))
    );
    second.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
    network.strikes(first.id(), 0).await;
}

async fn the_only_worker_has_a_crashed_task_back_soon<A: Adapter>() {
    let network = Network::start().await;
    let mut only = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = only.lease().await;
    only.fail(
        &network,
        task.token,
        Failure::new(FailureClass::Prover, "out of memory"),
    )
    .await;
    network.advance(RetryPolicy::default().only_worker_after);
    let task = only.lease().await;
    only.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
}
