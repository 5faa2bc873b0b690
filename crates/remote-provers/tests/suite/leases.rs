//! What becomes of a lease, by what its prover does.

use std::time::Duration;

use hierophant_domain::{FailureClass, RequestState};
use hierophant_miden_api::Health;
use hierophant_remote_provers::Options;

use crate::support::{Fake, Network, Prove, Says, TRACE, eventually};

async fn is_called(fake: &Fake) {
    eventually("the prover is called", || async {
        if fake.in_flight() > 0 {
            Ok(())
        } else {
            Err(fake.calls())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_goes_through() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Well);
    network.attach_healthy(fake.address()).await;
    let view = network.view(&fake.address()).await.expect("attached");
    let request = network.ask("w").await;
    assert_eq!(network.proved(request, "w").await, view.worker);
    assert_eq!(fake.request_id(), request.to_string());
    assert_eq!(fake.trace(), TRACE, "the trace is handed on");
    assert_eq!(network.view(&fake.address()).await.map(|view| view.proofs), Some(1));
    // Larger than what is kept in rows.
    let witness = "w".repeat(100_000);
    let request = network.ask(&witness).await;
    network.proved(request, &witness).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_busy_for_ever_takes_no_work_from_others() {
    let network = Network::start().await;
    let (busy, other) = (Fake::start(Prove::Busy), Fake::start(Prove::Well));
    for fake in [&busy, &other] {
        network.attach_healthy(fake.address()).await;
    }
    for n in 0..8 {
        let witness = format!("w{n}");
        let request = network.ask(&witness).await;
        network.proved(request, &witness).await;
    }
    assert_eq!(other.calls(), 8);
    assert_eq!(network.becomes(&busy.address(), Health::Healthy).await.proofs, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_at_the_only_one_that_is_busy_for_ever_are_bounded() {
    let network = Network::start().await;
    let busy = Fake::start(Prove::Busy);
    network.attach_healthy(busy.address()).await;
    let request = network.ask("w").await;
    let ended = network.ends(request, RequestState::Failed).await;
    let failure = ended.failure.clone().expect("a reason");
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(failure.message.contains("busy"), "{}", failure.message);
    assert_eq!((busy.calls(), network.attempts(request).await.len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_one_is_left_alone_for_a_moment() {
    let pause = Duration::from_millis(700);
    let network = Network::start_with(|network| {
        network.settings.busy_pause = pause;
    })
    .await;
    let busy = Fake::start(Prove::Busy);
    network.attach_healthy(busy.address()).await;
    let began = tokio::time::Instant::now();
    let request = network.ask("w").await;
    network.ends(request, RequestState::Failed).await;
    assert!(began.elapsed() >= 3 * pause, "4 tries within {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_never_answered_ends_and_goes_elsewhere() {
    let network = Network::start_with(|network| {
        network.settings.proof_timeout = Duration::from_millis(300);
    })
    .await;
    let hung = Fake::start(Prove::Hang);
    network.attach_healthy(hung.address()).await;
    let request = network.ask("w").await;
    is_called(&hung).await;
    let other = Fake::start(Prove::Well);
    network.attach_healthy(other.address()).await;
    network.proved(request, "w").await;
    eventually("the hung call is dropped", || async {
        if hung.in_flight() == 0 {
            Ok(())
        } else {
            Err(hung.in_flight())
        }
    })
    .await;
    let reason = network.attempts(request).await[0].reason.clone().expect("a reason");
    assert!(reason.contains("too long"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_goes_elsewhere() {
    let network = Network::start().await;
    let broken = Fake::start(Prove::BreakOff);
    network.attach_healthy(broken.address()).await;
    let request = network.ask("w").await;
    eventually("the prover was called", || async {
        if broken.calls() > 0 { Ok(()) } else { Err(()) }
    })
    .await;
    let other = Fake::start(Prove::Well);
    network.attach_healthy(other.address()).await;
    network.proved(request, "w").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_mid_proof_loses_nothing() {
    let network = Network::start().await;
    let mut dying = Fake::start(Prove::Hang);
    network.attach_healthy(dying.address()).await;
    let request = network.ask("w").await;
    is_called(&dying).await;
    dying.die();
    let view = network.becomes(&dying.address(), Health::Unhealthy).await;
    assert!(view.reason.is_some_and(|reason| reason.contains("cannot be reached")));
    eventually("it has no lease any more", || async {
        match network.worker(view.worker).await {
            Some(worker) if !worker.row.leases.is_empty() => Err(worker.row.leases.len()),
            Some(_) | None => Ok(()),
        }
    })
    .await;
    let other = Fake::start(Prove::Well);
    network.attach_healthy(other.address()).await;
    network.proved(request, "w").await;
    assert_eq!(network.attempts(request).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_proofs_end_in_quarantine() {
    let network = Network::start().await;
    let forger = Fake::start(Prove::Forge);
    network.attach_healthy(forger.address()).await;
    let other = Fake::start(Prove::Well);
    let mut requests = Vec::new();
    for n in 0..3 {
        requests.push((network.ask(&format!("w{n}")).await, format!("w{n}")));
    }
    eventually("it is shown why it is not taken back", || async {
        let reason = network.view(&forger.address()).await.and_then(|view| view.reason);
        let says = reason
            .as_ref()
            .is_some_and(|reason| reason.contains("does not take it"));
        if says { Ok(()) } else { Err(reason) }
    })
    .await;
    let calls = forger.calls();
    network.attach_healthy(other.address()).await;
    for (request, witness) in requests {
        network.proved(request, &witness).await;
    }
    assert_eq!(forger.calls(), calls, "nothing more is given to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_at_fault_ends_its_request_by_the_coordinators_own_word() {
    let network = Network::start().await;
    for (does, witness, class) in [
        (Prove::Fail, "bad", FailureClass::Program),
        (Prove::Refuse, "garbage", FailureClass::Input),
    ] {
        let fake = Fake::start(does);
        network.attach_healthy(fake.address()).await;
        let request = network.ask(witness).await;
        let ended = network.ends(request, RequestState::Failed).await;
        assert_eq!(ended.failure.as_ref().map(|failure| failure.class), Some(class));
        let view = network.view(&fake.address()).await.expect("attached");
        let worker = network.worker(view.worker).await.expect("a worker");
        assert_eq!(worker.row.standing.strikes, 0);
        network.provers().remove(fake.address()).await.expect("removed");
        network.forgets(&fake.address()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_witness_that_is_blamed_is_proved_elsewhere() {
    for does in [Prove::Fail, Prove::Refuse] {
        let network = Network::start().await;
        let liar = Fake::start(does);
        network.attach_healthy(liar.address()).await;
        let view = network.view(&liar.address()).await.expect("attached");
        let request = network.ask("w").await;
        eventually("it is struck for its word", || async {
            let worker = network.worker(view.worker).await.expect("a worker");
            if worker.row.standing.strikes > 0 {
                Ok(())
            } else {
                Err(worker.row.standing)
            }
        })
        .await;
        let other = Fake::start(Prove::Well);
        network.attach_healthy(other.address()).await;
        network.proved(request, "w").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_request_is_dropped_at_its_prover() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::Hang);
    network.attach_healthy(fake.address()).await;
    let request = network.ask("w").await;
    is_called(&fake).await;
    network.cancel(request).await;
    eventually("the call is dropped", || async {
        if fake.in_flight() == 0 {
            Ok(())
        } else {
            Err(fake.in_flight())
        }
    })
    .await;
    fake.does(Prove::Well);
    let next = network.ask("next").await;
    network.proved(next, "next").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_are_tasks_at_once() {
    let network = Network::start().await;
    let fake = Fake::start(Prove::WhenLetGo);
    let options = Options {
        slots: 3,
        ..Options::default()
    };
    network.attach_with(fake.address(), options).await;
    let mut requests = Vec::new();
    for n in 0..4 {
        requests.push((network.ask(&format!("w{n}")).await, format!("w{n}")));
    }
    eventually("three are in hand", || async {
        if fake.in_flight() == 3 {
            Ok(())
        } else {
            Err(fake.in_flight())
        }
    })
    .await;
    assert_eq!(fake.calls(), 3);
    // Which of them the prover takes first is its own affair.
    for _ in &requests {
        fake.let_go();
    }
    for (request, witness) in requests {
        network.proved(request, &witness).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hung_prover_delays_nobody() {
    let network = Network::start().await;
    let hung = Fake::start(Prove::Hang);
    network.attach_healthy(hung.address()).await;
    let stuck = network.ask("stuck").await;
    is_called(&hung).await;
    hung.says(Says::Nothing);
    let silent = Fake::start(Prove::Well);
    silent.says(Says::Nothing);
    network.attach(silent.address()).await;
    let other = Fake::start(Prove::Well);
    network.attach_healthy(other.address()).await;
    let began = tokio::time::Instant::now();
    for n in 0..5 {
        let witness = format!("w{n}");
        let request = network.ask(&witness).await;
        network.proved(request, &witness).await;
    }
    assert!(
        began.elapsed() < network.settings.connect_timeout,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        network.view(&silent.address()).await.map(|view| view.health),
        Some(Health::Unknown)
    );
    network.cancel(stuck).await;
}
