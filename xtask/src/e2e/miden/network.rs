//! The network under test: one coordinator with the Miden door, workers with the line's prover, and its client.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hierophant_testkit::{Binaries, Cluster, Setup, try_wait_until};
use serde_json::Value;
use toml::Table;

use super::{
    line::Line,
    witness::{self, Wish},
};
use crate::{
    e2e::client::Client,
    env::{Env, Workspace},
};

/// How long a worker may take to be there with its prover.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// How long a client waits for a proof, on a slow machine that does other things too, in seconds.
const CLIENT_TIMEOUT: &str = "600";

/// An address of this machine that is free now.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

pub(super) struct Network {
    pub(super) cluster: Cluster,
    pub(super) door: SocketAddr,
    pub(super) line: Line,
    pub(super) programs: PathBuf,
    pub(super) prover: PathBuf,
    client: PathBuf,
    workers: usize,
    seed: u32,
}

impl Network {
    /// A coordinator with the door of this line, and so many workers that dial in.
    pub(super) async fn start(env: &Env, line: Line, workers: usize) -> Result<Self> {
        let door = free_address()?;
        let prover = env.prover_executable(line.prover());
        let programs = env.target(&Workspace::Main).join("debug");
        let executable = prover.to_string_lossy().into_owned();
        let light = Table::from_iter([
            ("system".to_owned(), line.system().into()),
            ("executable".to_owned(), executable.clone().into()),
        ]);
        let listener = Table::from_iter([
            ("port".to_owned(), i64::from(door.port()).into()),
            ("lines".to_owned(), vec![toml::Value::from(line.as_str())].into()),
        ]);
        let setup = Setup::default()
            .binaries(Binaries::in_folder(programs.clone()))
            .coordinator("provers", vec![toml::Value::Table(light)])
            .coordinator("miden.listeners", vec![toml::Value::Table(listener)])
            .coordinator("miden.calls_per_second", 0)
            .coordinator("miden.queue", 64)
            .coordinator("miden.queue_timeout", "10m")
            // A worker that is killed cannot say so: how long its work is kept for it is how long its caller waits.
            .coordinator("workers.heartbeat_interval", "1s")
            .coordinator("workers.link_grace", "5s");
        let mut network = Self {
            cluster: Cluster::start(setup).await,
            door,
            line,
            programs,
            prover,
            client: line.client(env),
            workers,
            seed: 0,
        };
        for _ in 0..workers {
            let proving = Table::from_iter([("executable".to_owned(), executable.clone().into())]);
            let provers = ("provers", vec![toml::Value::Table(proving)].into());
            network.cluster.add_worker(&[provers]).await;
        }
        network.cluster.wait_for_workers(workers, READY_WITHIN).await;
        if workers > 0 {
            network.wait_for_kind("transaction").await?;
        }
        Ok(network)
    }

