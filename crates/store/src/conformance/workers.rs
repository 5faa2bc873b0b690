//! Registration, presence, strikes and history of workers.

use hierophant_domain::{
    FailureClass,
    worker::{Liveness, Offence, Strike},
};

use super::world::{World, worker_id};
use crate::{Presence, StoreError, WorkerRow};

async fn row(world: &World, gone: bool) -> WorkerRow {
    let mut rows = world.store().workers(gone, 0, 10).await.expect("lists");
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn strike(reason: &str) -> Strike {
    Strike::new(Offence::TooSlow, reason)
}

/// What a worker says of itself reads back, with u64::MAX in it.
pub async fn a_worker_reads_back(mut world: World) {
    world.worker(1).await;
    world.reopen_and_compare().await;
    let row = row(&world, false).await;
    assert_eq!(row.profile, World::profile(1));
    assert_eq!(row.liveness, Liveness::Alive);
    assert_eq!(
        (row.first_seen, row.connected_at),
        (world.store().now(), world.store().now())
    );
}

/// A worker that registers again is the same one, with its strikes and its first day.
pub async fn a_worker_is_the_same_after_reconnecting(world: World) {
    let worker = world.worker(1).await;
    let first = world.store().now();
    world.store().strike(worker, strike("late")).await.expect("strikes");
    world
        .store()
        .worker_presence(worker, Presence::Gone, "left".to_owned())
        .await
        .expect("notes");
    world.advance(100);
    let mut profile = World::profile(1);
    "renamed".clone_into(&mut profile.name);
    let again = world
        .store()
        .register_worker(profile.clone())
        .await
        .expect("registered");
    assert_eq!(again, row(&world, false).await);
    assert_eq!(again.profile, profile);
    assert_eq!((again.first_seen, again.connected_at), (first, world.store().now()));
    assert_eq!((again.standing.strikes, again.gone_reason), (1, None));
    assert!(world.store().workers(true, 0, 10).await.expect("lists").is_empty());
}

/// What a worker says anew of itself over its connection changes nothing about that connection.
pub async fn an_update_keeps_the_connection(world: World) {
    let worker = world.worker(1).await;
    let connected = world.store().now();
    world.advance(100);
    let mut profile = World::profile(1);
    profile.draining = true;
    world.store().update_worker(profile.clone()).await.expect("noted");
    let updated = row(&world, false).await;
    assert_eq!(updated.profile, profile);
    assert_eq!(
        (updated.connected_at, updated.last_seen),
        (connected, world.store().now())
    );
    let here = updated.liveness;
    world
        .store()
        .worker_presence(worker, Presence::Cut, "reset".to_owned())
        .await
        .expect("notes");
    world.store().update_worker(profile).await.expect("noted");
    assert_ne!(row(&world, false).await.liveness, here, "a late word does not mend it");
    let unknown = world.store().update_worker(World::profile(9)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
}

/// Presence goes from here over cut to gone, with the reason.
pub async fn presence_is_kept(mut world: World) {
    let worker = world.worker(1).await;
    world.advance(50);
    world
        .store()
        .worker_presence(worker, Presence::Cut, "reset".to_owned())
        .await
        .expect("notes");
    let cut = row(&world, false).await;
    assert_eq!(cut.liveness, Liveness::Stale);
    assert_ne!(
        cut.last_seen,
        world.store().now(),
        "a cut connection is not a word from the worker"
    );
    world
        .store()
        .worker_presence(worker, Presence::Here, String::new())
        .await
        .expect("notes");
    let here = row(&world, false).await;
    assert_eq!((here.liveness, here.last_seen), (Liveness::Alive, world.store().now()));
    world
        .store()
        .worker_presence(worker, Presence::Gone, "said good-bye".to_owned())
        .await
        .expect("notes");
    world.reopen_and_compare().await;
    let gone = row(&world, true).await;
    assert_eq!(
        (gone.liveness, gone.gone_reason.as_deref()),
        (Liveness::Gone, Some("said good-bye"))
    );
    assert!(world.store().workers(false, 0, 10).await.expect("lists").is_empty());
    let unknown = world
        .store()
        .worker_presence(worker_id(9), Presence::Here, String::new())
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))), "{unknown:?}");
}

/// A worker shows the leases that it has.
pub async fn a_worker_shows_its_leases(world: World) {
    let worker = world.worker(1).await;
    for _ in 0..2 {
        world.accept_one().await;
    }
    let claimed = world.claim(worker, 2).await;
    world.fail(claimed[0].attempt.token, FailureClass::Transient).await;
    assert_eq!(row(&world, false).await.leases, [claimed[1].attempt.clone()]);
}

