//! Dials, registers, and carries messages both ways until the connection breaks; then waits and dials again.
//!
//! What must stay true: commands are taken at all times, connected or not; the heartbeat waits for nothing but the
//! connection's own queue.

use std::time::{Duration, Instant};

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::MissedTickBehavior,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    metadata::MetadataValue,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::{
    Backoff, ClientSettings, Command, Event, Lease,
    state::{Hand, State, frame},
};
use crate::{
    MESSAGE_MAX_BYTES, PROTOCOL_VERSION,
    proto::{self, FromWorker, ToWorker, from_worker, to_worker::Message, worker_link_client::WorkerLinkClient},
    tidy,
};

/// Messages that wait for the connection. Full: they wait in the state, where they are bounded by the leases.
const OUTBOUND_QUEUE: usize = 256;
/// Commands taken at once.
const COMMANDS_BATCH: usize = 64;
/// How long connecting, and then registering, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the connection is probed, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How often unanswered reports are looked for.
const REMIND_EVERY: Duration = Duration::from_secs(1);
/// How long a good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// HTTP/2 windows: a few of the largest messages may be under way.
const WINDOW_BYTES: u32 = 4 << 20;

/// Why a connection ended.
enum End {
    /// It broke: try again.
    Broken(String),
    /// The coordinator does not want this worker.
    Refused(String),
    /// The worker said good-bye, or is gone.
    Closed,
}

/// Why a conversation stops.
enum Stop {
    /// The connection is over.
    Over(End),
    /// Nothing can be sent any more; the coordinator may still say why.
    CannotSend,
    /// The worker closes the link.
    Close,
}

/// The thread's work.
pub(super) struct Dialer {
    settings: ClientSettings,
    state: State,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    /// Whom to tell when all is closed.
    closing: Option<oneshot::Sender<()>>,
    backoff: Backoff,
}

impl Dialer {
    pub(super) fn new(
        settings: ClientSettings,
        state: State,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let backoff = Backoff::new(settings.reconnect_min, settings.reconnect_max);
        Self {
            settings,
            state,
            commands,
            events,
            closing: None,
            backoff,
        }
    }

    /// Runs until the worker closes the link.
    pub(super) async fn run(mut self) {
        loop {
            let end = self.connection().await;
            self.state.disconnected();
            let (event, wait) = match end {
                End::Closed => break,
                End::Broken(reason) => (Event::Disconnected(reason), self.backoff.wait()),
                End::Refused(reason) => (Event::Refused(reason), self.backoff.longest()),
            };
            // Commands are taken while the worker does not take events: neither may wait for the other.
            let events = self.events.clone();
            let told = async move {
                let _ = events.send(event).await;
                tokio::time::sleep(wait).await;
            };
            if self.meanwhile(told).await.is_none() {
                break;
            }
        }
        if let Some(closed) = self.closing.take() {
            let _ = closed.send(());
        }
    }

