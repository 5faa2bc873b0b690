//! Accepting requests: idempotency, limits, and what is kept of them.

use hierophant_domain::{
    BlobRef, Digest, Execution, Input, Limits, Name, Requester, TaskState, Timestamp, Visibility,
    artifact::INLINE_MAX_BYTES,
    request::{KEY_MAX_BYTES, RequestState},
};

use super::world::{World, key, requester};
use crate::{Hint, StoreError};

/// Everything that a client sent comes back as it was.
pub async fn a_request_reads_back_whole(world: World) {
    let program = world.program().await;
    let input = world.upload(Visibility::Private).await;
    let new = world.new_request(|request| {
        request.program = Some(program);
        request.inputs.push(Input {
            name: Name::literal("big"),
            blob: BlobRef::Inline(vec![0xAB; INLINE_MAX_BYTES]),
        });
        request.inputs.push(Input {
            name: Name::literal("other"),
            blob: BlobRef::Artifact(input),
        });
        request.trust = Some(Name::literal("enclave"));
        request.private = true;
        request.priority = i16::MIN;
        request.execution = Execution::Pending;
        request.idempotency_key = vec![0; KEY_MAX_BYTES];
        request.requester = Requester {
            door: Name::literal("other"),
            principal: vec![255; KEY_MAX_BYTES],
        };
    });
    let sent = new.request.clone();
    let accepted = world.store().accept(new).await.expect("accepted");
    assert_eq!(*world.request(accepted.request).await, sent);
}

/// The same, read from the rows and not from memory.
pub async fn a_request_reads_back_after_reopening(mut world: World) {
    let new = world.new_request(|request| {
        request.door_data = vec![0; 4096];
        request.expected_public_values = None;
        request.inputs.clear();
    });
    let sent = new.request.clone();
    world.store().accept(new).await.expect("accepted");
    world.reopen().await;
    assert_eq!(*world.request(sent.id).await, sent);
    assert_eq!(world.ready().await, 1);
}

/// u64::MAX is a legal cycle limit, and must not become another number.
pub async fn the_largest_limits_survive(mut world: World) {
    let limits = Limits {
        cycles: Some(u64::MAX),
        gas: Some(u64::MAX - 1),
    };
    let id = world.accept(|request| request.limits = limits).await;
    world.reopen().await;
    assert_eq!(world.request(id).await.limits, limits);
}

/// What was never accepted is not there.
pub async fn an_unknown_request_is_none(world: World) {
    let id = world.new_request(|_| {}).request.id;
    assert!(world.store().request(id).await.expect("reads").is_none());
    assert!(world.store().status(id).await.expect("reads").is_none());
}

/// The same requester and key find the first request, and change nothing of it.
pub async fn the_same_key_finds_the_first_request(world: World) {
    let first = world.accept(|request| request.idempotency_key = key(1)).await;
    let again = world.new_request(|request| {
        request.idempotency_key = key(1);
        request.priority = 9;
    });
    let accepted = world.store().accept(again).await.expect("accepted");
    assert!(accepted.existed);
    assert_eq!(accepted.request, first);
    assert_eq!(world.request(first).await.priority, 0);
    assert_eq!(world.ready().await, 1);
}

/// Another requester's or another door's same key is another request.
pub async fn a_key_belongs_to_its_requester(world: World) {
    let change = |principal: &'static str, door: &'static str| {
        move |request: &mut hierophant_domain::Request| {
            request.idempotency_key = key(1);
            request.requester = Requester {
                door: Name::literal(door),
                principal: principal.as_bytes().to_vec(),
            };
        }
    };
    let first = world.accept(change("ann", "front")).await;
    let second = world.accept(change("bob", "front")).await;
    let third = world.accept(change("ann", "side")).await;
    assert!(first != second && second != third && first != third);
    let find = |principal: &'static str, door: &'static str, key: Vec<u8>| {
        let requester = Requester {
            door: Name::literal(door),
            principal: principal.as_bytes().to_vec(),
        };
        world.store().accepted(requester, key)
    };
    world.cancel(second).await;
    for (principal, door, found) in [
        ("ann", "front", Some(first)),
        ("bob", "front", Some(second)),
        ("ann", "side", Some(third)),
        ("bob", "side", None),
    ] {
        assert_eq!(find(principal, door, key(1)).await.expect("reads"), found);
    }
    assert_eq!(find("ann", "front", key(2)).await.expect("reads"), None);
}

/// The key of an ended request still finds it.
pub async fn a_key_outlives_its_request(mut world: World) {
    let first = world.accept(|request| request.idempotency_key = key(1)).await;
    assert!(world.cancel(first).await);
    world.reopen().await;
    let again = world.new_request(|request| request.idempotency_key = key(1));
    let accepted = world.store().accept(again).await.expect("found");
    assert_eq!((accepted.existed, accepted.request), (true, first));
}

/// Many callers with one key at once: one request.
pub async fn concurrent_submissions_of_one_key_are_one(world: World) {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let new = world.new_request(|request| request.idempotency_key = key(1));
        let store = world.shared_store();
        callers.spawn(async move { store.accept(new).await.expect("accepted") });
    }
    let accepted = callers.join_all().await;
    assert_eq!(accepted.iter().filter(|accepted| !accepted.existed).count(), 1);
    assert!(accepted.iter().all(|other| other.request == accepted[0].request));
    assert_eq!(world.ready().await, 1);
}

