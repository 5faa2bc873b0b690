//! Operators whose answers are written down, with the store's rules of order and paging.

use std::sync::Arc;

use hierophant_core::{
    CoreError,
    ports::{Operators, Progress, Result, WorkerView},
};
use hierophant_domain::{
    ArtifactId, Attempt, AttemptId, AttemptState, BlobRef, Capability, Execution, Failure, FailureClass, Input,
    LeaseToken, Limits, Name, Outcome, Record, Request, RequestId, RequestState, Requester, Resources, TaskId,
    Timestamp, WorkerId,
    request::{Binding, ProgramRef},
    time::Millis,
    worker::{Liveness, Standing, WorkerProfile},
};
use hierophant_store::{Counts, HistoryRow, PAGE_MAX, RequestFilter, WorkerRow};
use uuid::Uuid;

/// The fake's time: 2027-01-15T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// What operators are to see.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) here: Vec<WorkerView>,
    pub(crate) gone: Vec<WorkerView>,
    pub(crate) history: Vec<HistoryRow>,
    pub(crate) requests: Vec<Request>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) counts: Counts,
    pub(crate) obstacles: Vec<String>,
    pub(crate) broken: Option<CoreError>,
}

impl Fake {
    fn check(&self) -> Result<()> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

#[async_trait::async_trait]
impl Operators for Fake {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn workers(&self, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerView>> {
        assert!(limit <= PAGE_MAX);
        self.check()?;
        Ok(if gone { &self.gone } else { &self.here }
            .iter()
            .skip(offset)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn history(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>> {
        assert!(limit <= PAGE_MAX);
        self.check()?;
        let is_before = |row: &&HistoryRow| before.is_none_or(|before| row.request.ended_at < Some(before));
        Ok(self.history.iter().filter(is_before).take(limit).cloned().collect())
    }

    async fn list(&self, filter: RequestFilter) -> Result<Vec<Arc<Request>>> {
        assert!(filter.limit <= PAGE_MAX);
        self.check()?;
        let matches = |request: &&Request| {
            (filter.states.is_empty() || filter.states.contains(&request.state))
                && filter.door.as_ref().is_none_or(|door| *door == request.requester.door)
                && filter.kind.as_ref().is_none_or(|kind| *kind == request.kind)
                && filter.accepted_to.is_none_or(|to| request.accepted_at < to)
        };
        let page = self
            .requests
            .iter()
            .filter(matches)
            .skip(filter.offset)
            .take(filter.limit);
        Ok(page.cloned().map(Arc::new).collect())
    }

    async fn request(&self, id: RequestId) -> Result<Option<Arc<Request>>> {
        self.check()?;
        Ok(self
            .requests
            .iter()
            .find(|request| request.id == id)
            .cloned()
            .map(Arc::new))
    }

    async fn attempts(&self, id: RequestId) -> Result<Vec<Attempt>> {
        Ok(self
            .attempts
            .iter()
            .filter(|attempt| attempt.request == id)
            .cloned()
            .collect())
    }

    async fn waiting_reason(&self, _id: RequestId) -> Result<Option<String>> {
        Ok(Some("no worker proves mock/core: 1 is busy".to_owned()))
    }

    async fn counts(&self) -> Result<Counts> {
        self.check()?;
        Ok(self.counts.clone())
    }

    async fn readiness(&self) -> Vec<String> {
        self.obstacles.clone()
    }
}

/// The UUID of the `n`th thing.
pub(crate) fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// So many seconds ago.
pub(crate) fn ago(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1000)
}

/// An open request that was accepted ten minutes ago.
pub(crate) fn request(n: u128) -> Request {
    Request {
        id: RequestId(uuid(n)),
        requester: Requester {
            door: Name::literal("demo"),
            principal: vec![0xab; 20],
        },
        idempotency_key: b"a secret of the client".to_vec(),
        system: Name::literal("mock"),
        kind: Name::literal("core"),
        toolchain: Name::literal("v1"),
        program: Some(ProgramRef {
            id: vec![0x11; 32],
            artifact: ArtifactId(uuid(900)),
        }),
        inputs: vec![Input {
            name: Name::literal("stdin"),
            blob: BlobRef::Inline(b"secret input".to_vec()),
        }],
        limits: Limits {
            cycles: Some(u64::MAX),
            gas: None,
        },
        expected_public_values: None,
        trust: None,
        private: false,
        priority: 0,
        accepted_at: ago(600),
        requested_deadline: ago(-300),
        deadline: ago(-13_800),
        door_data: b"door data".to_vec(),
        trace: None,
        state: RequestState::Open,
        execution: Execution::Pending,
        updated_at: ago(600),
        ended_at: None,
        outcome: None,
        failure: None,
    }
}

/// A request that was fulfilled a minute ago.
pub(crate) fn fulfilled(n: u128) -> Request {
    let record = Record {
        cycles: Some(1_000_000),
        gas: Some(2_000_000),
        proving: Millis(80_500),
        ..Record::default()
    };
    Request {
        state: RequestState::Fulfilled,
        updated_at: ago(60),
        ended_at: Some(ago(60)),
        execution: Execution::Executed(record.clone()),
        outcome: Some(Outcome {
            artifacts: vec![Input {
                name: Name::literal("proof"),
                blob: BlobRef::Artifact(ArtifactId(uuid(901))),
            }],
            record: Record {
                peak_memory: 6 << 30,
                ..record
            },
            binding: Binding::TrustedExecution,
        }),
        ..request(n)
    }
}

/// A request that failed by its program's fault.
pub(crate) fn failed(n: u128) -> Request {
    Request {
        state: RequestState::Failed,
        updated_at: ago(500),
        ended_at: Some(ago(500)),
        execution: Execution::Disputed,
        failure: Some(Failure::program(
            hierophant_domain::ProgramFault::NonZeroExit,
            "the program halted with exit code 1",
        )),
        ..request(n)
    }
}

/// One attempt at a request.
pub(crate) fn attempt(n: u128, request: &Request, state: AttemptState) -> Attempt {
    Attempt {
        id: AttemptId(uuid(100 + n)),
        task: TaskId(uuid(200 + n)),
        request: request.id,
        worker: WorkerId(uuid(300)),
        token: LeaseToken(uuid(400 + n)),
        state,
        leased_at: ago(90),
        lease_until: ago(-90),
        ended_at: None,
        delivery: None,
        reason: None,
    }
}

/// A worker that has been here for 90 minutes and made four proofs in 50 s.
pub(crate) fn worker(n: u128) -> WorkerRow {
    WorkerRow {
        profile: WorkerProfile {
            id: WorkerId(uuid(300 + n)),
            name: "attic".to_owned(),
            version: "0.1.0".to_owned(),
            address: "203.0.113.7:51234".to_owned(),
            capabilities: vec![Capability {
                role: Name::literal("prove"),
                system: Name::literal("mock"),
                kind: Name::literal("core"),
                labels: [(Name::literal("toolchain"), Name::literal("v1"))].into(),
                needs: Resources {
                    memory: 1_000_000,
                    shared_memory: 0,
                    devices: 0,
                },
            }],
            capacity: Resources {
                memory: 64 << 30,
                shared_memory: 32 << 30,
                devices: 1,
            },
            slots: 1,
            prefetch: 1,
            draining: false,
        },
        liveness: Liveness::Alive,
        standing: Standing {
            strikes: 1,
            quarantined_until: None,
        },
        strike_reasons: vec![(ago(3600), "its proof did not verify".to_owned())],
        first_seen: ago(86_400),
        connected_at: ago(5400),
        last_seen: ago(2),
        gone_reason: None,
        proofs: 4,
        proving_ms_total: 50_000,
        leases: Vec::new(),
    }
}

/// A worker at work on a request.
pub(crate) fn busy(row: WorkerRow, request: Request) -> WorkerView {
    let attempt = attempt(1, &request, AttemptState::Running);
    let progress = Progress {
        phase: "prove".to_owned(),
        done: 3,
        total: 8,
        overall_bp: 3750,
    };
    let row = WorkerRow {
        leases: vec![attempt.clone()],
        ..row
    };
    WorkerView {
        row,
        working_on: vec![(attempt, Arc::new(request), Some(progress))],
    }
}

/// A worker that was dropped an hour ago.
pub(crate) fn dropped(n: u128) -> WorkerView {
    let row = WorkerRow {
        liveness: Liveness::Gone,
        last_seen: ago(3600),
        gone_reason: Some("it was silent for 180 s".to_owned()),
        proofs: 0,
        proving_ms_total: 0,
        standing: Standing::default(),
        strike_reasons: Vec::new(),
        ..worker(n)
    };
    WorkerView {
        row,
        working_on: Vec::new(),
    }
}

/// The proof of a fulfilled request.
pub(crate) fn proof(request: Request) -> HistoryRow {
    HistoryRow {
        request: Arc::new(request),
        worker: WorkerId(uuid(300)),
        worker_name: "attic".to_owned(),
        worker_address: "203.0.113.7:51234".to_owned(),
        leased_at: ago(150),
        delivered_at: ago(61),
    }
}

/// One of each.
pub(crate) fn small_network() -> Fake {
    let (open, done, bad) = (request(3), fulfilled(2), failed(1));
    let private = Request {
        private: true,
        ..fulfilled(4)
    };
    let tried = Attempt {
        state: AttemptState::Failed,
        ended_at: Some(ago(95)),
        reason: Some("the prover ran out of memory".to_owned()),
        leased_at: ago(200),
        ..attempt(0, &open, AttemptState::Failed)
    };
    let won = Attempt {
        ended_at: Some(ago(61)),
        ..attempt(2, &done, AttemptState::Won)
    };
    let refused = Attempt {
        reason: Some("secret words".to_owned()),
        ..attempt(3, &private, AttemptState::Refused)
    };
    Fake {
        here: vec![busy(worker(0), open.clone())],
        gone: vec![dropped(1)],
        history: vec![proof(private.clone()), proof(done.clone())],
        attempts: vec![tried, attempt(1, &open, AttemptState::Running), won, refused],
        counts: Counts {
            requests: [1, 2, 1, 0, 0],
            tasks: [0, 0, 1, 0, 0, 0, 0],
            strikes: [2, 0, 1],
        },
        requests: vec![private, open, done, bad],
        ..Fake::default()
    }
}

/// A failure of the store.
pub(crate) fn unavailable() -> CoreError {
    CoreError::Unavailable("the database is locked; try again".to_owned())
}

/// What is said of a private request, but for its class: never shown.
pub(crate) fn failed_in_private(n: u128) -> Request {
    let failure = Failure::new(FailureClass::Input, "secret words");
    Request {
        private: true,
        failure: Some(failure),
        ..failed(n)
    }
}
