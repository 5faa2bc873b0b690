//! temp
#![allow(warnings)]
mod common;
use async_trait::async_trait;
use common::{World, link};
use hierophant_core::{CoreError, ports::*};
use hierophant_domain::{attempt::*, worker::*, *};
use hierophant_worker_link::server::*;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

#[derive(Debug, Default)]
struct Counting {
    done: AtomicU64,
    caps: AtomicU64,
    sender: Mutex<Option<mpsc::Sender<Assignment>>>,
    permits: Option<Arc<tokio::sync::Semaphore>>,
}
#[async_trait]
impl Workers for Counting {
    async fn register(&self, p: WorkerProfile, held: Vec<LeaseToken>) -> Result<Session, CoreError> {
        let (s, assignments) = mpsc::channel(256);
        *self.sender.lock().unwrap() = Some(s);
        Ok(Session {
            number: 1,
            heartbeat: Millis(1000),
            leases: held,
            assignments,
        })
    }
    async fn beat(&self, _: WorkerId, b: Vec<WorkerBeat>) -> Result<Vec<(LeaseToken, Fence)>, CoreError> {
        Ok(b.iter().map(|b| (b.token, Fence::Pass)).collect())
    }
    fn progress(&self, _: WorkerId, _: LeaseToken, _: Progress) {}
    async fn deliver(&self, _: WorkerId, _: LeaseToken, _: Delivery) -> Result<Fence, CoreError> {
        // a group commit
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.done.fetch_add(1, Ordering::Relaxed);
        self.permits.as_ref().unwrap().add_permits(1);
        Ok(Fence::Pass)
    }
    async fn fail(&self, _: WorkerId, _: LeaseToken, f: Failure) -> Result<Fence, CoreError> {
        panic!("{f:?}")
    }
    async fn release(&self, _: WorkerId, _: LeaseToken, r: String) -> Result<Fence, CoreError> {
        panic!("{r}")
    }
    async fn update(&self, p: WorkerProfile) -> Result<(), CoreError> {
        self.caps.store(p.capabilities.len() as u64, Ordering::Relaxed);
        Ok(())
    }
    async fn drain(&self, _: WorkerId) {}
    async fn disconnected(&self, _: WorkerId, _: u64, reason: String, _: bool) {
        eprintln!("gone {reason}")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench() {
    let window = 512;
    let core = Arc::new(Counting {
        permits: Some(Arc::new(tokio::sync::Semaphore::new(window))),
        ..Default::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = WorkerLinkService::new(core.clone(), LinkSettings::new(None, "x"), Default::default());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service.into_server())
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let prover = toml::Value::from(common::mock(&["--max-jobs", "256"], &[]));
    let mut world = World::prepare(&[
        ("provers", vec![prover].into()),
        ("slots", 256.into()),
        ("prefetch", 256.into()),
        ("log.filter", "warn".into()),
        ("coordinator", format!("http://{address}").into()),
    ])
    .await;
    world.worker.start();
    while core.caps.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sender = core.sender.lock().unwrap().clone().unwrap();
    let start = Instant::now();
    let n = 10_000;
    for _ in 0..n {
        core.permits.as_ref().unwrap().acquire().await.unwrap().forget();
        sender
            .send(Assignment::Lease(Box::new(link::task(vec![
                link::inline("program", "x"),
                link::inline("stdin", "y"),
            ]))))
            .await
            .unwrap();
    }
    while core.done.load(Ordering::Relaxed) < n {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    let pid = world.worker.process().pid();
    let stat = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap_or_default()
            .split(' ')
            .skip(13)
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    eprintln!(
        "{n} in {took:?}: {:.0}/s; worker cpu ticks {:?}, self {:?}",
        n as f64 / took.as_secs_f64(),
        stat(pid),
        stat(std::process::id())
    );
    for l in hierophant_testkit::leftovers(&world.data()) {
        eprintln!("{l:?} {:?}", stat(l.pid as u32));
    }
}
