//! What the programs tell of themselves: the log ([`log`]), and spans for OpenTelemetry ([`Traces`], [`Span`]).
//!
//! What must stay true: nothing that a client sends in private is in either; where no exporter is set up, a [`Span`] costs
//! nothing and hands its parent's context on; what a collector does not take in time is dropped, and nothing waits for it.
//!
//! Not here: metrics (each program's own), and which spans there are (where the work is done; `docs/tracing.md` lists them).

pub mod log;
mod span;
mod traces;

pub use span::{Kind, Span};
pub use traces::{BadTraces, Traces};