/// The last strike quarantines: no work and no registration until its end, with the reason.
pub async fn a_quarantined_worker_gets_nothing(mut world: World) {
    let worker = world.worker(1).await;
    world.accept_one().await;
    world.store().strike(worker, strike("first")).await.expect("strikes");
    let struck = world
        .store()
        .strike(worker, strike("second"))
        .await
        .expect("strikes")
        .expect("is known");
    assert!(!struck.standing.is_trusted(world.store().now()));
    assert_eq!(struck.strike_reasons[0].1, "second");
    world.reopen_and_compare().await;
    assert!(world.claim(worker, 1).await.is_empty());
    let refused = world.store().register_worker(World::profile(1)).await;
    match refused {
        Err(StoreError::Refused(reason)) => {
            let until = struck.standing.quarantined_until.expect("quarantined").unix_seconds();
            assert!(
                reason.contains("second") && reason.contains(&until.to_string()),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    world.advance(59_999);
    assert!(world.store().register_worker(World::profile(1)).await.is_err());
    world.advance(1);
    world.worker(1).await;
    world.claim_one(worker).await;
}

/// Strikes of a worker that nobody knows are none; the reasons that are kept are bounded.
pub async fn strikes_keep_the_last_reasons(world: World) {
    assert_eq!(
        world.store().strike(worker_id(9), strike("x")).await.expect("strikes"),
        None
    );
    let worker = world.worker(1).await;
    for n in 0..12 {
        world
            .store()
            .strike(worker, strike(&format!("strike {n}")))
            .await
            .expect("strikes");
    }
    let reasons: Vec<_> = row(&world, false)
        .await
        .strike_reasons
        .into_iter()
        .map(|(_, reason)| reason)
        .collect();
    assert_eq!(reasons.len(), 8);
    assert_eq!((reasons[0].as_str(), reasons[7].as_str()), ("strike 11", "strike 4"));
    let counted = world.store().counts().await.expect("counts").strikes;
    assert_eq!(
        counted[Offence::TooSlow.place()],
        12,
        "an unknown worker's is not counted"
    );
    assert_eq!(counted.iter().sum::<u64>(), 12);
}

/// A verified result is counted for its worker, with its time, and takes a strike back.
pub async fn good_work_is_counted(mut world: World) {
    let worker = world.worker(1).await;
    world.store().strike(worker, strike("late")).await.expect("strikes");
    world.accept_one().await;
    let leased = world.claim_one(worker).await;
    world.advance(1234);
    world.deliver(leased.attempt.token).await;
    let delivered_at = world.store().now();
    world.advance(100);
    let work = world.verification().await;
    assert!(world.settle(&work, super::world::valid()).await);
    world.reopen_and_compare().await;
    let row = row(&world, false).await;
    assert_eq!((row.proofs, row.proving_ms_total, row.standing.strikes), (1, 1234, 0));
    let history = world.store().history(None, 10).await.expect("reads");
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].request.id, leased.request.id);
    assert_eq!(
        (history[0].leased_at, history[0].delivered_at),
        (leased.attempt.leased_at, delivered_at)
    );
    assert_eq!(history[0].worker, worker);
}

/// History names the worker as it was then, newest first, in pages.
pub async fn history_names_the_worker_as_it_was(world: World) {
    let worker = world.worker(1).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.accept_one().await);
        world.fulfil(worker).await;
        world.advance(10);
    }
    let mut profile = World::profile(1);
    "renamed".clone_into(&mut profile.name);
    world.store().register_worker(profile).await.expect("registered");
    let page = world.store().history(None, 2).await.expect("reads");
    let got: Vec<_> = page.iter().map(|row| row.request.id).collect();
    assert_eq!(got, [ids[2], ids[1]]);
    assert_eq!(
        (page[0].worker_name.as_str(), page[0].worker_address.as_str()),
        ("worker 1", "10.0.0.1:9")
    );
    let rest = world.store().history(page[1].request.ended_at, 2).await.expect("reads");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].request.id, ids[0]);
}

/// Workers are listed latest seen first, in pages.
pub async fn workers_are_listed_in_pages(world: World) {
    for n in 0..5 {
        world.worker(n).await;
        world.advance(10);
    }
    world
        .store()
        .beat(worker_id(0), Vec::new())
        .await
        .expect("a beat without a lease is a word, too");
    let ids = |rows: Vec<WorkerRow>| rows.into_iter().map(|row| row.profile.id).collect::<Vec<_>>();
    assert_eq!(
        ids(world.store().workers(false, 0, 2).await.expect("lists")),
        [worker_id(0), worker_id(4)]
    );
    assert_eq!(
        ids(world.store().workers(false, 4, 2).await.expect("lists")),
        [worker_id(1)]
    );
    assert!(world.store().workers(false, 5, 2).await.expect("lists").is_empty());
}
