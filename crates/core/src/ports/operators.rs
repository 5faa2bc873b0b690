//! The port of those who show the network to its operators.

use std::sync::Arc;

use async_trait::async_trait;
use hierophant_domain::{Request, RequestId, Timestamp};
use hierophant_store::{Counts, HistoryRow, RequestFilter, WorkerRow};

use super::{Progress, Result};

/// What operators may see.
#[async_trait]
pub trait Operators: Send + Sync + std::fmt::Debug + 'static {
    /// The store's time.
    fn now(&self) -> Timestamp;
    /// Workers here, or gone; newest first.
    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerView>>;
    /// Fulfilled requests with who proved them, newest first.
    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>>;
    /// Requests that match, newest first.
    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>>;
    /// The whole request.
    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>>;
    /// Attempts of a request, oldest first: who tried and how it went.
    async fn attempts(&self, id: RequestId) -> Result<Vec<hierophant_domain::Attempt>>;
    /// Why an open request waits.
    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>>;
    /// How many requests and tasks there are in which state, for metrics.
    async fn counts(&self) -> Result<Counts>;
    /// What is in the way of serving; empty when all is well.
    async fn readiness(&self) -> Vec<String>;
}

/// A worker as operators see it.
#[derive(Clone, Debug)]
pub struct WorkerView {
    /// Its row.
    pub row: WorkerRow,
    /// The tasks that it works on, with the requests and the progress last heard of.
    pub working_on: Vec<(hierophant_domain::Attempt, Arc<Request>, Option<Progress>)>,
}
