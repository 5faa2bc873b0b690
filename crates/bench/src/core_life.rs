//! How many requests a second go their whole way: submitted, leased to a worker process over TCP, delivered, verified by a
//! process, fulfilled; durable in SQLite at every step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hierophant_core::ports::{Clients as _, Operators as _};
use hierophant_domain::{ArtifactId, RequestState};
use hierophant_testkit::Node;
use tempfile::TempDir;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use toml::{Value, toml};

use crate::{
    Options,
    figure::{Target, figure, heading, per_second, rate, say},
    host::{self, Host, verifier},
    machine::Machine,
    made_up,
    process::{self, OwnChild, processor_time},
};

/// Requests that are on their way at once: enough that every part always has work.
const ON_THE_WAY: usize = 2048;
/// Tasks that submit.
const SUBMITTERS: usize = 256;
/// Worker processes, and what each holds.
const WORKERS: usize = 2;
const SLOTS: u32 = 256;
/// Before measuring.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long what was accepted may take to be fulfilled at the end.
const DRAIN_WITHIN: Duration = Duration::from_mins(1);
/// How often the count of fulfilled requests is read.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Figures from the plan of the project.
const LOAD_WORKERS_TARGET: Target = Target::AtLeast(10_000.0);
/// The real worker's jobs at once, for each of the two.
const CONTEMPLANT_SLOTS: i64 = 64;

/// With worker processes that answer at once.
pub(crate) async fn with_load_workers(options: &Options) -> Result<()> {
    heading("Core: submitted to fulfilled, 2 load workers over TCP, 1 verifier process, SQLite");
    let machine = Machine::measure().await?;
    let folder = tempfile::tempdir()?;
    let host = Host::start(folder.path(), &host::settings(folder.path(), &options.log)?).await?;
    let workers = (0..WORKERS)
        .map(|_| load_worker(&host.grpc, None))
        .collect::<Result<Vec<_>>>()?;
    host.workers(WORKERS).await?;
    let pids: Vec<u32> = workers.iter().map(OwnChild::pid).collect();
    let measured = measure(&host, options, &pids).await?;
    rate("requests fulfilled", measured, LOAD_WORKERS_TARGET, &machine);
    for worker in workers {
        worker.finish().await?;
    }
    host.finish().await
}

/// With the worker program and its prover processes.
pub(crate) async fn with_contemplants(options: &Options) -> Result<()> {
    heading("Core: the same with 2 real workers, each with a prover process");
    let machine = Machine::measure().await?;
    let folder = tempfile::tempdir()?;
    let host = Host::start(folder.path(), &host::settings(folder.path(), &options.log)?).await?;
    let mut workers = (0..WORKERS)
        .map(|n| contemplant(&folder, &host.grpc, n))
        .collect::<Result<Vec<_>>>()?;
    workers.iter_mut().for_each(Node::start);
    host.workers(WORKERS).await?;
    let mut pids: Vec<u32> = workers.iter_mut().map(|worker| worker.process().pid()).collect();
    pids.extend(
        pids.clone()
            .iter()
            .flat_map(|pid| process::children(*pid, "prover-mock")),
    );
    let measured = measure(&host, options, &pids).await?;
    rate("requests fulfilled", measured, Target::None, &machine);
    for worker in &mut workers {
        worker.terminate(DRAIN_WITHIN).await;
    }
    host.finish().await
}

/// Starts a load worker.
pub(crate) fn load_worker(grpc: &str, times: Option<&std::path::Path>) -> Result<OwnChild> {
    let mut arguments: Vec<String> = ["worker", "--coordinator", grpc].map(str::to_owned).into();
    arguments.extend([
        "--slots".to_owned(),
        SLOTS.to_string(),
        "--prefetch".to_owned(),
        "0".to_owned(),
    ]);
    if let Some(times) = times {
        arguments.extend(["--times".to_owned(), host::text(times)?]);
    }
    OwnChild::start(&arguments)
}

fn contemplant(folder: &TempDir, grpc: &str, number: usize) -> Result<Node> {
    let name = format!("worker-{number}");
    let mut node = Node::new(&name, process::beside("contemplant")?, folder.path().join(&name));
    let mut prover = verifier(&format!("{}={}:{}", made_up::SYSTEM, made_up::TOOLCHAIN, made_up::KIND))?;
    if let Value::Table(table) = &mut prover {
        table.remove("system");
        table.remove("calls");
    }
    node.set("coordinator", grpc)
        .set("http_port", 0)
        .set("slots", CONTEMPLANT_SLOTS)
        .set("prefetch", CONTEMPLANT_SLOTS);
    node.set("provers", Value::Array(vec![prover]))
        .set("log", Value::Table(toml! { filter = "warn" }));
    Ok(node)
}

