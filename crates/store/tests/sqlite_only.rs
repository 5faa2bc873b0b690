//! What SQLite alone has to stand: other schemas, other processes, a full disk, damaged rows.

mod common;

use std::sync::Arc;

use common::Folder;
use hierophant_domain::{Execution, RequestState, job::ExecutionVerdict};
use hierophant_store::{
    PAGE_MAX, RequestFilter, Store, StoreError, SystemClock,
    conformance::{Backend, World},
    sqlite::{KNOWN_SCHEMA, SqliteOptions, SqliteStore},
};
use rusqlite::Connection;

fn open(folder: &Folder) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(SqliteOptions::new(folder.database()), Arc::new(SystemClock))
}

#[test]
fn a_newer_schema_is_refused_by_name_and_left_alone() {
    let folder = Folder::new();
    drop(open(&folder).expect("created"));
    let newer = KNOWN_SCHEMA + 1;
    Connection::open(folder.database())
        .expect("opens")
        .pragma_update(None, "user_version", newer)
        .expect("writes");
    for _ in 0..2 {
        match open(&folder) {
            Err(StoreError::UnknownSchema { found, known }) => assert_eq!((found, known), (newer, KNOWN_SCHEMA)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = Folder::new();
    Connection::open(folder.database())
        .expect("opens")
        .execute_batch("CREATE TABLE theirs (x)")
        .expect("writes");
    assert!(matches!(open(&folder), Err(StoreError::Refused(_))));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.database(), vec![b'x'; 10_000]).expect("writes");
    let refused = open(&folder);
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_closed() {
    let folder = Folder::new();
    let first = open(&folder).expect("created");
    match open(&folder) {
        Err(StoreError::Unavailable(reason)) => assert!(reason.contains("another process"), "{reason}"),
        other => panic!("{other:?}"),
    }
    drop(first);
    open(&folder).expect("opens");
}

/// The folder of a database that outlives its openings.
struct Kept(Folder);

#[async_trait::async_trait]
impl Backend for Kept {
    async fn open(
        &self,
        _: hierophant_store::conformance::Settings,
        clock: Arc<dyn hierophant_store::Clock>,
    ) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(SqliteOptions::new(self.0.database()), clock).expect("opens"))
    }
}

/// Whoever claimed them is no more: checks do not wait for the ends of claims that hold for minutes.
#[tokio::test]
async fn claimed_checks_are_free_when_the_database_is_opened_again() {
    let mut world = World::new(Box::new(Kept(Folder::new()))).await;
    world.accept(|request| request.execution = Execution::Pending).await;
    let before = world.execution().await;
    world.reopen().await;
    let execution = world.execution().await;
    assert_ne!(execution.token, before.token);
    let ended = ExecutionVerdict::Ended(hierophant_domain::Record::default());
    assert!(
        !world.executed(&before, ended.clone()).await,
        "an earlier claim does not stand"
    );
    assert!(world.executed(&execution, ended).await);
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    world.deliver(token).await;
    let before = world.verification().await;
    world.reopen().await;
    let verification = world.verification().await;
    assert_ne!(verification.token, before.token);
    assert_eq!(
        (before.tries, verification.tries),
        (1, 2),
        "a check that kills its coordinator is counted"
    );
}

#[test]
fn a_missing_folder_is_unavailable() {
    let folder = Folder::new();
    let path = folder.database().join("missing").join("x.db");
    let refused = SqliteStore::open(SqliteOptions::new(path), Arc::new(SystemClock));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

/// A folder whose database may not grow over 400 KiB, as on a disk that is full there.
struct SmallDisk(Folder);

#[async_trait::async_trait]
impl Backend for SmallDisk {
    async fn open(
        &self,
        settings: hierophant_store::conformance::Settings,
        clock: Arc<dyn hierophant_store::Clock>,
    ) -> Arc<dyn Store> {
        let options = SqliteOptions {
            max_live_requests: settings.max_live_requests,
            max_database_bytes: Some(400 * 1024),
            ..SqliteOptions::new(self.0.database())
        };
        Arc::new(SqliteStore::open(options, clock).expect("opens"))
    }
}

/// Many callers until the disk is full: each one that was told "accepted" is there, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let mut world = World::new(Box::new(SmallDisk(Folder::new()))).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..600 {
        let new = world.new_request(|request| request.door_data = vec![7; 3000]);
        let id = new.request.id;
        let store = world.shared_store();
        callers.spawn(async move { (id, store.accept(new).await) });
    }
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for (id, answer) in callers.join_all().await {
        match answer {
            Ok(_) => accepted.push(id),
            Err(StoreError::Unavailable(_)) => refused.push(id),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(
        !refused.is_empty(),
        "the disk has to be full for this test to say anything"
    );
    // The crowd may have come in one transaction that did not fit; one by one some do.
    loop {
        let new = world.new_request(|_| {});
        let id = new.request.id;
        match world.store().accept(new).await {
            Ok(_) => accepted.push(id),
            Err(StoreError::Unavailable(_)) => {
                refused.push(id);
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(!accepted.is_empty());
    for reopened in [false, true] {
        for id in &accepted {
            assert_eq!(world.state(*id).await, RequestState::Open);
        }
        for id in &refused {
            assert!(world.store().request(*id).await.expect("reads").is_none());
        }
        let counted = world.store().counts().await.expect("counts");
        assert_eq!(
            (counted.requests[0], counted.tasks[1]),
            (accepted.len() as u64, accepted.len() as u64)
        );
        if !reopened {
            world.reopen().await;
        }
    }
}

/// A damaged row is an error of whoever needs it, and of nobody else.
#[tokio::test]
async fn a_damaged_row_is_corrupt_and_the_rest_goes_on() {
    let folder = Folder::new();
    let database = folder.database();
    let mut world = World::new(Box::new(folder)).await;
    let (damaged, sound) = (world.accept_one().await, world.accept_one().await);
    // The store writes only when asked, so a second connection may write between two calls.
    Connection::open(&database)
        .expect("opens")
        .execute(
            "UPDATE request_terms SET details = '{' WHERE id = ?1",
            [damaged.as_bytes()],
        )
        .expect("writes");
    world.reopen().await;
    let refused = world.store().request(damaged).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(world.state(sound).await, RequestState::Open);
    assert!(world.cancel(sound).await);
    let filter = RequestFilter {
        limit: PAGE_MAX,
        ..RequestFilter::default()
    };
    assert!(matches!(
        world.store().list_requests(filter).await,
        Err(StoreError::Corrupt(_))
    ));
}
