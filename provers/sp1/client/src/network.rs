//! Requests to a prover network: ask, wait, verify, cancel, look up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use sp1_sdk::{
    NetworkProver, ProveRequest as _, Prover as _, ProverClient, SP1ProofWithPublicValues, SP1ProvingKey,
    network::{B256, FulfillmentStrategy, NetworkMode, proto::types::FulfillmentStatus},
};

use crate::{
    events::Event,
    request::{RequestArguments, encoded_bytes},
};

/// A key that anybody may know. It identifies a requester in tests and protects nothing.
const TEST_PRIVATE_KEY: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

/// Between two looks at the status; the SDK itself takes this long.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What to ask of which network.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct NetworkArguments {
    /// The network's address, like NETWORK_RPC_URL.
    #[arg(long, env = "NETWORK_RPC_URL")]
    rpc: Option<String>,
    /// The requester's key in hexadecimal. Without it a key that is known to everybody is used: for tests only.
    #[arg(long, env = "NETWORK_PRIVATE_KEY", hide_env_values = true)]
    private_key: Option<String>,
    /// Which of the two contracts to speak, and with whose defaults.
    #[arg(long, value_enum, default_value = "auction")]
    network: Network,
    #[command(flatten)]
    request: RequestArguments,
    /// Marks the input as private.
    #[arg(long)]
    private_stdin: bool,
    /// Does not execute the program first.
    #[arg(long)]
    skip_simulation: bool,
    /// Most cycles that the program may take.
    #[arg(long)]
    cycle_limit: Option<u64>,
    /// Most gas that the program may take.
    #[arg(long)]
    gas_limit: Option<u64>,
    /// Seconds until the proof must be there.
    #[arg(long)]
    timeout: Option<u64>,
    /// Asks with the SDK's single call `prove(..).await`, as most applications do.
    #[arg(long, conflicts_with_all = ["submit_only", "wait", "cancel", "details"])]
    one_call: bool,
    /// Accepts mock proofs and nothing else: verifies as the SDK's mock prover does, as against a network in mock mode.
    #[arg(long)]
    mock: bool,
    /// Asks and does not wait.
    #[arg(long)]
    submit_only: bool,
    /// Asks nothing, waits for this request (needs --elf to verify).
    #[arg(long, value_name = "REQUEST_ID", conflicts_with = "submit_only")]
    wait: Option<B256>,
    /// Cancels this request.
    #[arg(long, value_name = "REQUEST_ID", conflicts_with_all = ["submit_only", "wait"])]
    cancel: Option<B256>,
    /// Prints what the network knows of this request.
    #[arg(long, value_name = "REQUEST_ID", conflicts_with_all = ["submit_only", "wait", "cancel"])]
    details: Option<B256>,
}

/// The SDK's ways to speak to a network.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Network {
    /// What the SDK does when nothing is said.
    Auction,
    /// Reserved capacity.
    Reserved,
    /// A network of one's own: reserved, without simulation and limits.
    Hosted,
}

/// Does what was asked.
pub(crate) async fn run(arguments: NetworkArguments) -> anyhow::Result<()> {
    let prover = prover(&arguments).await?;
    if let Some(request_id) = arguments.cancel {
        prover.cancel_request(request_id).await?;
        Event::Cancelled {
            request_id: request_id.to_string(),
        }
        .print();
        return Ok(());
    }
    if let Some(request_id) = arguments.details {
        return details(&prover, request_id).await;
    }
    let key = arguments.request.set_up(&prover).await?;
    let started = Instant::now();
    let proof = if arguments.one_call {
        Box::pin(builder(&prover, &key, &arguments)?.into_future()).await?
    } else {
        let request_id = match arguments.wait {
            Some(request_id) => request_id,
            None => Box::pin(builder(&prover, &key, &arguments)?.request()).await?,
        };
        Event::Requested {
            request_id: request_id.to_string(),
        }
        .print();
        if arguments.submit_only {
            return Ok(());
        }
        wait(&prover, request_id, arguments.timeout.map(Duration::from_secs)).await?
    };
    Event::Fulfilled {
        bytes: encoded_bytes(&proof),
        milliseconds: started.elapsed().as_millis(),
    }
    .print();
    if arguments.mock {
        let mock = ProverClient::builder().mock().build().await;
        return arguments.request.finish(&mock, &key, &proof);
    }
    arguments.request.finish(&prover, &key, &proof)
}

async fn prover(arguments: &NetworkArguments) -> anyhow::Result<NetworkProver> {
    let Some(rpc) = &arguments.rpc else {
        bail!("give the network's address with --rpc URL or NETWORK_RPC_URL");
    };
    let builder = match arguments.network {
        Network::Auction => ProverClient::builder().network_for(NetworkMode::Mainnet),
        Network::Reserved => ProverClient::builder().network_for(NetworkMode::Reserved),
        Network::Hosted => ProverClient::builder().hosted(),
    };
    let key = arguments.private_key.as_deref().filter(|key| !key.is_empty());
    Ok(builder
        .rpc_url(rpc)
        .private_key(key.unwrap_or(TEST_PRIVATE_KEY))
        .build()
        .await)
}

fn builder<'a>(
    prover: &'a NetworkProver,
    key: &'a SP1ProvingKey,
    arguments: &NetworkArguments,
) -> anyhow::Result<sp1_sdk::network::prove::NetworkProveBuilder<'a>> {
    let mut builder = prover
        .prove(key, arguments.request.stdin()?)
        .mode(arguments.request.mode())
        .private_stdin(arguments.private_stdin);
    if matches!(arguments.network, Network::Reserved) {
        builder = builder.strategy(FulfillmentStrategy::Reserved);
    }
    if arguments.skip_simulation {
        builder = builder.skip_simulation(true);
    }
    if let Some(limit) = arguments.cycle_limit {
        builder = builder.cycle_limit(limit);
    }
    if let Some(limit) = arguments.gas_limit {
        builder = builder.gas_limit(limit);
    }
    if let Some(seconds) = arguments.timeout {
        builder = builder.timeout(Duration::from_secs(seconds));
    }
    Ok(builder)
}

/// Waits as the SDK's `wait_proof` does, and tells every change of state.
async fn wait(
    prover: &NetworkProver,
    request_id: B256,
    timeout: Option<Duration>,
) -> anyhow::Result<SP1ProofWithPublicValues> {
    let started = Instant::now();
    let mut told = None;
    loop {
        let remaining = timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
        if remaining == Some(Duration::ZERO) {
            bail!("no proof within the timeout");
        }
        let (proof, status) = prover.process_proof_status(request_id, remaining).await?;
        if told != Some(status) {
            Event::Status {
                fulfillment: status.as_str_name(),
            }
            .print();
            told = Some(status);
        }
        if status == FulfillmentStatus::Fulfilled {
            return proof.context("the network says fulfilled and gives no proof");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn details(prover: &NetworkProver, request_id: B256) -> anyhow::Result<()> {
    let Some(request) = prover.get_proof_request(request_id).await? else {
        bail!("the network knows no request {request_id}");
    };
    // The SDK's type is the union of two contracts and has no JSON form; its debug form names every field.
    Event::Details {
        details: format!("{request:?}").into(),
    }
    .print();
    Ok(())
}
