//! Verification and trusted execution when they die, hang, are cut short or disagree; and what holds public values in place.

use hierophant_core::ports::Operators as _;
use hierophant_domain::{
    AttemptState, FailureClass, ProgramFault, RequestState,
    attempt::Fence,
    request::{Binding, Execution},
    time::Millis,
};

use crate::support::{
    Adapter, Execute, Network, PUBLIC_VALUES, Verify, Worker, checker, good_proof, over_both_adapters, proof_of,
};

over_both_adapters!(
    a_check_that_dies_three_times_sends_the_task_elsewhere_without_a_strike,
    a_check_that_dies_once_is_done_again,
    a_check_that_cannot_be_done_now_waits,
    a_check_that_hangs_blocks_nobody_for_good,
    public_values_are_those_of_the_trusted_execution,
    public_values_are_those_that_the_client_signed,
    a_signed_hash_may_be_any_that_programs_commit_with,
    a_signed_hash_that_the_execution_does_not_give_ends_the_request,
    public_values_are_bound_by_the_proof_alone,
    a_program_beyond_the_operators_limit_is_not_checked,
    an_execution_that_dies_three_times_is_given_up,
    a_result_waits_for_the_trusted_execution,
);

async fn a_check_that_dies_three_times_sends_the_task_elsewhere_without_a_strike<A: Adapter>() {
    let network = Network::start().await;
    network
        .checker
        .next_verifications([Verify::Die, Verify::Die, Verify::Die]);
    let mut first = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = first.lease().await;
    let mut second = Worker::<A>::join(&network, 2).await;
    first.deliver(&network, task.token, good_proof()).await;
    network
        .nudge_until("three verifications", || network.checker.verified().len() == 3)
        .await;
    let task = second.lease().await;
    assert_eq!(task.request, request);
    let attempts = network.core().attempts(request).await.unwrap();
    assert_eq!(attempts[0].state, AttemptState::Refused);
    assert!(
        attempts[0]
            .reason
            .as_deref()
            .unwrap()
            .contains("did not end well 3 times"),
        "{attempts:?}"
    );
    network.strikes(first.id(), 0).await;
    second.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
}

async fn a_check_that_dies_once_is_done_again<A: Adapter>() {
    let network = Network::start().await;
    network.checker.next_verifications([Verify::Die]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    network
        .nudge_until("a second verification", || network.checker.verified().len() == 2)
        .await;
    network.fulfilled(request).await;
    assert_eq!(network.core().attempts(request).await.unwrap().len(), 1);
}

async fn a_check_that_cannot_be_done_now_waits<A: Adapter>() {
    let network = Network::start().await;
    // More often than a check may die.
    network
        .checker
        .next_verifications([Verify::NotNow, Verify::NotNow, Verify::NotNow, Verify::NotNow]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    network
        .nudge_until("a fifth verification", || network.checker.verified().len() == 5)
        .await;
    network.fulfilled(request).await;
    assert_eq!(network.core().attempts(request).await.unwrap().len(), 1);
}

async fn a_check_that_hangs_blocks_nobody_for_good<A: Adapter>() {
    let network = Network::start_with(|settings, _| {
        settings.check_hold = Millis::from_secs(1);
        settings.checks = 1;
    })
    .await;
    network.checker.next_verifications([Verify::Hang]);
    network.checker.next_executions([Execute::Hang]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    network
        .nudge_until("a second execution", || network.checker.executed().len() == 2)
        .await;
    network
        .nudge_until("a second verification", || network.checker.verified().len() == 2)
        .await;
    network.fulfilled(request).await;
}

async fn public_values_are_those_of_the_trusted_execution<A: Adapter>() {
    let network = Network::start().await;
    let mut cheat = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = cheat.lease().await;
    let mut honest = Worker::<A>::join(&network, 2).await;
    cheat.deliver(&network, task.token, proof_of(b"other values")).await;
    let task = honest.lease().await;
    network.strikes(cheat.id(), 1).await;
    honest.deliver(&network, task.token, good_proof()).await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::TrustedExecution);
}

async fn public_values_are_those_that_the_client_signed<A: Adapter>() {
    let network = Network::start().await;
    let mut cheat = Worker::<A>::join(&network, 1).await;
    let request = network.ask().expecting(checker::digest(PUBLIC_VALUES)).submit().await;
    let task = cheat.lease().await;
    let mut honest = Worker::<A>::join(&network, 2).await;
    cheat.deliver(&network, task.token, proof_of(b"other values")).await;
    let task = honest.lease().await;
    network.strikes(cheat.id(), 1).await;
    honest.deliver(&network, task.token, good_proof()).await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::ClientHash);
}

async fn a_signed_hash_may_be_any_that_programs_commit_with<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    for signed in [checker::digest(PUBLIC_VALUES), checker::other_digest(PUBLIC_VALUES)] {
        let request = network.ask().executed().expecting(signed).submit().await;
        let task = worker.lease().await;
        worker.deliver(&network, task.token, good_proof()).await;
        let outcome = network.fulfilled(request).await;
        assert_eq!(outcome.binding, Binding::TrustedExecution);
        assert_eq!(outcome.record.public_values, Some(checker::digest(PUBLIC_VALUES)));
    }
}

