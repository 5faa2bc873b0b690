//! Attaching and removing: by calls, over restarts, by the settings file, over HTTP.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use hierophant_miden_api::Health;
use hierophant_remote_provers::{Attached, ControlError, OPERATOR_HEADER, Options, PATH, Removed, SLOTS_MAX, router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt as _;

use crate::support::{Fake, Network, Prove, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_one_finishes_its_proof_and_gets_nothing_more() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::WhenLetGo);
    network.attach_healthy(fake.address()).await;
    let (request, next) = (network.ask("w").await, network.ask("next").await);
    eventually("it proves", || async {
        if fake.in_flight() == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    let removed = network.provers().remove(fake.address()).await;
    assert_eq!(removed, Ok(Removed::Leaving { busy: 1 }));
    eventually("it is shown as leaving", || async {
        let view = network.view(&fake.address()).await;
        if view.as_ref().is_some_and(|view| view.leaving) {
            Ok(())
        } else {
            Err(view)
        }
    })
    .await;
    assert_eq!(network.provers().remove(fake.address()).await, Ok(Removed::Unknown));
    fake.let_go();
    network.proved(request, "w").await;
    network.forgets(&fake.address()).await;
    assert_eq!(fake.calls(), 1);
    let other = Fake::start(Prove::Well);
    network.attach_healthy(other.address()).await;
    network.proved(next, "next").await;
    assert_eq!(fake.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_attached_again_while_it_leaves_is_there_afterwards() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::WhenLetGo);
    network.attach_healthy(fake.address()).await;
    let request = network.ask("w").await;
    eventually("it proves", || async {
        if fake.in_flight() == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    network.provers().remove(fake.address()).await.expect("removed");
    let two = Options {
        slots: 2,
        ..Options::default()
    };
    for attached in [Attached::New, Attached::Known] {
        assert_eq!(network.provers().add(fake.address(), two).await, Ok(attached));
    }
    fake.let_go();
    network.proved(request, "w").await;
    eventually("it is back", || async {
        let view = network.view(&fake.address()).await;
        let back = view
            .as_ref()
            .is_some_and(|view| view.slots == 2 && view.health == Health::Healthy);
        if back { Ok(()) } else { Err(view) }
    })
    .await;
    fake.does(Prove::Well);
    let next = network.ask("next").await;
    network.proved(next, "next").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_ones_are_back_after_a_restart() {
    let mut network = Network::start().await;
    let (kept, gone) = (Fake::start(Prove::Hang), Fake::start(Prove::Well));
    let options = Options {
        slots: 2,
        ..Options::default()
    };
    network.attach_with(kept.address(), options).await;
    network.attach_healthy(gone.address()).await;
    network.provers().remove(gone.address()).await.expect("removed");
    network.forgets(&gone.address()).await;
    let request = network.ask("w").await;
    eventually("it is called", || async {
        if kept.in_flight() == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    network.restart().await;
    kept.does(Prove::Well);
    network.proved(request, "w").await;
    let view = network.view(&kept.address()).await.expect("it is back");
    assert_eq!((view.slots, view.configured), (2, false));
    assert_eq!(network.view(&gone.address()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_the_settings_file_stays_as_long_as_the_file_says_so() {
    let fake = Fake::start(Prove::Well);
    let mut network = Network::start_with(|network| {
        network.configured = vec![(fake.address(), Options::default())];
    })
    .await;
    let view = network.becomes(&fake.address(), Health::Healthy).await;
    assert!(view.configured);
    let known = network.provers().add(fake.address(), Options::default()).await;
    assert_eq!(known, Ok(Attached::Known));
    let refused = network.provers().remove(fake.address()).await;
    assert!(matches!(refused, Err(ControlError::Configured(_))), "{refused:?}");
    network.configured.clear();
    network.restart().await;
    assert_eq!(network.view(&fake.address()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_one_and_an_unknown_one_are_no_errors() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    assert_eq!(network.provers().remove(fake.address()).await, Ok(Removed::Unknown));
    network.attach(fake.address()).await;
    let again = network.provers().add(fake.address(), Options::default()).await;
    assert_eq!(again, Ok(Attached::Known));
    for slots in [0, SLOTS_MAX + 1] {
        let options = Options {
            slots,
            ..Options::default()
        };
        let refused = network
            .provers()
            .add("10.0.0.1:1".parse().expect("an address"), options)
            .await;
        assert!(matches!(refused, Err(ControlError::Invalid(_))), "{refused:?}");
    }
}

/// A call over HTTP as the server passes it on.
struct Asked {
    method: Method,
    query: String,
    body: Value,
    peer: &'static str,
    headers: Vec<(&'static str, &'static str)>,
}

impl Asked {
    fn here(method: Method, query: &str, body: Value) -> Self {
        Self {
            method,
            query: query.to_owned(),
            body,
            peer: "127.0.0.1:40000",
            headers: vec![(OPERATOR_HEADER, "1")],
        }
    }

    async fn of(self, network: &Network) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("{PATH}{}", self.query))
            .extension(TcpConnectInfo {
                local_addr: None,
                remote_addr: Some(self.peer.parse().expect("an address")),
            });
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body.to_string())).expect("a request");
        let answer = router(network.provers().clone())
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_attach_list_and_remove_over_http() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    let wanted = json!({ "address": fake.address().as_str(), "line": "0.15", "slots": 2 });
    let add = || Asked::here(Method::POST, "", wanted.clone());
    assert_eq!(
        add().of(&network).await,
        (StatusCode::CREATED, json!({ "result": "attached" }))
    );
    assert_eq!(add().of(&network).await, (StatusCode::OK, json!({ "result": "known" })));
    network.becomes(&fake.address(), Health::Healthy).await;
    let mut reading = Asked::here(Method::GET, "", Value::Null);
    (reading.peer, reading.headers) = ("10.0.0.1:40000", Vec::new());
    let (status, listed) = reading.of(&network).await;
    let shown = &listed["remote_provers"][0];
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&shown["address"], &shown["kind"], &shown["health"], &shown["slots"]),
        (
            &json!(fake.address().as_str()),
            &json!("transaction"),
            &json!("healthy"),
            &json!(2)
        )
    );
    let remove = || Asked::here(Method::DELETE, &format!("?address={}", fake.address()), Value::Null);
    let leaving = json!({ "result": "leaving", "busy": 0 });
    assert_eq!(remove().of(&network).await, (StatusCode::OK, leaving));
    network.forgets(&fake.address()).await;
    assert_eq!(
        remove().of(&network).await,
        (StatusCode::OK, json!({ "result": "unknown" }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_an_operator_on_this_machine_changes_anything() {
    let network = Network::start().await;
    let calls = || {
        [
            Asked::here(Method::POST, "", json!({ "address": "10.0.0.1:50051" })),
            Asked::here(Method::DELETE, "?address=10.0.0.1:50051", Value::Null),
        ]
    };
    let mut refused = Vec::new();
    for call in calls() {
        refused.push(Asked {
            peer: "10.0.0.9:40000",
            ..call
        });
    }
    for header in [
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("origin", "http://localhost:9010"),
    ] {
        for mut call in calls() {
            call.headers.push(header);
            refused.push(call);
        }
    }
    for call in calls() {
        refused.push(Asked {
            headers: Vec::new(),
            ..call
        });
    }
    for call in refused {
        let (status, body) = call.of(&network).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::FORBIDDEN, &json!("operators_only"))
        );
    }
    assert_eq!(network.provers().list().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused_with_a_reason() {
    let network = Network::start().await;
    for call in [
        Asked::here(Method::POST, "", json!({ "address": "nowhere" })),
        Asked::here(Method::POST, "", json!({ "address": "a:1", "line": "0.16" })),
        Asked::here(Method::POST, "", json!({ "address": "a:1", "slots": 0 })),
        Asked::here(Method::POST, "", json!({ "address": "a:1", "slot": 1 })),
        Asked::here(Method::POST, "", json!([])),
        Asked::here(Method::DELETE, "", Value::Null),
        Asked::here(Method::DELETE, "?address=nowhere", Value::Null),
    ] {
        let (status, body) = call.of(&network).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid")),
            "{body}"
        );
    }
    let long = Asked::here(Method::POST, "", json!({ "address": "a".repeat(5000) }));
    assert_eq!(long.of(&network).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}
