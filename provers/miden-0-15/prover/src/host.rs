//! A host that looks at the clock and prints nothing. The virtual machine keeps its count of cycles to itself; an event shows it.
//! What a program asks to print is its witness's stack and memory: private, so it is dropped.

use std::sync::Arc;

use miden_core::operations::DebugOptions;
use miden_processor::{
    BaseHost, DebugError, FutureMaybeSend, Host, ProcessorState, TraceError, advice::AdviceMutation, event::EventError,
    trace::RowIndex,
};
use miden_protocol::{
    MastForest, Word,
    assembly::{SourceFile, SourceSpan, debuginfo::Location},
    vm::{EventId, EventName},
};

/// Passes everything on and remembers the cycle of the last event. The kernel's last one is the end of its epilogue, a
/// few cycles before the program's.
pub(crate) struct Clocked<H> {
    host: H,
    last_event: RowIndex,
}

impl<H> Clocked<H> {
    /// Puts a clock beside `host`.
    pub(crate) fn new(host: H) -> Self {
        Self {
            host,
            last_event: RowIndex::from(0_u32),
        }
    }

    /// The host, and the cycle of its last event.
    pub(crate) fn into_parts(self) -> (H, u64) {
        (self.host, u64::from(self.last_event.as_u32()))
    }
}

impl<H: BaseHost> BaseHost for Clocked<H> {
    fn get_label_and_source_file(&self, location: &Location) -> (SourceSpan, Option<Arc<SourceFile>>) {
        self.host.get_label_and_source_file(location)
    }

    fn on_debug(&mut self, _: &ProcessorState<'_>, _: &DebugOptions) -> Result<(), DebugError> {
        Ok(())
    }

    fn on_trace(&mut self, _: &ProcessorState<'_>, _: u32) -> Result<(), TraceError> {
        Ok(())
    }

    fn resolve_event(&self, event_id: EventId) -> Option<&EventName> {
        self.host.resolve_event(event_id)
    }
}

impl<H: Host> Host for Clocked<H> {
    fn get_mast_forest(&self, node_digest: &Word) -> impl FutureMaybeSend<Option<Arc<MastForest>>> {
        self.host.get_mast_forest(node_digest)
    }

    fn on_event(
        &mut self,
        process: &ProcessorState<'_>,
    ) -> impl FutureMaybeSend<Result<Vec<AdviceMutation>, EventError>> {
        self.last_event = process.clock();
        self.host.on_event(process)
    }
}
