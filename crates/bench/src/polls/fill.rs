//! Fills a database through the store, as work would have: 990,000 requests fulfilled, 10,000 open. It takes minutes and is kept
//! for the next run.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hierophant_domain::{
    BlobRef, Execution, Input, Limits, Millis, Name, Record, Request, RequestId, RequestState, Requester, Resources,
    TaskClass, TaskId, WorkerId,
    attempt::Delivery,
    job::{self, Verification},
    request::Binding,
    worker::WorkerProfile,
};
use hierophant_store::{
    BATCH_MAX, ClaimOrder, NewRequest, Result as StoreResult, Store, SystemClock,
    sqlite::{KNOWN_SCHEMA, SqliteOptions, SqliteStore},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use super::{OPEN, STORED};
use crate::figure::say;

/// Requests that go through together.
const CHUNK: usize = 10_000;
/// Operations with the store at once.
const AT_ONCE: usize = 1024;
/// Deadline of the open ones: ten years, so that the database serves for as long.
const DEADLINE: Millis = Millis::from_secs(10 * 365 * 24 * 3600);
const HOLD: Millis = Millis::from_secs(600);
/// Ids of the open requests, 16 bytes each. Written last: without it the database is made anew.
const OPEN_FILE: &str = "open-requests";
/// The secret that the door seals ids with.
const ID_SECRET: &str = "door-sp1/request-ids";

/// The data folder of the generated database.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join(format!("polls-{STORED}-schema-{KNOWN_SCHEMA}"))
}

/// The ids of the open requests as clients know them, after making the database where there is none.
pub(super) async fn filled(folder: &Path) -> Result<Vec<Bytes>> {
    let data = data(folder);
    let list = data.join(OPEN_FILE);
    if !list.is_file() {
        // What an interrupted run left.
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        std::fs::create_dir_all(&data)?;
        say("   filling a database with 1,000,000 requests: some minutes, once");
        let begun = Instant::now();
        let open = fill(&data).await?;
        std::fs::write(&list, open.concat())?;
        say(&format!("   filled in {:.0} s", begun.elapsed().as_secs_f64()));
    }
    let ids = std::fs::read(&list)?;
    let store = open(&data).await?;
    let secret = store.secret(ID_SECRET.to_owned()).await?;
    let size = std::fs::metadata(data.join("hierophant.db"))?.len();
    say(&format!("   database: {} MiB", size >> 20));
    Ok(ids.chunks_exact(16).map(|id| sealed(&secret, id)).collect())
}

async fn open(data: &Path) -> Result<Arc<SqliteStore>> {
    let options = SqliteOptions {
        max_live_requests: u64::MAX,
        max_live_requests_per_requester: u64::MAX,
        ..SqliteOptions::new(data.join("hierophant.db"))
    };
    let open = tokio::task::spawn_blocking(move || SqliteStore::open(options, Arc::new(SystemClock)));
    Ok(Arc::new(open.await??))
}

fn sealed(secret: &[u8; 32], id: &[u8]) -> Bytes {
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC key may have any length");
    let tag = mac.chain_update(id).finalize().into_bytes();
    [id, &tag[..16]].concat().into()
}

async fn fill(data: &Path) -> Result<Vec<[u8; 16]>> {
    let store = open(data).await?;
    let worker = WorkerId(Uuid::new_v4());
    store.register_worker(profile(worker)).await?;
    for _ in 0..(STORED - OPEN) / CHUNK {
        accept(&store, CHUNK).await?;
        prove(&store, worker).await?;
    }
    let open = accept(&store, OPEN).await?;
    let counts = store.counts().await?;
    let count = |state: RequestState| counts.requests[state.code() as usize];
    ensure!(
        count(RequestState::Fulfilled) == (STORED - OPEN) as u64,
        "not all were fulfilled: {counts:?}"
    );
    ensure!(count(RequestState::Open) == OPEN as u64, "not all are open: {counts:?}");
    Ok(open)
}

async fn each<T, F>(work: impl IntoIterator<Item = F>) -> Result<Vec<T>>
where
    F: Future<Output = StoreResult<T>>,
{
    Ok(stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await?)
}

async fn accept(store: &SqliteStore, count: usize) -> Result<Vec<[u8; 16]>> {
    each((0..count).map(|_| async {
        let new = new_request(store);
        let id = *new.request.id.as_bytes();
        store.accept(new).await.map(|_| id)
    }))
    .await
}

/// Leases, delivers and verifies all that is ready.
async fn prove(store: &SqliteStore, worker: WorkerId) -> Result<()> {
    loop {
        let order = ClaimOrder {
            worker,
            classes: vec![class()],
            nobody_else_serves: Vec::new(),
            limit: BATCH_MAX,
            reserve: false,
            hold: HOLD,
        };
        let leased = store.claim(order).await?;
        if leased.is_empty() {
            break;
        }
        each(leased.into_iter().map(|leased| {
            let outputs = vec![(Name::literal("proof"), BlobRef::Inline(vec![9; 400]))];
            store.deliver(
                leased.attempt.token,
                Delivery {
                    outputs,
                    record: Record::default(),
                },
            )
        }))
        .await?;
    }
    loop {
        let claimed = store.claim_verifications(vec![class().system], BATCH_MAX, HOLD).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let settled = each(claimed.into_iter().map(|work| {
            let claim = work.claim();
            store.settle_verification(claim, Verification::Valid(Binding::ProofAlone, Record::default()))
        }));
        ensure!(
            settled.await?.into_iter().all(|settled| settled),
            "a verification was not settled"
        );
    }
}

fn class() -> TaskClass {
    TaskClass {
        role: Name::literal("prove"),
        system: Name::literal(hierophant_door_sp1::SYSTEM),
        kind: Name::literal("core"),
        labels: [
            (Name::literal("toolchain"), Name::literal("v6.1.0")),
            (Name::literal("proof"), Name::literal("real")),
        ]
        .into(),
    }
}

fn profile(id: WorkerId) -> WorkerProfile {
    WorkerProfile {
        id,
        name: "filler".to_owned(),
        version: String::new(),
        address: String::new(),
        capabilities: Vec::new(),
        capacity: Resources::default(),
        slots: 1,
        prefetch: 0,
        draining: false,
    }
}

fn new_request(store: &SqliteStore) -> NewRequest {
    let (now, id, class) = (store.now(), RequestId(Uuid::now_v7()), class());
    let request = Request {
        id,
        requester: Requester {
            door: Name::literal(hierophant_door_sp1::DOOR),
            principal: vec![1; 20],
        },
        idempotency_key: id.as_bytes().to_vec(),
        system: class.system.clone(),
        kind: class.kind.clone(),
        toolchain: Name::literal("v6.1.0"),
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
        requested_deadline: now.plus(DEADLINE),
        deadline: now.plus(DEADLINE),
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
