//! Both ends over a real connection: who gets in, what is repeated, what is bounded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use common::{Call, Coordinator, Fake, PATIENCE, cut, inline, task};
use hierophant_config::types::Secret;
use hierophant_core::ports::{Assignment, Workers};
use hierophant_domain::{FailureClass, LeaseToken, WorkerId, worker::CAPABILITIES_MAX};
use hierophant_testkit::CutableProxy;
use hierophant_worker_link::{
    INLINE_MAX_BYTES, PROTOCOL_VERSION,
    client::{ClientSettings, Event, Link, Report},
    proto::{self, FromWorker, ToWorker, from_worker, to_worker, worker_link_client::WorkerLinkClient},
    server::{LinkSettings, WorkerLinkService},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};
use uuid::Uuid;

fn settings(url: String) -> ClientSettings {
    ClientSettings {
        coordinator: url,
        token: None,
        ca_certificate: None,
        worker: WorkerId(Uuid::from_u128(7)),
        name: "attic".into(),
        version: "test".into(),
        reconnect_min: Duration::from_millis(10),
        reconnect_max: Duration::from_millis(50),
    }
}

fn start(settings: ClientSettings) -> (Link, mpsc::Receiver<Event>) {
    let offered = proto::Capabilities {
        slots: 1,
        prefetch: 1,
        ..Default::default()
    };
    Link::start(settings, offered, Vec::new(), &[]).unwrap()
}

/// Waits for the first event that `find` wants.
async fn event<T>(events: &mut mpsc::Receiver<Event>, find: impl Fn(&Event) -> Option<T>) -> T {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let event = events.recv().await.expect("the link has ended");
            if let Some(found) = find(&event) {
                return found;
            }
            seen.push(event);
        }
    };
    let Ok(found) = tokio::time::timeout(PATIENCE, search).await else {
        panic!("the event did not come; these did: {seen:#?}")
    };
    found
}

async fn connected(events: &mut mpsc::Receiver<Event>) {
    event(events, |event| matches!(event, Event::Connected(_)).then_some(())).await;
}

async fn leased(events: &mut mpsc::Receiver<Event>) -> LeaseToken {
    event(events, |event| {
        if let Event::Lease(lease) = event {
            Some(lease.token)
        } else {
            None
        }
    })
    .await
}

fn result() -> proto::Result {
    let output = proto::Output {
        name: "proof".into(),
        at: Some(proto::output::At::Inline(b"proof".to_vec())),
    };
    proto::Result {
        outputs: vec![output],
        cycles: Some(u64::MAX),
        ..Default::default()
    }
}

/// A worker that says exactly what a test wants.
struct Raw {
    out: mpsc::Sender<FromWorker>,
    inbound: Streaming<ToWorker>,
}

impl Raw {
    async fn open(url: String, authorization: Option<&str>) -> Result<Self, Status> {
        let mut client = WorkerLinkClient::connect(url).await.unwrap();
        let (out, queued) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(queued));
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        let inbound = client.open(request).await?.into_inner();
        Ok(Self { out, inbound })
    }

    async fn say(&self, message: from_worker::Message) {
        self.out.send(FromWorker { message: Some(message) }).await.unwrap();
    }

    async fn register(&self, change: impl FnOnce(&mut proto::Register)) {
        let mut register = proto::Register {
            protocol: PROTOCOL_VERSION,
            worker_id: vec![7; 16],
            name: "raw".into(),
            version: "raw 1".into(),
            capabilities: Some(proto::Capabilities {
                slots: 1,
                ..Default::default()
            }),
            ..Default::default()
        };
        change(&mut register);
        self.say(from_worker::Message::Register(register)).await;
    }

    async fn hear(&mut self) -> Option<to_worker::Message> {
        let message = tokio::time::timeout(PATIENCE, self.inbound.message())
            .await
            .expect("nothing was said");
        message.expect("the stream broke")?.message
    }

    async fn refused(&mut self) -> (String, bool) {
        match self.hear().await {
            Some(to_worker::Message::Refused(refused)) => {
                assert!(self.hear().await.is_none(), "the stream ends after a refusal");
                (refused.reason, refused.retry)
            }
            other => panic!("not a refusal: {other:?}"),
        }
    }
}

#[tokio::test]
async fn another_version_is_refused_with_what_to_do() {
    let coordinator = Coordinator::start(&Fake::new(), |_| {}).await;
    let mut raw = Raw::open(coordinator.url(), None).await.unwrap();
    raw.register(|register| register.protocol = 2).await;
    let (reason, retry) = raw.refused().await;
    assert!(
        reason.contains("version 2") && reason.contains("same release") && !retry,
        "{reason}"
    );
    assert!(coordinator.core.calls().is_empty());
}

