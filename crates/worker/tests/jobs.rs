//! Leases worked on by a real contemplant with the mock prover: what is delivered, what is reported, what goes on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    World,
    link::{Call, PATIENCE},
    mock,
};
use hierophant_core::ports::Assignment;
use hierophant_domain::{BlobRef, Failure, FailureClass, LeaseToken, Name, attempt::Delivery};
use hierophant_testkit::wait_until;

fn output<'a>(delivery: &'a Delivery, name: &str) -> &'a BlobRef {
    let found = delivery.outputs.iter().find(|(of, _)| of.as_str() == name);
    &found.unwrap_or_else(|| panic!("no {name} in {delivery:?}")).1
}

#[tokio::test]
async fn a_lease_with_inline_inputs_is_proved_and_leaves_nothing_behind() {
    let world = World::start(&[]).await;
    let token = world.lease("cycles=18446744073709551615,gas=7").await;
    let delivery = world.core.delivery(token).await;
    let BlobRef::Inline(proof) = output(&delivery, "proof") else {
        panic!("{delivery:?}")
    };
    assert!(!proof.is_empty());
    assert_eq!((delivery.record.cycles, delivery.record.gas), (Some(u64::MAX), Some(7)));
    assert!(delivery.record.public_values.is_some());
    world.nothing_held().await;
    assert!(world.listed("jobs").is_empty());
}

