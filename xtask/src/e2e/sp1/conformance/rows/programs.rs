//! Rows 12 and 14 to 16: the registry of programs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tonic::Code;

use crate::e2e::sp1::conformance::{
    mocked::{Mocked, PROGRAM, program},
    raw::refused,
    wire,
};

/// Row 12, as bytes; the SDK's part is among the SDK's rows.
pub(in super::super) async fn unknown(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    refused(client.program(&[12; 32]).await, Code::NotFound)?;
    mocked.register(&client, 12).await?;
    let found = client.program(&[12; 32]).await?.context("a program")?;
    ensure!(
        found.vk_hash == [12; 32] && found.owner == client.address(),
        "the program is {found:?}"
    );
    Ok("NotFound, then registered, then found".to_owned())
}

/// Row 14.
pub(in super::super) async fn again(mocked: &Mocked) -> Result<String> {
    mocked.register(&mocked.client()?, PROGRAM).await?;
    mocked.register(&mocked.client_with(14)?, PROGRAM).await?;
    Ok("twice by its owner, then by another account: fine".to_owned())
}

/// Row 15.
pub(in super::super) async fn another_elf(mocked: &Mocked) -> Result<String> {
    let client = mocked.client()?;
    let uri = client.upload(wire::PROGRAM, program(0x16)).await?;
    let why = refused(
        client.create_program(&[0x15; 32], &[0x15; 104], &uri).await,
        Code::InvalidArgument,
    )?;
    refused(client.program(&[0x15; 32]).await, Code::NotFound)?;
    Ok(format!("refused: \"{why:.80}\""))
}

/// Row 16.
pub(in super::super) async fn survive(mocked: &mut Mocked) -> Result<String> {
    let before = mocked.client()?.program(&[PROGRAM; 32]).await?.context("a program")?;
    mocked.cluster.kill9_coordinator();
    mocked.cluster.start_coordinator().await;
    mocked.cluster.wait_for_workers(1, Duration::from_mins(1)).await;
    let after = mocked.client()?.program(&[PROGRAM; 32]).await?.context("a program")?;
    ensure!(before == after, "it was {before:?} and is {after:?}");
    Ok("the same after kill -9 and a start".to_owned())
}
