//! Accepting requests for proofs, and taking them back.
//!
//! The order of the checks: shape, then who it is (the upload must be the signer's), then policy, each with a sentence that
//! says what to do. Retries of one logical request differ in nonce and signature only, so the upload, the program and the
//! mode together are its idempotency key: a repeated call gets the id that the first one got, also when its deadline has
//! passed meanwhile or its upload is gone.

use alloy_primitives::Address;
use bytes::Bytes;
use hierophant_core::ports::Submission;
use hierophant_domain::{
    ArtifactId, BlobRef, Input, Kind, Limits, Name, RequestId, Timestamp, TraceContext, Visibility, request::ProgramRef,
};
use hierophant_store::{ArtifactRow, ProgramRow};
use prost::Message;
use tonic::Status;

use crate::{
    artifact_store::STDIN_ROLE,
    decode::{self, ProofWish},
    door::{self, Door},
    ids::{self, HASH_BYTES},
    proto::{
        memo::{AuctionTerms, RequestMemo},
        types::{
            CancelRequestRequestBody, CancelRequestResponse, Empty, RequestProofResponse, RequestProofResponseBody,
            SignedRequest,
        },
    },
    refusal,
    settings::kind_of,
};

/// The name under which provers find the input.
const STDIN_INPUT: &str = "stdin";
/// What versions on the wire begin with.
pub(crate) const VERSION_PREFIX: &str = "sp1-";

/// Accepts a request, or finds the one that it repeats. What is done for a new one is part of `trace`.
pub(crate) async fn request_proof(
    door: &Door,
    envelope: SignedRequest,
    trace: Option<&TraceContext>,
) -> Result<RequestProofResponse, Status> {
    let signed = door::open(envelope)?;
    let wish = decode::proof_wish(signed.body)?;
    let key = repeated_key(door, &wish);
    let (id, existed) = match checked(door, signed.by, wish).await {
        Ok(mut submission) => {
            submission.trace = trace.cloned();
            let accepted = door.clients.submit(submission).await.map_err(refusal::of_core)?;
            (accepted.request, accepted.existed)
        }
        // What is refused now may repeat a call that was accepted in its time: the deadline was ahead, the upload there.
        Err(refused) => match accepted_before(door, signed.by, key).await {
            Some(request) => (request, true),
            None => return Err(refused),
        },
    };
    tracing::info!(request.id = %id, requester = %signed.by, existed, "request {id} taken from an SP1 client");
    let sealed = door.ids.seal(id);
    Ok(RequestProofResponse {
        tx_hash: Bytes::copy_from_slice(&ids::tx_hash(&sealed)),
        body: Some(RequestProofResponseBody {
            request_id: Bytes::copy_from_slice(&sealed),
        }),
    })
}

/// The submission that a call is, if the door has nothing against it. The core looks for earlier ones before it refuses any.
async fn checked(door: &Door, by: Address, wish: ProofWish) -> Result<Submission, Status> {
    let stdin = door.upload(&wish.stdin_uri, by, STDIN_ROLE, "stdin_uri").await?;
    for_this_network(door, &wish)?;
    let (kind, deadline) = (served_kind(door, wish.mode)?, checked_deadline(door, wish.deadline)?);
    let program = door
        .clients
        .program(door.name.clone(), wish.vk_hash.to_vec())
        .await
        .map_err(refusal::of_core)?;
    let program = program.ok_or_else(|| {
        Status::failed_precondition(
            "the program of this vk_hash is not registered here; register it with CreateProgram (clients of the SDK do it when \
             they ask for a proof) and send the request again",
        )
    })?;
    Ok(submission(door, by, wish, kind, deadline, &program, &stdin))
}

/// The request that `by` was given under a key.
async fn accepted_before(door: &Door, by: Address, key: Option<Vec<u8>>) -> Option<RequestId> {
    let found = door.clients.accepted(door.requester(by), key?).await;
    found.unwrap_or_else(|error| {
        tracing::warn!(requester = %by, %error, "whether a refused call repeats an accepted one could not be found out");
        None
    })
}

/// Takes a request back for its owner. One that has ended already stays as it is, and that is fine.
pub(crate) async fn cancel(door: &Door, envelope: SignedRequest) -> Result<CancelRequestResponse, Status> {
    let signed = door::open(envelope)?;
    let tx_hash = ids::tx_hash(&signed.body);
    let body: CancelRequestRequestBody = door::decoded(signed.body)?;
    let id = door.request_id(&body.request_id)?;
    let cancelled = door
        .clients
        .cancel(id, door.requester(signed.by))
        .await
        .map_err(refusal::of_core)?;
    tracing::info!(request.id = %id, requester = %signed.by, cancelled, "cancellation of request {id} asked for");
    Ok(CancelRequestResponse {
        tx_hash: Bytes::copy_from_slice(&tx_hash),
        body: Some(Empty {}),
    })
}

