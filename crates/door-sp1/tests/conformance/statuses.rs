//! What a request's life looks like from outside.

use hierophant_core::ports::Clients;
use hierophant_domain::{
    Execution, Failure, FailureClass, ProgramFault, Record, RequestState, request::RequestEvent, time::Millis,
};
use tonic::Code;

use crate::support::{Rig, fake::MIN_LIFETIME, wire};

const ASSIGNED: i32 = 2;
const FULFILLED: i32 = 3;
const UNFULFILLABLE: i32 = 4;
const UNEXECUTED: i32 = 1;
const EXECUTED: i32 = 2;
const UNEXECUTABLE: i32 = 3;

async fn accepted() -> (Rig, Vec<u8>) {
    let rig = Rig::start().await;
    let id = rig
        .client
        .request_proof(&rig.auction_body().await)
        .await
        .expect("accepted");
    (rig, id)
}

#[tokio::test]
async fn item_31_32_a_request_is_assigned_from_the_first_moment_on() {
    let (rig, id) = accepted().await;
    let status = rig.client.status(&id).await.expect("a status");
    assert_eq!(
        (status.fulfillment_status, status.execution_status),
        (ASSIGNED, UNEXECUTED)
    );
    assert_eq!(status.proof_uri, None);
    rig.core.pass(Millis::from_secs(120));
    assert_eq!(
        rig.client.status(&id).await.expect("a status").fulfillment_status,
        ASSIGNED,
        "no worker came"
    );
    assert_eq!(
        rig.client.details(&id).await.expect("details").fulfillment_status,
        ASSIGNED
    );
    rig.core
        .change(|request| request.execution = Execution::Executed(Record::default()));
    let status = rig.client.status(&id).await.expect("a status");
    assert_eq!(
        (status.fulfillment_status, status.execution_status),
        (ASSIGNED, EXECUTED)
    );
}

#[tokio::test]
async fn item_33_a_short_deadline_is_shown_extended() {
    let (rig, id) = accepted().await;
    let asked = rig.core.seconds() + 300;
    let status = rig.client.status(&id).await.expect("a status");
    let effective = rig.core.seconds() + u64::try_from(MIN_LIFETIME.0 / 1000).expect("positive");
    assert_eq!(status.deadline, effective + 60);
    assert!(status.deadline > asked);
    assert_eq!(
        rig.client.details(&id).await.expect("details").deadline,
        status.deadline
    );
}

#[tokio::test]
async fn item_34_a_fulfilled_request_has_its_proofs_url() {
    let (rig, id) = accepted().await;
    rig.core.fulfil();
    let status = rig.client.status(&id).await.expect("a status");
    assert_eq!(
        (status.fulfillment_status, status.execution_status),
        (FULFILLED, EXECUTED)
    );
    let request = rig.core.newest();
    let proof = &request.outcome.as_ref().expect("an outcome").artifacts[0].blob;
    assert_eq!(status.proof_uri, Some(rig.core.output_url(request.id, "proof", proof)));
}

#[tokio::test]
async fn a_proof_that_is_not_there_is_never_announced() {
    let (rig, id) = accepted().await;
    rig.core.fulfil();
    rig.core
        .change(|request| request.outcome.as_mut().expect("an outcome").artifacts.clear());
    assert_eq!(
        rig.client.status(&id).await.expect_err("no proof").code(),
        Code::Internal
    );
}

#[tokio::test]
async fn item_36_37_a_programs_fault_is_unexecutable_with_its_cause() {
    for (fault, cause) in [
        (ProgramFault::NonZeroExit, 1),
        (ProgramFault::CycleLimit, 5),
        (ProgramFault::GasLimit, 9),
    ] {
        let (rig, id) = accepted().await;
        rig.core
            .end(RequestEvent::Failed, Failure::program(fault, "the program ended badly"));
        let status = rig.client.status(&id).await.expect("a status");
        assert_eq!(
            (status.fulfillment_status, status.execution_status),
            (UNFULFILLABLE, UNEXECUTABLE)
        );
        let details = rig.client.details(&id).await.expect("details");
        assert_eq!(
            (details.execution_status, details.execute_fail_cause, details.error),
            (UNEXECUTABLE, cause, 1)
        );
        assert_eq!(details.error_trace.as_deref(), Some(&b"the program ended badly"[..]));
    }
}

#[tokio::test]
async fn item_38_a_machines_trouble_is_never_unexecutable() {
    for class in [
        FailureClass::Transient,
        FailureClass::Prover,
        FailureClass::InvalidProof,
        FailureClass::KeyLost,
        FailureClass::Input,
    ] {
        let (rig, id) = accepted().await;
        rig.core.end(RequestEvent::Failed, Failure::new(class, "no luck"));
        let status = rig.client.status(&id).await.expect("a status");
        assert_eq!(
            (status.fulfillment_status, status.execution_status),
            (UNFULFILLABLE, UNEXECUTED),
            "{class:?}"
        );
        assert_eq!(rig.client.details(&id).await.expect("details").execute_fail_cause, 0);
    }
}

#[tokio::test]
async fn item_39_a_proof_polled_after_the_deadline_has_a_deadline_ahead() {
    let (rig, id) = accepted().await;
    rig.core.fulfil();
    rig.core.pass(Millis::from_secs(30 * 24 * 3600));
    let status = rig.client.status(&id).await.expect("a status");
    assert_eq!(status.fulfillment_status, FULFILLED);
    assert_eq!(status.deadline, rig.core.seconds() + 3600);
}

#[tokio::test]
async fn item_40_only_statuses_that_all_clients_know_leave() {
    for (event, class) in [
        (RequestEvent::Failed, FailureClass::Prover),
        (RequestEvent::Cancelled, FailureClass::Cancelled),
        (RequestEvent::DeadlinePassed, FailureClass::Deadline),
    ] {
        let (rig, id) = accepted().await;
        rig.core
            .change(|request| request.execution = Execution::Executed(Record::default()));
        rig.core.end(event, Failure::new(class, "over"));
        let status = rig.client.status(&id).await.expect("a status");
        assert_eq!(
            (status.fulfillment_status, status.execution_status),
            (UNFULFILLABLE, EXECUTED),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn item_41_ids_that_were_never_given_out_are_not_found() {
    let (rig, id) = accepted().await;
    let guessed = [&id[..16], &[0; 16]].concat();
    for unknown in [
        vec![],
        vec![0; 32],
        vec![0xff; 32],
        id[..31].to_vec(),
        [id.clone(), vec![0]].concat(),
        guessed,
    ] {
        assert_eq!(
            rig.client.status(&unknown).await.expect_err("unknown").code(),
            Code::NotFound
        );
        assert_eq!(
            rig.client.details(&unknown).await.expect_err("unknown").code(),
            Code::NotFound
        );
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_worth_another_try() {
    let (rig, id) = accepted().await;
    rig.core.set_unavailable(true);
    assert_eq!(
        rig.client.status(&id).await.expect_err("away").code(),
        Code::Unavailable
    );
    let body = wire::base_body(rig.core.seconds());
    assert_eq!(
        rig.client
            .request_proof(&wire::BaseBody {
                stdin_uri: "hierophant://artifacts/01920000-0000-7000-8000-000000000001".to_owned(),
                ..body
            })
            .await
            .expect_err("away")
            .code(),
        Code::Unavailable
    );
    rig.core.set_unavailable(false);
    assert_eq!(rig.core.newest().state, RequestState::Open);
    rig.client.status(&id).await.expect("back");
}