#[tokio::test]
async fn large_inputs_and_outputs_go_by_url() {
    let world = World::start(&[]).await;
    world.blobs.put("stdin", vec![b'i'; 3_000_000]);
    let task = world.task("output_bytes=2000000", vec![world.at_url("stdin", "stdin", 3_000_000)]);
    let token = world.assign(task).await;
    let delivery = world.core.delivery(token).await;
    let BlobRef::Artifact(id) = output(&delivery, "padding") else {
        panic!("{delivery:?}")
    };
    assert_eq!(
        world
            .blobs
            .get(&id.to_string())
            .expect("it was uploaded before it was reported")
            .len(),
        2_000_000
    );
    assert_eq!(world.blobs.bearers(), ["Bearer upload"]);
    assert!(matches!(output(&delivery, "proof"), BlobRef::Inline(_)));
    world.nothing_held().await;
    wait_until("inputs removed", PATIENCE, async || match &world.listed("jobs")[..] {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
}

#[tokio::test]
async fn the_next_lease_is_fetched_while_one_is_proved_and_a_revoked_one_stops() {
    let world = World::start(&[]).await;
    let first = world.lease("prove_ms=600000").await;
    world.core.beaten(first, true).await;
    world.blobs.put("next", vec![b'n'; 100_000]);
    let second = world
        .assign(world.task("", vec![world.at_url("stdin", "next", 100_000)]))
        .await;
    world.core.beaten(second, false).await;
    wait_until("the next input fetched", PATIENCE, async || {
        if world.blobs.was_fetched("next") {
            Ok(())
        } else {
            Err("not yet".into())
        }
    })
    .await;
    world.core.assign(Assignment::Revoke(first, "cancelled".into())).await;
    world.core.delivery(second).await;
    assert!(
        !world
            .core
            .calls()
            .iter()
            .any(|call| matches!(call, Call::Delivered(of, _) | Call::Failed(of, _) if *of == first))
    );
}

#[tokio::test]
async fn progress_names_every_phase() {
    let world = World::start(&[]).await;
    let token = world.lease("prove_ms=900,phases=one+two+three").await;
    world.core.delivery(token).await;
    let mut phases: Vec<String> = Vec::new();
    let mut count = 0;
    for call in world.core.calls() {
        if let Call::Progress(of, progress) = call
            && of == token
        {
            count += 1;
            if phases.last() != Some(&progress.phase) {
                phases.push(progress.phase);
            }
        }
    }
    assert_eq!(phases, ["one", "two", "three"]);
    assert!(count <= 12, "{count} messages in 0.9 s");
}

/// Leases a task that fails, and then one that does not: the prover is there again.
async fn fails_and_recovers(world: &World, script: &str) -> Failure {
    let failed: LeaseToken = world.lease(script).await;
    let failure = world.core.failure(failed).await;
    let well = world.lease("").await;
    world.core.delivery(well).await;
    assert!(
        world.listed("held").is_empty() || world.listed("held").len() == 1,
        "{:?}",
        world.listed("held")
    );
    failure
}

#[tokio::test]
async fn a_crashed_prover_is_reported_and_started_again() {
    let world = World::start(&[]).await;
    let failure = fails_and_recovers(&world, "crash=exit:3").await;
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(failure.message.contains("exited with status 3"), "{}", failure.message);
    let failure = fails_and_recovers(&world, "crash=kill").await;
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(failure.message.contains("memory"), "{}", failure.message);
}

#[tokio::test]
async fn a_prover_that_jobs_kill_is_started_again_without_a_growing_wait() {
    let world = World::start(&[]).await;
    for _ in 0..4 {
        fails_and_recovers(&world, "crash=kill").await;
    }
    let log = world.worker.log();
    let waits: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("started again in "))
        .collect();
    assert_eq!(waits.len(), 4, "{log}");
    // The third wait would be a second or more.
    assert!(waits.iter().all(|(_, wait)| wait.contains("ms")), "{waits:?}");
}

#[tokio::test]
async fn a_prover_that_falls_silent_is_reported_and_started_again() {
    let world = World::start(&[]).await;
    let failure = fails_and_recovers(&world, "hang=silent").await;
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(failure.message.contains("silent"), "{}", failure.message);
}

#[tokio::test]
async fn a_prover_over_its_memory_is_reported_and_started_again() {
    let mut prover = mock(&[], &[]);
    prover.insert("memory_limit".into(), "200MiB".into());
    let world = World::start(&[("provers", vec![toml::Value::from(prover)].into())]).await;
    let failure = fails_and_recovers(&world, "memory=400000000,prove_ms=600000").await;
    assert_eq!(failure.class, FailureClass::Prover);
    assert!(failure.message.contains("memory"), "{}", failure.message);
}

#[tokio::test]
async fn what_a_prover_says_of_a_failure_keeps_its_class() {
    let world = World::start(&[]).await;
    for (script, class) in [
        ("fail=input", FailureClass::Input),
        ("fail=transient", FailureClass::Transient),
        ("fail=prover", FailureClass::Prover),
        ("exit_code=1", FailureClass::Program),
    ] {
        let token = world.lease(script).await;
        assert_eq!(world.core.failure(token).await.class, class, "{script}");
    }
}

#[tokio::test]
async fn an_input_that_is_not_there_is_a_transient_failure() {
    let world = World::start(&[]).await;
    let token = world
        .assign(world.task("", vec![world.at_url("stdin", "missing", 10)]))
        .await;
    let failure = world.core.failure(token).await;
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(
        failure.message.contains("stdin") && failure.message.contains("404"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_lease_that_no_disk_could_hold_is_handed_back() {
    let world = World::start(&[]).await;
    let token = world
        .assign(world.task("", vec![world.at_url("stdin", "huge", 1 << 60)]))
        .await;
    let reason = world
        .core
        .wait_for("release", |calls| {
            calls.iter().find_map(|call| match call {
                Call::Released(of, reason) if *of == token => Some(reason.clone()),
                _ => None,
            })
        })
        .await;
    assert!(reason.contains("disk"), "{reason}");
    assert!(!world.blobs.was_fetched("huge"));
}

#[tokio::test]
async fn only_what_is_available_is_offered_by_each_of_several_provers() {
    let first = mock(&["--system", "one=v1:core,!wrapped"], &[]);
    let mut second = mock(&["--system", "two=v2:core,compressed,extra"], &[]);
    second.insert("kinds".into(), vec![toml::Value::from("compressed")].into());
    let world = World::start(&[("provers", vec![toml::Value::from(first), second.into()].into())]).await;
    world.core.serves("compressed").await;
    let offered = world
        .core
        .wait_for("both provers", |calls| {
            calls.iter().rev().find_map(|call| match call {
                Call::Updated(profile) if profile.capabilities.len() == 4 => Some(profile.capabilities.clone()),
                _ => None,
            })
        })
        .await;
    let mut offered: Vec<_> = offered
        .iter()
        .map(|c| (c.system.to_string(), c.kind.to_string(), c.labels.clone()))
        .collect();
    offered.sort();
    let labels = |version, proof| {
        [
            (Name::literal("toolchain"), Name::literal(version)),
            (Name::literal("proof"), Name::literal(proof)),
        ]
        .into()
    };
    assert_eq!(
        offered,
        [
            ("one".into(), "core".into(), labels("v1", "mock")),
            ("one".into(), "core".into(), labels("v1", "real")),
            ("two".into(), "compressed".into(), labels("v2", "mock")),
            ("two".into(), "compressed".into(), labels("v2", "real")),
        ]
    );
    let log = world.worker.log();
    assert!(log.contains("one/wrapped is not available"), "{log}");
    let mut task = world.task("", vec![]);
    task.class.system = Name::literal("two");
    task.class.kind = Name::literal("compressed");
    task.class.labels = labels("v2", "real");
    let token = world.assign(task).await;
    world.core.delivery(token).await;
}

#[tokio::test]
async fn the_guest_log_is_not_in_the_workers_log() {
    let world = World::start(&[]).await;
    let token = world.lease("log=private words of the guest").await;
    let delivery = world.core.delivery(token).await;
    let BlobRef::Inline(log) = output(&delivery, "guest_log") else {
        panic!("{delivery:?}")
    };
    assert_eq!(log, b"private words of the guest");
    assert!(!world.worker.log().contains("private words"));
}