/// The limit on open requests holds at its edge, an end makes room, and finding one again needs none.
pub async fn the_limit_on_open_requests_holds(mut world: World) {
    world.settings.max_live_requests = 2;
    world.reopen().await;
    let first = world.accept(|request| request.idempotency_key = key(1)).await;
    world.accept_one().await;
    let third = world.new_request(|_| {});
    let full = world.store().accept(third.clone()).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    let again = world.new_request(|request| request.idempotency_key = key(1));
    assert!(world.store().accept(again).await.expect("found").existed);
    assert!(world.cancel(first).await);
    assert!(!world.store().accept(third).await.expect("there is room").existed);
}

/// So does that of one requester, which does not touch others.
pub async fn the_limit_on_one_requester_holds(mut world: World) {
    world.settings.max_live_requests_per_requester = 1;
    world.reopen().await;
    world.accept_one().await;
    let full = world.store().accept(world.new_request(|_| {})).await;
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    world.accept(|request| request.requester = requester("bob")).await;
    world.reopen().await;
    let full = world.store().accept(world.new_request(|_| {})).await;
    assert!(
        matches!(full, Err(StoreError::Full(_))),
        "counted again when opened: {full:?}"
    );
}

/// The limits hold within one moment's crowd, too.
pub async fn the_limits_hold_under_concurrency(mut world: World) {
    world.settings.max_live_requests = 10;
    world.settings.max_live_requests_per_requester = 7;
    world.reopen().await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..40 {
        let name = if n % 2 == 0 { "ann" } else { "bob" };
        let new = world.new_request(|request| request.requester = requester(name));
        let store = world.shared_store();
        callers.spawn(async move { (name, store.accept(new).await.is_ok()) });
    }
    let accepted = callers.join_all().await;
    assert_eq!(accepted.iter().filter(|(_, accepted)| *accepted).count(), 10);
    for name in ["ann", "bob"] {
        assert!(
            accepted
                .iter()
                .filter(|(whose, accepted)| *accepted && *whose == name)
                .count()
                <= 7
        );
    }
    assert_eq!(world.store().counts().await.expect("counts").requests[0], 10);
}

/// An input or a program that is not uploaded, or not there, is refused, and nothing is left of the request.
pub async fn incomplete_artifacts_are_refused(world: World) {
    let announced = world.announce(Visibility::Signed).await;
    for id in [announced, world.artifact_id()] {
        let blob = BlobRef::Artifact(id);
        let new = world.new_request(|request| {
            request.inputs = vec![Input {
                name: Name::literal("stdin"),
                blob,
            }];
        });
        let request = new.request.id;
        let refused = world.store().accept(new.clone()).await;
        assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
        assert!(world.store().request(request).await.expect("reads").is_none());
        if id == announced {
            assert!(
                world
                    .store()
                    .complete_artifact(id, 1, Digest([0; 32]))
                    .await
                    .expect("completes")
            );
            assert!(!world.store().accept(new).await.expect("accepted").existed);
        }
    }
}

/// An id that another request has is refused.
pub async fn an_id_is_used_once(world: World) {
    let first = world.new_request(|request| request.idempotency_key = key(1));
    let mut second = world.new_request(|request| request.idempotency_key = key(2));
    second.request.id = first.request.id;
    second.task.request = first.request.id;
    world.store().accept(first).await.expect("accepted");
    let refused = world.store().accept(second).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(world.ready().await, 1);
}

/// What is not open, or whose task is not its own, is refused.
pub async fn only_open_requests_are_accepted(world: World) {
    let ended = world.new_request(|request| request.state = RequestState::Cancelled);
    let mut strange = world.new_request(|_| {});
    strange.task.request = world.new_request(|_| {}).request.id;
    let mut begun = world.new_request(|_| {});
    begun.task.state = TaskState::Leased;
    for new in [ended, strange, begun] {
        let refused = world.store().accept(new).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(world.ready().await, 0);
}

/// Acceptance wakes whoever gives out tasks, and whoever executes.
pub async fn acceptance_wakes(world: World) {
    let mut hints = world.store().hints();
    world.accept(|request| request.execution = Execution::Pending).await;
    let mut heard = Vec::new();
    while let Ok(hint) = hints.try_recv() {
        heard.push(hint);
    }
    // The answer comes before the wake-ups; they are on their way.
    while !(heard.contains(&Hint::Ready) && heard.contains(&Hint::ExecutionWanted)) {
        heard.push(hints.recv().await.expect("two wake-ups come"));
    }
}

/// Status says what polls ask for.
pub async fn status_of_an_open_request(world: World) {
    let id = world.accept(|request| request.deadline = Timestamp(i64::MAX)).await;
    let status = world.store().status(id).await.expect("reads").expect("is there");
    assert_eq!(status.state, RequestState::Open);
    assert_eq!(status.deadline, Timestamp(i64::MAX));
    assert_eq!(status.execution, Execution::NotWanted);
    assert_eq!((status.ended_at, status.proof, status.failure), (None, None, None));
}

/// A store that can be used says so.
pub async fn ping_answers(world: World) {
    world.store().ping().await.expect("usable");
    world.store().ping().await.expect("usable again");
}
