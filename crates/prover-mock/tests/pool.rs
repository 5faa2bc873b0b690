//! The pool of light processes: bounded, healed after every death, and fair to calls beside a bad one.

mod common;

use std::time::Duration;

use common::{PATIENCE, setup, setup_of, spec};
use hierophant_prover_protocol::{
    host::{CallError, ProverSpec},
    pool::{LightPool, PoolConfig, PoolError},
    proto::Role,
};
use tempfile::TempDir;

fn pool(config: PoolConfig, change: impl FnOnce(&mut ProverSpec)) -> (LightPool, TempDir) {
    let (mut spec, parent) = spec(Role::Light);
    change(&mut spec);
    (LightPool::new(spec, config), parent)
}

fn config(processes: usize, calls_per_process: usize) -> PoolConfig {
    PoolConfig {
        processes,
        calls_per_process,
        queue: 100,
        backoff_first: Duration::from_millis(20),
        backoff_max: Duration::from_millis(100),
    }
}

#[tokio::test]
async fn processes_start_when_needed_and_serve_again() {
    let (pool, _parent) = pool(config(2, 1), |_| {});
    assert_eq!(pool.status().processes, 0);
    for _ in 0..5 {
        pool.call(setup(), PATIENCE).await.unwrap();
    }
    assert_eq!(pool.status().processes, 1);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.call(setup_of("mock:setup_ms=20"), PATIENCE).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let status = pool.status();
    assert_eq!((status.processes, status.running, status.waiting), (2, 0, 0));
    assert_eq!(pool.hello().await.unwrap().max_jobs, 4);
    pool.shutdown().await;
    assert!(matches!(pool.call(setup(), PATIENCE).await, Err(PoolError::Closed)));
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let mut small = config(1, 1);
    small.queue = 1;
    let (pool, _parent) = pool(small, |_| {});
    let slow = || {
        let pool = pool.clone();
        tokio::spawn(async move { pool.call(setup_of("mock:setup_ms=1000"), PATIENCE).await })
    };
    let (running, waiting) = (slow(), slow());
    while pool.status().running + pool.status().waiting < 2 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(
        pool.call(setup(), PATIENCE).await,
        Err(PoolError::Busy { queue: 1 })
    ));
    running.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    pool.shutdown().await;
}

#[tokio::test]
async fn every_bad_end_is_reported_and_healed() {
    let (pool, _parent) = pool(config(1, 1), |_| {});
    let bad = async |script: &str, timeout: Duration| {
        let program = format!("mock:at=setup,{script}");
        let Err(PoolError::Call(error)) = pool.call(setup_of(&program), timeout).await else {
            panic!("{script} is no error of the call");
        };
        pool.call(setup(), PATIENCE).await.unwrap();
        error
    };
    assert!(matches!(bad("crash=kill", PATIENCE).await, CallError::Died { .. }));
    assert!(matches!(bad("hang=silent", PATIENCE).await, CallError::Hung { .. }));
    assert!(matches!(
        bad("garbage=1,setup_ms=20000", PATIENCE).await,
        CallError::Protocol(_)
    ));
    let brief = Duration::from_millis(100);
    assert!(matches!(bad("hang=busy", brief).await, CallError::Timeout { .. }));
    assert_eq!(pool.status().replaced, 4);
    assert!(matches!(bad("fail=input", PATIENCE).await, CallError::Failed(_)));
    assert!(matches!(bad("setup_ms=20000", brief).await, CallError::Timeout { .. }));
    assert_eq!(pool.status().replaced, 4, "healthy processes are not replaced");
    pool.shutdown().await;
}

#[tokio::test]
async fn a_call_that_kills_its_process_does_not_cost_its_neighbours_their_answer() {
    let (pool, _parent) = pool(config(1, 4), |_| {});
    pool.call(setup(), PATIENCE).await.unwrap();
    let neighbours: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.call(setup_of("mock:setup_ms=300"), PATIENCE).await })
        })
        .collect();
    while pool.status().running < 2 {
        tokio::task::yield_now().await;
    }
    let bad = pool.call(setup_of("mock:at=setup,crash=exit:9"), PATIENCE).await;
    assert!(matches!(bad, Err(PoolError::Call(CallError::Died { .. }))), "{bad:?}");
    for neighbour in neighbours {
        neighbour.await.unwrap().unwrap();
    }
    pool.shutdown().await;
}

#[tokio::test]
async fn a_prover_that_cannot_start_is_an_error_of_its_own() {
    let (pool, _parent) = pool(config(1, 1), |spec| spec.executable = "/no/such/prover".into());
    for _ in 0..2 {
        let error = pool.call(setup(), PATIENCE).await.unwrap_err();
        assert!(matches!(error, PoolError::Start(_)), "{error}");
    }
    assert_eq!(pool.status().replaced, 2);
}
