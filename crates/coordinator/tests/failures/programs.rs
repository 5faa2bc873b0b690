//! The program or its input is at fault: final, and the client's to change.

use hierophant_door_sp1::proto::types::{ExecuteFailureCause, ExecutionStatus, ProofRequestError};
use hierophant_testkit::Cluster;
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, PROGRAM, assert_refused},
    mock, operator, setup,
};

/// Asks for a proof of a program that fails by `script` and gives what the client and the operator are told.
async fn fails(script: &str, cause: ExecuteFailureCause, fault: &str) -> Cluster {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (_, id) = client.ask_scripted(script).await;
    let (execution, details, trace) = client.unfulfilled(&id).await;
    assert_eq!(execution, ExecutionStatus::Unexecutable);
    assert_eq!(details.execute_fail_cause(), cause);
    assert_eq!(details.error(), ProofRequestError::ExecutionFailure);
    assert!(trace.contains("the program ended with"), "{trace}");
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(
        (&seen["failure"]["class"], &seen["failure"]["fault"]),
        (&"program".into(), &fault.into()),
        "{seen}"
    );
    assert_eq!(seen["failure"]["message"], trace.as_str());
    // The worker that said so, if it was first, told the truth.
    let worker = operator::worker_until(&cluster, 0, "an idle worker", |worker| {
        worker["working_on"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(worker.await["strikes"], 0);
    cluster
}

#[tokio::test]
async fn a_guest_exits_with_another_code_than_zero() {
    let cluster = fails(
        "exit_code=3",
        ExecuteFailureCause::HaltWithNonZeroExitCode,
        "non_zero_exit",
    )
    .await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_guest_exceeds_its_cycle_limit() {
    let cluster = fails(
        "cycles=100000001",
        ExecuteFailureCause::ExceededCycleLimit,
        "cycle_limit",
    )
    .await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_guest_exceeds_its_gas_limit() {
    let cluster = fails("gas=1000000001", ExecuteFailureCause::ExceededGasLimit, "gas_limit").await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_guest_exactly_at_its_limits_is_proved() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (wish, id) = client.ask_scripted("cycles=100000000,gas=1000000000").await;
    client.proven(&wish, &id).await;
    operator::assert_fulfilled_once(&cluster, &id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test]
async fn a_client_signs_another_hash_than_its_program_gives() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let elf = client.program("").await;
    let mut wish = client.wish(&elf, "signed by another hash function").await;
    wish.signed_hash = Some(mock::other_hash(&mock::public_values(&wish.elf, &wish.stdin)));
    let id = client.ask(&wish).await;
    client.proven(&wish, &id).await;
    let mut wish = client.wish(&elf, "signed wrongly").await;
    wish.signed_hash = Some(vec![7; 32]);
    let id = client.ask(&wish).await;
    let (execution, details, trace) = client.unfulfilled(&id).await;
    assert_eq!(execution, ExecutionStatus::Executed, "the program itself ended well");
    assert_eq!(details.error(), ProofRequestError::PublicValuesMismatch);
    assert!(trace.contains("hash was signed"), "{trace}");
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(
        (&seen["state"], &seen["failure"]["class"]),
        (&"failed".into(), &"public_values".into()),
        "{seen}"
    );
    let worker = operator::worker_until(&cluster, 0, "an idle worker", |worker| {
        worker["working_on"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(worker.await["strikes"], 0);
    cluster.finish(PATIENCE).await;
}

/// What the prover of a system says of an input that it cannot decode, be it the encoding or the compression around it.
#[tokio::test]
async fn an_input_cannot_be_decoded() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (_, id) = client.ask_scripted("fail=input,at=execute").await;
    let (execution, details, trace) = client.unfulfilled(&id).await;
    assert_ne!(
        execution,
        ExecutionStatus::Unexecutable,
        "the program itself was not at fault"
    );
    assert_eq!(details.error(), ProofRequestError::ExecutionFailure);
    assert!(trace.contains("the script demands this failure"), "{trace}");
    let seen = operator::request(&cluster, &id).await;
    assert_eq!(
        (&seen["state"], &seen["failure"]["class"]),
        (&"failed".into(), &"input".into()),
        "{seen}"
    );
    assert_eq!(seen["failure"]["message"], trace.as_str());
    cluster.finish(PATIENCE).await;
}

/// The same of an executable, at its registration.
#[tokio::test]
async fn an_elf_cannot_be_decoded() {
    let cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    let elf = mock::elf("fail=input,at=setup");
    let uri = client.upload(PROGRAM, &elf).await;
    let answer = client
        .create_program(mock::program_id(&elf), mock::vk(&elf), &uri)
        .await;
    assert_refused(answer, Code::InvalidArgument, "the script demands this failure");
    cluster.finish(PATIENCE).await;
}
