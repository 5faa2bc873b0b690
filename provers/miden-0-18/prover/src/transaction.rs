//! Transactions: a STARK of the transaction kernel.
//!
//! The proof binds all that the result states. Contract: the steps are those of the published `LocalTransactionProver`
//! 0.18.0, taken apart so that what is stated is known without a proof.

use std::collections::BTreeSet;

use miden_core_lib::CoreLibrary;
use miden_kit::{Digest, Executed, Fault, MAX_CYCLES};
use miden_objects::proto;
use miden_processor::{ExecutionError, ExecutionOptions, FastProcessor, StackOutputs, event::EventId};
use miden_protocol::{
    ProtocolLib, Word,
    account::AccountUpdateDetails,
    transaction::{
        OutputNote, ProvenTransaction, RawOutputNote, TransactionInputs, TransactionKernel, TransactionVerifier,
        TxAccountUpdate,
    },
    vm::{AdviceInputs, ExecutionProof},
};
use miden_prover::{HashFunction, PrecompileStatus, Prover, StarkProof, VmProof};
use miden_tx::TransactionMastStore;
use miden_wire_0_18::{SECURITY_LEVEL, causes, proven_transaction};
use prost::Message as _;

use crate::{
    host::{Code, Host, printing_events},
    line::{digest, invalid, options, prover},
};

/// What transactions need, made once.
pub(crate) struct Transactions {
    libraries: TransactionMastStore,
    printing: BTreeSet<EventId>,
    verifier: TransactionVerifier,
    prover: Prover,
}

impl Transactions {
    pub(crate) fn start() -> Self {
        // The kernel's program is decoded when it is first asked for.
        let _ = (
            TransactionKernel::main(),
            CoreLibrary::default(),
            ProtocolLib::default(),
        );
        Self {
            libraries: TransactionMastStore::new(),
            printing: printing_events(),
            verifier: TransactionVerifier::new(SECURITY_LEVEL),
            prover: prover(),
        }
    }

    pub(crate) fn execute(&self, inputs: &TransactionInputs, max_cycles: u64) -> Result<Executed, Fault> {
        let code = Code::new(&self.libraries, inputs);
        let (processor, mut host, advice) = self.prepare(inputs, &code, options(max_cycles))?;
        let output = processor
            .execute_sync(&TransactionKernel::main(), &mut host)
            .map_err(|error| not_executed(&error, max_cycles))?;
        let cycles = host.cycles();
        // Below the shortest trace, the virtual machine's own limit is higher than the caller's.
        if cycles > max_cycles {
            return Err(Fault::CycleLimit(max_cycles));
        }
        let proven = outcome(inputs, host, &output.stack, &advice)?;
        Ok(Executed {
            statement: digest(&statement(&proven)),
            cycles: Some(cycles),
        })
    }

    pub(crate) fn prove(&self, inputs: &TransactionInputs) -> Result<Vec<u8>, String> {
        let code = Code::new(&self.libraries, inputs);
        let (processor, mut host, advice) = self
            .prepare(inputs, &code, options(MAX_CYCLES))
            .map_err(|fault| fault.to_string())?;
        let witness = processor
            .execute_for_proving_sync(&TransactionKernel::main(), &mut host)
            .map_err(|error| causes(&error))?;
        let stack = *witness.claim().stack_outputs();
        let proven = outcome(inputs, host, &stack, &advice).map_err(|fault| fault.to_string())?;
        let proof = self.prover.prove(witness).map_err(|error| causes(&error))?;
        Ok(proto::transaction::ProvenTransaction {
            proof: Some(proof.into()),
            ..statement(&proven)
        }
        .encode_to_vec())
    }

    pub(crate) fn verify(&self, inputs: &TransactionInputs, proof: &[u8]) -> Result<Digest, String> {
        let proven =
            proven_transaction(proof).map_err(|error| format!("the result is no proven transaction: {error}"))?;
        same_transaction(inputs, &proven)?;
        // Precompiles left open are how every transaction with an ECDSA signature ends; the verifier has computed that they
        // hold, and refuses those that are settled here already.
        let _open_precompiles = self
            .verifier
            .verify(&proven)
            .map_err(|error| format!("the proof does not verify: {}", causes(&error)))?;
        Ok(digest(&statement(&proven)))
    }

