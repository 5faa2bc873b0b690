//! Leases that are taken away, run out, come back, or outlive their worker's patience.

use hierophant_core::CoreError;
use hierophant_core::ports::{Clients as _, Operators as _, WorkerBeat, Workers as _};
use hierophant_domain::{
    AttemptState, FailureClass, LeaseToken, RequestState, Requester,
    attempt::Fence,
    time::Millis,
    worker::{Liveness, WorkerProfile},
};
use uuid::Uuid;

use crate::support::{
    Adapter, Network, Verify, Worker, alice, eventually, good_proof, over_both_adapters, worker::profile,
};

over_both_adapters!(
    a_queued_request_can_be_cancelled_by_its_owner_alone,
    cancelling_takes_the_lease_away,
    a_delivered_request_can_be_cancelled,
    a_request_expires_while_it_waits,
    a_request_expires_while_it_is_proved,
    a_worker_that_is_back_in_time_keeps_its_lease,
    a_worker_that_is_back_late_finds_its_lease_unless_another_has_it,
    a_late_result_of_a_lapsed_lease_wins_if_the_task_is_open,
    a_silent_worker_is_gone_and_its_lease_goes_to_another,
    a_worker_that_says_good_bye_is_gone_at_once,
    a_worker_that_forgot_its_lease_gets_other_work,
    a_worker_that_comes_back_without_its_lease_frees_it,
    a_reservation_that_lapsed_comes_back_as_one,
    a_proof_that_takes_too_long_is_taken_away_with_a_strike,
    a_proof_without_progress_is_taken_away_with_a_strike,
    a_lease_that_ran_out_is_not_struck_for_taking_long,
    a_lease_handed_back_does_not_count,
    the_newer_connection_of_a_worker_wins,
    beats_are_answered_one_for_one,
);

const MINUTE: Millis = Millis::from_secs(60);

fn prefetching(n: u128) -> WorkerProfile {
    WorkerProfile {
        prefetch: 1,
        ..profile(n)
    }
}

async fn a_queued_request_can_be_cancelled_by_its_owner_alone<A: Adapter>() {
    let network = Network::start().await;
    let request = network.submit().await;
    let bob = Requester {
        principal: b"bob".to_vec(),
        ..alice()
    };
    let refused = network.core().cancel(request, bob).await;
    assert!(matches!(refused, Err(CoreError::NotAllowed(_))), "{refused:?}");
    assert!(network.core().cancel(request, alice()).await.unwrap());
    assert_eq!(
        network.request(request).await.failure.clone().unwrap().class,
        FailureClass::Cancelled
    );
    assert_eq!(network.state(request).await, RequestState::Cancelled);
    assert!(!network.core().cancel(request, alice()).await.unwrap());
    let next = network.submit().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    assert_eq!(worker.lease().await.request, next);
}

async fn cancelling_takes_the_lease_away<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    let next = network.submit().await;
    assert!(network.core().cancel(request, alice()).await.unwrap());
    assert_eq!(worker.revoked(task.token).await, "cancelled by its owner");
    assert_eq!(worker.lease().await.request, next, "the slot is free again");
    assert_eq!(worker.beat(&network, task.token, true).await, Fence::Gone);
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Gone);
    assert_eq!(network.state(request).await, RequestState::Cancelled);
}