/// What the submitters share.
struct Load {
    host_core: hierophant_core::Core,
    program: ArtifactId,
    number: AtomicU64,
    room: Arc<Semaphore>,
}

/// Keeps [`ON_THE_WAY`] requests on their way for the time given, and returns how many were fulfilled a second.
async fn measure(host: &Host, options: &Options, workers: &[u32]) -> Result<f64> {
    let load = Arc::new(Load {
        host_core: host.core.clone(),
        program: host.program().await?,
        number: AtomicU64::new(0),
        room: Arc::new(Semaphore::new(ON_THE_WAY)),
    });
    let (begun, mut submitters) = (Instant::now(), JoinSet::new());
    for _ in 0..SUBMITTERS {
        let (load, template) = (Arc::clone(&load), host.submission(load.program, 0));
        submitters.spawn(async move {
            while let Ok(permit) = Arc::clone(&load.room).acquire_owned().await {
                // Comes back when a request was fulfilled.
                OwnedSemaphorePermit::forget(permit);
                let number = load.number.fetch_add(1, Ordering::Relaxed);
                let mut submission = template.clone();
                submission.idempotency_key = number.to_be_bytes().to_vec();
                load.host_core.submit(submission).await?;
            }
            Ok::<_, hierophant_core::CoreError>(())
        });
    }
    let mut seen = 0;
    seen = look(host, &load, seen, begun + WARM_UP).await?;
    let (from, at, used) = (seen, Instant::now(), Used::now(workers));
    let span = Duration::from_secs(options.seconds);
    seen = look(host, &load, seen, at + span).await?;
    let (count, took, used) = (seen - from, at.elapsed(), Used::now(workers).since(&used));
    load.room.close();
    for submitter in submitters.join_all().await {
        submitter?;
    }
    drain(host, load.number.load(Ordering::Relaxed)).await?;
    used.print(took, count);
    Ok(per_second(count, took))
}

/// Gives back room for what is fulfilled, until `end`. Returns how many were so far.
async fn look(host: &Host, load: &Load, mut seen: u64, end: Instant) -> Result<u64> {
    while Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
        let fulfilled = fulfilled(host).await?;
        load.room.add_permits(usize::try_from(fulfilled - seen)?);
        seen = fulfilled;
    }
    Ok(seen)
}

async fn fulfilled(host: &Host) -> Result<u64> {
    Ok(host.core.counts().await?.requests[RequestState::Fulfilled.code() as usize])
}

/// All that was accepted must end well.
pub(crate) async fn drain(host: &Host, accepted: u64) -> Result<()> {
    let end = Instant::now() + DRAIN_WITHIN;
    while fulfilled(host).await? < accepted {
        ensure!(
            Instant::now() < end,
            "of {accepted} accepted requests only {} were fulfilled: {:?}",
            fulfilled(host).await?,
            host.core.counts().await?
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    ensure!(fulfilled(host).await? == accepted, "more were fulfilled than accepted");
    Ok(())
}

/// Processor time of the parts.
struct Used {
    coordinator: Duration,
    verifiers: Duration,
    workers: Duration,
}

impl Used {
    fn now(workers: &[u32]) -> Self {
        let own = std::process::id();
        Self {
            coordinator: processor_time(own),
            verifiers: process::children(own, "prover-mock")
                .into_iter()
                .map(processor_time)
                .sum(),
            workers: workers.iter().copied().map(processor_time).sum(),
        }
    }

    fn since(self, before: &Self) -> Self {
        Self {
            coordinator: self.coordinator.saturating_sub(before.coordinator),
            verifiers: self.verifiers.saturating_sub(before.verifiers),
            workers: self.workers.saturating_sub(before.workers),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    fn print(&self, took: Duration, count: u64) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        let cores = |time: Duration| time.as_secs_f64() / took.as_secs_f64();
        for (what, time) in [
            ("processor time a request, coordinator and submitter", self.coordinator),
            ("processor time a request, verifier process", self.verifiers),
            ("processor time a request, workers", self.workers),
        ] {
            figure(what, each(time), "µs", Target::None);
            say(&format!("      = {:.2} cores", cores(time)));
        }
    }
}
