//! From a request to its proof when everybody does what they should.

use std::time::Duration;

use hierophant_artifacts::http::Credential;
use hierophant_core::ports::{Clients as _, InputSource, Operators as _, Workers as _};
use hierophant_domain::{
    ArtifactId, AttemptState, BlobRef, Failure, FailureClass, RequestState, Requester, attempt::Fence,
    request::Binding, time::Millis,
};
use uuid::Uuid;

use crate::support::{
    Adapter, Network, PUBLIC_VALUES, Worker, alice, checker, eventually, good_proof, over_both_adapters, within,
    worker::profile,
};

over_both_adapters!(
    a_request_is_proved_verified_and_fulfilled,
    a_repeated_submission_is_the_same_request,
    a_task_starts_on_an_idle_worker_without_being_asked_for,
    workers_share_what_is_ready,
    a_busy_worker_is_given_the_next_task_ahead_and_loses_it_to_an_idle_one,
    a_reservation_stays_when_the_idle_worker_may_not_have_it,
    a_worker_keeps_its_own_reservation_when_it_becomes_free,
    a_draining_worker_gets_nothing_more_and_finishes_what_it_has,
    inputs_and_outputs_travel_as_artifacts,
    a_worker_whose_adapter_is_gone_is_passed_over,
);

/// Shorter than any slow look: what comes within it came by an event.
const BY_EVENT: Duration = Duration::from_millis(500);

async fn a_request_is_proved_verified_and_fulfilled<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    assert_eq!((task.request, task.class.title().as_str()), (request, "vm/core"));
    assert!(
        matches!(&task.inputs[0].source, InputSource::Inline(bytes) if bytes == b"seven"),
        "{:?}",
        task.inputs
    );
    worker.prove(&network, &task).await;
    assert_eq!(network.state(request).await, RequestState::Open);
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Pass);
    let outcome = network.fulfilled(request).await;
    assert_eq!(outcome.binding, Binding::TrustedExecution);
    assert_eq!(outcome.record.cycles, Some(checker::CYCLES));
    assert_eq!(outcome.record.public_values, Some(checker::digest(PUBLIC_VALUES)));
    assert_eq!(outcome.record.proving, Millis(7));
    let proof = BlobRef::Inline(good_proof());
    assert_eq!(
        network.core().status(request).await.unwrap().unwrap().proof,
        Some(proof.clone())
    );
    let url = network.core().output_url(request, "proof", &proof);
    let (path, token) = url.split_once("?token=").unwrap();
    assert!(path.ends_with(&format!("/outputs/{request}/proof")), "{url}");
    assert_eq!(
        network.core().inline_output(request, "proof", token).await.unwrap(),
        good_proof()
    );
    let other = network
        .core()
        .inline_output(hierophant_domain::RequestId(Uuid::nil()), "proof", token)
        .await;
    assert!(other.is_err(), "a URL opens its own output only");
    assert_eq!(
        worker.deliver(&network, task.token, good_proof()).await,
        Fence::Repeated
    );
}

async fn a_repeated_submission_is_the_same_request<A: Adapter>() {
    let network = Network::start().await;
    let submission = network.ask().submission;
    let first = network.core().submit(submission.clone()).await.unwrap();
    let again = network.core().submit(submission.clone()).await.unwrap();
    assert_eq!(
        (first.existed, again.existed, again.request),
        (false, true, first.request)
    );
    let bob = Requester {
        principal: b"bob".to_vec(),
        ..alice()
    };
    let other = network
        .core()
        .submit(hierophant_core::ports::Submission {
            requester: bob,
            ..submission.clone()
        })
        .await
        .unwrap();
    assert!(!other.existed && other.request != first.request);
    let mut worker = Worker::<A>::join(&network, 1).await;
    for _ in 0..2 {
        let task = worker.lease().await;
        worker.deliver(&network, task.token, good_proof()).await;
        network.fulfilled(task.request).await;
    }
    let after_the_end = network.core().submit(submission).await.unwrap();
    assert_eq!((after_the_end.existed, after_the_end.request), (true, first.request));
    let next = network.submit().await;
    assert_eq!(
        worker.lease().await.request,
        next,
        "the repeated request was not proved twice"
    );
}

async fn a_task_starts_on_an_idle_worker_without_being_asked_for<A: Adapter>() {
    let network = Network::start().await;
    let waiting = network.submit().await;
    network.time_is_looked_at().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let mut task = within(BY_EVENT, "the waiting task, on registration", worker.lease()).await;
    assert_eq!(task.request, waiting);
    for _ in 0..3 {
        worker.deliver(&network, task.token, good_proof()).await;
        network.fulfilled(task.request).await;
        let request = network.submit().await;
        task = within(BY_EVENT, "the new task, on submission", worker.lease()).await;
        assert_eq!(task.request, request);
    }
    let next = network.submit().await;
    worker.deliver(&network, task.token, good_proof()).await;
    let task = within(BY_EVENT, "the queued task, on delivery", worker.lease()).await;
    assert_eq!(task.request, next);
}

