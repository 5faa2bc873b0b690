//! A whole request as clients are shown it.
//!
//! Fields 34 and 35 are never sent: the two schemas disagree about them and some clients decode with the wrong one. What is
//! beyond them is skipped by the schema that lacks it.

use bytes::Bytes;
use hierophant_domain::{Execution, Record, Request, RequestState};
use prost::Message;
use tonic::Status;

use crate::{
    door::Door,
    ids,
    proto::{
        memo::RequestMemo,
        types::{GetProofRequestDetailsResponse, ProofRequest},
    },
    refusal,
    settings::mode_of,
    status,
};

/// Finds a request.
pub(crate) async fn get(door: &Door, sealed: &[u8]) -> Result<GetProofRequestDetailsResponse, Status> {
    let id = door.request_id(sealed)?;
    let found = door.clients.request(id).await.map_err(refusal::of_core)?;
    let request = found.ok_or_else(refusal::unknown_request)?;
    Ok(GetProofRequestDetailsResponse {
        request: Some(shown(door, &request)?),
    })
}

/// A request as clients are shown it.
pub(crate) fn shown(door: &Door, request: &Request) -> Result<ProofRequest, Status> {
    let memo = RequestMemo::decode(request.door_data.as_slice()).map_err(|error| {
        Status::internal(format!(
            "what this door kept with request {} cannot be read: {error}",
            request.id
        ))
    })?;
    let sealed = door.ids.seal(request.id);
    let failure = request.failure.as_ref();
    let record = record(request);
    let public_values = record
        .and_then(|record| record.public_values)
        .or(request.expected_public_values);
    Ok(ProofRequest {
        request_id: Bytes::copy_from_slice(&sealed),
        vk_hash: request
            .program
            .as_ref()
            .map(|program| Bytes::copy_from_slice(&program.id))
            .unwrap_or_default(),
        version: memo.version,
        mode: mode_of(&request.kind) as i32,
        strategy: memo.strategy,
        program_uri: request
            .program
            .as_ref()
            .map(|program| ids::artifact_uri(program.artifact))
            .unwrap_or_default(),
        stdin_uri: memo.stdin_uri,
        deadline: status::shown_deadline(door, request.state, request.deadline).unix_seconds(),
        cycle_limit: memo.cycle_limit,
        fulfillment_status: status::fulfillment(request.state) as i32,
        execution_status: status::execution(request.state, &request.execution, failure) as i32,
        requester: Bytes::copy_from_slice(&request.requester.principal),
        created_at: request.accepted_at.unix_seconds(),
        updated_at: request.updated_at.unix_seconds(),
        fulfilled_at: match request.state {
            RequestState::Fulfilled => request.ended_at.map(hierophant_domain::Timestamp::unix_seconds),
            RequestState::Open | RequestState::Failed | RequestState::Cancelled | RequestState::Expired => None,
        },
        tx_hash: Bytes::copy_from_slice(&ids::tx_hash(&sealed)),
        cycles: record.and_then(|record| record.cycles),
        public_values_hash: public_values.map(|digest| Bytes::copy_from_slice(&digest.0)),
        gas_limit: memo.gas_limit,
        gas_used: record.and_then(|record| record.gas),
        execute_fail_cause: status::fail_cause(failure) as i32,
        min_auction_period: memo.min_auction_period,
        whitelist: memo.whitelist,
        error: status::error(failure) as i32,
        is_canceled: request.state == RequestState::Cancelled,
        stdin_private: request.private,
        error_trace: failure.map(|failure| Bytes::copy_from_slice(failure.message.as_bytes())),
    })
}

/// What is known of the program's run: from our own execution first, because a worker's word is no more than that.
fn record(request: &Request) -> Option<&Record> {
    match (&request.execution, &request.outcome) {
        (Execution::Executed(record), _) => Some(record),
        (Execution::NotWanted | Execution::Pending | Execution::Disputed | Execution::Unchecked(_), outcome) => {
            outcome.as_ref().map(|outcome| &outcome.record)
        }
    }
}
