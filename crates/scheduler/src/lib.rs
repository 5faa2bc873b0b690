//! Which ready task goes to which worker, and for each that waits a reason in words.
//!
//! Pure: from a picture of the ready classes and of the workers to a list of offers. The store's claim turns an offer
//! into leases in one atomic step, so a picture that is out of date costs a claim that finds less, never a double lease.
//! How a worker is reached is not known here.

mod explain;
mod plan;
mod view;

pub use explain::why_waiting;
pub use plan::{Offer, nobody_else_serves, plan};
pub use view::{ReadyTasks, WorkerView};
