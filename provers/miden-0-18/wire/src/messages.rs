//! The messages that no published crate has: those of `miden.remote_prover.v1` itself, and `block_proving`.
//!
//! Contract: field numbers and types of `remote_prover.proto` and `types/block_proving.proto` of the node, 0.17 to 0.18.

use miden_objects::proto::{account, blockchain, note, primitives, transaction};

/// What a client asks for (`ProveRequest`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProveRequest {
    /// One witness; the variant is the kind of proof.
    #[prost(oneof = "ProveRequestKind", tags = "1, 2, 3")]
    pub request: Option<ProveRequestKind>,
}

/// The witness of each kind.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each call, and the generated type of the contract"
)]
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ProveRequestKind {
    /// A transaction to prove.
    #[prost(message, tag = "1")]
    Transaction(transaction::TransactionInputs),
    /// Proven transactions to prove as a batch.
    #[prost(message, tag = "2")]
    Batch(transaction::ProposedBatch),
    /// Proven batches to prove as a block.
    #[prost(message, tag = "3")]
    Block(BlockProofRequest),
}

/// What a client gets (`ProveResponse`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProveResponse {
    /// The proof; its variant is that of the request.
    #[prost(oneof = "ProveResponseKind", tags = "1, 2, 3")]
    pub proof: Option<ProveResponseKind>,
}

/// The proof of each kind.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each call, and the generated type of the contract"
)]
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ProveResponseKind {
    /// A transaction with its proof.
    #[prost(message, tag = "1")]
    Transaction(transaction::ProvenTransaction),
    /// A batch with its proof.
    #[prost(message, tag = "2")]
    Batch(transaction::ProvenBatch),
    /// The proof of a block.
    #[prost(message, tag = "3")]
    Block(primitives::ExecutionProof),
}

/// All that a block is rebuilt from.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BlockProofRequest {
    /// The batches in the block's order.
    #[prost(message, repeated, tag = "1")]
    pub batches: Vec<transaction::ProvenBatch>,
    /// The chain before the block.
    #[prost(message, optional, tag = "2")]
    pub block_inputs: Option<BlockInputs>,
    /// The block's time, in seconds since 1970.
    #[prost(fixed32, tag = "3")]
    pub timestamp: u32,
    /// The validators that sign the next block.
    #[prost(message, optional, tag = "4")]
    pub next_validator_config: Option<blockchain::ValidatorConfig>,
    /// The protocol upgrade that the block schedules.
    #[prost(message, optional, tag = "5")]
    pub next_protocol_config: Option<blockchain::NextProtocolConfig>,
}

/// The chain before a block, as far as the block touches it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BlockInputs {
    /// The block before.
    #[prost(message, optional, tag = "1")]
    pub prev_block_header: Option<blockchain::BlockHeader>,
    /// The chain up to the block before.
    #[prost(message, optional, tag = "2")]
    pub partial_blockchain: Option<blockchain::PartialBlockchain>,
    /// Where each account of the block stands in the account tree.
    #[prost(message, repeated, tag = "3")]
    pub account_witnesses: Vec<AccountWitnessRecord>,
    /// That each nullifier of the block is not yet in the nullifier tree.
    #[prost(message, repeated, tag = "4")]
    pub nullifier_witnesses: Vec<NullifierWitness>,
    /// Where the unauthenticated notes of the block were made.
    #[prost(message, repeated, tag = "5")]
    pub unauthenticated_note_proofs: Vec<note::NoteInclusionProof>,
}

/// An account and its witness.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AccountWitnessRecord {
    /// The account that was asked for.
    #[prost(message, optional, tag = "1")]
    pub account_id: Option<account::AccountId>,
    /// Its place in the account tree.
    #[prost(message, optional, tag = "2")]
    pub witness: Option<account::AccountWitness>,
}

/// A nullifier and its opening.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NullifierWitness {
    /// The nullifier.
    #[prost(message, optional, tag = "1")]
    pub nullifier: Option<primitives::Word>,
    /// Its place in the nullifier tree.
    #[prost(message, optional, tag = "2")]
    pub opening: Option<primitives::SmtOpening>,
}

/// How a worker is (`WorkerStatusResponse`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerStatusResponse {
    /// The worker's version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// What it proves: 0 transactions, 1 batches, 2 blocks.
    #[prost(int32, tag = "2")]
    pub supported_proof_type: i32,
}

/// How the workers behind a proxy are (`ProxyStatusResponse`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProxyStatusResponse {
    /// The proxy's version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// What they prove: 0 transactions, 1 batches, 2 blocks.
    #[prost(int32, tag = "2")]
    pub supported_proof_type: i32,
    /// Each of them.
    #[prost(message, repeated, tag = "3")]
    pub workers: Vec<ProxyWorkerStatus>,
}

/// How one worker is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProxyWorkerStatus {
    /// The worker's name or address.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The worker's version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// 0 unknown, 1 healthy, 2 unhealthy.
    #[prost(int32, tag = "3")]
    pub status: i32,
}