    fn prepare<'a>(
        &'a self,
        inputs: &TransactionInputs,
        code: &'a Code<'a>,
        options: ExecutionOptions,
    ) -> Result<(FastProcessor, Host<'a>, AdviceInputs), Fault> {
        let (stack, advice) = TransactionKernel::prepare_inputs(inputs);
        let advice = advice.into_advice_inputs();
        let host = Host::new(inputs, code, &self.printing)
            .map_err(|error| invalid("the transaction's account cannot be followed", &error))?;
        let processor = FastProcessor::new_with_options(stack, advice.clone(), options)
            .map_err(|error| invalid("the transaction's advice is not taken", &error))?;
        Ok((processor, host, advice))
    }
}

/// Puts together what an execution states, with an empty proof.
fn outcome(
    inputs: &TransactionInputs,
    host: Host<'_>,
    stack: &StackOutputs,
    advice: &AdviceInputs,
) -> Result<ProvenTransaction, Fault> {
    let (patch, input_notes, output_notes) = host.into_published().into_parts();
    let outputs = TransactionKernel::from_transaction_parts(stack, advice, output_notes)
        .map_err(|error| invalid("the transaction ends in no result", &error))?;
    let expiration = outputs.expiration_block_num();
    let (account_after, output_notes) = outputs.into_parts();
    // A private note leaves its header only.
    let output_notes: Vec<OutputNote> = output_notes
        .into_iter()
        .map(RawOutputNote::into_output_note)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid("an output note is not allowed", &error))?;
    let account = inputs.account();
    let patch_commitment = patch.to_commitment();
    let details = if account.id().is_public() {
        AccountUpdateDetails::Public(patch)
    } else {
        AccountUpdateDetails::Private
    };
    let update = TxAccountUpdate::new(
        account.id(),
        account.initial_commitment(),
        account_after.to_commitment(),
        patch_commitment,
        details,
    )
    .map_err(|error| invalid("the account's change is not allowed", &error))?;
    let header = inputs.block_header();
    ProvenTransaction::new(
        update,
        input_notes.iter(),
        output_notes,
        header.block_num(),
        header.commitment(),
        expiration,
        empty_proof(),
    )
    .map_err(|error| invalid("the transaction's result is not allowed", &error))
}

/// A proof of nothing, where the protocol's type wants one.
fn empty_proof() -> ExecutionProof {
    let vm = VmProof {
        proof: StarkProof::new(Vec::new(), HashFunction::Poseidon2),
        precompile_root: Word::empty(),
    };
    ExecutionProof::new(vm, PrecompileStatus::Empty)
}

/// Everything but the proof.
fn statement(proven: &ProvenTransaction) -> proto::transaction::ProvenTransaction {
    proto::transaction::ProvenTransaction {
        proof: None,
        ..proven.into()
    }
}

/// Holds what the witness alone decides against the result; what the execution decides is in the statement.
fn same_transaction(inputs: &TransactionInputs, proven: &ProvenTransaction) -> Result<(), String> {
    let (account, header) = (inputs.account(), inputs.block_header());
    let what = if proven.account_id() != account.id() {
        "account"
    } else if proven.account_update().initial_state_commitment() != account.initial_commitment() {
        "state of the account before"
    } else if proven.input_notes().commitment() != inputs.input_notes().commitment() {
        "input notes"
    } else if proven.ref_block_num() != header.block_num() || proven.ref_block_commitment() != header.commitment() {
        "reference block"
    } else {
        return Ok(());
    };
    Err(format!("the result's {what} is not the witness's"))
}

fn not_executed(error: &ExecutionError, max_cycles: u64) -> Fault {
    match error {
        ExecutionError::CycleLimitExceeded(_) => Fault::CycleLimit(max_cycles),
        _ => invalid("the transaction does not execute", error),
    }
}