async fn workers_share_what_is_ready<A: Adapter>() {
    let network = Network::start().await;
    let mut workers = [
        Worker::<A>::join(&network, 1).await,
        Worker::<A>::join(&network, 2).await,
    ];
    let requests = [network.submit().await, network.submit().await, network.submit().await];
    let tasks = [workers[0].lease().await, workers[1].lease().await];
    assert_ne!(tasks[0].request, tasks[1].request);
    assert!(
        tasks.iter().all(|task| task.request != requests[2]),
        "the last request waits"
    );
    let reason = network.reason(requests[2]).await;
    assert_eq!(
        reason.as_deref(),
        Some("no worker proves vm/core with 8.6 GB free: 2 are busy")
    );
    workers[1].deliver(&network, tasks[1].token, good_proof()).await;
    let third = workers[1].lease().await;
    assert_eq!(third.request, requests[2]);
    workers[0].deliver(&network, tasks[0].token, good_proof()).await;
    workers[1].deliver(&network, third.token, good_proof()).await;
    for request in requests {
        network.fulfilled(request).await;
    }
}

async fn a_busy_worker_is_given_the_next_task_ahead_and_loses_it_to_an_idle_one<A: Adapter>() {
    let network = Network::start().await;
    let mut busy = Worker::<A>::join_as(
        &network,
        hierophant_domain::worker::WorkerProfile {
            prefetch: 1,
            ..profile(1)
        },
        Vec::new(),
    )
    .await;
    // That this one is ready and nobody proves its kind must not matter to the others.
    network.ask().kind("plonk").submit().await;
    let first = network.submit().await;
    let running = busy.lease().await;
    let second = network.submit().await;
    let ahead = busy.lease().await;
    assert_eq!((running.request, ahead.request), (first, second));
    assert_eq!(
        network.core().attempts(second).await.unwrap()[0].state,
        AttemptState::Reserved
    );
    assert_eq!(busy.beat(&network, ahead.token, false).await, Fence::Pass);
    network.advance(Millis(1));
    let mut idle = Worker::<A>::join(&network, 2).await;
    let reason = busy.revoked(ahead.token).await;
    assert!(reason.contains("idle"), "{reason}");
    let taken = idle.lease().await;
    assert_eq!(taken.request, second);
    assert_eq!(busy.beat(&network, ahead.token, true).await, Fence::Gone);
    let states: Vec<_> = network
        .core()
        .attempts(second)
        .await
        .unwrap()
        .iter()
        .map(|attempt| attempt.state)
        .collect();
    assert_eq!(states, [AttemptState::Withdrawn, AttemptState::Running]);
    idle.deliver(&network, taken.token, good_proof()).await;
    busy.deliver(&network, running.token, good_proof()).await;
    network.fulfilled(first).await;
    network.fulfilled(second).await;
}

async fn a_reservation_stays_when_the_idle_worker_may_not_have_it<A: Adapter>() {
    let network = Network::start().await;
    let mut core_only = profile(1);
    core_only
        .capabilities
        .retain(|capability| capability.kind.as_str() == "core");
    let mut failed = Worker::<A>::join_as(&network, core_only, Vec::new()).await;
    let request = network.submit().await;
    let task = failed.lease().await;
    failed
        .fail(
            &network,
            task.token,
            Failure::new(FailureClass::Transient, "no network"),
        )
        .await;
    // Goes first, and is not for the worker that is idle from now on.
    let mut urgent = network.ask().kind("compressed");
    urgent.submission.priority = 100;
    let urgent = urgent.submit().await;
    let mut busy = Worker::<A>::join_as(
        &network,
        hierophant_domain::worker::WorkerProfile {
            prefetch: 1,
            ..profile(2)
        },
        Vec::new(),
    )
    .await;
    let running = busy.lease().await;
    let ahead = busy.lease().await;
    assert_eq!((running.request, ahead.request), (urgent, request));
    // The dispatcher looks again with each of these: it must not take the task to and fro.
    network.time_is_looked_at().await;
    network.time_is_looked_at().await;
    assert_eq!(network.core().attempts(request).await.unwrap().len(), 2);
    busy.deliver(&network, running.token, good_proof()).await;
    assert_eq!(busy.deliver(&network, ahead.token, good_proof()).await, Fence::Pass);
    network.fulfilled(request).await;
}

