//! Proofs that are asked for, and raw bytes that are sent.

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use miden_client::RemoteTransactionProver;
use miden_kit::{
    Kind,
    client::{Event, ProveArguments, RawArguments},
};
use miden_objects::proto;
use miden_wire_0_18::{
    messages::{ProveResponse, ProveResponseKind},
    transaction_inputs,
};
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use tonic::{Status, transport::Channel};

use crate::{
    checks::check,
    rpc::{call, connect, refused},
};

const PROVE: &str = "/miden.remote_prover.v1.ProverService/Prove";

/// The largest field number of protobuf.
const MAX_FIELD: i64 = (1 << 29) - 1;

/// Asks for a proof, again and again, and verifies each answer.
pub(crate) async fn prove(arguments: &ProveArguments) -> anyhow::Result<()> {
    let kind = Kind::from(arguments.kind);
    let witness = fs::read(&arguments.witness).context("cannot read the witness")?;
    let prover = Prover::new(kind, &arguments.url, Duration::from_secs(arguments.timeout)).await?;
    for _ in 0..arguments.repeat {
        let began = Instant::now();
        let proof = prover.prove(kind, &witness).await?;
        let seconds = began.elapsed().as_secs_f64();
        let id = check(kind, &witness, &proof)?;
        Event::Proved {
            kind,
            seconds,
            bytes: proof.len(),
            id,
        }
        .print();
        if let Some(out) = &arguments.out {
            fs::write(out, &proof).with_context(|| format!("cannot write {}", out.display()))?;
        }
    }
    Ok(())
}

/// Who is asked, on one connection.
enum Prover {
    /// The published client's.
    Transaction(Box<RemoteTransactionProver>),
    /// Called as the node calls.
    Other(Channel),
}

impl Prover {
    async fn new(kind: Kind, url: &str, timeout: Duration) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Transaction => Self::Transaction(Box::new(RemoteTransactionProver::new(url).with_timeout(timeout))),
            Kind::Batch | Kind::Block => Self::Other(connect(url, timeout).await?),
        })
    }

    /// The message in the answer, encoded.
    async fn prove(&self, kind: Kind, witness: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Transaction(prover) => {
                let inputs = transaction_inputs(witness).context("the witness is no transaction")?;
                let proven = Box::pin(prover.prove(&inputs)).await.map_err(refused_within)?;
                Ok(proto::transaction::ProvenTransaction::from(proven).encode_to_vec())
            }
            Self::Other(channel) => {
                let answer = call(channel, PROVE, request(number(kind), witness)).await;
                let answer = answer.map_err(|status| refused(&status))?;
                let (answered, proof) = proof_within(&answer)?;
                anyhow::ensure!(answered == kind, "the answer holds no {kind}");
                Ok(proof)
            }
        }
    }
}

/// The proof in a `ProveResponse`, encoded, and what it is of.
fn proof_within(answer: &[u8]) -> anyhow::Result<(Kind, Vec<u8>)> {
    let answer = ProveResponse::decode(answer).context("the answer is no ProveResponse")?;
    Ok(match answer.proof.context("the answer holds no proof")? {
        ProveResponseKind::Transaction(proven) => (Kind::Transaction, proven.encode_to_vec()),
        ProveResponseKind::Batch(batch) => (Kind::Batch, batch.encode_to_vec()),
        ProveResponseKind::Block(proof) => (Kind::Block, proof.encode_to_vec()),
    })
}

/// Sends bytes as a witness of whatever kind. What is kept is the proof in the answer.
pub(crate) async fn raw(arguments: &RawArguments) -> anyhow::Result<()> {
    let payload = fs::read(&arguments.payload).context("cannot read the payload")?;
    let channel = connect(&arguments.url, Duration::from_secs(arguments.timeout)).await?;
    let answer = call(&channel, PROVE, request(arguments.kind.into(), &payload)).await;
    let answer = answer.map_err(|status| refused(&status))?;
    Event::Answered { bytes: answer.len() }.print();
    if let Some(out) = &arguments.out {
        let (_, proof) = proof_within(&answer)?;
        fs::write(out, proof).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(())
}

/// A kind's number, in the enum `ProofType`.
fn number(kind: Kind) -> i64 {
    match kind {
        Kind::Transaction => 0,
        Kind::Batch => 1,
        Kind::Block => 2,
    }
}

/// A `ProveRequest` whose variant is the field one above the kind's number. A number that gives no field gives a request
/// without a variant.
fn request(number: i64, witness: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(witness.len() + 16);
    let field = Some(number + 1).filter(|field| (1..=MAX_FIELD).contains(field));
    if let Some(field) = field.and_then(|field| u32::try_from(field).ok()) {
        encode_key(field, WireType::LengthDelimited, &mut message);
        encode_varint(witness.len() as u64, &mut message);
        message.extend_from_slice(witness);
    }
    message
}

/// Finds the refusal in what the published prover says.
fn refused_within(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        if let Some(status) = cause.downcast_ref::<Status>() {
            return refused(status);
        }
        next = cause.source();
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use miden_wire_0_18::messages::{ProveRequest, ProveRequestKind};

    use super::*;

    #[test]
    fn a_number_is_the_variant_before_its_field() {
        for (number, kind) in [(0, "transaction"), (1, "batch"), (2, "block")] {
            let message = ProveRequest::decode(request(number, &[]).as_slice()).expect("decodes");
            let found = match message.request.expect("a variant") {
                ProveRequestKind::Transaction(_) => "transaction",
                ProveRequestKind::Batch(_) => "batch",
                ProveRequestKind::Block(_) => "block",
            };
            assert_eq!(found, kind);
        }
        for number in [7, -1, i64::from(i32::MIN), i64::from(i32::MAX)] {
            let message = ProveRequest::decode(request(number, b"x").as_slice()).expect("decodes");
            assert_eq!(message.request, None);
        }
    }
}
