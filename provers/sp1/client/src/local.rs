//! A proof on this machine, for times to compare with.

use std::time::Instant;

use sp1_sdk::{ProveRequest as _, Prover as _, ProverClient};

use crate::{
    events::Event,
    request::{RequestArguments, encoded_bytes},
};

/// See the command's help.
#[derive(Debug, clap::Args)]
pub(crate) struct LocalArguments {
    #[command(flatten)]
    request: RequestArguments,
}

/// Proves with the SDK's CPU prover and verifies.
pub(crate) async fn run(arguments: LocalArguments) -> anyhow::Result<()> {
    let request = arguments.request;
    let stdin = request.stdin()?;
    let prover = Box::pin(ProverClient::builder().cpu().build()).await;
    let key = request.set_up(&prover).await?;
    let started = Instant::now();
    let proof = prover.prove(&key, stdin).mode(request.mode()).await?;
    Event::Fulfilled {
        bytes: encoded_bytes(&proof),
        milliseconds: started.elapsed().as_millis(),
    }
    .print();
    request.finish(&prover, &key, &proof)
}
