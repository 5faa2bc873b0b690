//! Claiming tasks and keeping leases.

use std::collections::HashSet;

use hierophant_domain::{AttemptState, FailureClass, Millis, Name, TaskClass, Timestamp, attempt::Fence};

use super::world::{HOLD, World, class, worker_id};
use crate::{Beat, ClaimOrder, Hint, StoreError};

fn kind(name: &'static str) -> TaskClass {
    TaskClass {
        kind: Name::literal(name),
        ..class()
    }
}

/// A lease carries its task and request, and holds as long as was asked.
pub async fn a_claim_leases_the_task(world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let leased = world.claim_one(worker).await;
    assert_eq!(leased.request.id, id);
    assert_eq!(leased.task.attempts, 1);
    assert_eq!(leased.attempt.state, AttemptState::Running);
    assert_eq!(leased.attempt.worker, worker);
    assert_eq!(leased.attempt.lease_until, world.store().now().plus(HOLD));
    assert!(world.claim(worker, 10).await.is_empty(), "nothing is left");
    assert_eq!(world.ready().await, 0);
    assert_eq!(world.store().attempts(id).await.expect("reads"), [leased.attempt]);
}

/// Priority, arrival and deadline decide, over all classes that were asked for.
pub async fn the_lowest_rank_goes_first(world: World) {
    let worker = world.worker(1).await;
    let early = world.accept_one().await;
    world.advance(10);
    let late = world.accept(|request| request.kind = Name::literal("other")).await;
    world.advance(10);
    let urgent = world.accept(|request| request.priority = 1).await;
    let due = world
        .accept(|request| request.deadline = Timestamp(request.accepted_at.0 + 1000))
        .await;
    let order = ClaimOrder {
        classes: vec![kind("other"), class()],
        ..World::order(worker, 10, false)
    };
    let got: Vec<_> = world
        .store()
        .claim(order)
        .await
        .expect("claims")
        .iter()
        .map(|leased| leased.request.id)
        .collect();
    assert_eq!(got, [due, urgent, early, late]);
}

/// No more than asked for, and the first ones.
pub async fn a_claim_keeps_its_limit(world: World) {
    let worker = world.worker(1).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.accept_one().await);
        world.advance(1);
    }
    let got: Vec<_> = world
        .claim(worker, 3)
        .await
        .iter()
        .map(|leased| leased.request.id)
        .collect();
    assert_eq!(got, ids[..3]);
    assert!(world.claim(worker, 0).await.is_empty());
    assert_eq!(world.ready().await, 2);
}

/// Only the classes asked for, each once.
pub async fn a_claim_keeps_to_its_classes(world: World) {
    let worker = world.worker(1).await;
    world.accept(|request| request.kind = Name::literal("other")).await;
    assert!(world.claim(worker, 10).await.is_empty());
    let classes = vec![kind("other"), kind("other"), kind("never-seen")];
    let order = ClaimOrder {
        classes,
        ..World::order(worker, 10, false)
    };
    assert_eq!(world.store().claim(order).await.expect("claims").len(), 1);
}

/// Concurrent claims never lease a task twice, and leave none behind.
pub async fn no_task_is_leased_twice(world: World) {
    for _ in 0..60 {
        world.accept_one().await;
    }
    let mut claims = tokio::task::JoinSet::new();
    for n in 0..30 {
        let worker = world.worker(n).await;
        let store = world.shared_store();
        claims.spawn(async move { store.claim(World::order(worker, 2, false)).await.expect("claims") });
    }
    let leased: Vec<_> = claims.join_all().await.into_iter().flatten().collect();
    let tasks: HashSet<_> = leased.iter().map(|leased| leased.task.id).collect();
    let tokens: HashSet<_> = leased.iter().map(|leased| leased.attempt.token).collect();
    assert_eq!((leased.len(), tasks.len(), tokens.len()), (60, 60, 60));
}

/// Nobody leases to a worker that it does not know.
pub async fn an_unknown_worker_is_refused(world: World) {
    world.accept_one().await;
    let refused = world.store().claim(World::order(worker_id(9), 1, false)).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    assert_eq!(world.ready().await, 1);
}

/// A reservation is no attempt until its work begins.
pub async fn a_reservation_counts_once_it_runs(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let leased = world.reserve_one(worker).await;
    assert_eq!(
        (leased.attempt.state, leased.task.attempts),
        (AttemptState::Reserved, 0)
    );
    let beat = |running| Beat {
        token: leased.attempt.token,
        running,
        until: world.store().now().plus(HOLD),
    };
    for running in [false, true, true] {
        let fences = world.store().beat(worker, vec![beat(running)]).await.expect("beats");
        assert_eq!(fences, [(leased.attempt.token, Fence::Pass)]);
        let lease = world
            .store()
            .lease(leased.attempt.token)
            .await
            .expect("reads")
            .expect("live");
        let expected = if running {
            AttemptState::Running
        } else {
            AttemptState::Reserved
        };
        assert_eq!(lease.attempt.state, expected);
    }
    assert_eq!(
        world.fail(leased.attempt.token, FailureClass::Transient).await,
        Fence::Pass
    );
    world.advance(2000);
    assert_eq!(
        world.claim_one(worker).await.task.attempts,
        2,
        "the one that ran, and this one"
    );
}