async fn a_delivered_request_can_be_cancelled<A: Adapter>() {
    let network = Network::start().await;
    network.checker.next_verifications([Verify::Hang]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    eventually("its verification has begun", || async {
        let begun = network.checker.verified().len();
        if begun == 1 { Ok(()) } else { Err(begun) }
    })
    .await;
    assert!(network.core().cancel(request, alice()).await.unwrap());
    assert_eq!(network.state(request).await, RequestState::Cancelled);
    let next = network.submit().await;
    let task = worker.lease().await;
    worker.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(next).await;
    assert_eq!(network.state(request).await, RequestState::Cancelled);
}

async fn a_request_expires_while_it_waits<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.min_lifetime = MINUTE).await;
    let mut short = network.ask();
    short.submission.deadline = network.now().plus(Millis(1));
    let short = short.submit().await;
    let request = network.request(short).await;
    assert_eq!(
        request.deadline,
        network.now().plus(MINUTE),
        "the operator's least lifetime counts"
    );
    assert_eq!(request.requested_deadline, network.now().plus(Millis(1)));
    let mut past = network.ask().submission;
    past.deadline = network.now();
    let refused = network.core().submit(past).await;
    assert!(matches!(refused, Err(CoreError::Invalid(_))), "{refused:?}");
    network.advance(MINUTE);
    let ended = network.ends(short, RequestState::Expired).await;
    assert_eq!(ended.failure.clone().unwrap().class, FailureClass::Deadline);
    let next = network.submit().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    assert_eq!(worker.lease().await.request, next);
}

async fn a_request_expires_while_it_is_proved<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let mut ask = network.ask();
    ask.submission.deadline = network.now().plus(MINUTE);
    let request = ask.submit().await;
    let task = worker.lease().await;
    assert_eq!(task.time_left, MINUTE);
    network.advance(MINUTE);
    let reason = worker.revoked(task.token).await;
    assert!(reason.contains("deadline"), "{reason}");
    network.ends(request, RequestState::Expired).await;
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Gone);
    network.strikes(worker.id(), 0).await;
}

async fn a_worker_that_is_back_in_time_keeps_its_lease<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.disconnect(&network, false).await;
    let view = network.view(worker.id()).await;
    assert_eq!((view.row.liveness, view.working_on.len()), (Liveness::Stale, 1));
    network.advance(Millis::from_secs(89));
    let worker = worker.rejoin(&network, vec![task.token]).await;
    assert_eq!(worker.kept, [task.token]);
    // It holds anew from now on, not only for what was left of it.
    network.advance(Millis::from_secs(60));
    network.time_is_looked_at().await;
    assert_eq!(worker.beat(&network, task.token, true).await, Fence::Pass);
    worker.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
    assert_eq!(network.core().attempts(request).await.unwrap().len(), 1);
}

async fn a_worker_that_is_back_late_finds_its_lease_unless_another_has_it<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    worker.disconnect(&network, false).await;
    network.advance(Millis::from_secs(91));
    eventually("the lease lapses", || async {
        let state = network.core().attempts(request).await.unwrap()[0].state;
        if state == AttemptState::Lapsed {
            Ok(())
        } else {
            Err(state)
        }
    })
    .await;
    // Nobody else was there.
    let worker = worker.rejoin(&network, vec![task.token]).await;
    assert_eq!(worker.kept, [task.token]);
    worker.disconnect(&network, false).await;
    network.advance(Millis::from_secs(91));
    let mut other = Worker::<A>::join(&network, 2).await;
    let second = other.lease().await;
    assert_eq!(second.request, request);
    let worker = worker.rejoin(&network, vec![task.token]).await;
    assert_eq!(worker.kept, []);
    assert_eq!(worker.beat(&network, task.token, true).await, Fence::Gone);
    other.deliver(&network, second.token, good_proof()).await;
    network.fulfilled(request).await;
}

async fn a_late_result_of_a_lapsed_lease_wins_if_the_task_is_open<A: Adapter>() {
    let network = Network::start().await;
    let mut slow = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = slow.lease().await;
    network.advance(Millis::from_secs(91));
    let mut other = Worker::<A>::join(&network, 2).await;
    let second = other.lease().await;
    assert_eq!(second.request, request);
    assert_eq!(slow.deliver(&network, task.token, good_proof()).await, Fence::Pass);
    assert_eq!(other.revoked(second.token).await, "another attempt was first");
    network.fulfilled(request).await;
    assert_eq!(other.deliver(&network, second.token, good_proof()).await, Fence::Gone);
    let states: Vec<_> = network
        .core()
        .attempts(request)
        .await
        .unwrap()
        .iter()
        .map(|attempt| attempt.state)
        .collect();
    assert_eq!(states, [AttemptState::Won, AttemptState::Revoked]);
}

