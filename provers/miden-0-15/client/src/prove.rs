//! Has a witness proved: elsewhere, with the published client, or here.

use std::time::{Duration, Instant};

use miden_kit::{
    Kind,
    client::{Event, KindName, LocalArguments, ProveArguments},
};
use miden_protocol::{
    MIN_PROOF_SECURITY_LEVEL,
    batch::{OrderedBatches, ProposedBatch},
    block::{BlockHeader, BlockInputs, BlockProof, ProposedBlock},
    transaction::TransactionInputs,
    utils::serde::{ByteReader, Deserializable, DeserializationError, Serializable as _},
};
use miden_remote_prover_client::{RemoteBatchProver, RemoteBlockProver, RemoteTransactionProver};
use miden_tx_batch_prover::LocalBatchProver;

use crate::{
    files, raw, verify,
    wire::{self, ProofType},
};

/// What the published block client takes, in the layout that upstream's worker reads.
struct BlockParts(OrderedBatches, BlockHeader, BlockInputs);

impl Deserializable for BlockParts {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        Ok(Self(source.read()?, source.read()?, source.read()?))
    }
}

/// An answer that verified.
struct Answer {
    bytes: Vec<u8>,
    id: String,
    seconds: f64,
}

/// Whom to ask, and with what: made once, so that repeated calls share a connection.
enum Asking {
    Transaction(RemoteTransactionProver, Box<TransactionInputs>),
    Batch(RemoteBatchProver, Box<ProposedBatch>),
    Block(RemoteBlockProver, Box<BlockParts>),
    /// A block as the published client sends it. Its parts cannot be told from that, so its bytes are sent as they are.
    ProposedBlock(Vec<u8>),
}

impl Asking {
    fn new(arguments: &ProveArguments) -> anyhow::Result<Self> {
        let (url, timeout) = (arguments.url.clone(), Duration::from_secs(arguments.timeout));
        let path = &arguments.witness;
        Ok(match arguments.kind {
            KindName::Transaction => Self::Transaction(
                RemoteTransactionProver::new(url).with_timeout(timeout),
                Box::new(files::decode(path)?),
            ),
            KindName::Batch => Self::Batch(
                RemoteBatchProver::new(url).with_timeout(timeout),
                Box::new(files::decode(path)?),
            ),
            KindName::Block => match files::decode::<ProposedBlock>(path) {
                Ok(proposed) => Self::ProposedBlock(proposed.to_bytes()),
                Err(_) => Self::Block(
                    RemoteBlockProver::new(url).with_timeout(timeout),
                    Box::new(files::decode(path)?),
                ),
            },
        })
    }

    async fn ask(&self, arguments: &ProveArguments) -> anyhow::Result<Answer> {
        let began = Instant::now();
        let seconds = || began.elapsed().as_secs_f64();
        Ok(match self {
            Self::Transaction(prover, inputs) => {
                let proven = Box::pin(prover.prove(inputs)).await.map_err(wire::find_refusal)?;
                let seconds = seconds();
                verify::transaction(inputs, &proven)?;
                Answer {
                    bytes: proven.to_bytes(),
                    id: proven.id().to_hex(),
                    seconds,
                }
            }
            Self::Batch(prover, proposed) => {
                let proposed = ProposedBatch::clone(proposed);
                let proven = Box::pin(prover.prove(proposed.clone()))
                    .await
                    .map_err(wire::find_refusal)?;
                let seconds = seconds();
                verify::batch(proposed, &proven)?;
                Answer {
                    bytes: proven.to_bytes(),
                    id: proven.id().to_hex(),
                    seconds,
                }
            }
            Self::Block(prover, parts) => {
                let BlockParts(batches, header, inputs) = &**parts;
                let proof = Box::pin(prover.prove(batches.clone(), header, inputs.clone()))
                    .await
                    .map_err(wire::find_refusal)?;
                block(proof.to_bytes(), seconds())?
            }
            Self::ProposedBlock(bytes) => {
                let timeout = Duration::from_secs(arguments.timeout);
                let answer = raw::send(&arguments.url, ProofType::Block.into(), bytes.clone(), timeout).await?;
                block(answer, seconds())?
            }
        })
    }
}

fn block(bytes: Vec<u8>, seconds: f64) -> anyhow::Result<Answer> {
    anyhow::ensure!(
        bytes.is_empty(),
        "the proof of a block is empty; this one has {} bytes",
        bytes.len()
    );
    Ok(Answer {
        bytes,
        id: String::new(),
        seconds,
    })
}

/// Has a witness proved by a prover elsewhere.
pub(crate) async fn remote(arguments: ProveArguments) -> anyhow::Result<()> {
    let asking = Asking::new(&arguments)?;
    for _ in 0..arguments.repeat {
        let answer = Box::pin(asking.ask(&arguments)).await?;
        proved(arguments.kind, &answer);
        if let Some(out) = &arguments.out {
            files::write(out, "a proof", &answer.bytes)?;
        }
    }
    Ok(())
}

/// Proves here.
pub(crate) async fn local(arguments: LocalArguments) -> anyhow::Result<()> {
    let path = &arguments.witness;
    let began = Instant::now();
    let (bytes, id) = match arguments.kind {
        KindName::Transaction => {
            let inputs: TransactionInputs = files::decode(path)?;
            let proven = miden_witnesses::prove(inputs.clone()).await?;
            verify::transaction(&inputs, &proven)?;
            (proven.to_bytes(), proven.id().to_hex())
        }
        KindName::Batch => {
            let proven = LocalBatchProver::new(MIN_PROOF_SECURITY_LEVEL).prove(files::decode(path)?)?;
            (proven.to_bytes(), proven.id().to_hex())
        }
        KindName::Block => (BlockProof {}.to_bytes(), String::new()),
    };
    let seconds = began.elapsed().as_secs_f64();
    let answer = Answer { bytes, id, seconds };
    proved(arguments.kind, &answer);
    files::write(&arguments.out, "a proof", &answer.bytes)
}

fn proved(kind: KindName, answer: &Answer) {
    Event::Proved {
        kind: Kind::from(kind),
        seconds: answer.seconds,
        bytes: answer.bytes.len(),
        id: answer.id.clone(),
    }
    .print();
}
