//! Listing requests: each filter, order and pages.

use hierophant_domain::{Name, RequestState, Requester, Timestamp, request::ProgramRef};

use super::world::{World, requester};
use crate::{PAGE_MAX, RequestFilter};

fn page() -> RequestFilter {
    RequestFilter {
        limit: PAGE_MAX,
        ..RequestFilter::default()
    }
}

/// Newest first, in pages, at most a page.
pub async fn newest_first_in_pages(world: World) {
    let mut ids = Vec::new();
    for _ in 0..PAGE_MAX + 2 {
        ids.push(world.accept_one().await);
        world.advance(1);
    }
    ids.reverse();
    assert_eq!(
        world.list(RequestFilter { limit: 1000, ..page() }).await,
        ids[..PAGE_MAX]
    );
    assert_eq!(
        world
            .list(RequestFilter {
                offset: PAGE_MAX,
                ..page()
            })
            .await,
        ids[PAGE_MAX..]
    );
    assert_eq!(
        world
            .list(RequestFilter {
                offset: 3,
                limit: 2,
                ..page()
            })
            .await,
        ids[3..5]
    );
    assert!(world.list(RequestFilter { limit: 0, ..page() }).await.is_empty());
    assert!(
        world
            .list(RequestFilter {
                offset: usize::MAX,
                ..page()
            })
            .await
            .is_empty()
    );
}

/// By door and by requester.
pub async fn by_door_and_requester(world: World) {
    let ann = world.accept_one().await;
    let bob = world.accept(|request| request.requester = requester("bob")).await;
    let side = Requester {
        door: Name::literal("side"),
        ..requester("ann")
    };
    let other = world.accept(|request| request.requester = side.clone()).await;
    let of = |requester| RequestFilter {
        requester: Some(requester),
        ..page()
    };
    assert_eq!(world.list(of(requester("ann"))).await, [ann]);
    assert_eq!(world.list(of(side)).await, [other]);
    assert!(world.list(of(requester("eve"))).await.is_empty());
    let door = |name| RequestFilter {
        door: Some(Name::literal(name)),
        ..page()
    };
    assert_eq!(world.list(door("front")).await, [bob, ann]);
    assert_eq!(world.list(door("side")).await, [other]);
}

/// By one state, by several, and together with a requester.
pub async fn by_state(world: World) {
    let open = world.accept_one().await;
    let cancelled = world.accept_one().await;
    assert!(world.cancel(cancelled).await);
    let worker = world.worker(1).await;
    world.claim_one(worker).await;
    let done = world.accept_one().await;
    world.fulfil(worker).await;
    let states = |states: &[RequestState]| RequestFilter {
        states: states.to_vec(),
        ..page()
    };
    assert_eq!(world.list(states(&[RequestState::Open])).await, [open]);
    assert_eq!(world.list(states(&[RequestState::Cancelled])).await, [cancelled]);
    assert_eq!(
        world.list(states(&[RequestState::Fulfilled, RequestState::Open])).await,
        [done, open]
    );
    assert!(world.list(states(&[RequestState::Expired])).await.is_empty());
    let theirs = RequestFilter {
        requester: Some(requester("ann")),
        ..states(&[RequestState::Fulfilled])
    };
    assert_eq!(world.list(theirs).await, [done]);
}

/// By program, kind and toolchain.
pub async fn by_program_kind_and_toolchain(world: World) {
    let program = world.program().await;
    let id = program.id.clone();
    let other = ProgramRef {
        id: vec![5; 32],
        ..program.clone()
    };
    let first = world.accept(|request| request.program = Some(program)).await;
    let second = world.accept(|request| request.program = Some(other)).await;
    let third = world.accept(|request| request.kind = Name::literal("small")).await;
    let fourth = world.accept(|request| request.toolchain = Name::literal("v2")).await;
    assert_eq!(
        world
            .list(RequestFilter {
                program: Some(id),
                ..page()
            })
            .await,
        [first]
    );
    assert_eq!(
        world
            .list(RequestFilter {
                kind: Some(Name::literal("small")),
                ..page()
            })
            .await,
        [third]
    );
    let toolchain = RequestFilter {
        toolchain: Some(Name::literal("v1")),
        ..page()
    };
    assert_eq!(world.list(toolchain).await, [third, second, first]);
    let both = RequestFilter {
        kind: Some(Name::literal("core")),
        toolchain: Some(Name::literal("v2")),
        states: vec![RequestState::Open],
        ..page()
    };
    assert_eq!(world.list(both).await, [fourth]);
}

/// By time of acceptance and by deadline: from is inclusive, to is not.
pub async fn by_times(world: World) {
    let mut ids = Vec::new();
    let start = world.store().now();
    for n in 0..3 {
        ids.push(
            world
                .accept(|request| request.deadline = Timestamp(1_800_000_000_000 + n))
                .await,
        );
        world.advance(10);
    }
    let accepted = |from: i64, to: i64| RequestFilter {
        accepted_from: Some(Timestamp(start.0 + from)),
        accepted_to: Some(Timestamp(start.0 + to)),
        ..page()
    };
    assert_eq!(world.list(accepted(0, 20)).await, [ids[1], ids[0]]);
    assert_eq!(world.list(accepted(1, 21)).await, [ids[2], ids[1]]);
    let deadline = RequestFilter {
        deadline_from: Some(Timestamp(1_800_000_000_001)),
        ..page()
    };
    assert_eq!(world.list(deadline).await, [ids[2], ids[1]]);
}