async fn a_silent_worker_is_gone_and_its_lease_goes_to_another<A: Adapter>() {
    let network = Network::start().await;
    let mut silent = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = silent.lease().await;
    network.advance(Millis::from_secs(181));
    assert!(silent.next().await.is_none(), "it has to connect anew");
    let row = eventually("it is gone", || async {
        let row = network.view(silent.id()).await.row;
        if row.liveness == Liveness::Gone {
            Ok(row)
        } else {
            Err(row.liveness)
        }
    })
    .await;
    assert_eq!(row.gone_reason.as_deref(), Some("no heartbeat for 180 s"));
    assert!(row.leases.is_empty());
    let mut other = Worker::<A>::join(&network, 2).await;
    let second = other.lease().await;
    assert_eq!(second.request, request);
    other.prove(&network, &second).await;
    other.deliver(&network, second.token, good_proof()).await;
    network.fulfilled(request).await;
    assert_eq!(silent.deliver(&network, task.token, good_proof()).await, Fence::Gone);
}

async fn a_worker_that_says_good_bye_is_gone_at_once<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    worker.lease().await;
    let mut other = Worker::<A>::join(&network, 2).await;
    worker.disconnect(&network, true).await;
    assert_eq!(other.lease().await.request, request);
    let row = network.view(worker.id()).await.row;
    assert_eq!(
        (row.liveness, row.gone_reason.as_deref()),
        (Liveness::Gone, Some("the connection was reset"))
    );
}

async fn a_worker_that_forgot_its_lease_gets_other_work<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    for _ in 0..2 {
        network.advance(MINUTE);
        worker.say_alive(&network).await;
    }
    network.time_is_looked_at().await;
    assert_eq!(
        network.core().attempts(request).await.unwrap()[0].state,
        AttemptState::Lapsed
    );
    let next = network.submit().await;
    assert_eq!(worker.lease().await.request, next, "its slot is free again");
    assert_eq!(worker.beat(&network, task.token, true).await, Fence::Gone);
}

async fn a_worker_that_comes_back_without_its_lease_frees_it<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join_as(&network, prefetching(1), Vec::new()).await;
    let requests = [network.submit().await, network.submit().await];
    let tasks = [worker.lease().await, worker.lease().await];
    worker.disconnect(&network, false).await;
    network.advance(Millis(1));
    let worker = Worker::<A>::join_as(&network, WorkerProfile { slots: 0, ..profile(1) }, Vec::new()).await;
    assert_eq!(worker.kept, []);
    let mut other = Worker::<A>::join_as(&network, WorkerProfile { slots: 2, ..profile(2) }, Vec::new()).await;
    other.lease().await;
    other.lease().await;
    let ends = [AttemptState::Failed, AttemptState::Withdrawn];
    for ((request, task), end) in requests.into_iter().zip(tasks).zip(ends) {
        assert_eq!(network.core().attempts(request).await.unwrap()[0].state, end);
        assert_eq!(worker.beat(&network, task.token, true).await, Fence::Gone);
    }
}

async fn a_reservation_that_lapsed_comes_back_as_one<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join_as(&network, prefetching(1), Vec::new()).await;
    let requests = [network.submit().await, network.submit().await];
    let tasks = [worker.lease().await, worker.lease().await];
    worker.disconnect(&network, false).await;
    network.advance(Millis::from_secs(91));
    network.time_is_looked_at().await;
    let mut worker = worker
        .rejoin(&network, tasks.iter().map(|task| task.token).collect())
        .await;
    assert_eq!(worker.kept, [tasks[0].token, tasks[1].token]);
    for (request, state) in requests
        .into_iter()
        .zip([AttemptState::Running, AttemptState::Reserved])
    {
        assert_eq!(network.core().attempts(request).await.unwrap()[0].state, state);
    }
    worker.deliver(&network, tasks[0].token, good_proof()).await;
    assert_eq!(worker.beat(&network, tasks[1].token, true).await, Fence::Pass);
    worker.deliver(&network, tasks[1].token, good_proof()).await;
    for request in requests {
        network.fulfilled(request).await;
    }
    let next = network.submit().await;
    assert_eq!(worker.lease().await.request, next);
}