async fn a_signed_hash_that_the_execution_does_not_give_ends_the_request<A: Adapter>() {
    let network = Network::start().await;
    let worker = Worker::<A>::join(&network, 1).await;
    let signed = checker::digest(b"other values");
    let request = network.ask().executed().expecting(signed).submit().await;
    let ended = network.ends(request, RequestState::Failed).await;
    let failure = ended.failure.clone().unwrap();
    assert_eq!((failure.class, failure.fault), (FailureClass::PublicValues, None));
    assert!(failure.message.contains("signed"), "{failure:?}");
    assert!(matches!(&ended.execution, Execution::Executed(_)), "{ended:?}");
    // Whatever the worker makes of it, it is nobody's any more.
    if let Some(attempt) = network.core().attempts(request).await.unwrap().first() {
        let fence = worker.deliver(&network, attempt.token, good_proof()).await;
        assert_eq!(fence, Fence::Gone);
    }
    // A program that fails is at fault for that, whatever was signed.
    network
        .checker
        .next_executions([Execute::Fault(ProgramFault::NonZeroExit, "halted with 1")]);
    let broken = network.ask().executed().expecting(signed).submit().await;
    let failure = network.ends(broken, RequestState::Failed).await.failure.clone();
    assert_eq!(failure.unwrap().class, FailureClass::Program);
}

async fn public_values_are_bound_by_the_proof_alone<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, proof_of(b"whatever")).await;
    let outcome = network.fulfilled(request).await;
    assert_eq!(outcome.binding, Binding::ProofAlone);
    assert_eq!(outcome.record.public_values, Some(checker::digest(b"whatever")));
    assert_eq!(network.checker.executed().len(), 0);
}

async fn a_program_beyond_the_operators_limit_is_not_checked<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.execute_max_cycles = checker::CYCLES - 1).await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let alone = network.ask().executed().submit().await;
    let signed = network
        .ask()
        .executed()
        .cycles(u64::MAX)
        .expecting(checker::digest(PUBLIC_VALUES))
        .submit()
        .await;
    for (request, binding) in [(alone, Binding::ProofAlone), (signed, Binding::ClientHash)] {
        let task = worker.lease().await;
        assert_eq!(task.request, request);
        worker.deliver(&network, task.token, good_proof()).await;
        assert_eq!(network.fulfilled(request).await.binding, binding);
        let request = network.request(request).await;
        assert!(
            matches!(&request.execution, Execution::Unchecked(why) if why.contains("verify.max_cycles")),
            "{request:?}"
        );
    }
    assert!(
        network
            .checker
            .executed()
            .iter()
            .all(|job| job.limits.cycles == Some(checker::CYCLES - 1))
    );
    // The client's own limit is another matter: over it the program is at fault.
    let broken = network.ask().executed().cycles(checker::CYCLES - 2).submit().await;
    let failure = network
        .ends(broken, RequestState::Failed)
        .await
        .failure
        .clone()
        .unwrap();
    assert_eq!(
        (failure.class, failure.fault),
        (FailureClass::Program, Some(ProgramFault::CycleLimit))
    );
}

async fn an_execution_that_dies_three_times_is_given_up<A: Adapter>() {
    let network = Network::start().await;
    network
        .checker
        .next_executions([Execute::Die, Execute::Die, Execute::Die]);
    let request = network.ask().executed().submit().await;
    network
        .nudge_until("three executions", || network.checker.executed().len() == 3)
        .await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::ProofAlone);
    let request = network.request(request).await;
    assert!(
        matches!(&request.execution, Execution::Unchecked(why) if why.contains("3 times")),
        "{:?}",
        request.execution
    );
}

async fn a_result_waits_for_the_trusted_execution<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.check_hold = Millis::from_secs(5)).await;
    network.checker.next_executions([Execute::Hang]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    let reason = network.reason(request).await;
    assert_eq!(reason.as_deref(), Some("its proof is here and waits for verification"));
    assert_eq!(network.checker.verified().len(), 0);
    network
        .nudge_until("a second execution", || network.checker.executed().len() == 2)
        .await;
    assert_eq!(network.fulfilled(request).await.binding, Binding::TrustedExecution);
}
