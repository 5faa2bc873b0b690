//! What operators may see.

use std::sync::Arc;

use async_trait::async_trait;
use hierophant_domain::{Attempt, Request, RequestId, Timestamp};
use hierophant_store::{Counts, HistoryRow, RequestFilter};

use crate::{
    ports::{Operators, Result, WorkerView},
    service::Core,
};

#[async_trait]
impl Operators for Core {
    fn now(&self) -> Timestamp {
        Core::now(self)
    }

    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerView>> {
        let rows = self.0.store.workers(gone, offset, limit).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let mut working_on = Vec::with_capacity(row.leases.len());
            for attempt in &row.leases {
                if let Some(request) = self.0.store.request(attempt.request).await? {
                    let progress = self.0.sessions.progress_of(attempt.worker, attempt.token);
                    working_on.push((attempt.clone(), request, progress));
                }
            }
            views.push(WorkerView { row, working_on });
        }
        Ok(views)
    }

    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>> {
        Ok(self.0.store.history(before, limit).await?)
    }

    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>> {
        Ok(self.0.store.list_requests(filter).await?)
    }

    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        Ok(self.0.store.request(id).await?)
    }

    async fn attempts(&self, id: RequestId) -> Result<Vec<Attempt>> {
        Ok(self.0.store.attempts(id).await?)
    }

    async fn waiting_reason(&self, id: RequestId) -> Result<Option<String>> {
        crate::clients::reason(self, id).await
    }

    async fn counts(&self) -> Result<Counts> {
        Ok(self.0.store.counts().await?)
    }

    async fn readiness(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if let Err(error) = self.0.store.ping().await {
            obstacles.push(error.to_string());
        }
        if let Err(error) = self.0.blobs.check_space(0).await {
            obstacles.push(error.to_string());
        }
        obstacles
    }
}
