//! The worker's prover processes: one for each configured prover, kept warm, started again when they die.
//!
//! What must stay true: what is offered is what a process that is ready now can do; a prover that keeps dying is started
//! at growing intervals; after [`Fleet::stop`] or [`Fleet::kill`] none is left.
//!
//! Not here: what a prover is asked to do ([`crate::job`]).

mod offer;
mod station;

use std::{path::Path, sync::Arc, time::Duration};

use hierophant_config::settings::contemplant::Settings;
use hierophant_domain::{Capability, TaskClass};
use hierophant_prover_protocol::{host::ProverSpec, proto::Role};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use offer::wants_mock;
pub use station::Booking;
use station::Station;

/// How long a prover may take to get ready: some load gigabytes of keys, or make them.
const HELLO_TIMEOUT: Duration = Duration::from_mins(30);
/// How often a prover with an open call gives a sign; after three times that it counts as hung.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// All provers of this worker.
#[derive(Debug)]
pub struct Fleet {
    stations: Vec<Arc<Station>>,
    changed: watch::Sender<u64>,
    stopping: CancellationToken,
    killing: CancellationToken,
    supervisors: TaskTracker,
}

/// What the provers that are ready now serve together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Each once.
    pub capabilities: Vec<Capability>,
    /// Jobs that the processes run at once, in all.
    pub jobs: u32,
    /// Processes that are ready.
    pub ready: usize,
}

/// No prover of this worker can do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no prover of this worker is ready for {class}")]
pub struct NoProver {
    class: String,
}

impl Fleet {
    /// Starts all provers. Their private directories are made in `scratch`.
    pub fn start(settings: &Settings, scratch: &Path) -> Arc<Self> {
        let (changed, _) = watch::channel(0);
        let fleet = Arc::new(Self {
            stations: settings
                .provers
                .iter()
                .enumerate()
                .map(|(index, prover)| Arc::new(Station::new(spec(settings, index, scratch), prover.kinds.clone())))
                .collect(),
            changed,
            stopping: CancellationToken::new(),
            killing: CancellationToken::new(),
            supervisors: TaskTracker::new(),
        });
        for station in &fleet.stations {
            let supervisor =
                Arc::clone(station).supervise(fleet.changed.clone(), fleet.stopping.clone(), fleet.killing.clone());
            fleet.supervisors.spawn(supervisor);
        }
        fleet
    }

    /// What is served now.
    pub fn offer(&self) -> Offer {
        let mut offer = Offer::default();
        for (capabilities, jobs) in self.stations.iter().filter_map(|station| station.offer()) {
            offer.ready += 1;
            offer.jobs = offer.jobs.saturating_add(jobs);
            for capability in capabilities {
                if !offer.capabilities.contains(&capability) {
                    offer.capabilities.push(capability);
                }
            }
        }
        offer.capabilities.truncate(hierophant_domain::worker::CAPABILITIES_MAX);
        offer
    }

    /// Tells whenever the offer may have changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Names and states of the provers, for people.
    pub fn conditions(&self) -> Vec<(String, String)> {
        self.stations
            .iter()
            .map(|station| (station.name().to_owned(), station.condition()))
            .collect()
    }

    /// Finds the least busy prover for a task; waits up to `patience` for one to get ready.
    pub async fn book(&self, class: &TaskClass, patience: Duration) -> Result<Booking, NoProver> {
        let mut changes = self.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                let found = self.stations.iter().filter(|station| station.serves(class));
                if let Some(booking) = found.min_by_key(|station| station.open_jobs()).and_then(Station::book) {
                    return booking;
                }
                if changes.changed().await.is_err() {
                    // The fleet outlives its sender.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, search).await.map_err(|_| NoProver {
            class: class.to_string(),
        })
    }

    /// Asks all provers to exit, kills those that do not, and waits until none is left.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.supervisors.close();
        self.supervisors.wait().await;
    }

    /// Kills all provers and waits until none is left.
    pub async fn kill(&self) {
        self.killing.cancel();
        self.stop().await;
    }
}

/// How a configured prover is started.
fn spec(settings: &Settings, index: usize, scratch: &Path) -> ProverSpec {
    let prover = &settings.provers[index];
    let mut spec = ProverSpec::new(&prover.executable, scratch);
    spec.name = format!("{} #{}", spec.name, index + 1);
    spec.args.clone_from(&prover.args);
    spec.env = prover
        .env
        .iter()
        .map(|(name, secret)| (name.clone(), secret.expose().to_owned()))
        .collect();
    spec.options.clone_from(&prover.options);
    spec.role = Role::Prove;
    // One prover may use all that the provers may use together; that they do not do so at once is the coordinator's
    // part, which knows what each kind of task takes.
    let limits = [prover.memory_limit, settings.memory];
    spec.memory_limit_bytes = limits
        .into_iter()
        .flatten()
        .map(hierophant_config::types::ByteSize::bytes)
        .min();
    spec.hello_timeout = HELLO_TIMEOUT;
    spec.heartbeat = HEARTBEAT;
    spec
}