#[tokio::test]
async fn the_token_is_asked_for_before_anything_else() {
    let coordinator = Coordinator::start(&Fake::new(), |link| {
        link.token = Some(Secret::new("right-and-long-enough"));
    })
    .await;
    for wrong in [
        None,
        Some("Bearer wrong"),
        Some("right-and-long-enough"),
        Some("Bearer right-and-long-enougi"),
    ] {
        let status = Raw::open(coordinator.url(), wrong)
            .await
            .err()
            .expect("must be refused");
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("worker_token"), "{status}");
        assert!(!status.message().contains("right"), "{status}");
    }
    let raw = Raw::open(coordinator.url(), Some("Bearer right-and-long-enough"))
        .await
        .unwrap();
    raw.register(|_| {}).await;
    coordinator.core.registration(1).await;
}

#[tokio::test]
async fn the_client_tells_that_its_token_is_wrong_and_presents_the_right_one() {
    let coordinator = Coordinator::start(&Fake::new(), |link| {
        link.token = Some(Secret::new("right-and-long-enough"));
    })
    .await;
    let (_link, mut events) = start(settings(coordinator.url()));
    let why = event(&mut events, |event| {
        if let Event::Refused(why) = event {
            Some(why.clone())
        } else {
            None
        }
    })
    .await;
    assert!(why.contains("token"), "{why}");
    let right = ClientSettings {
        token: Some(Secret::new("right-and-long-enough")),
        ..settings(coordinator.url())
    };
    let (_link, mut events) = start(right);
    connected(&mut events).await;
}

#[tokio::test]
async fn who_does_not_register_or_falls_silent_is_cut_off() {
    let coordinator = Coordinator::start(&Fake::new(), |link| {
        link.register_within = Duration::from_millis(100);
        link.silence = Duration::from_millis(300);
    })
    .await;
    let mut mute = Raw::open(coordinator.url(), None).await.unwrap();
    let (reason, retry) = mute.refused().await;
    assert!(reason.contains("Register") && retry, "{reason}");
    let mut silent = Raw::open(coordinator.url(), None).await.unwrap();
    silent.register(|_| {}).await;
    assert!(matches!(silent.hear().await, Some(to_worker::Message::Registered(_))));
    let (reason, retry) = silent.refused().await;
    assert!(reason.contains("nothing was heard") && retry, "{reason}");
    assert!(!coordinator.core.disconnection(1).await.1);
}

#[tokio::test]
async fn malformed_registrations_and_messages_end_the_stream() {
    let coordinator = Coordinator::start(&Fake::new(), |_| {}).await;
    let mut many = Raw::open(coordinator.url(), None).await.unwrap();
    let kind = proto::Capability {
        role: "prove".into(),
        system: "s".into(),
        kind: "k".into(),
        ..Default::default()
    };
    many.register(|register| {
        register.capabilities.as_mut().unwrap().kinds = vec![kind; CAPABILITIES_MAX + 1];
    })
    .await;
    let (reason, retry) = many.refused().await;
    assert!(reason.contains("257") && !retry, "{reason}");

    let mut early = Raw::open(coordinator.url(), None).await.unwrap();
    early
        .say(from_worker::Message::Heartbeat(proto::Heartbeat::default()))
        .await;
    assert!(early.refused().await.0.contains("must be Register"));

    let mut odd = Raw::open(coordinator.url(), None).await.unwrap();
    odd.register(|_| {}).await;
    odd.hear().await;
    odd.say(from_worker::Message::Heartbeat(proto::Heartbeat {
        leases: vec![vec![1; 3]],
        reserved: vec![],
    }))
    .await;
    assert!(odd.refused().await.0.contains("16 bytes"));
    assert!(!coordinator.core.disconnection(1).await.1);
}

