//! What Hierophant's words mean: ids, proof requests, tasks, attempts, workers and failures, as values and as pure
//! state machines.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness, no async. Times and ids come in
//! from outside. Every match over a state or an event names each variant, so that a new one forces a decision.
//!
//! Not here: which worker gets which task (`hierophant-scheduler`), how rows are stored (`hierophant-store`), what a
//! wire contract looks like (the doors). No proof system is named here.

pub mod artifact;
pub mod attempt;
pub mod capability;
pub mod failure;
pub mod ids;
pub mod job;
pub mod names;
pub mod policy;
pub mod request;
pub mod task;
pub mod time;
pub mod trace;
pub mod worker;

pub use artifact::{ArtifactRef, BlobRef, Digest, Visibility};
pub use attempt::{Attempt, AttemptState};
pub use capability::{Capability, Resources, TaskClass};
pub use failure::{Failure, FailureClass, ProgramFault};
pub use ids::{ArtifactId, AttemptId, CheckToken, LeaseToken, RequestId, TaskId, WorkerId};
pub use names::{Door, Kind, Name, Role, System};
pub use policy::{Others, RetryPolicy};
pub use request::{Execution, Input, Limits, Outcome, Record, Request, RequestState, Requester};
pub use task::{Task, TaskState};
pub use time::{Millis, Timestamp};
pub use trace::TraceContext;
