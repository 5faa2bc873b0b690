//! What a request's state is called on the wire.
//!
//! Invariant: only fulfilment 1 to 4 and execution 1 to 3 leave here. Older clients panic or spin on what was added later,
//! and give up on REQUESTED after 30 seconds: a request that was accepted is ASSIGNED from the first moment. UNEXECUTABLE is
//! said of a program that is at fault and of nothing else, because clients then change the program's input.

use bytes::Bytes;
use hierophant_domain::{Execution, Failure, FailureClass, ProgramFault, RequestState, Timestamp, time::Millis};
use hierophant_store::RequestStatus;
use tonic::Status;

use crate::{
    door::Door,
    ids,
    proto::types::{
        ExecuteFailureCause, ExecutionStatus, FulfillmentStatus, GetProofRequestStatusResponse, ProofRequestError,
    },
    refusal,
};

/// Clients give up by their own clocks when the deadline shown has passed: it is shown this much later, so that how a
/// request ended is known first.
pub(crate) const DEADLINE_MARGIN: Millis = Millis::from_secs(60);
/// The name that the core gives a proof among a request's outputs.
pub(crate) const PROOF_OUTPUT: &str = "proof";

/// Answers a poll.
pub(crate) async fn get(door: &Door, sealed: &[u8]) -> Result<GetProofRequestStatusResponse, Status> {
    let id = door.request_id(sealed)?;
    let found = door.clients.status(id).await.map_err(refusal::of_core)?;
    let status = found.ok_or_else(refusal::unknown_request)?;
    tracing::trace!(request.id = %id, state = ?status.state, "status of request {id} asked for");
    reply(door, sealed, &status)
}

fn reply(door: &Door, sealed: &[u8], status: &RequestStatus) -> Result<GetProofRequestStatusResponse, Status> {
    let proof_uri = match (status.state, &status.proof) {
        (RequestState::Fulfilled, Some(proof)) => Some(door.clients.output_url(status.id, PROOF_OUTPUT, proof)),
        (RequestState::Fulfilled, None) => {
            return Err(Status::internal(
                "the request is fulfilled and its proof cannot be found; tell the operator of this network",
            ));
        }
        (RequestState::Open | RequestState::Failed | RequestState::Cancelled | RequestState::Expired, _) => None,
    };
    Ok(GetProofRequestStatusResponse {
        fulfillment_status: fulfillment(status.state) as i32,
        execution_status: execution(status.state, &status.execution, status.failure.as_deref()) as i32,
        request_tx_hash: Bytes::copy_from_slice(&ids::tx_hash(sealed)),
        deadline: shown_deadline(door, status.state, status.deadline).unix_seconds(),
        proof_uri,
    })
}

/// The deadline that clients are shown.
pub(crate) fn shown_deadline(door: &Door, state: RequestState, deadline: Timestamp) -> Timestamp {
    let shown = deadline.plus(DEADLINE_MARGIN);
    match state {
        RequestState::Fulfilled => shown.max(door.clients.now().plus(door.settings.fulfilled_lifetime)),
        RequestState::Open | RequestState::Failed | RequestState::Cancelled | RequestState::Expired => shown,
    }
}

/// How far proving is.
pub(crate) fn fulfillment(state: RequestState) -> FulfillmentStatus {
    match state {
        RequestState::Open => FulfillmentStatus::Assigned,
        RequestState::Fulfilled => FulfillmentStatus::Fulfilled,
        RequestState::Failed | RequestState::Cancelled | RequestState::Expired => FulfillmentStatus::Unfulfillable,
    }
}

/// How far the run of the program is.
pub(crate) fn execution(state: RequestState, execution: &Execution, failure: Option<&Failure>) -> ExecutionStatus {
    let run = match execution {
        Execution::Executed(_) => ExecutionStatus::Executed,
        Execution::NotWanted | Execution::Pending | Execution::Disputed | Execution::Unchecked(_) => {
            ExecutionStatus::Unexecuted
        }
    };
    match state {
        RequestState::Fulfilled => ExecutionStatus::Executed,
        RequestState::Failed if failure.is_some_and(is_programs_fault) => ExecutionStatus::Unexecutable,
        RequestState::Open | RequestState::Failed | RequestState::Cancelled | RequestState::Expired => run,
    }
}

fn is_programs_fault(failure: &Failure) -> bool {
    match failure.class {
        FailureClass::Program => true,
        FailureClass::Input
        | FailureClass::Transient
        | FailureClass::Prover
        | FailureClass::InvalidProof
        | FailureClass::PublicValues
        | FailureClass::Lost
        | FailureClass::KeyLost
        | FailureClass::Cancelled
        | FailureClass::Deadline => false,
    }
}

/// Why the program could not be run to its end.
pub(crate) fn fail_cause(failure: Option<&Failure>) -> ExecuteFailureCause {
    let Some(fault) = failure
        .filter(|failure| is_programs_fault(failure))
        .and_then(|failure| failure.fault)
    else {
        return ExecuteFailureCause::UnspecifiedExecutionFailureCause;
    };
    match fault {
        ProgramFault::NonZeroExit => ExecuteFailureCause::HaltWithNonZeroExitCode,
        ProgramFault::InvalidMemoryAccess => ExecuteFailureCause::InvalidMemoryAccess,
        ProgramFault::UnsupportedSyscall => ExecuteFailureCause::UnsupportedSyscall,
        ProgramFault::Breakpoint => ExecuteFailureCause::Breakpoint,
        ProgramFault::CycleLimit => ExecuteFailureCause::ExceededCycleLimit,
        ProgramFault::InvalidSyscallUsage => ExecuteFailureCause::InvalidSyscallUsage,
        ProgramFault::Unimplemented => ExecuteFailureCause::Unimplemented,
        ProgramFault::EndInUnconstrained => ExecuteFailureCause::EndInUnconstrained,
        ProgramFault::GasLimit => ExecuteFailureCause::ExceededGasLimit,
        ProgramFault::AbnormalExit => ExecuteFailureCause::UnspecifiedExecutionFailureCause,
    }
}

/// Whose fault it was. A request taken back, or one that ran out of time, has no fault of its own.
pub(crate) fn error(failure: Option<&Failure>) -> ProofRequestError {
    let Some(failure) = failure else {
        return ProofRequestError::UnspecifiedProofRequestFailure;
    };
    match failure.class {
        FailureClass::Program | FailureClass::Input => ProofRequestError::ExecutionFailure,
        FailureClass::InvalidProof => ProofRequestError::VerificationFailure,
        FailureClass::Prover => ProofRequestError::ProvingFailure,
        FailureClass::PublicValues => ProofRequestError::PublicValuesMismatch,
        FailureClass::Transient | FailureClass::Lost | FailureClass::KeyLost => ProofRequestError::UnknownFailure,
        FailureClass::Cancelled | FailureClass::Deadline => ProofRequestError::UnspecifiedProofRequestFailure,
    }
}

#[cfg(test)]
mod tests;
