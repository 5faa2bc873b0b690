//! Programs, what set-up found, and secrets.

use hierophant_domain::{Digest, Name, Visibility};

use super::world::{World, requester};
use crate::{ProgramIdentity, ProgramRow, StoreError};

async fn program(world: &World, principal: &str) -> ProgramRow {
    ProgramRow {
        owner: requester(principal),
        id: vec![0, 1, 255],
        vk: vec![3; 1000],
        artifact: world.upload(Visibility::Signed).await,
        created_at: world.store().now(),
    }
}

/// A program reads back, and the first registration of an id wins.
pub async fn the_first_registration_wins(mut world: World) {
    let (first, second) = (program(&world, "ann").await, program(&world, "bob").await);
    assert_eq!(
        world.store().register_program(first.clone()).await.expect("registered"),
        first
    );
    assert_eq!(world.store().register_program(second).await.expect("registered"), first);
    world.reopen().await;
    let found = world
        .store()
        .program(Name::literal("front"), first.id.clone())
        .await
        .expect("reads");
    assert_eq!(found, Some(first));
    assert_eq!(
        world
            .store()
            .program(Name::literal("side"), vec![0, 1, 255])
            .await
            .expect("reads"),
        None
    );
    assert_eq!(
        world
            .store()
            .program(Name::literal("front"), vec![0, 1])
            .await
            .expect("reads"),
        None
    );
}

/// Two doors may use the same id for two programs.
pub async fn a_program_belongs_to_its_door(world: World) {
    let first = program(&world, "ann").await;
    let mut second = program(&world, "ann").await;
    second.owner.door = Name::literal("side");
    world.store().register_program(first).await.expect("registered");
    assert_eq!(
        world
            .store()
            .register_program(second.clone())
            .await
            .expect("registered"),
        second
    );
}

/// A program whose executable is not uploaded is refused, and one that is registered keeps its executable.
pub async fn a_program_needs_and_keeps_its_executable(world: World) {
    let mut row = program(&world, "ann").await;
    row.artifact = world.announce(Visibility::Signed).await;
    let refused = world.store().register_program(row.clone()).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    world
        .store()
        .complete_artifact(row.artifact, 1, Digest([0; 32]))
        .await
        .expect("completes");
    world.store().register_program(row.clone()).await.expect("registered");
    world.advance(1);
    let going = world
        .store()
        .collectable(world.store().now(), 10)
        .await
        .expect("collects");
    assert!(going.iter().all(|gone| gone.id != row.artifact));
    assert_eq!(going.len(), 1, "the one of the first try");
}

/// What set-up found reads back by system, toolchain and executable.
pub async fn identities_are_remembered(mut world: World) {
    let identity = ProgramIdentity {
        system: Name::literal("vm"),
        toolchain: Name::literal("v1"),
        executable: Digest([1; 32]),
        program_id: vec![1],
        vk: vec![2],
    };
    let find = |system: &'static str, toolchain: &'static str, byte| {
        (Name::literal(system), Name::literal(toolchain), Digest([byte; 32]))
    };
    world
        .store()
        .remember_identity(identity.clone())
        .await
        .expect("remembers");
    let newer = ProgramIdentity {
        vk: vec![9],
        ..identity
    };
    world
        .store()
        .remember_identity(newer.clone())
        .await
        .expect("remembers the latest");
    world.reopen().await;
    for (wanted, (system, toolchain, digest)) in [
        (Some(newer), find("vm", "v1", 1)),
        (None, find("vm", "v2", 1)),
        (None, find("other", "v1", 1)),
        (None, find("vm", "v1", 2)),
    ] {
        assert_eq!(
            world.store().identity(system, toolchain, digest).await.expect("reads"),
            wanted
        );
    }
}

/// A secret is made once, and differs from others.
pub async fn a_secret_stays(mut world: World) {
    let first = world.store().secret("urls".to_owned()).await.expect("made");
    let other = world.store().secret("tokens".to_owned()).await.expect("made");
    assert_ne!(first, other);
    assert_ne!(first, [0; 32]);
    world.reopen().await;
    assert_eq!(world.store().secret("urls".to_owned()).await.expect("reads"), first);
}
