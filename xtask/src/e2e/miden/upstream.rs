//! Upstream's published worker, installed from the registry, and one of its processes.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Result;
use hierophant_testkit::{Launch, Process, try_wait_until};
use tokio::net::TcpStream;

use crate::tools::Tool;

/// The last release of the line 0.15.
pub(crate) const WORKER: Tool = Tool::new("miden-remote-prover", "0.15.2");

/// How long it may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_mins(1);

/// A running worker. Dropping it kills it.
pub(crate) struct Worker {
    process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Worker {
    /// Starts a worker for one kind.
    pub(crate) async fn start(program: &Path, kind: &str, folder: &Path) -> Result<Self> {
        // It binds to all addresses of the machine and cannot be told otherwise.
        let address = super::network::free_address()?;
        let mut launch = Launch::new(program, &folder.join(format!("upstream-{}.log", address.port())));
        let port = address.port().to_string();
        let arguments = ["--kind", kind, "--port", &port, "--capacity", "2"];
        launch.arguments = arguments.iter().map(Into::into).collect();
        let process = Process::start(&launch);
        try_wait_until("upstream's worker listens", LISTENS_WITHIN, async || {
            TcpStream::connect(address)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await?;
        Ok(Self { process, address })
    }

    /// Kills it.
    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }
}
