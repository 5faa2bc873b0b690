//! What every store must do, as test cases over [`Store`] alone.
//!
//! A backend implements [`Backend`], which opens its database (again), and writes
//! `hierophant_store::store_conformance_suite!(MyBackend::fresh())` in a test: one test per case. A new promise of the trait
//! begins as a case here.

pub mod accepting;
pub mod artifacts;
pub mod checking;
pub mod disputes;
pub mod ending;
pub mod failing;
pub mod fencing;
pub mod invariants;
pub mod leasing;
pub mod listing;
pub mod programs;
pub mod survival;
pub mod workers;
mod world;

use std::sync::Arc;

use hierophant_domain::{RetryPolicy, worker::StrikePolicy};

use crate::{Clock, Store};

pub use world::{World, class, key, worker_id};

/// What the cases want of a store.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Most open requests at once.
    pub max_live_requests: u64,
    /// Most open requests of one requester at once.
    pub max_live_requests_per_requester: u64,
    /// How often a task is tried.
    pub retry: RetryPolicy,
    /// When strikes quarantine a worker.
    pub strikes: StrikePolicy,
}

/// One database that can be opened, closed and opened again.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// Opens it. The store that was open before is closed.
    async fn open(&self, settings: Settings, clock: Arc<dyn Clock>) -> Arc<dyn Store>;
}

/// Makes one `#[tokio::test]` of every case. The expression makes a fresh [`Backend`](crate::conformance::Backend), and is
/// evaluated once per test.
#[macro_export]
macro_rules! store_conformance_suite {
    (@group $backend:expr, $group:ident, [$($case:ident,)*]) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let world = $crate::conformance::World::new(Box::new($backend)).await;
                    $crate::conformance::$group::$case(world).await;
                }
            )*
        }
    };
@GROUPS@
}
