//! What must hold between the rows at any time, checked over everything that a store shows.

use std::{collections::BTreeMap, sync::Arc};

use hierophant_domain::{Attempt, AttemptState, Request, RequestId, RequestState};

use crate::{Counts, HistoryRow, PAGE_MAX, ReadyClass, RequestFilter, RequestStatus, Store, WorkerRow};

/// Everything that a store shows of its requests and workers.
#[derive(Debug, PartialEq)]
pub struct Picture {
    requests: Vec<Arc<Request>>,
    statuses: BTreeMap<RequestId, RequestStatus>,
    attempts: BTreeMap<RequestId, Vec<Attempt>>,
    ready: Vec<ReadyClass>,
    counts: Counts,
    workers: Vec<WorkerRow>,
    history: Vec<HistoryRow>,
}

impl Picture {
    /// Reads it; up to a page of each kind.
    pub async fn take(store: &dyn Store) -> Self {
        let filter = RequestFilter {
            limit: PAGE_MAX,
            ..RequestFilter::default()
        };
        let requests = store.list_requests(filter).await.expect("lists");
        let (mut statuses, mut attempts) = (BTreeMap::new(), BTreeMap::new());
        for request in &requests {
            let status = store
                .status(request.id)
                .await
                .expect("reads")
                .expect("a listed request has a status");
            statuses.insert(request.id, status);
            attempts.insert(request.id, store.attempts(request.id).await.expect("reads"));
        }
        let mut counts = store.counts().await.expect("counts");
        // Ended requests and strikes are counted since the store was opened.
        counts.requests[1..].fill(0);
        counts.strikes.fill(0);
        let mut workers = store.workers(false, 0, PAGE_MAX).await.expect("lists");
        workers.extend(store.workers(true, 0, PAGE_MAX).await.expect("lists"));
        let ready = store.ready().await.expect("reads");
        let history = store.history(None, PAGE_MAX).await.expect("reads");
        Self {
            requests,
            statuses,
            attempts,
            ready,
            counts,
            workers,
            history,
        }
    }

    /// Checks what must hold between the parts. The requests here have one task each.
    pub fn check(&self) {
        for request in &self.requests {
            self.check_request(request);
        }
        let open = self
            .requests
            .iter()
            .filter(|request| request.state == RequestState::Open)
            .count();
        assert_eq!(self.counts.requests[0], open as u64, "open requests are counted");
        let tasks: u64 = self.counts.tasks.iter().sum();
        assert_eq!(
            tasks, open as u64,
            "each open request has its one open task, and no ended one has any"
        );
        let ready: usize = self.ready.iter().map(|class| class.count).sum();
        assert_eq!(self.counts.tasks[1], ready as u64, "ready tasks are counted by class");
        assert!(
            self.ready.iter().all(|class| class.count > 0),
            "no class without a ready task is named"
        );
        let live = self
            .attempts
            .values()
            .flatten()
            .filter(|attempt| attempt.state.is_live());
        let leased: std::collections::BTreeSet<_> = live.map(|attempt| attempt.task).collect();
        assert_eq!(
            self.counts.tasks[2],
            leased.len() as u64,
            "a task is leased exactly while an attempt of it is live"
        );
        let delivered = self
            .attempts
            .values()
            .filter(|attempts| has(attempts, AttemptState::Delivered));
        assert!(
            self.counts.tasks[3] <= delivered.count() as u64,
            "a delivered task has its result"
        );
        for worker in &self.workers {
            assert!(
                worker.leases.iter().all(|lease| lease.state.is_live()),
                "a worker's leases are live"
            );
        }
        let held: usize = self.workers.iter().map(|worker| worker.leases.len()).sum();
        let live = self
            .attempts
            .values()
            .flatten()
            .filter(|attempt| attempt.state.is_live())
            .count();
        assert_eq!(held, live, "each live lease is its worker's");
    }

    fn check_request(&self, request: &Request) {
        let attempts = &self.attempts[&request.id];
        let status = &self.statuses[&request.id];
        assert_eq!(status.state, request.state);
        assert_eq!(status.ended_at, request.ended_at);
        assert_eq!(
            request.ended_at.is_some(),
            request.state != RequestState::Open,
            "an end has its time"
        );
        let fulfilled = request.state == RequestState::Fulfilled;
        assert_eq!(
            request.outcome.is_some(),
            fulfilled,
            "a fulfilled request has its outcome"
        );
        let failed = !fulfilled && request.state != RequestState::Open;
        assert_eq!(request.failure.is_some(), failed, "another end has its reason");
        let won = attempts
            .iter()
            .filter(|attempt| attempt.state == AttemptState::Won)
            .count();
        assert_eq!(
            won,
            usize::from(fulfilled),
            "exactly one attempt has won a fulfilled request"
        );
        let listed = self.history.iter().any(|row| row.request.id == request.id);
        assert_eq!(listed, fulfilled, "history holds what was fulfilled");
        if request.state != RequestState::Open {
            assert!(
                !attempts.iter().any(|attempt| attempt.state.is_live()),
                "an ended request has no live lease"
            );
        }
    }
}

fn has(attempts: &[Attempt], state: AttemptState) -> bool {
    attempts.iter().any(|attempt| attempt.state == state)
}
