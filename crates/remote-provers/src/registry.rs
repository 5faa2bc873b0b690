//! Which provers are attached: one task that owns the list and one task for each prover.
//!
//! What must stay true: a prover that was attached by a call is a row before the call is answered, and is there again after a
//! restart; one of the settings file is there for as long as the file names it; attaching and detaching wait for no prover.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt as _;
use hierophant_core::ports::Workers;
use hierophant_domain::Name;
use hierophant_miden_api::{Line, client::RemoteWorker};
use hierophant_store::{REMOTE_PROVERS_MAX, RemoteProverRow, Store, StoreError};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Address, Options, RemoteProverSettings, SLOTS_MAX, View,
    prover::{Coordinator, Prover},
};

/// Operators' calls that wait.
const CALLS: usize = 64;

/// What became of a call to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// It is attached now.
    New,
    /// It was already; nothing has changed.
    Known,
}

/// What became of a call to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It gets nothing more; this many proofs are finished first.
    Leaving {
        /// Proofs in its hands.
        busy: u32,
    },
    /// There is none.
    Unknown,
}

/// Why a call of an operator was not done. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It can never be.
    #[error("{0}")]
    Invalid(String),
    /// The settings file says otherwise.
    #[error("{0}")]
    Configured(String),
    /// As many are attached as may be.
    #[error("{0}")]
    Full(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(why) => Self::Full(why),
            StoreError::Refused(why) => Self::Invalid(why),
            StoreError::Unavailable(_)
            | StoreError::NotFound(_)
            | StoreError::UnknownSchema { .. }
            | StoreError::Corrupt(_) => Self::Unavailable(format!("the list of provers cannot be written: {error}")),
        }
    }
}

/// The attached provers: cheap to clone, all clones are one.
#[derive(Clone, Debug)]
pub struct RemoteProvers(mpsc::Sender<Call>);

#[derive(Debug)]
enum Call {
    Add(Address, Options, oneshot::Sender<Result<Attached, ControlError>>),
    Remove(Address, oneshot::Sender<Result<Removed, ControlError>>),
    List(oneshot::Sender<Vec<View>>),
}

impl RemoteProvers {
    /// Attaches what the store remembers and what the settings file names, and serves calls until `stop` is cancelled: then the
    /// handle ends, when every prover has left. Fails when the store cannot be read.
    pub async fn start(
        workers: Arc<dyn Workers>,
        store: Arc<dyn Store>,
        settings: RemoteProverSettings,
        configured: Vec<(Address, Options)>,
        stop: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), ControlError> {
        let mut registry = Registry {
            coordinator: Coordinator {
                workers,
                store: Arc::clone(&store),
                settings,
                stop: stop.clone(),
            },
            entries: BTreeMap::new(),
            provers: JoinSet::new(),
        };
        for (address, options) in configured {
            let remote = remote(&address, options)?;
            registry.begin(address, options, remote, true);
        }
        let rows = store.attached().await?;
        for row in rows {
            registry.begin_row(&row);
        }
        let (calls, inbox) = mpsc::channel(CALLS);
        let ended = tokio::spawn(registry.run(inbox, stop));
        Ok((Self(calls), ended))
    }

    /// Attaches a prover. After `Ok` it is there over restarts; whether it is healthy shows in [`Self::list`].
    pub async fn add(&self, address: Address, options: Options) -> Result<Attached, ControlError> {
        if !(1..=SLOTS_MAX).contains(&options.slots) {
            return Err(ControlError::Invalid(format!("slots must be from 1 to {SLOTS_MAX}")));
        }
        self.call(|reply| Call::Add(address, options, reply)).await?
    }

    /// Detaches a prover: it gets nothing more, finishes what it has, and is gone.
    pub async fn remove(&self, address: Address) -> Result<Removed, ControlError> {
        self.call(|reply| Call::Remove(address, reply)).await?
    }

