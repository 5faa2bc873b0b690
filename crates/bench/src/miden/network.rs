//! A coordinator's program with the Miden door of line 0.15, for transactions, and what its pages say.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use hierophant_miden_api::{Generation, Kind, client::RemoteWorker};
use hierophant_testkit::{Node, try_wait_until};
use serde_json::Value as Json;
use toml::{Table, Value, toml};

use crate::{Options, host, process};

/// The line's proof system, its toolchain, and the kind that is asked for.
pub(crate) const SYSTEM: &str = "miden-0.15";
pub(crate) const TOOLCHAIN: &str = "0.15";
pub(crate) const KIND: Kind = Kind::Transaction;
/// How long a program may take to start, to end and to be seen by others.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The longest call: far beyond any.
pub(crate) const CALL_WITHIN: Duration = Duration::from_mins(10);

/// It. To be ended with [`Network::finish`].
#[derive(Debug)]
pub(crate) struct Network {
    node: Node,
    /// Host and port of the door.
    pub(crate) door: String,
    /// URL of the workers' port.
    pub(crate) grpc: String,
    http: String,
    client: reqwest::Client,
}

impl Network {
    /// Starts it below `folder` with this program for checks, and with these settings besides.
    pub(crate) async fn start(folder: &Path, options: &Options, light: Value, more: Table) -> Result<Self> {
        let mut node = Node::new("hierophant", process::beside("hierophant")?, folder.join("coordinator"));
        // A finished proof answers nobody a second time: each call is a proof of its own.
        let settings = toml! {
            listen = "127.0.0.1"
            grpc_port = 0
            http_port = 0
            artifacts.min_free_space = "64MiB"
            [miden]
            calls_per_second = 0
            queue = 1000
            queue_timeout = "10m"
            grace = "0s"
            [[miden.listeners]]
            listen = "127.0.0.1"
            port = 0
            kinds = ["transaction"]
            lines = ["0.15"]
        };
        for (key, value) in settings.into_iter().chain(more) {
            node.set(&key, value);
        }
        node.set("provers", Value::Array(vec![light]))
            .set("log.filter", options.log.as_str());
        let addresses = node.start_until_written("addresses.json", PATIENCE).await;
        let door = addresses["miden"][0].as_str().context("the door's address")?.to_owned();
        let url = |name: &str| format!("http://{}", addresses[name].as_str().unwrap_or_default());
        Ok(Self {
            node,
            door,
            grpc: url("grpc"),
            http: url("http"),
            client: hierophant_testkit::http_client(),
        })
    }

    /// A caller on a connection of its own.
    pub(crate) fn caller(&self) -> Result<RemoteWorker> {
        caller(&self.door)
    }

    /// Starts the worker program with this prover, which is stopped when dropped.
    pub(crate) fn worker(&self, folder: &Path, prover: &Path) -> Result<Node> {
        let mut node = Node::new("worker", process::beside("contemplant")?, folder.join("worker"));
        let mut table = toml! { kinds = ["transaction"] };
        table.insert("executable".to_owned(), host::text(prover)?.into());
        node.set("coordinator", self.grpc.as_str())
            .set("http_port", 0)
            .set("provers", Value::Array(vec![Value::Table(table)]));
        node.start();
        Ok(node)
    }

    /// A page of the operators.
    pub(crate) async fn page(&self, path: &str) -> Result<Json> {
        Ok(serde_json::from_slice(&self.get(path).await?)?)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.client.get(format!("{}{path}", self.http)).send().await?;
        Ok(answer.error_for_status()?.bytes().await?.to_vec())
    }

    /// The sum of a metric's values that have all of these labels, written `name="value"`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let text = String::from_utf8(self.get("/metrics").await?)?;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let own = lines.filter(|(key, _)| {
            let rest = key.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                && labels.iter().all(|label| key.contains(label))
        });
        Ok(own.filter_map(|(_, value)| value.parse::<f64>().ok()).sum())
    }

    /// Waits until so many calls wait for a worker at the door.
    pub(crate) async fn queued(&self, count: u32) -> Result<()> {
        try_wait_until(&format!("{count} queued calls"), PATIENCE, async || {
            let queued = self.metric("hierophant_miden_queue", &[]).await;
            let queued = queued.map_err(|error| error.to_string())?;
            let there = (queued - f64::from(count)).abs() < 0.5;
            there.then_some(()).ok_or_else(|| queued.to_string())
        })
        .await?;
        Ok(())
    }

    /// Waits until so many workers offer proofs.
    pub(crate) async fn workers(&self, count: usize) -> Result<()> {
        try_wait_until(&format!("{count} workers"), PATIENCE, async || {
            let page = self.page("/contemplants").await.map_err(|error| error.to_string())?;
            let workers = page["workers"].as_array().map_or(&[][..], Vec::as_slice);
            let offers = |worker: &&Json| worker["capabilities"].as_array().is_some_and(|list| !list.is_empty());
            let there = workers.iter().filter(offers).count() >= count;
            there.then_some(()).ok_or_else(|| page.to_string())
        })
        .await?;
        Ok(())
    }

    /// Stops it in order.
    pub(crate) async fn finish(mut self) {
        self.node.terminate(PATIENCE).await;
    }
}

/// A caller of this host and port.
pub(crate) fn caller(address: &str) -> Result<RemoteWorker> {
    Ok(RemoteWorker::connect_lazy(address, Generation::B)?)
}

/// A `[[provers]]` table of the line's own prover.
pub(crate) fn light(prover: &Path) -> Result<Value> {
    let mut table = Table::new();
    table.insert("system".to_owned(), SYSTEM.into());
    table.insert("executable".to_owned(), host::text(prover)?.into());
    Ok(Value::Table(table))
}
