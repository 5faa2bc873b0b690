//! How many requests a second go their whole way through a SQLite store: accept, claim, deliver, verify, fulfilled.
//!
//! `cargo run --release --example lifecycle -- [requests] [folder]`; the folder's disk is what is measured. It is removed.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hierophant_domain::{
    BlobRef, Execution, Input, Limits, Millis, Name, Record, Request, RequestId, RequestState, Requester, Resources,
    TaskClass, TaskId, WorkerId,
    attempt::Delivery,
    job::{self, Verification},
    request::Binding,
    worker::WorkerProfile,
};
use hierophant_store::{
    ClaimOrder, NewRequest, Store, SystemClock,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Callers that submit at once.
const SUBMITTERS: u64 = 512;
/// Workers, each with this many tasks in hand.
const WORKERS: u64 = 8;
const SLOTS: usize = 64;
const VERIFIERS: u64 = 4;
/// Requests left open at the end, to see how long opening the database takes with them.
const LEFT_OPEN: u64 = 10_000;
const HOLD: Millis = Millis(60_000);

type Failed = Box<dyn Error + Send + Sync>;

struct Run {
    store: SqliteStore,
    requests: u64,
    submitted: AtomicU64,
    fulfilled: AtomicU64,
}

fn class() -> TaskClass {
    let name = Name::literal;
    TaskClass {
        role: name("prove"),
        system: name("vm"),
        kind: name("core"),
        labels: [].into(),
    }
}

fn new_request(run: &Run) -> NewRequest {
    let now = run.store.now();
    let id = RequestId(Uuid::now_v7());
    let class = class();
    let request = Request {
        id,
        requester: Requester {
            door: Name::literal("front"),
            principal: vec![1; 20],
        },
        idempotency_key: id.as_bytes().to_vec(),
        system: class.system.clone(),
        kind: class.kind.clone(),
        toolchain: Name::literal("v1"),
        program: None,
        inputs: vec![Input {
            name: Name::literal("stdin"),
            blob: BlobRef::Inline(vec![5; 200]),
        }],
        limits: Limits {
            cycles: Some(u64::MAX),
            gas: None,
        },
        expected_public_values: None,
        trust: None,
        private: false,
        priority: 0,
        accepted_at: now,
        requested_deadline: now.plus(Millis(3_600_000)),
        deadline: now.plus(Millis(3_600_000)),
        door_data: vec![7; 300],
        trace: None,
        state: RequestState::Open,
        execution: Execution::NotWanted,
        updated_at: now,
        ended_at: None,
        outcome: None,
        failure: None,
    };
    let task = job::root_task(&request, TaskId(Uuid::now_v7()), class);
    NewRequest { request, task }
}

async fn submit(run: Arc<Run>) -> Result<(), Failed> {
    while run.submitted.fetch_add(1, Ordering::Relaxed) < run.requests {
        run.store.accept(new_request(&run)).await?;
    }
    Ok(())
}

async fn work(run: Arc<Run>, id: WorkerId) -> Result<(), Failed> {
    while run.fulfilled.load(Ordering::Relaxed) < run.requests {
        let order = ClaimOrder {
            worker: id,
            classes: vec![class()],
            nobody_else_serves: Vec::new(),
            limit: SLOTS,
            reserve: false,
            hold: HOLD,
        };
        let mut deliveries = JoinSet::new();
        for leased in run.store.claim(order).await? {
            let run = Arc::clone(&run);
            deliveries.spawn(async move {
                let outputs = vec![(Name::literal("proof"), BlobRef::Inline(vec![9; 500]))];
                run.store
                    .deliver(
                        leased.attempt.token,
                        Delivery {
                            outputs,
                            record: Record::default(),
                        },
                    )
                    .await
            });
        }
        if deliveries.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for done in deliveries.join_all().await {
            done?;
        }
    }
    Ok(())
}

async fn verify(run: Arc<Run>) -> Result<(), Failed> {
    while run.fulfilled.load(Ordering::Relaxed) < run.requests {
        let mut settled = JoinSet::new();
        for work in run.store.claim_verifications(vec![class().system], 128, HOLD).await? {
            let run = Arc::clone(&run);
            settled.spawn(async move {
                let claim = work.claim();
                let valid = Verification::Valid(Binding::ProofAlone, Record::default());
                run.store.settle_verification(claim, valid).await
            });
        }
        if settled.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for done in settled.join_all().await {
            assert!(done?, "no claim was lost");
            run.fulfilled.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

async fn measure(store: SqliteStore, requests: u64) -> Result<Duration, Failed> {
    let run = Arc::new(Run {
        store,
        requests,
        submitted: AtomicU64::new(0),
        fulfilled: AtomicU64::new(0),
    });
    let mut parts = JoinSet::new();
    let began = Instant::now();
    for _ in 0..SUBMITTERS {
        parts.spawn(submit(Arc::clone(&run)));
    }
    for n in 0..WORKERS {
        let id = WorkerId(Uuid::from_u128(u128::from(n)));
        let profile = WorkerProfile {
            id,
            name: format!("worker {n}"),
            version: String::new(),
            address: String::new(),
            capabilities: Vec::new(),
            capacity: Resources::default(),
            slots: 1,
            prefetch: 0,
            draining: false,
        };
        run.store.register_worker(profile).await?;
        parts.spawn(work(Arc::clone(&run), id));
    }
    for _ in 0..VERIFIERS {
        parts.spawn(verify(Arc::clone(&run)));
    }
    for part in parts.join_all().await {
        part?;
    }
    let took = began.elapsed();
    let counts = run.store.counts().await?;
    assert_eq!(counts.requests[1], requests, "all are fulfilled");
    let mut open = JoinSet::new();
    for _ in 0..LEFT_OPEN {
        let run = Arc::clone(&run);
        open.spawn(async move { run.store.accept(new_request(&run)).await });
    }
    for accepted in open.join_all().await {
        accepted?;
    }
    Ok(took)
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let requests = arguments.next().map_or(Ok(50_000), |text| text.parse::<u64>())?;
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let options = SqliteOptions {
        max_live_requests: u64::MAX,
        max_live_requests_per_requester: u64::MAX,
        ..SqliteOptions::new(folder.path().join("lifecycle.db"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let store = SqliteStore::open(options.clone(), Arc::new(SystemClock))?;
    let took = runtime.block_on(measure(store, requests))?;
    let rate = f64::from(u32::try_from(requests)?) / took.as_secs_f64();
    println!("{requests} lifecycles in {took:.2?}: {rate:.0} a second");
    let began = Instant::now();
    drop(SqliteStore::open(options, Arc::new(SystemClock))?);
    println!("opened again with {LEFT_OPEN} open requests in {:.2?}", began.elapsed());
    Ok(())
}