async fn a_worker_keeps_its_own_reservation_when_it_becomes_free<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join_as(
        &network,
        hierophant_domain::worker::WorkerProfile {
            prefetch: 1,
            ..profile(1)
        },
        Vec::new(),
    )
    .await;
    let first = network.submit().await;
    let running = worker.lease().await;
    let second = network.submit().await;
    let ahead = worker.lease().await;
    worker.deliver(&network, running.token, good_proof()).await;
    network.fulfilled(first).await;
    // The dispatcher has seen the worker free, and gives it the next one to hold in reserve, not to run.
    let third = network.submit().await;
    let next = worker.lease().await;
    assert_eq!(next.request, third);
    assert_eq!(
        network.core().attempts(third).await.unwrap()[0].state,
        AttemptState::Reserved
    );
    assert_eq!(worker.beat(&network, ahead.token, true).await, Fence::Pass);
    assert_eq!(network.core().attempts(second).await.unwrap().len(), 1);
    for (task, request) in [(ahead, second), (next, third)] {
        assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Pass);
        network.fulfilled(request).await;
    }
}

async fn a_draining_worker_gets_nothing_more_and_finishes_what_it_has<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let first = network.submit().await;
    let task = worker.lease().await;
    network.core().drain(worker.id()).await;
    worker.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(first).await;
    // What it serves may change while it drains; that it drains does not.
    network.core().update(worker.profile.clone()).await.unwrap();
    let second = network.submit().await;
    let reason = network.reason(second).await;
    assert_eq!(
        reason.as_deref(),
        Some("no worker proves vm/core with 8.6 GB free: 1 is draining")
    );
    let mut other = Worker::<A>::join(&network, 2).await;
    assert_eq!(other.lease().await.request, second);
    assert!(network.view(worker.id()).await.row.profile.draining);
    // A new registration ends it.
    other.disconnect(&network, true).await;
    let mut again = worker.rejoin(&network, Vec::new()).await;
    assert_eq!(again.lease().await.request, second);
}

async fn inputs_and_outputs_travel_as_artifacts<A: Adapter>() {
    let network = Network::start().await;
    let registration = network.registration(b"an elf").await;
    let (program, artifact) = (registration.id.clone(), registration.artifact);
    network.core().register_program(registration).await.unwrap();
    let stdin = network.upload("input", false, b"a large input").await;
    let request = network
        .ask()
        .program(program.clone(), artifact)
        .input(stdin)
        .submit()
        .await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    assert_eq!(task.program_id, program);
    for (input, (name, bytes)) in task
        .inputs
        .iter()
        .zip([("program", &b"an elf"[..]), ("stdin", b"a large input")])
    {
        assert_eq!((input.name.as_str(), input.size), (name, bytes.len() as u64));
        assert_eq!(input.sha256, Some(checker::digest(bytes)));
        assert!(
            matches!(&input.source, InputSource::Artifact { url, .. } if url.contains("?token=")),
            "{input:?}"
        );
    }
    let output = ArtifactId(Uuid::now_v7());
    assert_eq!(
        task.upload_url,
        format!("{}/artifacts", network.settings.public_http_url)
    );
    let bearer = Credential::Bearer(task.upload_token.clone());
    network.put(output, &bearer, b"proof:forty-two").await;
    assert_eq!(
        worker
            .deliver_blob(&network, task.token, BlobRef::Artifact(output))
            .await,
        Fence::Pass
    );
    let outcome = network.fulfilled(request).await;
    assert_eq!(outcome.artifacts[0].blob, BlobRef::Artifact(output));
    // The key that set-up found goes to the check, not the program; and what the proof may be held against.
    let verified = network.checker.verified();
    let names: Vec<_> = verified[0].inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(
        (names, &verified[0].program_id),
        (vec!["proof", "vk", "stdin"], &program)
    );
}

async fn a_worker_whose_adapter_is_gone_is_passed_over<A: Adapter>() {
    let network = Network::start().await;
    let worker = Worker::<A>::join(&network, 1).await;
    drop(worker);
    let request = network.submit().await;
    let mut other = Worker::<A>::join(&network, 2).await;
    let task = other.lease().await;
    assert_eq!(task.request, request);
    let attempts = network.core().attempts(request).await.unwrap();
    assert!(attempts.len() <= 2, "offered to nobody {} times", attempts.len());
    other.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
    let next = network.submit().await;
    let task = other.lease().await;
    let next_one = network.submit().await;
    eventually("the worker is shown as cut off", || async {
        let reason = network.reason(next_one).await.unwrap_or_default();
        if reason.contains("1 is cut off") {
            Ok(())
        } else {
            Err(reason)
        }
    })
    .await;
    assert_eq!(task.request, next);
}