/// Whether what is asked for was meant for this network, now or ever.
fn for_this_network(door: &Door, wish: &ProofWish) -> Result<(), Status> {
    let settings = &door.settings;
    if wish.version.strip_prefix(VERSION_PREFIX) != Some(settings.toolchain.as_str()) {
        return Err(Status::failed_precondition(format!(
            "circuit version {} is not served here; this network proves for {VERSION_PREFIX}{}: use an sp1-sdk of that circuit \
             version, or a network that serves yours",
            door::quoted(&wish.version),
            settings.toolchain
        )));
    }
    if let Some(auction) = &wish.auction
        && auction.domain != settings.domain[..]
    {
        return Err(Status::failed_precondition(
            "the request is signed for another network's domain; take the domain from this network's GetProofRequestParams",
        ));
    }
    Ok(())
}

fn served_kind(door: &Door, mode: i32) -> Result<Kind, Status> {
    let kind = kind_of(mode).ok_or_else(|| {
        Status::invalid_argument(format!(
            "proof mode {mode} is unknown; there are 1 (core), 2 (compressed), 3 (plonk) and 4 (groth16)"
        ))
    })?;
    if door.settings.modes.contains(&kind) {
        return Ok(kind);
    }
    let served: Vec<&str> = door.settings.modes.iter().map(Name::as_str).collect();
    Err(Status::failed_precondition(format!(
        "{kind} proofs are not served here; ask for one of: {}. The operator of this network can add \"{kind}\" to sp1.modes once \
         a worker proves it",
        served.join(", ")
    )))
}

fn checked_deadline(door: &Door, seconds: u64) -> Result<Timestamp, Status> {
    let (now, deadline) = (door.clients.now(), Timestamp::from_unix_seconds(seconds));
    if deadline <= now {
        return Err(Status::invalid_argument(format!(
            "the deadline {seconds} has passed, it is {} here; name one in the future, and check the clock of your machine",
            now.unix_seconds()
        )));
    }
    if deadline > now.plus(door.settings.max_deadline) {
        return Err(Status::invalid_argument(format!(
            "the deadline {seconds} is too far ahead; it is {} here, and {} seconds are allowed: ask for a shorter timeout",
            now.unix_seconds(),
            door.settings.max_deadline.0 / 1000
        )));
    }
    Ok(deadline)
}

fn submission(
    door: &Door,
    by: Address,
    wish: ProofWish,
    kind: Kind,
    deadline: Timestamp,
    program: &ProgramRow,
    stdin: &ArtifactRow,
) -> Submission {
    Submission {
        requester: door.requester(by),
        idempotency_key: idempotency_key(stdin.id, &wish),
        system: door.system.clone(),
        kind,
        toolchain: door.settings.toolchain.clone(),
        program: Some(ProgramRef {
            id: wish.vk_hash.to_vec(),
            artifact: program.artifact,
        }),
        inputs: vec![Input {
            name: Name::literal(STDIN_INPUT),
            blob: BlobRef::Artifact(stdin.id),
        }],
        limits: Limits {
            cycles: limit(wish.cycle_limit),
            gas: limit(wish.gas_limit),
        },
        expected_public_values: wish.auction.as_ref().and_then(|auction| auction.public_values_hash),
        private: wish.stdin_private || stdin.visibility == Visibility::Private,
        execute: true,
        priority: 0,
        deadline,
        door_data: memo(wish).encode_to_vec(),
        trace: None,
    }
}

/// 0 is the wire's way to say nothing; `u64::MAX` is a limit like any other.
fn limit(sent: u64) -> Option<u64> {
    (sent != 0).then_some(sent)
}

/// What stays the same over all retries of one logical request, and differs between any two.
fn idempotency_key(stdin: ArtifactId, wish: &ProofWish) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + HASH_BYTES + 4);
    key.extend_from_slice(stdin.as_bytes());
    key.extend_from_slice(&wish.vk_hash);
    key.extend_from_slice(&wish.mode.to_be_bytes());
    key
}

/// The key of what may have been accepted here, of an upload that may be gone; `None` for what never can have been.
fn repeated_key(door: &Door, wish: &ProofWish) -> Option<Vec<u8>> {
    for_this_network(door, wish).ok()?;
    ids::parse_artifact_uri(&wish.stdin_uri).map(|stdin| idempotency_key(stdin, wish))
}

fn memo(wish: ProofWish) -> RequestMemo {
    RequestMemo {
        version: wish.version,
        strategy: wish.strategy,
        stdin_uri: wish.stdin_uri,
        cycle_limit: wish.cycle_limit,
        gas_limit: wish.gas_limit,
        min_auction_period: wish.min_auction_period,
        whitelist: wish.whitelist,
        auction: wish.auction.map(|auction| AuctionTerms {
            base_fee: auction.base_fee,
            max_price_per_pgu: auction.max_price_per_pgu,
        }),
    }
}