    /// Takes commands while `work` goes on. `None` when the link is to close.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = work.as_mut() => return Some(done),
                command = self.commands.recv() => if !self.obey(command) { return None },
            }
        }
    }

    /// Takes a command. `false` when the link is to close.
    fn obey(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Running(token)) => self.state.further(token, Hand::Running),
            Some(Command::Finished(token)) => self.state.further(token, Hand::Finished),
            Some(Command::Report(token, report)) => self.state.report(token, report),
            Some(Command::Release(token, reason)) => self.state.release(token, reason),
            Some(Command::Progress(progress)) => self.state.progress(progress),
            Some(Command::Capabilities(capabilities)) => self.state.offer(capabilities),
            Some(Command::Draining) => self.state.drain(),
            Some(Command::Close(closed)) => {
                self.closing = Some(closed);
                return false;
            }
            None => return false,
        }
        true
    }

    async fn connection(&mut self) -> End {
        let (capabilities, leases, draining) = self.state.register();
        let register = proto::Register {
            protocol: PROTOCOL_VERSION,
            worker_id: self.settings.worker.as_bytes().to_vec(),
            name: self.settings.name.clone(),
            version: self.settings.version.clone(),
            capabilities: Some(capabilities.clone()),
            leases,
            draining,
        };
        let settings = self.settings.clone();
        let opening = async move {
            let deadline = tokio::time::timeout(CONNECT_TIMEOUT, open(&settings, register)).await;
            deadline.unwrap_or_else(|_| Err(End::Broken(format!("no answer within {CONNECT_TIMEOUT:?}"))))
        };
        let (out, mut inbound, registered) = match self.meanwhile(opening).await {
            None => return End::Closed,
            Some(Err(end)) => return end,
            Some(Ok(opened)) => opened,
        };
        let since = Instant::now();
        let lost = self.state.registered(&registered.leases);
        self.state.catch_up(&capabilities, draining);
        let events = self.events.clone();
        let version = tidy(&registered.version);
        let tell = async move {
            let _ = events.send(Event::Connected(version)).await;
            for token in lost {
                let reason = "the coordinator gave the lease away while the worker was not connected".to_owned();
                let _ = events.send(Event::Revoked(token, reason)).await;
            }
        };
        if self.meanwhile(tell).await.is_none() {
            return self.good_bye(out, inbound).await;
        }
        let heartbeat = Duration::from_millis(registered.heartbeat_ms.max(1).into());
        let stop = self.converse(&out, &mut inbound, heartbeat).await;
        // One that takes the worker in only to throw it out again is not dialled in a tight loop.
        if since.elapsed() >= self.settings.reconnect_max {
            self.backoff.reset();
        }
        match stop {
            Stop::Over(end) => end,
            Stop::CannotSend => last_words(inbound).await,
            Stop::Close => self.good_bye(out, inbound).await,
        }
    }

    async fn converse(
        &mut self,
        out: &mpsc::Sender<FromWorker>,
        inbound: &mut Streaming<ToWorker>,
        heartbeat: Duration,
    ) -> Stop {
        let events = self.events.clone();
        let mut beat = tokio::time::interval(heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut remind = tokio::time::interval(REMIND_EVERY);
        remind.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commands = Vec::with_capacity(COMMANDS_BATCH);
        loop {
            // Every branch is safe to drop: a permit goes back, a message not taken stays where it is.
            tokio::select! {
                permit = out.reserve(), if self.state.has_next() => match permit {
                    Ok(permit) => {
                        if let Some(message) = self.state.next(Instant::now()) {
                            permit.send(message);
                        }
                        self.send_more(out);
                    }
                    Err(_) => return Stop::CannotSend,
                },
                (permit, message) = next(&events, inbound) => {
                    let Some(permit) = permit else { return Stop::Close };
                    match self.hear(message) {
                        Ok(Some(event)) => permit.send(event),
                        Ok(None) => {}
                        Err(end) => return Stop::Over(end),
                    }
                }
                taken = self.commands.recv_many(&mut commands, COMMANDS_BATCH) => {
                    let mut open = taken > 0;
                    for command in commands.drain(..) {
                        open &= self.obey(Some(command));
                    }
                    if !open {
                        return Stop::Close;
                    }
                }
                _ = beat.tick() => match out.try_send(self.state.heartbeat()) {
                    // The queue is full: the coordinator does not read, and more would not make it.
                    Ok(()) | Err(TrySendError::Full(_)) => {}
                    Err(TrySendError::Closed(_)) => return Stop::CannotSend,
                },
                _ = remind.tick() => self.state.remind(Instant::now()),
            }
        }
    }

    fn send_more(&mut self, out: &mpsc::Sender<FromWorker>) {
        while self.state.has_next() {
            let Ok(permit) = out.try_reserve() else { return };
            match self.state.next(Instant::now()) {
                Some(message) => permit.send(message),
                None => return,
            }
        }
    }

    fn hear(&mut self, message: Result<Option<ToWorker>, Status>) -> Result<Option<Event>, End> {
        let message = message.map_err(|status| ended(&status))?;
        let Some(message) = message else {
            return Err(End::Broken("the coordinator closed the stream".into()));
        };
        Ok(match message.message {
            Some(Message::Lease(lease)) => match Lease::read(lease) {
                Ok(lease) if self.state.leased(lease.token) => Some(Event::Lease(Box::new(lease))),
                Ok(lease) => {
                    self.state
                        .release(lease.token, "the worker holds as many leases as it can".into());
                    None
                }
                Err((token, why)) => {
                    tracing::warn!("{why}");
                    if let Some(token) = token {
                        self.state.release(token, why);
                    }
                    None
                }
            },
            Some(Message::Acknowledged(proto::Acknowledged { lease })) => read(&lease)
                .filter(|token| self.state.acknowledged(*token))
                .map(Event::Acknowledged),
            Some(Message::Revoked(proto::Revoked { lease, reason })) => read(&lease)
                .filter(|token| self.state.revoked(*token))
                .map(|token| Event::Revoked(token, tidy(&reason))),
            Some(Message::Refused(refused)) => return Err(refusal(&refused)),
            Some(Message::Registered(_)) | None => None,
        })
    }

    /// Sends what is queued, closes the worker's side and waits for the coordinator to close its own.
    async fn good_bye(&mut self, out: mpsc::Sender<FromWorker>, mut inbound: Streaming<ToWorker>) -> End {
        let state = &mut self.state;
        let leaving = async move {
            while let Some(message) = state.next(Instant::now()) {
                if out.send(message).await.is_err() {
                    return;
                }
            }
            drop(out);
            while let Ok(Some(_)) = inbound.message().await {}
        };
        // Whatever is not through by then is repeated by the next process, or runs out.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, leaving).await;
        End::Closed
    }
}

