//! The worker's end: a thread of its own that dials the coordinator, comes back when the connection breaks, beats, and
//! repeats reports until they are acknowledged.
//!
//! What must stay true: no work of the process starves the heartbeat (the thread runs nothing else); a report is
//! forgotten only when it was acknowledged or its lease revoked; both queues are bounded. A worker that does not take its
//! [`Event`]s stops the reading of the connection, not the heartbeat.
//!
//! Not here: what a lease is worked on with, and results that must outlive the process (`contemplant`).

mod backoff;
mod connection;
mod lease;
mod state;

use std::{io, thread, time::Duration};

use hierophant_config::types::Secret;
use hierophant_domain::{LeaseToken, WorkerId};
use tokio::sync::{mpsc, oneshot};

pub use backoff::Backoff;
pub use lease::Lease;

use crate::proto;

/// What the worker may have told the link before it has to wait.
const COMMANDS_QUEUE: usize = 1024;
/// What the link may have told the worker before it stops reading the connection.
const EVENTS_QUEUE: usize = 1024;

/// Who the worker is and whom it dials.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `http://…` or `https://…` of the coordinator's worker port.
    pub coordinator: String,
    /// What the coordinator asks of workers.
    pub token: Option<Secret>,
    /// PEM of the authority that the coordinator's certificate must descend from; `None` trusts what the system does.
    pub ca_certificate: Option<Vec<u8>>,
    /// Stable across restarts.
    pub worker: WorkerId,
    /// For people.
    pub name: String,
    /// Release and commit: "contemplant 0.1.0 (abc1234)".
    pub version: String,
    /// First wait before dialling again; it doubles.
    pub reconnect_min: Duration,
    /// Longest wait.
    pub reconnect_max: Duration,
}

/// How a lease ended at the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// It is done. Its `lease` field is set by the link.
    Done(proto::Result),
    /// It failed.
    Failed(proto::failure::Class, String),
}

/// What the worker hears.
#[derive(Debug)]
pub enum Event {
    /// The coordinator has taken the worker in; its release.
    Connected(String),
    /// The connection broke, or could not be made; the link goes on trying.
    Disconnected(String),
    /// The coordinator does not want this worker, for this reason, and will not change its mind by itself. The link goes
    /// on trying at its longest wait: an operator may help.
    Refused(String),
    /// Work.
    Lease(Box<Lease>),
    /// A lease that may do nothing any more. Its report, if there was one, is forgotten.
    Revoked(LeaseToken, String),
    /// A report is durable at the coordinator.
    Acknowledged(LeaseToken),
}

/// What the worker says.
#[derive(Debug)]
enum Command {
    Running(LeaseToken),
    Finished(LeaseToken),
    Report(LeaseToken, Report),
    Release(LeaseToken, String),
    Progress(proto::Progress),
    Capabilities(proto::Capabilities),
    Draining,
    Close(oneshot::Sender<()>),
}

/// A handle of the link; cheap to clone. The thread ends when the last is dropped, or after [`Link::close`].
#[derive(Clone, Debug)]
pub struct Link {
    commands: mpsc::Sender<Command>,
}

impl Link {
    /// Starts the thread. Of what an earlier process has finished: `reports` were not acknowledged, and `uploading` still
    /// have outputs to upload before they can be reported.
    pub fn start(
        settings: ClientSettings,
        capabilities: proto::Capabilities,
        reports: Vec<(LeaseToken, Report)>,
        uploading: &[LeaseToken],
    ) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Full: whoever tells the link something waits; the link takes commands whether it is connected or not.
        let (commands, told) = mpsc::channel(COMMANDS_QUEUE);
        // Full: the connection is not read until the worker has caught up.
        let (events, heard) = mpsc::channel(EVENTS_QUEUE);
        let mut state = state::State::new(capabilities);
        for (token, report) in reports {
            state.report(token, report);
        }
        for token in uploading {
            state.resume(*token);
        }
        let dialer = connection::Dialer::new(settings, state, told, events);
        thread::Builder::new()
            .name("worker-link".into())
            .spawn(move || runtime.block_on(dialer.run()))?;
        Ok((Self { commands }, heard))
    }

    /// Work on a lease has begun: it is more than a reservation now.
    pub async fn running(&self, token: LeaseToken) {
        self.tell(Command::Running(token)).await;
    }

    /// A lease's result is complete and kept: it is uploaded and reported even if the lease is lost meanwhile.
    pub async fn finished(&self, token: LeaseToken) {
        self.tell(Command::Finished(token)).await;
    }

    /// A lease has ended here. Repeated until [`Event::Acknowledged`] or [`Event::Revoked`].
    pub async fn report(&self, token: LeaseToken, report: Report) {
        self.tell(Command::Report(token, report)).await;
    }

    /// Hands back a lease that was not started.
    pub async fn release(&self, token: LeaseToken, reason: impl Into<String>) {
        self.tell(Command::Release(token, reason.into())).await;
    }

    /// Tells how far a lease is. Lost when the queue is full: there will be more.
    pub fn progress(&self, progress: proto::Progress) {
        let _ = self.commands.try_send(Command::Progress(progress));
    }

    /// What the worker serves has changed.
    pub async fn capabilities(&self, capabilities: proto::Capabilities) {
        self.tell(Command::Capabilities(capabilities)).await;
    }

    /// The worker takes no more leases.
    pub async fn drain(&self) {
        self.tell(Command::Draining).await;
    }

    /// Sends what is queued, says good-bye and waits for the end of the connection, up to a few seconds.
    pub async fn close(&self) {
        let (closed, waiting) = oneshot::channel();
        self.tell(Command::Close(closed)).await;
        // An error means that the thread has ended: that is what was wanted.
        let _ = waiting.await;
    }

    async fn tell(&self, command: Command) {
        // The thread ends only after `close` or with the last handle.
        let _ = self.commands.send(command).await;
    }
}