/// A beat renews the lease, and never shortens it.
pub async fn a_beat_renews_the_lease(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    let token = world.claim_one(worker).await.attempt.token;
    let until = world.store().now().plus(Millis(50_000));
    for asked in [until, Timestamp(0)] {
        world
            .store()
            .beat(
                worker,
                vec![Beat {
                    token,
                    running: true,
                    until: asked,
                }],
            )
            .await
            .expect("beats");
        let lease = world.store().lease(token).await.expect("reads").expect("live");
        assert_eq!(lease.attempt.lease_until, until);
    }
    world.advance(49_999);
    assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 0);
    world.advance(1);
    assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 1);
}

/// A beat for another worker's lease, or for none, says that it is gone.
pub async fn a_beat_needs_its_own_lease(world: World) {
    world.accept_one().await;
    let (worker, other) = (world.worker(1).await, world.worker(2).await);
    let token = world.claim_one(worker).await.attempt.token;
    let unknown = hierophant_domain::LeaseToken(uuid::Uuid::nil());
    let until = world.store().now().plus(Millis(99_999));
    let beats = [token, unknown]
        .map(|token| Beat {
            token,
            running: true,
            until,
        })
        .to_vec();
    let fences = world.store().beat(other, beats).await.expect("beats");
    assert_eq!(fences, [(token, Fence::Gone), (unknown, Fence::Gone)]);
    let lease = world.store().lease(token).await.expect("reads").expect("live");
    assert_ne!(
        lease.attempt.lease_until, until,
        "another worker's word changes nothing"
    );
}

/// A lease that ran out goes back at its very end, not before, and the task to somebody else.
pub async fn a_lease_lapses_at_its_end(world: World) {
    world.accept_one().await;
    let (first, second) = (world.worker(1).await, world.worker(2).await);
    let leased = world.claim_one(first).await;
    world.advance(HOLD.0 - 1);
    assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 0);
    world.advance(1);
    assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 1);
    assert_eq!(world.store().lapse_due(10).await.expect("sweeps"), 0, "once");
    assert!(
        world.claim(first, 1).await.is_empty(),
        "not at once to the worker that lost it"
    );
    assert_eq!(world.claim_one(second).await.task.id, leased.task.id);
}

/// A sweep keeps its limit, and finds the leases of every worker.
pub async fn a_sweep_keeps_its_limit(world: World) {
    for n in 0..6 {
        world.accept_one().await;
        let worker = world.worker(n % 3).await;
        world.claim_one(worker).await;
    }
    world.advance(HOLD.0);
    assert_eq!(world.store().lapse_due(4).await.expect("sweeps"), 4);
    assert_eq!(world.store().lapse_due(4).await.expect("sweeps"), 2);
    assert_eq!(world.ready().await, 6);
}

/// A worker that is gone loses all its leases, and only its own.
pub async fn a_gone_worker_loses_its_leases(world: World) {
    for _ in 0..3 {
        world.accept_one().await;
    }
    let (gone, stays) = (world.worker(1).await, world.worker(2).await);
    let lost = world.claim(gone, 2).await;
    let kept = world.claim_one(stays).await;
    assert_eq!(
        world
            .store()
            .lapse_worker(gone, "it left".to_owned())
            .await
            .expect("lapses"),
        2
    );
    for leased in &lost {
        let lease = world
            .store()
            .lease(leased.attempt.token)
            .await
            .expect("reads")
            .expect("may deliver");
        assert_eq!(lease.attempt.state, AttemptState::Lapsed);
        assert_eq!(lease.attempt.reason.as_deref(), Some("it left"));
    }
    let lease = world
        .store()
        .lease(kept.attempt.token)
        .await
        .expect("reads")
        .expect("live");
    assert!(lease.attempt.state.is_live());
    assert_eq!(world.ready().await, 2);
}

