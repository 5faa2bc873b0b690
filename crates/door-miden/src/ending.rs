//! How a request ended, in the contract's words.

use hierophant_core::CoreError;
use hierophant_domain::{BlobRef, FailureClass, RequestState};
use hierophant_miden_api::Refusal;
use hierophant_store::RequestStatus;

use crate::life::GivenUp;

/// What those who wait for a request are told: where its proof is, or why there is none.
pub(crate) type Ended = Result<BlobRef, Refusal>;

/// How an ended request ended. `given_up`: why the door itself cancelled it, if it did.
pub(crate) fn of_request(status: &RequestStatus, given_up: Option<GivenUp>) -> Ended {
    match (status.state, &status.proof) {
        (RequestState::Fulfilled, Some(proof)) => Ok(proof.clone()),
        (RequestState::Fulfilled, None) => Err(Refusal::Failed("the result has no proof".to_owned())),
        (RequestState::Cancelled, _) => Err(given_up.map_or_else(
            || Refusal::Unavailable("the request was cancelled here; send it again".to_owned()),
            of_given_up,
        )),
        (RequestState::Expired, _) => Err(of_given_up(GivenUp::ProofTime)),
        (RequestState::Failed, _) => Err(status.failure.as_ref().map_or_else(
            || Refusal::Failed("the proof failed".to_owned()),
            |failure| of_failure(failure.class, &failure.message),
        )),
        (RequestState::Open, _) => Err(Refusal::Unavailable(
            "it is still being proved; send it again".to_owned(),
        )),
    }
}

fn of_given_up(why: GivenUp) -> Refusal {
    Refusal::TimedOut(match why {
        GivenUp::Abandoned => "nobody waited for the proof; send the witness again".to_owned(),
        GivenUp::QueueTime => "timeout expired: no worker became free in time; try again later".to_owned(),
        GivenUp::ProofTime => "timeout expired: proving took longer than this network allows".to_owned(),
    })
}

fn of_failure(class: FailureClass, message: &str) -> Refusal {
    match class {
        FailureClass::Input => Refusal::Undecodable(format!("failed to decode request: {message}")),
        FailureClass::Program => Refusal::Failed(format!("failed to prove: {message}")),
        FailureClass::Deadline => of_given_up(GivenUp::ProofTime),
        FailureClass::Transient | FailureClass::Prover | FailureClass::InvalidProof | FailureClass::PublicValues => {
            Refusal::Failed(format!("every try at the proof failed, the last one so: {message}"))
        }
        FailureClass::Lost | FailureClass::KeyLost | FailureClass::Cancelled => {
            Refusal::Unavailable(format!("{message}; send the witness again"))
        }
    }
}

/// The core's answer in the contract's words.
pub(crate) fn of_core(error: CoreError) -> Refusal {
    match error {
        CoreError::Full(why) => Refusal::QueueFull(why),
        CoreError::Invalid(why) => Refusal::Undecodable(why),
        CoreError::Unavailable(why) | CoreError::NotFound(why) | CoreError::NotAllowed(why) => {
            Refusal::Unavailable(why)
        }
        CoreError::Internal(why) => Refusal::Failed(why),
    }
}