/// The sending half is gone: what the coordinator still says is why.
async fn last_words(mut inbound: Streaming<ToWorker>) -> End {
    let words = async {
        loop {
            match inbound.message().await {
                Ok(Some(ToWorker {
                    message: Some(Message::Refused(refused)),
                })) => return refusal(&refused),
                Ok(Some(_)) => {}
                Ok(None) => return End::Broken("the coordinator closed the stream".into()),
                Err(status) => return ended(&status),
            }
        }
    };
    tokio::time::timeout(CLOSE_TIMEOUT, words)
        .await
        .unwrap_or_else(|_| End::Broken("the connection broke".into()))
}

/// Waits until the worker has room for an event, then for a message. No permit: the worker is gone.
async fn next<'a>(
    events: &'a mpsc::Sender<Event>,
    inbound: &mut Streaming<ToWorker>,
) -> (Option<mpsc::Permit<'a, Event>>, Result<Option<ToWorker>, Status>) {
    match events.reserve().await {
        Ok(permit) => (Some(permit), inbound.message().await),
        Err(_) => (None, Ok(None)),
    }
}

type Opened = (mpsc::Sender<FromWorker>, Streaming<ToWorker>, proto::Registered);

async fn open(settings: &ClientSettings, register: proto::Register) -> Result<Opened, End> {
    let channel = dial(settings).await.map_err(End::Broken)?;
    let mut client = WorkerLinkClient::new(channel)
        .max_decoding_message_size(MESSAGE_MAX_BYTES)
        .max_encoding_message_size(MESSAGE_MAX_BYTES);
    let (out, queued) = mpsc::channel(OUTBOUND_QUEUE);
    // A fresh queue has room.
    let _ = out.try_send(frame(from_worker::Message::Register(register)));
    let mut request = Request::new(ReceiverStream::new(queued));
    if let Some(token) = &settings.token {
        let value = MetadataValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| End::Refused("the worker's token cannot be a header: it must be visible ASCII".into()))?;
        request.metadata_mut().insert("authorization", value);
    }
    let mut inbound = client
        .open(request)
        .await
        .map_err(|status| ended(&status))?
        .into_inner();
    match inbound.message().await.map_err(|status| ended(&status))? {
        Some(ToWorker {
            message: Some(Message::Registered(registered)),
        }) => Ok((out, inbound, registered)),
        Some(ToWorker {
            message: Some(Message::Refused(refused)),
        }) => Err(refusal(&refused)),
        Some(_) => Err(End::Broken("the coordinator's first message is not Registered".into())),
        None => Err(End::Broken(
            "the coordinator closed the stream before it had registered the worker".into(),
        )),
    }
}

async fn dial(settings: &ClientSettings) -> Result<Channel, String> {
    let sentence =
        |error: tonic::transport::Error| format!("cannot reach {}: {}", settings.coordinator, causes(&error));
    let mut endpoint = Endpoint::from_shared(settings.coordinator.clone())
        .map_err(sentence)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    if settings.coordinator.starts_with("https:") {
        // With several providers linked, TLS needs one to be chosen for the process. An earlier choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = match &settings.ca_certificate {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls).map_err(sentence)?;
    }
    endpoint.connect().await.map_err(sentence)
}

/// An error with what caused it, on a line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    tidy(&text)
}

fn refusal(refused: &proto::Refused) -> End {
    let reason = tidy(&refused.reason);
    if refused.retry {
        End::Broken(reason)
    } else {
        End::Refused(reason)
    }
}

fn ended(status: &Status) -> End {
    let said = if status.message().is_empty() {
        causes(status)
    } else {
        tidy(status.message())
    };
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => End::Refused(said),
        Code::Unimplemented => End::Refused(format!("there is no coordinator for workers at this address: {said}")),
        _ => End::Broken(said),
    }
}

fn read(lease: &[u8]) -> Option<hierophant_domain::LeaseToken> {
    hierophant_domain::LeaseToken::from_slice(lease)
}