/// A worker that is back gets its lapsed leases again where the task is still ready.
pub async fn a_returning_worker_has_its_leases_back(world: World) {
    for _ in 0..3 {
        world.accept_one().await;
        world.advance(1);
    }
    let (worker, other) = (world.worker(1).await, world.worker(2).await);
    let tokens: Vec<_> = world
        .claim(worker, 3)
        .await
        .iter()
        .map(|leased| leased.attempt.token)
        .collect();
    world
        .store()
        .lapse_worker(worker, "cut off".to_owned())
        .await
        .expect("lapses");
    let taken = world.claim(other, 1).await;
    let until = world.store().now().plus(Millis(77_000));
    let kept = world
        .store()
        .readopt(worker, tokens.clone(), until)
        .await
        .expect("readopts");
    assert_eq!(kept, tokens[1..], "the first one has another worker");
    assert_eq!(world.ready().await, 0);
    let lease = world.store().lease(tokens[1]).await.expect("reads").expect("live");
    assert_eq!(
        (lease.attempt.state, lease.attempt.lease_until),
        (AttemptState::Running, until)
    );
    let strange = world.store().readopt(other, tokens, until).await.expect("readopts");
    assert!(strange.is_empty(), "nobody readopts another's lease");
    assert!(taken[0].attempt.state.is_live());
}

/// A lease that was handed back is no attempt.
pub async fn a_release_is_not_counted(world: World) {
    world.accept_one().await;
    let worker = world.worker(1).await;
    for _ in 0..10 {
        let leased = world.claim_one(worker).await;
        assert_eq!(leased.task.attempts, 1);
        let fence = world
            .store()
            .release(leased.attempt.token, "full".to_owned())
            .await
            .expect("releases");
        assert_eq!(fence, Fence::Pass);
    }
    assert_eq!(world.ready().await, 1, "and the worker is not passed over");
}

/// Reservations of a class go back for an idle worker, their workers hear of it, and running leases stay.
pub async fn reservations_are_withdrawn(world: World) {
    for _ in 0..3 {
        world.accept_one().await;
    }
    world.accept(|request| request.kind = Name::literal("other")).await;
    let worker = world.worker(1).await;
    let running = world.claim(worker, 1).await;
    let order = ClaimOrder {
        classes: vec![class(), kind("other")],
        ..World::order(worker, 3, true)
    };
    let reserved = world.store().claim(order).await.expect("claims");
    assert_eq!(reserved.len(), 3);
    let mut hints = world.store().hints();
    assert_eq!(
        world
            .store()
            .withdraw_reservations(class(), 1)
            .await
            .expect("withdraws"),
        1
    );
    let revoked = loop {
        if let Hint::Revoked {
            worker: whose, token, ..
        } = hints.recv().await.expect("a wake-up comes")
        {
            assert_eq!(whose, worker);
            break token;
        }
    };
    assert!(reserved.iter().any(|leased| leased.attempt.token == revoked));
    assert!(world.store().lease(revoked).await.expect("reads").is_none());
    assert_eq!(
        world
            .store()
            .withdraw_reservations(class(), 10)
            .await
            .expect("withdraws"),
        1
    );
    assert_eq!(
        world
            .store()
            .withdraw_reservations(class(), 10)
            .await
            .expect("withdraws"),
        0
    );
    let lease = world
        .store()
        .lease(running[0].attempt.token)
        .await
        .expect("reads")
        .expect("live");
    assert_eq!(lease.attempt.state, AttemptState::Running);
    assert_eq!(world.ready().await, 2);
}

/// Of the attempts that were never begun a task keeps the last, which says why it waits; and all the others.
pub async fn withdrawn_attempts_are_bounded(mut world: World) {
    let id = world.accept_one().await;
    let worker = world.worker(1).await;
    let failed = world.claim_one(worker).await.attempt.token;
    world.fail(failed, FailureClass::Transient).await;
    world.advance(2000);
    for n in 0..5 {
        let token = world.claim_one(worker).await.attempt.token;
        let reason = format!("its disk is full, {n}");
        let fence = world.store().release(token, reason.clone()).await.expect("releases");
        assert_eq!(fence, Fence::Pass);
        let again = world.store().release(token, reason.clone()).await.expect("releases");
        assert_eq!(again, Fence::Repeated, "the last one is known");
        let attempts = world.store().attempts(id).await.expect("reads");
        let states: Vec<_> = attempts.iter().map(|attempt| attempt.state).collect();
        assert_eq!(states, [AttemptState::Failed, AttemptState::Withdrawn]);
        assert_eq!(attempts[1].reason, Some(reason));
    }
    world.reopen_and_compare().await;
}

/// Ready tasks are summed up by class.
pub async fn ready_sums_up_by_class(mut world: World) {
    let first = world.new_request(|_| {});
    let rank = first.task.rank;
    world.store().accept(first).await.expect("accepted");
    world.advance(5);
    world.accept_one().await;
    world.accept(|request| request.kind = Name::literal("other")).await;
    world.reopen_and_compare().await;
    let ready = world.store().ready().await.expect("reads");
    assert_eq!(ready.len(), 2);
    assert_eq!(
        (&ready[0].class, ready[0].count, ready[0].first_rank),
        (&class(), 2, rank)
    );
    assert_eq!((&ready[1].class, ready[1].count), (&kind("other"), 1));
    let worker = world.worker(1).await;
    world.claim(worker, 1).await;
    assert_eq!(world.store().ready().await.expect("reads")[0].first_rank, rank + 5);
}