    /// Every attached prover, by address.
    pub async fn list(&self) -> Result<Vec<View>, ControlError> {
        self.call(Call::List).await
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, ControlError> {
        let stopping = || ControlError::Unavailable("the coordinator is stopping; ask again when it is up".to_owned());
        let (reply, answer) = oneshot::channel();
        self.0.send(call(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

struct Registry {
    coordinator: Coordinator,
    entries: BTreeMap<Address, Entry>,
    /// One task each; it ends with its address.
    provers: JoinSet<Address>,
}

struct Entry {
    view: Arc<Mutex<View>>,
    leave: CancellationToken,
    configured: bool,
    /// It was removed, and attached again before it had finished.
    again: Option<(Options, RemoteWorker)>,
}

impl Entry {
    fn leaving(&self) -> bool {
        self.leave.is_cancelled()
    }

    fn view(&self) -> View {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Registry {
    async fn run(mut self, mut inbox: mpsc::Receiver<Call>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(call) = inbox.recv() => self.serve(call).await,
                Some(ended) = self.provers.join_next(), if !self.provers.is_empty() => {
                    if let Ok(address) = ended {
                        self.ended(&address);
                    }
                }
            }
        }
        drop(inbox);
        while self.provers.join_next().await.is_some() {}
    }

    async fn serve(&mut self, call: Call) {
        // Whoever asked may have left: what was done is done.
        match call {
            Call::Add(address, options, reply) => {
                let _ = reply.send(self.add(address, options).await);
            }
            Call::Remove(address, reply) => {
                let _ = reply.send(self.remove(&address).await);
            }
            Call::List(reply) => {
                let _ = reply.send(self.entries.values().map(Entry::view).collect());
            }
        }
    }

    async fn add(&mut self, address: Address, options: Options) -> Result<Attached, ControlError> {
        let known = self.entries.get(&address);
        if known.is_some_and(|entry| !entry.leaving() || entry.again.is_some()) {
            return Ok(Attached::Known);
        }
        if known.is_none() && self.entries.len() >= REMOTE_PROVERS_MAX {
            return Err(ControlError::Full(format!(
                "{REMOTE_PROVERS_MAX} remote provers are attached, which is the most: remove one first"
            )));
        }
        let remote = remote(&address, options)?;
        let row = RemoteProverRow {
            address: address.to_string(),
            system: Name::literal(options.line.system()),
            slots: options.slots,
            added_at: self.coordinator.store.now(),
        };
        self.coordinator.store.attach(row).await?;
        match self.entries.get_mut(&address) {
            Some(leaving) => leaving.again = Some((options, remote)),
            None => self.begin(address, options, remote, false),
        }
        Ok(Attached::New)
    }

    async fn remove(&mut self, address: &Address) -> Result<Removed, ControlError> {
        let Some(entry) = self.entries.get_mut(address) else {
            return Ok(Removed::Unknown);
        };
        if entry.configured {
            return Err(ControlError::Configured(format!(
                "{address} is named in the settings file: remove its [[remote_provers]] table there and restart"
            )));
        }
        if entry.leaving() && entry.again.is_none() {
            return Ok(Removed::Unknown);
        }
        self.coordinator.store.detach(address.to_string()).await?;
        entry.again = None;
        entry.leave.cancel();
        Ok(Removed::Leaving {
            busy: entry.view().busy,
        })
    }

    /// Begins one that the store remembers; one that cannot be is told of and left alone.
    fn begin_row(&mut self, row: &RemoteProverRow) {
        let line = Line::ALL.into_iter().find(|line| line.system() == row.system.as_str());
        let (Some(line), Ok(address)) = (line, row.address.parse::<Address>()) else {
            tracing::warn!(
                prover.address = row.address,
                "an attached remote prover of {} is not for this release",
                row.system
            );
            return;
        };
        if self.entries.contains_key(&address) {
            return;
        }
        let options = Options {
            line,
            slots: row.slots.clamp(1, SLOTS_MAX),
        };
        match remote(&address, options) {
            Ok(remote) => self.begin(address, options, remote, false),
            Err(error) => tracing::warn!(prover.address = row.address, "a remote prover is left alone: {error}"),
        }
    }

    fn begin(&mut self, address: Address, options: Options, remote: RemoteWorker, configured: bool) {
        let entry = Entry {
            view: Arc::new(Mutex::new(View::new(address.clone(), options, configured))),
            leave: CancellationToken::new(),
            configured,
            again: None,
        };
        let prover = Prover::new(
            self.coordinator.clone(),
            address.clone(),
            options,
            remote,
            entry.leave.clone(),
            Arc::clone(&entry.view),
        );
        self.entries.insert(address.clone(), entry);
        self.provers.spawn(async move {
            let lived = std::panic::AssertUnwindSafe(prover.run()).catch_unwind().await;
            if lived.is_err() {
                tracing::error!(prover.address = %address, "a remote prover's task broke; add it again");
            }
            address
        });
    }

    fn ended(&mut self, address: &Address) {
        let Some(entry) = self.entries.remove(address) else {
            return;
        };
        if let Some((options, remote)) = entry.again {
            self.begin(address.clone(), options, remote, false);
        }
    }
}

/// The connection to a prover, which is made when it is first needed.
fn remote(address: &Address, options: Options) -> Result<RemoteWorker, ControlError> {
    RemoteWorker::connect_lazy(address.as_str(), options.line.generation())
        .map_err(|error| ControlError::Invalid(error.to_string()))
}
