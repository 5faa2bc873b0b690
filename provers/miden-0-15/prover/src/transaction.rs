//! Transactions: executed as Miden's own prover executes them, proved by it, and verified with Miden's verifier.
//!
//! What must stay true: what [`Transactions::execute`] states is what [`Transactions::prove`] proves; both take the same
//! steps, the first without a trace. What no input changes is made once, so that executing takes milliseconds.

use std::error::Error;

use miden_kit::{Digest, Executed, Fault, MAX_CYCLES};
use miden_processor::{ExecutionError, ExecutionOptions, FastProcessor};
use miden_protocol::{
    account::{AccountDelta, delta::AccountUpdateDetails},
    asset::Asset,
    transaction::{
        InputNote, InputNotes, ProvenTransaction, RawOutputNote, TransactionInputs, TransactionKernel,
        TransactionOutputs, TxAccountUpdate,
    },
    utils::serde::Serializable as _,
    vm::{ExecutionProof, Program},
};
use miden_prover::HashFunction;
use miden_tx::{
    AccountProcedureIndexMap, LocalTransactionProver, ScriptMastForestStore, TransactionMastStore,
    TransactionProverHost, TransactionVerifier,
};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use crate::{code::Code, decoding::decode, host::Clocked, line::SECURITY_BITS};

/// Fewest cycles that the virtual machine takes as a limit. Its kernel alone takes more.
const MIN_CYCLES: u32 = 64;

/// Executes, proves and verifies.
pub(crate) struct Transactions {
    runtime: Runtime,
    kernel: Program,
    /// The code of kernel and libraries, which every transaction may call.
    libraries: TransactionMastStore,
    prover: LocalTransactionProver,
    verifier: TransactionVerifier,
}

impl Transactions {
    /// Makes what no input changes.
    pub(crate) fn start() -> Self {
        Self {
            // Miden's futures wait for nothing: this thread polls them to their end.
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime without drivers opens nothing"),
            kernel: TransactionKernel::main(),
            libraries: TransactionMastStore::new(),
            prover: LocalTransactionProver::default(),
            verifier: TransactionVerifier::new(SECURITY_BITS),
        }
    }

    /// Computes what a transaction states.
    pub(crate) fn execute(&self, inputs: &TransactionInputs, max_cycles: u64) -> Result<Executed, Fault> {
        let limit = u32::try_from(max_cycles.min(MAX_CYCLES)).expect("the most is below 2^32");
        let fragment = ExecutionOptions::DEFAULT_CORE_TRACE_FRAGMENT_SIZE;
        let options = ExecutionOptions::new(Some(limit), MIN_CYCLES, fragment, false, false)
            .map_err(|_| Fault::CycleLimit(max_cycles))?;
        let (stack, advice) = TransactionKernel::prepare_inputs(inputs);
        let advice = advice.into_advice_inputs();
        let code = Code::new(&self.libraries, inputs);
        let host = TransactionProverHost::new(
            inputs.account(),
            inputs.input_notes().clone(),
            &code,
            ScriptMastForestStore::new(
                inputs.tx_script(),
                inputs.input_notes().iter().map(|note| note.note().script()),
            ),
            AccountProcedureIndexMap::new(inputs.foreign_account_code().iter().chain([inputs.account().code()])),
        );
        let mut host = Clocked::new(host);
        let processor = FastProcessor::new_with_options(stack, advice.clone(), options)
            .map_err(|error| invalid(&ExecutionError::advice_error_no_context(error)))?;
        let output = self
            .runtime
            .block_on(processor.execute(&self.kernel, &mut host))
            .map_err(|error| match error {
                ExecutionError::CycleLimitExceeded(_) => Fault::CycleLimit(max_cycles),
                error => invalid(&error),
            })?;
        let (host, cycles) = host.into_parts();
        let (delta, notes, created) = host.into_parts();
        let outputs = TransactionKernel::from_transaction_parts(&output.stack, &advice, created)
            .map_err(|error| invalid(&error))?;
        let unproven = build(inputs, &notes, outputs, delta).map_err(|error| invalid(&*error))?;
        Ok(Executed {
            statement: statement(&unproven),
            cycles: Some(cycles),
        })
    }