async fn a_proof_that_takes_too_long_is_taken_away_with_a_strike<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.proof_timeout = Millis::from_secs(600)).await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    for _ in 0..10 {
        assert_eq!(worker.beat(&network, task.token, true).await, Fence::Pass);
        network.advance(MINUTE);
    }
    assert_eq!(
        worker.revoked(task.token).await,
        "its proof took longer than 10 minutes"
    );
    network.strikes(worker.id(), 1).await;
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Gone);
    let mut other = Worker::<A>::join(&network, 2).await;
    assert_eq!(other.lease().await.request, request);
}

async fn a_proof_without_progress_is_taken_away_with_a_strike<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.progress_interval = Millis::from_secs(600)).await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    network.submit().await;
    let task = worker.lease().await;
    for minute in 0..15 {
        assert_eq!(worker.beat(&network, task.token, true).await, Fence::Pass);
        // Progress once after five minutes; the same again is none.
        worker.report(&network, task.token, if minute < 5 { 100 } else { 200 });
        network.advance(MINUTE);
        if minute == 13 {
            network.time_is_looked_at().await;
            assert_eq!(network.view(worker.id()).await.row.standing.strikes, 0);
        }
    }
    assert_eq!(
        worker.revoked(task.token).await,
        "its proof made no progress for 10 minutes"
    );
    network.strikes(worker.id(), 1).await;
}

async fn a_lease_that_ran_out_is_not_struck_for_taking_long<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.proof_timeout = Millis::from_secs(600)).await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    network.advance(Millis::from_secs(601));
    network.time_is_looked_at().await;
    assert_eq!(network.view(worker.id()).await.row.standing.strikes, 0);
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Pass);
    network.fulfilled(request).await;
}

async fn a_lease_handed_back_does_not_count<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    let released = network
        .core()
        .release(worker.id(), task.token, "its disk is full".to_owned())
        .await
        .unwrap();
    assert_eq!(released, Fence::Pass);
    let attempts = network.core().attempts(request).await.unwrap();
    assert_eq!(
        (attempts[0].state, attempts[0].reason.as_deref()),
        (AttemptState::Withdrawn, Some("its disk is full"))
    );
    assert_eq!(worker.lease().await.request, request);
    assert_eq!(worker.deliver(&network, task.token, good_proof()).await, Fence::Gone);
}

async fn the_newer_connection_of_a_worker_wins<A: Adapter>() {
    let network = Network::start().await;
    let mut before = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = before.lease().await;
    let now = Worker::<A>::join_as(&network, profile(1), vec![task.token]).await;
    assert_eq!(before.refused().await, "the same worker has connected again");
    assert!(before.next().await.is_none());
    // The end of the old connection says nothing about the worker.
    before.disconnect(&network, true).await;
    assert_eq!(network.view(now.id()).await.row.liveness, Liveness::Alive);
    assert_eq!(now.beat(&network, task.token, true).await, Fence::Pass);
    now.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
}

async fn beats_are_answered_one_for_one<A: Adapter>() {
    let network = Network::start().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    network.submit().await;
    let task = worker.lease().await;
    let mut beats: Vec<_> = (0..300)
        .map(|n| WorkerBeat {
            token: LeaseToken(Uuid::from_u128(n)),
            running: true,
        })
        .collect();
    beats.push(WorkerBeat {
        token: task.token,
        running: true,
    });
    let answers = network.core().beat(worker.id(), beats).await.unwrap();
    assert_eq!(answers.len(), 301);
    assert_eq!(answers[300], (task.token, Fence::Pass));
    assert!(answers[..300].iter().all(|(_, fence)| *fence == Fence::Gone));
    let other = Worker::<A>::join(&network, 2).await;
    assert_eq!(
        other.beat(&network, task.token, true).await,
        Fence::Gone,
        "a lease is its own worker's"
    );
}
