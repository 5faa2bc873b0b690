//! Asks a prover how it is.

use std::time::Duration;

use miden_kit::client::{Event, StatusArguments};
use miden_wire_0_18::messages::{ProxyStatusResponse, WorkerStatusResponse};
use prost::Message;
use serde_json::{Value, json};
use tonic::{Status, transport::Channel};

use crate::rpc::{call, code_name, connect};

const WORKER_STATUS: &str = "/miden.remote_prover.v1.WorkerStatusService/Status";
const PROXY_STATUS: &str = "/miden.remote_prover.v1.ProxyStatusService/Status";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Longest that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The names of `ProofType`, by their numbers.
const KINDS: [&str; 3] = ["transaction", "batch", "block"];

/// The names of `WorkerHealthStatus`, by their numbers.
const WORKER_HEALTH: [&str; 3] = ["UNKNOWN", "HEALTHY", "UNHEALTHY"];

/// The names of `HealthCheckResponse.ServingStatus`, by their numbers.
const SERVING: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Asks the three services; one that is not there is told, and no fault.
pub(crate) async fn run(arguments: &StatusArguments) -> anyhow::Result<()> {
    let channel = connect(&arguments.url, TIMEOUT).await?;
    tell("worker", ask(&channel, WORKER_STATUS).await.as_ref().map(worker));
    tell("proxy", ask(&channel, PROXY_STATUS).await.as_ref().map(proxy));
    tell("health", ask(&channel, HEALTH).await.as_ref().map(health));
    Ok(())
}

async fn ask<M: Message + Default>(channel: &Channel, path: &'static str) -> Result<M, Status> {
    let answer = call(channel, path, Vec::new()).await?;
    M::decode(answer.as_slice()).map_err(|error| Status::internal(error.to_string()))
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

fn worker(answer: &WorkerStatusResponse) -> Value {
    json!({"version": answer.version, "kind": name(&KINDS, answer.supported_proof_type)})
}

fn proxy(answer: &ProxyStatusResponse) -> Value {
    let workers = answer.workers.iter().map(|worker| {
        let health = name(&WORKER_HEALTH, worker.status);
        json!({"name": worker.name, "version": worker.version, "status": health})
    });
    json!({
        "kind": name(&KINDS, answer.supported_proof_type),
        "workers": workers.collect::<Vec<_>>(),
        "version": answer.version,
    })
}

fn health(answer: &Health) -> Value {
    json!({"status": name(&SERVING, answer.status)})
}

/// A number's name, or the number where it has none.
fn name(names: &[&str], number: i32) -> String {
    let known = usize::try_from(number).ok().and_then(|number| names.get(number));
    known.map_or_else(|| number.to_string(), ToString::to_string)
}

fn tell(service: &'static str, answer: Result<Value, &Status>) {
    match answer {
        Ok(details) => Event::Status { service, details },
        Err(status) => Event::Missing {
            service,
            code: code_name(status.code()),
        },
    }
    .print();
}
