//! The virtual machine's host for transactions: the published one, watched.
//!
//! It counts cycles, and it keeps quiet: a program may ask for its stack or memory to be printed, and the published host
//! would print them, where the log is and private witnesses must not be.

use std::{collections::BTreeSet, sync::Arc};

use miden_core_lib::handlers::debug::noop_debug_handlers;
use miden_processor::{
    BaseHost, LoadedMastForest, MastForestStore, MemMastForestStore, ProcessorState, SyncHost,
    advice::AdviceMutation,
    event::{EventError, EventId, EventName, TraceError},
};
use miden_protocol::{
    Word,
    assembly::{SourceFile, SourceSpan, debuginfo::Location},
    transaction::TransactionInputs,
};
use miden_tx::{
    AccountProcedureIndexMap, ScriptMastForestStore, TransactionKernelError, TransactionMastStore,
    TransactionProverHost,
};

/// The code that one transaction may run: the libraries that all have, and its accounts'.
pub(crate) struct Code<'a> {
    libraries: &'a TransactionMastStore,
    accounts: MemMastForestStore,
}

impl<'a> Code<'a> {
    pub(crate) fn new(libraries: &'a TransactionMastStore, inputs: &TransactionInputs) -> Self {
        let mut accounts = MemMastForestStore::default();
        for code in inputs.foreign_account_code().iter().chain([inputs.account().code()]) {
            accounts.insert_loaded(code.loaded_mast_forest());
        }
        Self { libraries, accounts }
    }
}

impl MastForestStore for Code<'_> {
    fn get(&self, procedure_hash: &Word) -> Option<LoadedMastForest> {
        // Accounts first, as in the published store, where they replace what was there.
        self.accounts
            .get(procedure_hash)
            .or_else(|| self.libraries.get(procedure_hash))
    }
}

/// The events that would print.
pub(crate) fn printing_events() -> BTreeSet<EventId> {
    noop_debug_handlers()
        .into_iter()
        .map(|(name, _)| name.to_event_id())
        .collect()
}

/// The published host of one transaction, watched.
pub(crate) struct Host<'a> {
    published: TransactionProverHost<'a, Code<'a>>,
    printing: &'a BTreeSet<EventId>,
    cycles: u64,
}

impl<'a> Host<'a> {
    pub(crate) fn new(
        inputs: &TransactionInputs,
        code: &'a Code<'a>,
        printing: &'a BTreeSet<EventId>,
    ) -> Result<Self, TransactionKernelError> {
        let scripts = ScriptMastForestStore::new(
            inputs.tx_script(),
            inputs.input_notes().iter().map(|note| note.note().script()),
        );
        let procedures =
            AccountProcedureIndexMap::new(inputs.foreign_account_code().iter().chain([inputs.account().code()]));
        let published = TransactionProverHost::new(
            inputs.account(),
            inputs.input_notes().clone(),
            inputs.collect_block_commitments(),
            code,
            scripts,
            procedures,
        )?;
        Ok(Self {
            published,
            printing,
            cycles: 0,
        })
    }

    /// Cycles up to the last event, which is the kernel's end.
    pub(crate) fn cycles(&self) -> u64 {
        self.cycles
    }

    pub(crate) fn into_published(self) -> TransactionProverHost<'a, Code<'a>> {
        self.published
    }
}

impl BaseHost for Host<'_> {
    fn get_label_and_source_file(&self, location: &Location) -> (SourceSpan, Option<Arc<SourceFile>>) {
        self.published.get_label_and_source_file(location)
    }

    fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
        self.published.resolve_event(event_id)
    }
}

impl SyncHost for Host<'_> {
    fn get_mast_forest(&self, node_digest: &Word) -> Option<LoadedMastForest> {
        self.published.get_mast_forest(node_digest)
    }

    fn on_event(&mut self, process: &ProcessorState<'_>) -> Result<Vec<AdviceMutation>, EventError> {
        self.cycles = process.clock().into();
        let event = EventId::from_felt(process.get_stack_item(0));
        if self.printing.contains(&event) {
            return Ok(Vec::new());
        }
        self.published.on_event(process)
    }

    fn on_trace(&mut self, _process: &ProcessorState<'_>) -> Result<(), TraceError> {
        Ok(())
    }
}
