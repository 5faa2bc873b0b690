//! Workers that listen, as processes: ours, and upstream's published one.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use anyhow::{Context as _, Result};
use hierophant_testkit::{Launch, Process, try_wait_until};
use serde_json::Value as Json;

use super::network::{PATIENCE, caller};
use crate::{host, process};

/// One of them, for transactions. Killed with its provers when dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl Listening {
    /// `contemplant miden serve` with this prover, ready.
    pub(crate) async fn ours(folder: &Path, prover: &Path) -> Result<Self> {
        let file = folder.join("listening.json");
        let mut launch = Launch::new(&process::beside("contemplant")?, &folder.join("listening.log"));
        let (addresses, prover) = (host::text(&file)?, host::text(prover)?);
        let scratch = host::text(&folder.join("scratch"))?;
        let mut arguments = vec!["miden", "serve", "--localhost", "--kind", "transaction"];
        arguments.extend(["--port", "0", "--http-port", "0", "--timeout", "10m"]);
        arguments.extend(["--address-file", &addresses, "--prover", &prover]);
        arguments.extend(["--scratch-directory", &scratch]);
        launch.arguments = arguments.into_iter().map(Into::into).collect();
        let process = Process::start(&launch);
        let address = try_wait_until("the listening worker's address", PATIENCE, async || {
            let text = std::fs::read(&file).map_err(|error| error.to_string())?;
            let addresses: Json = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let address = addresses["grpc"].as_str().map(str::to_owned);
            address.ok_or_else(|| addresses.to_string())
        })
        .await?;
        Self { process, address }.ready().await
    }

    /// Upstream's worker, ready. It binds to all addresses of the machine and cannot be told otherwise.
    pub(crate) async fn upstream(folder: &Path, program: &Path) -> Result<Self> {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = probe.local_addr()?.port();
        drop(probe);
        let mut launch = Launch::new(program, &folder.join("upstream.log"));
        let text = port.to_string();
        let arguments = ["--kind", "transaction", "--port", &text, "--capacity", "2"];
        launch.arguments = arguments.into_iter().map(Into::into).collect();
        let listening = Self {
            process: Process::start(&launch),
            address: format!("{}:{port}", Ipv4Addr::LOCALHOST),
        };
        listening.ready().await
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    async fn ready(self) -> Result<Self> {
        let caller = caller(&self.address)?;
        let waiting = try_wait_until("a listening worker that serves", PATIENCE, async || {
            let serves = caller.healthy(PATIENCE).await;
            serves.then_some(()).ok_or_else(|| "it does not".to_owned())
        });
        let waited = waiting.await;
        waited.with_context(|| self.process.log())?;
        Ok(self)
    }
}
