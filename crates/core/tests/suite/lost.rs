//! Blobs that were taken in whole and are gone or damaged since: that is the coordinator's fault, and nobody else pays for it.

use hierophant_artifacts::http::Credential;
use hierophant_core::ports::Operators as _;
use hierophant_domain::{
    ArtifactId, AttemptState, BlobRef, Failure, FailureClass, ProgramFault, RequestId, RequestState, attempt::Fence,
};
use uuid::Uuid;

use crate::support::{Adapter, Execute, Network, Worker, good_proof, over_both_adapters};

over_both_adapters!(
    an_input_that_its_worker_cannot_fetch_is_looked_for_here,
    a_proof_that_is_lost_before_it_is_verified_is_made_again_without_a_strike,
);

/// The request ends, and says that the coordinator lost an input.
async fn ends_as_lost(network: &Network, request: RequestId, blob: ArtifactId) {
    let ended = network.ends(request, RequestState::Failed).await;
    let failure = ended.failure.clone().expect("failed with a failure");
    assert_eq!(failure.class.as_str(), "lost");
    for word in ["coordinator", &blob.to_string(), "upload it again"] {
        assert!(failure.message.contains(word), "{word}: {}", failure.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_is_lost_before_it_is_executed_is_not_the_clients_fault() {
    let mut network = Network::prepare(|_, _| {});
    network.open_idle().await;
    let input = network.upload("input", false, b"an input").await;
    let request = network.ask().executed().input(input).submit().await;
    network.blobs().delete(input).await.unwrap();
    network.restart().await;
    ends_as_lost(&network, request, input).await;
    assert_eq!(network.checker.executed().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_lost_is_not_the_clients_fault() {
    let mut network = Network::prepare(|_, _| {});
    network.open_idle().await;
    let program = network.upload("program", false, b"an elf").await;
    let request = network.ask().executed().program(b"id".to_vec(), program).submit().await;
    network.blobs().delete(program).await.unwrap();
    network.restart().await;
    ends_as_lost(&network, request, program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_blamed_for_an_input_that_was_damaged_here() {
    for blame in [
        Execute::BadInput("it ends too soon"),
        Execute::Fault(ProgramFault::NonZeroExit, "halted with 1"),
    ] {
        let mut network = Network::prepare(|_, _| {});
        network.open_idle().await;
        let input = network.upload("input", false, b"an input").await;
        let request = network.ask().executed().input(input).submit().await;
        let file = network.blobs().local_file(input).await.unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, b"an inp").unwrap();
        network.checker.next_executions([blame]);
        network.restart().await;
        ends_as_lost(&network, request, input).await;
    }
}

async fn an_input_that_its_worker_cannot_fetch_is_looked_for_here<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let input = network.upload("input", false, b"an input").await;
    let request = network.ask().input(input).submit().await;
    let task = worker.lease().await;
    let failure = || {
        Failure::new(
            FailureClass::Transient,
            "the server refused the transfer with status 404",
        )
    };
    // While it is there, the worker is believed to have had trouble of its own.
    assert_eq!(worker.fail(&network, task.token, failure()).await, Fence::Pass);
    assert_eq!(network.state(request).await, RequestState::Open);
    let mut second = Worker::<A>::join(&network, 2).await;
    let task = second.lease().await;
    network.blobs().delete(input).await.unwrap();
    second.fail(&network, task.token, failure()).await;
    ends_as_lost(&network, request, input).await;
    network.strikes(second.id(), 0).await;
}

async fn a_proof_that_is_lost_before_it_is_verified_is_made_again_without_a_strike<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    // Its verification waits for the execution, which is tried again in a while.
    network.checker.next_executions([Execute::Die]);
    let request = network.ask().executed().submit().await;
    let task = worker.lease().await;
    let proof = ArtifactId(Uuid::now_v7());
    let bearer = Credential::Bearer(task.upload_token.clone());
    network.put(proof, &bearer, b"proof:forty-two").await;
    worker
        .deliver_blob(&network, task.token, BlobRef::Artifact(proof))
        .await;
    network.blobs().delete(proof).await.unwrap();
    let mut second = Worker::<A>::join(&network, 2).await;
    network
        .nudge_until("a second execution", || network.checker.executed().len() == 2)
        .await;
    let task = second.lease().await;
    let attempts = network.core().attempts(request).await.unwrap();
    assert_eq!(attempts[0].state, AttemptState::Refused);
    assert!(attempts[0].reason.as_deref().unwrap().contains("lost"), "{attempts:?}");
    network.strikes(worker.id(), 0).await;
    second.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
}