    /// Proves a transaction, as the client gets it.
    pub(crate) fn prove(&self, inputs: TransactionInputs) -> Result<Vec<u8>, String> {
        self.runtime
            .block_on(self.prover.prove(inputs))
            .map(|proven| proven.to_bytes())
            .map_err(|error| with_causes(&error))
    }

    /// Verifies a proof and holds what it proves against the inputs.
    pub(crate) fn verify(&self, inputs: &TransactionInputs, proof: &[u8]) -> Result<Digest, String> {
        let proven: ProvenTransaction =
            decode(proof).map_err(|error| format!("it is no proven transaction: {error}"))?;
        check_inputs(inputs, &proven)?;
        self.verifier
            .verify(&proven)
            .map_err(|error| format!("the proof does not verify: {}", with_causes(&error)))?;
        Ok(statement(&proven))
    }
}

/// Holds what a proof takes as its inputs against the witness. The statement covers them too; this says which differs.
fn check_inputs(inputs: &TransactionInputs, proven: &ProvenTransaction) -> Result<(), String> {
    let account = inputs.account();
    let block = inputs.block_header();
    let same = [
        ("account", account.id() == proven.account_id()),
        (
            "state of the account",
            account.initial_commitment() == proven.account_update().initial_state_commitment(),
        ),
        (
            "input notes",
            inputs.input_notes().commitment() == proven.input_notes().commitment(),
        ),
        ("reference block", block.block_num() == proven.ref_block_num()),
        (
            "reference block's commitment",
            block.commitment() == proven.ref_block_commitment(),
        ),
    ];
    match same.into_iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(format!(
            "it proves another transaction: the {what} is not that of the request"
        )),
    }
}

/// Puts together what the transaction states, as Miden's prover does, with an empty proof.
fn build(
    inputs: &TransactionInputs,
    notes: &InputNotes<InputNote>,
    outputs: TransactionOutputs,
    delta: AccountDelta,
) -> Result<ProvenTransaction, Box<dyn Error>> {
    let (fee, expiration) = (outputs.fee(), outputs.expiration_block_num());
    let (account, created) = outputs.into_parts();
    // Of private notes only the header is told.
    let created = created
        .into_iter()
        .map(RawOutputNote::into_output_note)
        .collect::<Result<Vec<_>, _>>()?;
    let delta_commitment = delta.to_commitment();
    // The proof commits to the change before the fee, the details tell the change after it.
    let mut after_fee = delta;
    after_fee.vault_mut().remove_asset(Asset::from(fee))?;
    let before = inputs.account();
    let details = if before.id().is_public() {
        AccountUpdateDetails::Delta(after_fee)
    } else {
        AccountUpdateDetails::Private
    };
    let update = TxAccountUpdate::new(
        before.id(),
        before.initial_commitment(),
        account.to_commitment(),
        delta_commitment,
        details,
    )?;
    let block = inputs.block_header();
    let proof = ExecutionProof::new(Vec::new(), HashFunction::Blake3_256, Vec::new());
    Ok(ProvenTransaction::new(
        update,
        notes.iter(),
        created,
        block.block_num(),
        block.commitment(),
        fee,
        expiration,
        proof,
    )?)
}

/// SHA-256 of all that a proven transaction encodes, its proof aside, in the order of Miden's encoding.
fn statement(proven: &ProvenTransaction) -> Digest {
    let mut bytes = proven.account_update().to_bytes();
    proven.input_notes().write_into(&mut bytes);
    proven.output_notes().write_into(&mut bytes);
    proven.ref_block_num().write_into(&mut bytes);
    proven.ref_block_commitment().write_into(&mut bytes);
    proven.fee().write_into(&mut bytes);
    proven.expiration_block_num().write_into(&mut bytes);
    Sha256::digest(bytes).into()
}

fn invalid(error: &dyn Error) -> Fault {
    Fault::Invalid(format!("the transaction does not execute: {}", with_causes(error)))
}

/// An error in words, with what it comes from.
fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