#[tokio::test]
async fn an_oversized_output_fails_its_lease_and_is_not_wanted_again() {
    let coordinator = Coordinator::start(&Fake::new(), |_| {}).await;
    let mut raw = Raw::open(coordinator.url(), None).await.unwrap();
    raw.register(|_| {}).await;
    raw.hear().await;
    let token = coordinator.core.lease(vec![]).await;
    assert!(matches!(raw.hear().await, Some(to_worker::Message::Lease(_))));
    let at = Some(proto::output::At::Inline(vec![0; INLINE_MAX_BYTES + 1]));
    let outputs = vec![proto::Output {
        name: "proof".into(),
        at,
    }];
    let lease = token.as_bytes().to_vec();
    raw.say(from_worker::Message::Result(proto::Result {
        lease,
        outputs,
        ..Default::default()
    }))
    .await;
    let failure = coordinator.core.failure(token).await;
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(failure.message.contains("uploaded"), "{}", failure.message);
    let Some(to_worker::Message::Revoked(revoked)) = raw.hear().await else {
        panic!("not revoked")
    };
    assert_eq!(revoked.lease, token.as_bytes());
}

#[tokio::test]
async fn a_cut_connection_keeps_leases_and_repeats_reports_until_they_are_acknowledged() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let proxy = CutableProxy::start(Some(coordinator.address)).await;
    let (link, mut events) = start(settings(proxy.url()));
    connected(&mut events).await;
    let running = core.lease(vec![]).await;
    assert_eq!(leased(&mut events).await, running);
    core.beaten(running, false).await;
    link.running(running).await;
    core.beaten(running, true).await;
    let finished = core.lease(vec![]).await;
    assert_eq!(leased(&mut events).await, finished);

    // The store is away: the report is taken off the wire and not acknowledged.
    core.down.store(true, Ordering::Relaxed);
    link.report(finished, Report::Done(result())).await;
    cut(&proxy, Some(coordinator.address));
    connected(&mut events).await;
    let (_, mut held) = core.registration(2).await;
    held.sort_by_key(|token| token.0);
    let mut expected = vec![running, finished];
    expected.sort_by_key(|token| token.0);
    assert_eq!(held, expected);

    core.down.store(false, Ordering::Relaxed);
    cut(&proxy, Some(coordinator.address));
    let acknowledged = event(&mut events, |event| match event {
        Event::Acknowledged(token) => Some(*token),
        _ => None,
    });
    assert_eq!(acknowledged.await, finished);
    assert_eq!(core.delivery(finished).await.record.cycles, Some(u64::MAX));
    cut(&proxy, Some(coordinator.address));
    assert_eq!(
        core.registration(4).await.1,
        vec![running],
        "what is acknowledged is forgotten"
    );
}

#[tokio::test]
async fn what_the_coordinator_gave_away_is_revoked() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let proxy = CutableProxy::start(Some(coordinator.address)).await;
    let (_link, mut events) = start(settings(proxy.url()));
    connected(&mut events).await;
    let first = core.lease(vec![]).await;
    leased(&mut events).await;
    core.gone.lock().unwrap().insert(first);
    let revoked = |event: &Event| {
        if let Event::Revoked(token, _) = event {
            Some(*token)
        } else {
            None
        }
    };
    assert_eq!(event(&mut events, revoked).await, first, "by the answer to a heartbeat");

    core.gone.lock().unwrap().clear();
    core.heartbeat_ms.store(60_000, Ordering::Relaxed);
    cut(&proxy, Some(coordinator.address));
    connected(&mut events).await;
    let second = core.lease(vec![]).await;
    leased(&mut events).await;
    core.gone.lock().unwrap().insert(second);
    cut(&proxy, Some(coordinator.address));
    assert_eq!(
        event(&mut events, revoked).await,
        second,
        "by the answer to the registration"
    );

    let third = core.lease(vec![]).await;
    leased(&mut events).await;
    core.assign(Assignment::Revoke(third, "cancelled\nby its owner".into()))
        .await;
    let reason = |event: &Event| {
        if let Event::Revoked(_, reason) = event {
            Some(reason.clone())
        } else {
            None
        }
    };
    assert_eq!(event(&mut events, reason).await, "cancelled by its owner");
}

#[tokio::test]
async fn a_worker_that_never_reads_is_cut_off() {
    let core = Fake::new();
    core.heartbeat_ms.store(60_000, Ordering::Relaxed);
    let coordinator = Coordinator::start(&core, |link| link.stall = Duration::from_millis(300)).await;
    let raw = Raw::open(coordinator.url(), None).await.unwrap();
    raw.register(|_| {}).await;
    core.registration(1).await;
    let sender = core.sender();
    let input = inline("stdin", vec![7; INLINE_MAX_BYTES]);
    // Queues and windows take a few hundred; the port is closed long before this ends.
    let mut taken = 0;
    while taken < 10_000
        && sender
            .send(Assignment::Lease(Box::new(task(vec![input.clone()]))))
            .await
            .is_ok()
    {
        taken += 1;
    }
    assert!(taken < 10_000, "leases were buffered without a bound");
    let (reason, good_bye) = core.disconnection(1).await;
    assert!(reason.contains("did not read") && !good_bye, "{reason}");
}

