//! Listens to what SP1's crates trace: the guest's output, progress, and worker tasks that died.
//!
//! What must stay true: the guest's output goes to the job that asked for it, within its limit, and nowhere else; no
//! log shows it. One job runs at a time in this process, so there is one collector of each sort.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tracing::{Event, Level, Metadata, Subscriber, field, span};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use crate::progress::{self, Counters, Report};

/// Where SP1's executor repeats, line by line, what its child process wrote to stderr.
const CHILD_TARGET: &str = "sp1_core_executor_runner";

/// Where SP1's local node says that a task of its engine panicked; nobody else tells.
const NODE_TARGET: &str = "sp1_prover::worker::node";

/// Longest text of an event that is looked at beyond guest output, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;

/// Lines of the executor's own that are kept to explain its end.
const EXECUTOR_LINES_MAX: usize = 32;

/// What a job wants to know of an execution.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// What the guest printed, cut at the limit.
    pub(crate) guest_log: Vec<u8>,
    /// What the executor's process said itself.
    pub(crate) executor_lines: Vec<String>,
}

#[derive(Default)]
struct Shared {
    execution: Mutex<Option<(Heard, usize)>>,
    proof: Mutex<Option<Counters>>,
    died: Mutex<Option<String>>,
    changed: Notify,
}

/// The listener; clones share what they hear.
#[derive(Clone, Default)]
pub(crate) struct Observer {
    shared: Arc<Shared>,
}

impl Observer {
    /// Starts to collect what an execution prints, at most `guest_log_bytes` of it.
    pub(crate) fn listen_to_execution(&self, guest_log_bytes: u64) {
        let limit = usize::try_from(guest_log_bytes).unwrap_or(usize::MAX);
        *lock(&self.shared.execution) = Some((Heard::default(), limit));
    }

    /// Ends collecting and returns what was heard.
    pub(crate) fn execution_heard(&self) -> Heard {
        lock(&self.shared.execution)
            .take()
            .map(|(heard, _)| heard)
            .unwrap_or_default()
    }

    /// Starts to count the steps of a proof.
    pub(crate) fn listen_to_proof(&self, counters: Counters) {
        *lock(&self.shared.proof) = Some(counters);
        *lock(&self.shared.died) = None;
    }

    /// Ends counting.
    pub(crate) fn proof_ended(&self) {
        *lock(&self.shared.proof) = None;
    }

    /// Returns how far the proof is.
    pub(crate) fn proof_report(&self) -> Option<Report> {
        lock(&self.shared.proof).as_ref().map(Counters::report)
    }

    /// Returns what a task of the engine said when it panicked, if one did.
    pub(crate) fn died(&self) -> Option<String> {
        lock(&self.shared.died).clone()
    }

    /// Waits until a proof made progress or a task died. Cancel-safe: a change that nobody waits for is kept.
    pub(crate) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Returns whether an event or span is of any use here; everything else is not even formatted.
    pub(crate) fn wants(metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            return progress::is_relevant(metadata.name());
        }
        metadata.target().starts_with(CHILD_TARGET)
            || (*metadata.level() == Level::ERROR && metadata.target().starts_with(NODE_TARGET))
    }

    fn child_line(&self, text: &str) {
        // "CHILD <id>: <line>"
        let Some((_, line)) = text.strip_prefix("CHILD ").and_then(|rest| rest.split_once(": ")) else {
            return;
        };
        let mut execution = lock(&self.shared.execution);
        let Some((heard, limit)) = execution.as_mut() else {
            return;
        };
        match line.strip_prefix("stdout: ").or_else(|| line.strip_prefix("stderr: ")) {
            Some(printed) => {
                for part in [printed.as_bytes(), b"\n"] {
                    let room = limit.saturating_sub(heard.guest_log.len());
                    heard.guest_log.extend_from_slice(&part[..part.len().min(room)]);
                }
            }
            None if heard.executor_lines.len() < EXECUTOR_LINES_MAX => {
                let end = line.floor_char_boundary(MESSAGE_BYTES_MAX);
                heard.executor_lines.push(line[..end].to_owned());
            }
            None => {}
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        if let Some(counters) = lock(&self.shared.proof).as_mut() {
            change(counters);
            self.shared.changed.notify_one();
        }
    }
}

impl<S> Layer<S> for Observer
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.count(|counters| counters.opened(attributes.metadata().name()));
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id) {
            self.count(|counters| counters.closed(span.name()));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        if event.metadata().target().starts_with(CHILD_TARGET) {
            self.child_line(&message.text);
        } else if message.text.starts_with("task panicked") {
            let end = message.text.floor_char_boundary(MESSAGE_BYTES_MAX);
            *lock(&self.shared.died) = Some(message.text[..end].to_owned());
            self.shared.changed.notify_one();
        }
    }
}

/// Takes an event's message out of it.
#[derive(Default)]
struct Message {
    text: String,
}

impl field::Visit for Message {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_guest_output_from_the_executors_own() {
        let observer = Observer::default();
        observer.child_line("CHILD sp1_a: stdout: before");
        observer.listen_to_execution(12);
        observer.child_line("CHILD sp1_a: stdout: one: two");
        observer.child_line("CHILD sp1_a: thread 'main' panicked at x");
        observer.child_line("CHILD sp1_a: stderr: stdout: three");
        observer.child_line("no child");
        let heard = observer.execution_heard();
        assert_eq!(heard.guest_log, b"one: two\nstd", "cut at the limit");
        assert_eq!(heard.executor_lines, ["thread 'main' panicked at x"]);
        assert!(observer.execution_heard().guest_log.is_empty(), "collected once");
    }

    #[tokio::test]
    async fn a_change_wakes_even_who_waits_later() {
        let observer = Observer::default();
        observer.listen_to_proof(Counters::new(crate::kinds::Kind::Core));
        observer.count(|counters| counters.closed("zerocheck"));
        observer.changed().await;
        assert!(observer.proof_report().expect("listens").overall_bp > progress::EXECUTED_BP);
        observer.proof_ended();
        assert_eq!(observer.proof_report(), None);
    }
}
