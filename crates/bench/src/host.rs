//! A coordinator inside this process: wired exactly as the program, with its core in the submitter's hands, because the core's
//! port of clients has no wire of its own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use hierophant_config::{Layers, load, settings::hierophant::Settings};
use hierophant_core::{
    Core,
    ports::{Clients as _, Operators as _, Registration, Submission},
};
use hierophant_domain::{ArtifactId, BlobRef, Input, Limits, Millis, Name, Requester, request::ProgramRef};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use toml::{Table, Value, toml};

use crate::{made_up, process};

/// How long the coordinator may take to start and to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Deadline of the requests: far beyond any run.
const DEADLINE: Millis = Millis::from_secs(3600);

/// It. To be ended with [`Host::finish`].
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) core: Core,
    pub(crate) grpc: String,
    stop: CancellationToken,
    ended: JoinHandle<Result<()>>,
}

/// Settings of a coordinator below `folder`, on free ports, with one verifier process of the mock prover that takes 256 checks
/// at once.
pub(crate) fn settings(folder: &Path, log: &str) -> Result<Table> {
    let mut table = toml! {
        listen = "127.0.0.1"
        grpc_port = 0
        http_port = 0
        [limits]
        max_live_requests = 1_000_000
        max_requests_per_principal = 1_000_000
        [verify]
        processes = 1
        [artifacts]
        min_free_space = "64MiB"
    };
    let verifier = verifier(&format!("{}={}:{}", made_up::SYSTEM, made_up::TOOLCHAIN, made_up::KIND))?;
    table.insert("provers".to_owned(), Value::Array(vec![verifier]));
    table.insert("data_directory".to_owned(), text(&folder.join("data"))?.into());
    table.insert("log".to_owned(), Value::Table(toml! { filter = "info" }));
    table["log"]["filter"] = log.into();
    Ok(table)
}

/// A `[[provers]]` table of the mock prover for a system as its command line has it.
pub(crate) fn verifier(system: &str) -> Result<Value> {
    let mut table = toml! {
        calls = 256
        [options]
        any_program_id = "true"
    };
    let name = system.split_once('=').map_or(system, |(name, _)| name);
    table.insert("system".to_owned(), name.into());
    table.insert("executable".to_owned(), text(&process::beside("prover-mock")?)?.into());
    let arguments = ["--system", system, "--max-jobs", "256"].map(Value::from);
    table.insert("args".to_owned(), Value::Array(arguments.into()));
    Ok(Value::Table(table))
}

/// A path as settings take it.
pub(crate) fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("paths have to be UTF-8")?.to_owned())
}

impl Host {
    /// Starts it below `folder`; the log of the whole process goes where its standard error goes.
    pub(crate) async fn start(folder: &Path, settings: &Table) -> Result<Self> {
        let file: PathBuf = folder.join("hierophant.toml");
        std::fs::write(&file, settings.to_string())?;
        let settings: Settings = load(&Layers::new().file(Some(file)))?.settings;
        // A run of several hosts in one process would start the log twice.
        hierophant_telemetry::log::start(&settings.log.filter, false)?;
        let (stop, (ready, started)) = (CancellationToken::new(), oneshot::channel());
        let addresses = settings.data_directory.join("addresses.json");
        let ended = {
            let stop = stop.clone();
            tokio::spawn(async move {
                let hook = |core: &Core| drop(ready.send(core.clone()));
                hierophant_coordinator::wiring::coordinate(&settings, stop, hook).await
            })
        };
        let Ok(core) = timeout(PATIENCE, started).await? else {
            ended.await??;
            anyhow::bail!("the coordinator ended before it was ready");
        };
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(addresses)?)?;
        let grpc = written["grpc"].as_str().context("no gRPC address")?;
        Ok(Self {
            core,
            grpc: format!("http://{grpc}"),
            stop,
            ended,
        })
    }

    /// Whose requests all of them are.
    pub(crate) fn requester() -> Requester {
        Requester {
            door: Name::literal("bench"),
            principal: vec![1; 20],
        }
    }

    /// Uploads the made-up program and has it registered.
    pub(crate) async fn program(&self) -> Result<ArtifactId> {
        let created = self
            .core
            .create_artifact(Self::requester(), Name::literal("program"), false)
            .await?;
        let put = hierophant_testkit::http_client()
            .put(&created.put_url)
            .body(made_up::program())
            .send()
            .await?;
        ensure!(
            put.status().is_success(),
            "the program was not taken: {}",
            put.text().await?
        );
        let registration = Registration {
            owner: Self::requester(),
            system: Name::literal(made_up::SYSTEM),
            toolchain: Name::literal(made_up::TOOLCHAIN),
            id: made_up::PROGRAM_ID.to_vec(),
            vk: Vec::new(),
            artifact: created.id,
        };
        Ok(self.core.register_program(registration).await?.artifact)
    }

    /// A submission of the made-up program that no other is the same as.
    pub(crate) fn submission(&self, program: ArtifactId, number: u64) -> Submission {
        Submission {
            requester: Self::requester(),
            idempotency_key: number.to_be_bytes().to_vec(),
            system: Name::literal(made_up::SYSTEM),
            kind: Name::literal(made_up::KIND),
            toolchain: Name::literal(made_up::TOOLCHAIN),
            program: Some(ProgramRef {
                id: made_up::PROGRAM_ID.to_vec(),
                artifact: program,
            }),
            inputs: vec![Input {
                name: Name::literal("stdin"),
                blob: BlobRef::Inline(vec![7; 200]),
            }],
            limits: Limits {
                cycles: Some(u64::MAX),
                gas: None,
            },
            expected_public_values: None,
            private: false,
            execute: false,
            priority: 0,
            deadline: hierophant_core::ports::Clients::now(&self.core).plus(DEADLINE),
            door_data: vec![7; 300],
            trace: None,
        }
    }

    /// Waits until so many workers are there that offer something.
    pub(crate) async fn workers(&self, count: usize) -> Result<()> {
        let waiting = async {
            loop {
                let here = self.core.workers(false, 0, 100).await?;
                if here
                    .iter()
                    .filter(|worker| !worker.row.profile.capabilities.is_empty())
                    .count()
                    >= count
                {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.context("the workers did not come")?
    }

    /// Stops it in order.
    pub(crate) async fn finish(self) -> Result<()> {
        self.stop.cancel();
        timeout(PATIENCE, self.ended)
            .await
            .context("the coordinator did not stop")??
    }
}
