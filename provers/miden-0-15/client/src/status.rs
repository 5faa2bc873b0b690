//! Asks a prover how it is.

use std::time::Duration;

use miden_kit::client::{Event, StatusArguments};
use serde_json::json;
use tonic::Status;

use crate::wire::{
    self, HealthCheckRequest, HealthCheckResponse, HealthClient, ProofType, ProxyStatusApiClient, WorkerHealthStatus,
    WorkerStatusApiClient,
};

/// Longest that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the three services; one that is not there is told, and no fault.
pub(crate) async fn run(arguments: StatusArguments) -> anyhow::Result<()> {
    let channel = wire::connect(&arguments.url, TIMEOUT).await?;
    let worker = WorkerStatusApiClient::new(channel.clone()).status(()).await;
    tell(
        "worker",
        worker.map(|status| {
            let status = status.into_inner();
            json!({"version": status.version, "kind": kind_name(status.supported_proof_type)})
        }),
    );
    let proxy = ProxyStatusApiClient::new(channel.clone()).status(()).await;
    tell(
        "proxy",
        proxy.map(|status| {
            let status = status.into_inner();
            let workers = status.workers.iter().map(|worker| {
                let health = WorkerHealthStatus::try_from(worker.status);
                let health = health.map_or("?", |health| health.as_str_name());
                json!({"name": worker.name, "version": worker.version, "status": health})
            });
            let workers: Vec<_> = workers.collect();
            json!({"version": status.version, "kind": kind_name(status.supported_proof_type), "workers": workers})
        }),
    );
    let request = HealthCheckRequest { service: String::new() };
    let health = HealthClient::new(channel).check(request).await;
    tell(
        "health",
        health.map(|health: tonic::Response<HealthCheckResponse>| {
            json!({"status": health.into_inner().status().as_str_name()})
        }),
    );
    Ok(())
}

fn kind_name(number: i32) -> String {
    ProofType::try_from(number).map_or_else(|_| number.to_string(), |kind| kind.as_str_name().to_lowercase())
}

fn tell(service: &'static str, answer: Result<serde_json::Value, Status>) {
    match answer {
        Ok(details) => Event::Status { service, details },
        Err(status) => Event::Missing {
            service,
            code: wire::code_name(status.code()),
        },
    }
    .print();
}
