//! When a prover gets work, and when not.

use std::time::Duration;

use hierophant_miden_api::{Health, Kind, Line};
use hierophant_remote_provers::Options;

use crate::support::{Fake, Network, Prove, Says, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_one_is_a_worker_that_says_what_it_is() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    fake.says(Says::It("0.15.2", 1));
    network.attach_healthy(fake.address()).await;
    let view = network.view(&fake.address()).await.expect("attached");
    assert_eq!(
        (view.version.as_str(), view.kind.map(Kind::as_str)),
        ("0.15.2", Some("batch"))
    );
    let worker = network.worker(view.worker).await.expect("a worker");
    let profile = &worker.row.profile;
    assert_eq!((profile.name.as_str(), profile.slots), (fake.address().as_str(), 1));
    let request = network.ask_for("w", "batch").await;
    assert_eq!(network.proved(request, "w").await, view.worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_line_no_version_and_an_unknown_kind_are_no_workers() {
    let network = Network::start().await;
    for (version, kind, says) in [
        ("0.16.0", 0, "0.16.0"),
        ("0.150.0", 0, "0.150.0"),
        ("", 0, "version"),
        ("0.15.2", 7, "kind 7"),
    ] {
        let fake = Fake::start(Prove::Well);
        fake.says(Says::It(version, kind));
        network.attach(fake.address()).await;
        let view = network.becomes(&fake.address(), Health::Unhealthy).await;
        let reason = view.reason.expect("a reason");
        assert!(reason.contains(says), "{reason}");
        assert!(network.worker(view.worker).await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_the_other_generation_is_no_worker() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    let options = Options {
        line: Line::V0_18,
        ..Options::default()
    };
    network.attach_with(fake.address(), options).await;
    let view = network.becomes(&fake.address(), Health::Unhealthy).await;
    assert!(network.worker(view.worker).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_turns_healthy_later_gets_work_then() {
    let network = Network::start().await;
    let mut late = Fake::not_yet();
    network.attach(late.address()).await;
    let view = network.becomes(&late.address(), Health::Unhealthy).await;
    assert!(view.reason.is_some_and(|reason| reason.contains("cannot be reached")));
    let request = network.ask("w").await;
    late.listen();
    network.proved(request, "w").await;
    let view = network.becomes(&late.address(), Health::Healthy).await;
    assert_eq!(view.reason, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_serve_leaves_and_comes_back() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    network.attach_healthy(fake.address()).await;
    fake.serves(false).await;
    let view = network.becomes(&fake.address(), Health::Unhealthy).await;
    assert!(view.reason.is_some_and(|reason| reason.contains("SERVING")));
    eventually("it is no worker", || async {
        network
            .worker(view.worker)
            .await
            .map_or(Ok(()), |worker| Err(worker.row.liveness))
    })
    .await;
    let request = network.ask("w").await;
    fake.serves(true).await;
    network.proved(request, "w").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_another_kind_later_gets_that() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    network.attach_healthy(fake.address()).await;
    fake.says(Says::It("0.15.3", 1));
    let request = network.ask_for("w", "batch").await;
    network.proved(request, "w").await;
    let view = network.view(&fake.address()).await.expect("attached");
    assert_eq!(
        (view.version.as_str(), view.kind.map(Kind::as_str)),
        ("0.15.3", Some("batch"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_in_its_status_is_unhealthy_in_time() {
    let network = Network::start_with(|network| {
        network.settings.connect_timeout = Duration::from_millis(200);
    })
    .await;
    let fake = Fake::start(Prove::Well);
    fake.says(Says::Nothing);
    network.attach(fake.address()).await;
    network.becomes(&fake.address(), Health::Unhealthy).await;
    fake.says(Says::It("0.15.2", 0));
    network.becomes(&fake.address(), Health::Healthy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_silent_while_it_proves_keeps_its_proof() {
    let network = Network::start_with(|network| {
        network.settings.connect_timeout = Duration::from_millis(100);
    })
    .await;
    let fake = Fake::start(Prove::WhenLetGo);
    network.attach_healthy(fake.address()).await;
    let request = network.ask("w").await;
    eventually("it proves", || async {
        if fake.in_flight() == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    fake.says(Says::Nothing);
    // Several looks go unanswered meanwhile: that is what the time is for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        network.view(&fake.address()).await.map(|view| view.health),
        Some(Health::Healthy)
    );
    fake.let_go();
    network.proved(request, "w").await;
    network.becomes(&fake.address(), Health::Unhealthy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_turns_unhealthy_finishes_its_proof() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::WhenLetGo);
    network.attach_healthy(fake.address()).await;
    let request = network.ask("w").await;
    eventually("it proves", || async {
        if fake.in_flight() == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    fake.serves(false).await;
    network.becomes(&fake.address(), Health::Unhealthy).await;
    let next = network.ask("next").await;
    fake.let_go();
    network.proved(request, "w").await;
    assert_eq!(network.attempts(request).await.len(), 1);
    assert_eq!(fake.calls(), 1, "nothing more is given to it");
    fake.does(Prove::Well);
    fake.serves(true).await;
    network.proved(next, "next").await;
}