#[tokio::test]
async fn of_two_workers_with_one_identity_the_newer_stays() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let mut older = Raw::open(coordinator.url(), None).await.unwrap();
    older.register(|_| {}).await;
    older.hear().await;
    let mut newer = Raw::open(coordinator.url(), None).await.unwrap();
    newer.register(|_| {}).await;
    assert!(matches!(newer.hear().await, Some(to_worker::Message::Registered(_))));
    assert!(older.refused().await.0.contains("registered anew"));
    core.disconnection(1).await;
    core.lease(vec![]).await;
    assert!(matches!(newer.hear().await, Some(to_worker::Message::Lease(_))));
}

#[tokio::test]
async fn a_drained_worker_says_good_bye() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let (link, mut events) = start(settings(coordinator.url()));
    connected(&mut events).await;
    let token = core.lease(vec![]).await;
    leased(&mut events).await;
    link.drain().await;
    link.report(
        token,
        Report::Failed(proto::failure::Class::Prover, "it crashed".into()),
    )
    .await;
    link.close().await;
    assert_eq!(core.disconnection(1).await, ("the worker hung up".to_owned(), true));
    let calls = core.calls();
    assert!(calls.iter().any(|call| matches!(call, Call::Drained)));
    assert!(
        calls
            .iter()
            .any(|call| matches!(call, Call::Failed(of, _) if *of == token)),
        "what was queued is sent first"
    );
}

#[tokio::test]
async fn a_stopping_coordinator_is_not_held_up_and_the_worker_comes_back() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let proxy = CutableProxy::start(Some(coordinator.address)).await;
    let (_link, mut events) = start(settings(proxy.url()));
    connected(&mut events).await;
    let token = core.lease(vec![]).await;
    leased(&mut events).await;
    coordinator.stop().await;
    let why = event(&mut events, |event| {
        if let Event::Disconnected(why) = event {
            Some(why.clone())
        } else {
            None
        }
    })
    .await;
    assert!(why.contains("stopping"), "{why}");
    let next = Coordinator::start(&core, |_| {}).await;
    cut(&proxy, Some(next.address));
    assert_eq!(core.registration(2).await.1, vec![token]);
}

#[tokio::test]
async fn updates_and_progress_arrive() {
    let core = Fake::new();
    let coordinator = Coordinator::start(&core, |_| {}).await;
    let (link, mut events) = start(settings(coordinator.url()));
    connected(&mut events).await;
    let kind = proto::Capability {
        role: "prove".into(),
        system: "mock".into(),
        kind: "core".into(),
        ..Default::default()
    };
    link.capabilities(proto::Capabilities {
        kinds: vec![kind],
        slots: 2,
        ..Default::default()
    })
    .await;
    core.serves("core").await;
    let token = core.lease(vec![]).await;
    leased(&mut events).await;
    let lease = token.as_bytes().to_vec();
    link.progress(proto::Progress {
        lease,
        phase: "prove".into(),
        done: 1,
        total: 2,
        overall_bp: 5000,
    });
    let told = |calls: &[Call]| {
        calls
            .iter()
            .any(|call| matches!(call, Call::Progress(_, p) if p.overall_bp == 5000))
            .then_some(())
    };
    core.wait_for("progress", told).await;
    link.release(token, "no room").await;
    let released = |calls: &[Call]| {
        calls
            .iter()
            .any(|call| matches!(call, Call::Released(of, _) if *of == token))
            .then_some(())
    };
    core.wait_for("release", released).await;
}

#[tokio::test]
async fn an_encrypted_link_needs_the_right_authority() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let core = Fake::new();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let workers = Arc::clone(&core) as Arc<dyn Workers>;
    let service = WorkerLinkService::new(workers, LinkSettings::new(None, "test"), CancellationToken::new());
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_service(service.into_server())
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let right = certified.cert.pem().into_bytes();
    let (_link, mut events) = start(ClientSettings {
        ca_certificate: Some(right),
        ..settings(url.clone())
    });
    connected(&mut events).await;
    let (_link, mut events) = start(settings(url));
    let why = event(&mut events, |event| match event {
        Event::Disconnected(why) => Some(why.clone()),
        _ => None,
    });
    let why = why.await;
    assert!(why.contains("certificate"), "{why}");
    server.abort();
}
