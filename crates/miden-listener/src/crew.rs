//! What all seats share: how a prover is started, who checks, and whether anybody is ready.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use hierophant_miden_api::Kind;
use hierophant_prover_protocol::{
    host::{ProverProcess, ProverSpec, Scratch, SpawnError, remove_stale_scratch},
    pool::{LightPool, PoolConfig, PoolError},
    proto::{HelloReply, Role},
};
use rustix::fs::FlockOperation;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{desk::Desk, seat::Seat, settings::ProofSettings};

/// Light processes that check proofs. Checking takes milliseconds, proving seconds.
const CHECKS: usize = 1;

/// Why no proof can be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder for witnesses.
    #[error("cannot use the scratch directory {path}: {source}; check that it is writable, or set --scratch-directory")]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The prover does not get ready.
    #[error(transparent)]
    Prover(#[from] SpawnError),
    /// The process that checks does not get ready.
    #[error("the prover cannot check proofs")]
    Check(#[source] PoolError),
    /// The prover does not do what is to be served.
    #[error("{0}")]
    Unfit(String),
    /// The worker was stopped meanwhile.
    #[error("stopped before a prover was ready")]
    Stopped,
}

/// Whether proofs can be made.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// Prover processes that are ready.
    pub processes: usize,
    /// Whether one has ever been.
    pub has_been: bool,
    /// Why the last start failed, if it did.
    pub trouble: Option<String>,
}

impl Readiness {
    /// `Err` says why not. A process that is being replaced is no reason.
    pub fn check(&self) -> Result<(), String> {
        match &self.trouble {
            Some(why) if self.processes == 0 => Err(why.clone()),
            _ if !self.has_been => Err("the prover is getting ready".into()),
            _ => Ok(()),
        }
    }
}

/// See the module's comment.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) desk: Arc<Desk>,
    pub(crate) settings: ProofSettings,
    pub(crate) checks: LightPool,
    pub(crate) scratch: Scratch,
    /// Cancelled at the end: every process is killed.
    pub(crate) ending: CancellationToken,
    spec: ProverSpec,
    readiness: watch::Sender<Readiness>,
    seats: TaskTracker,
}

impl Crew {
    /// Makes a crew that has not started. Removes what killed workers left behind. Blocking.
    pub(crate) fn new(desk: Arc<Desk>, settings: ProofSettings) -> Result<Self, StartError> {
        let failed = |source| StartError::Scratch {
            path: settings.scratch.clone(),
            source,
        };
        let scratch = scratch(&settings.scratch).map_err(failed)?;
        let mut spec = ProverSpec::new(&settings.prover, scratch.path());
        spec.args.clone_from(&settings.prover_args);
        spec.options.clone_from(&settings.prover_options);
        spec.hello_timeout = settings.hello_timeout;
        spec.memory_limit_bytes = Some(settings.memory_bytes);
        let config = PoolConfig {
            processes: CHECKS,
            calls_per_process: 1,
            queue: settings.parallel,
            ..PoolConfig::default()
        };
        let checks = LightPool::new(spec.clone(), config);
        spec.role = Role::Prove;
        Ok(Self {
            desk,
            settings,
            checks,
            scratch,
            ending: CancellationToken::new(),
            spec,
            readiness: watch::Sender::default(),
            seats: TaskTracker::new(),
        })
    }

    /// Waits for the first prover and the check to be ready, then seats everybody.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), StartError> {
        let ready = async {
            let checks = async { self.checks.hello().await.map_err(StartError::Check) };
            let prover = async { self.spawn().await.map_err(StartError::from) };
            tokio::try_join!(prover, checks)
        };
        let (process, _) = tokio::select! {
            ready = ready => ready?,
            () = self.ending.cancelled() => return Err(StartError::Stopped),
        };
        let needs = needs(process.hello(), &self.settings).map_err(StartError::Unfit)?;
        tracing::info!(prover.pid = process.pid(), "{} is ready", process.name());
        self.desk.set_needs(needs);
        self.seated();
        let mut first = Some(process);
        for _ in 0..self.settings.parallel {
            self.seats.spawn(Seat::new(Arc::clone(self), first.take()).work());
        }
        Ok(())
    }

    /// Ends every process and waits until none is left.
    pub(crate) async fn end(&self) {
        self.ending.cancel();
        self.seats.close();
        self.seats.wait().await;
        self.checks.shutdown().await;
    }

    pub(crate) async fn spawn(&self) -> Result<ProverProcess, SpawnError> {
        ProverProcess::spawn(&self.spec).await
    }

    /// Tells whether proofs can be made, whenever that changes.
    pub(crate) fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    pub(crate) fn seated(&self) {
        self.readiness.send_modify(|readiness| {
            readiness.processes += 1;
            (readiness.has_been, readiness.trouble) = (true, None);
        });
    }

    pub(crate) fn unseated(&self) {
        self.readiness
            .send_modify(|readiness| readiness.processes = readiness.processes.saturating_sub(1));
    }

    pub(crate) fn troubled(&self, why: String) {
        self.readiness.send_modify(|readiness| readiness.trouble = Some(why));
    }
}

/// What each kind needs, in bytes; the error says what the prover lacks and what to do.
fn needs(hello: &HelloReply, settings: &ProofSettings) -> Result<BTreeMap<Kind, u64>, String> {
    let system = hello.systems.iter().find(|system| system.name == settings.system);
    let system = system.ok_or_else(|| {
        format!(
            "{} does not serve {}: name the prover of line {} with --prover",
            hello.name, settings.system, settings.line
        )
    })?;
    let find = |kind: &Kind| {
        let found = system.kinds.iter().find(|found| found.name == kind.as_str());
        let found = found.ok_or_else(|| {
            format!(
                "{} has no kind {kind}: correct --kind, or the prover's option `kinds`",
                hello.name
            )
        })?;
        if !found.unavailable.is_empty() {
            return Err(format!("{kind} is not available: {}", found.unavailable));
        }
        if found.memory_bytes > settings.memory_bytes {
            return Err(format!(
                "a {kind} proof needs {} bytes of memory and --memory allows {}: raise it, or lower \
                 --prover-option {kind}_memory=… if your proofs need less",
                found.memory_bytes, settings.memory_bytes
            ));
        }
        Ok((*kind, found.memory_bytes))
    };
    settings.kinds.iter().map(find).collect()
}

/// Makes this worker's own folder, which only this user may enter, in one that workers may share, and removes there what
/// killed workers left behind.
fn scratch(parent: &Path) -> io::Result<Scratch> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    // One at a time: a folder that was made a moment ago and is not locked yet looks like one that was left behind.
    let turn = fs::File::open(parent)?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive)?;
    let stale = remove_stale_scratch(parent)?;
    if stale > 0 {
        tracing::info!("removed what {stale} workers of earlier runs left behind");
    }
    Scratch::new(parent)
}

/// An error with what caused it, on a line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