    /// The URL of the door.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.door)
    }

    /// The line's client.
    pub(super) fn client(&self, arguments: &[&str]) -> Client {
        Client::new(&self.client).with(arguments)
    }

    /// A witness that was not sent yet.
    pub(super) async fn witness(&mut self, wish: Wish) -> Result<PathBuf> {
        self.seed += 1;
        witness::make(&self.client, self.cluster.folder(), wish, self.seed).await
    }

    /// A client that asks there for a proof and verifies it.
    pub(super) fn asks(&self, url: &str, kind: &str, witness: &Path) -> Client {
        let witness = witness.to_string_lossy();
        let arguments = ["prove", "--url", url, "--kind", kind, "--witness", &witness];
        self.client(&arguments).with(&["--timeout", CLIENT_TIMEOUT])
    }

    /// A client that sends a transaction's witness to the door as it is, and keeps the answer.
    pub(super) fn sends(&self, witness: &Path) -> Client {
        let (url, witness, answer) = (self.url(), witness.to_string_lossy(), self.answer());
        let arguments = ["raw", "--url", &url, "--kind", "0", "--payload", &witness];
        let client = self.client(&arguments);
        client.with(&["--timeout", CLIENT_TIMEOUT, "--out", &answer.to_string_lossy()])
    }

    /// Has the client verify the last answer to [`Self::sends`].
    pub(super) async fn verifies(&self, witness: &Path) -> Result<()> {
        let (witness, answer) = (witness.to_string_lossy(), self.answer());
        let arguments = ["verify", "--witness", &witness, "--proof", &answer.to_string_lossy()];
        self.client(&arguments).run().await.map(drop)
    }

    fn answer(&self) -> PathBuf {
        self.cluster.folder().join("answer.proof")
    }

    /// How many requests there are, up to a page of them.
    pub(super) async fn requests(&self) -> Result<usize> {
        let page = self.json("/requests?limit=100").await?;
        Ok(page["requests"].as_array().map_or(0, Vec::len))
    }

    /// Asks there for a new proof of this kind; returns the seconds that it took, by the client's clock.
    pub(super) async fn proof(&mut self, url: &str, wish: Wish) -> Result<f64> {
        let witness = self.witness(wish).await?;
        proved(&self.asks(url, wish.kind(), &witness).run().await?)
    }

    /// Waits until a worker offers a kind.
    pub(super) async fn wait_for_kind(&self, kind: &str) -> Result<()> {
        try_wait_until(&format!("a worker that proves {kind}"), READY_WITHIN, async || {
            let workers = self.workers().await.map_err(|error| error.to_string())?;
            let offers = workers.iter().filter_map(|worker| worker["capabilities"].as_array());
            if offers.flatten().any(|offer| offer["kind"] == kind) {
                Ok(())
            } else {
                Err(format!("{workers:?}"))
            }
        })
        .await?;
        Ok(())
    }

    /// The workers as operators see them.
    pub(super) async fn workers(&self) -> Result<Vec<Value>> {
        let page = self.cluster.json("/contemplants").await.map_err(anyhow::Error::msg)?;
        Ok(page["workers"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until some worker works on something, and gives that worker.
    pub(super) async fn wait_until_proving(&self) -> Result<Value> {
        let seen = try_wait_until("a proof that runs", READY_WITHIN, async || {
            let workers = self.workers().await.map_err(|error| error.to_string())?;
            let busy = |worker: &&Value| worker["working_on"].as_array().is_some_and(|work| !work.is_empty());
            let found = workers.iter().find(busy).cloned();
            found.ok_or_else(|| format!("{workers:?}"))
        })
        .await?;
        Ok(seen)
    }

    /// The newest request as operators see it.
    pub(super) async fn newest_request(&self) -> Result<Value> {
        let page = self.json("/requests?limit=1").await?;
        let id = page["requests"][0]["id"].as_str().context("there is no request")?;
        self.json(&format!("/requests/{id}")).await
    }

    pub(super) async fn json(&self, path: &str) -> Result<Value> {
        self.cluster.json(path).await.map_err(anyhow::Error::msg)
    }

    /// Runs an operator's command, which must succeed.
    pub(super) async fn operator(&self, arguments: &[&str]) -> Result<String> {
        let mut command = tokio::process::Command::new(self.programs.join("hierophant"));
        command.args(arguments).env("HIEROPHANT_URL", self.cluster.http_url());
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "hierophant {arguments:?} failed: {said}{complained}"
        );
        Ok(said)
    }

    /// The number of the worker of this name.
    pub(super) fn number_of(&mut self, name: &str) -> Result<usize> {
        let found = (0..self.workers).find(|number| self.cluster.worker(*number).name() == name);
        found.with_context(|| format!("no worker was started as {name}"))
    }

    pub(super) async fn finish(self) {
        self.cluster.finish(Duration::from_mins(1)).await;
    }
}

/// The seconds that a client's only proof took; fails unless it verified one.
pub(super) fn proved(events: &[Value]) -> Result<f64> {
    let event = events.iter().find(|event| event["event"] == "proved");
    let event = event.with_context(|| format!("the client verified no proof: {events:?}"))?;
    event["seconds"].as_f64().context("seconds")
}
