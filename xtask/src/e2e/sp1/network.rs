//! The network under test: one coordinator, one worker with prover-sp1, and looks at both.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hierophant_testkit::{Binaries, Cluster, Setup, try_wait_until};
use serde_json::Value;
use toml::Table;

use crate::{
    e2e::{children::children_of, client::Client},
    env::{Env, Workspace},
};

/// Between two looks at the progress of a proof.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// How long the prover may take to prepare its keys.
const WARM_WITHIN: Duration = Duration::from_mins(12);

/// What a network makes.
#[derive(Clone, Copy, Debug)]
enum Proofs {
    Real,
    Mock,
}

pub(super) struct Network {
    pub(super) cluster: Cluster,
    pub(super) prover: PathBuf,
    client: PathBuf,
    guests: PathBuf,
}

impl Network {
    /// A network that proves.
    pub(super) async fn start(env: &Env) -> Self {
        Self::start_in(env, Proofs::Real).await
    }

    /// A network in mock mode.
    pub(super) async fn start_mock(env: &Env) -> Self {
        Self::start_in(env, Proofs::Mock).await
    }

    async fn start_in(env: &Env, proofs: Proofs) -> Self {
        let prover = env.prover_executable("sp1");
        let mut light = Table::new();
        light.insert("system".to_owned(), "sp1".into());
        light.insert("executable".to_owned(), prover.to_string_lossy().into_owned().into());
        let setup = Setup::default()
            .binaries(Binaries::in_folder(env.target(&Workspace::Main).join("debug")))
            .coordinator("provers", vec![toml::Value::Table(light)])
            .coordinator("verify.processes", 1)
            .coordinator("mock_mode", matches!(proofs, Proofs::Mock));
        let mut proving = Table::new();
        proving.insert("executable".to_owned(), prover.to_string_lossy().into_owned().into());
        if matches!(proofs, Proofs::Mock) {
            let mut options = Table::new();
            options.insert("mock_only".to_owned(), "true".into());
            proving.insert("options".to_owned(), options.into());
        }
        let mut cluster = Cluster::start(setup).await;
        cluster
            .add_worker(&[("provers", vec![toml::Value::Table(proving)].into())])
            .await;
        Self {
            cluster,
            prover,
            client: env
                .target(&Workspace::Prover("sp1".to_owned()))
                .join("release/sp1-client"),
            guests: env.root().join("guests/sp1/elf"),
        }
    }

    /// A client on the stock SDK with a guest of this repository.
    pub(super) fn client(&self, guest: &str) -> Client {
        Client::of_sp1(&self.client, &self.cluster.grpc_url(), &self.guest_elf(guest))
    }

    /// The ELF of a guest.
    pub(super) fn guest_elf(&self, name: &str) -> PathBuf {
        self.guests.join(format!("{name}.elf"))
    }

    /// Makes a forged proof.
    pub(super) async fn mangle(&self, proof: &Path, how: &str, out: &Path) -> Result<()> {
        let mut command = tokio::process::Command::new(&self.client);
        command
            .arg("mangle")
            .arg("--proof")
            .arg(proof)
            .args(["--how", how])
            .arg("--out")
            .arg(out);
        let output = command.output().await?;
        ensure!(
            output.status.success(),
            "the forgery {how} failed: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }

    /// Waits until the worker offers a kind.
    pub(super) async fn wait_for_kind(&self, kind: &str) -> Result<()> {
        try_wait_until(&format!("a worker that proves {kind}"), WARM_WITHIN, async || {
            let worker = self.worker().await.map_err(|error| error.to_string())?;
            let kinds = worker["capabilities"].as_array().map_or(&[][..], Vec::as_slice);
            if kinds.iter().any(|offer| offer["kind"] == kind) {
                Ok(())
            } else {
                Err(worker.to_string())
            }
        })
        .await?;
        Ok(())
    }

    /// The worker as operators see it.
    pub(super) async fn worker(&self) -> Result<Value> {
        let page = self.cluster.json("/contemplants").await.map_err(anyhow::Error::msg)?;
        page["workers"].get(0).cloned().context("no worker is connected")
    }

    /// The newest request as operators see it.
    pub(super) async fn newest_request(&self) -> Result<Value> {
        let page = self
            .cluster
            .json("/requests?limit=1")
            .await
            .map_err(anyhow::Error::msg)?;
        let id = page["requests"][0]["id"]
            .as_str()
            .context("there is no request")?
            .to_owned();
        self.cluster
            .json(&format!("/requests/{id}"))
            .await
            .map_err(anyhow::Error::msg)
    }

    /// Waits until the worker reports progress of a proof in at least `percent`.
    pub(super) async fn wait_for_progress(&self, percent: f64, bound: Duration) -> Result<Value> {
        let seen = try_wait_until(&format!("progress of {percent} %"), bound, async || {
            let worker = self.worker().await.map_err(|error| error.to_string())?;
            let work = worker["working_on"][0].clone();
            if work["progress"]["percent"].as_f64().is_some_and(|now| now >= percent) {
                Ok(work)
            } else {
                Err(worker.to_string())
            }
        })
        .await?;
        Ok(seen)
    }

    /// Looks at the worker's progress for as long as something takes, and counts how often it rose.
    pub(super) async fn rises_during<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        let mut work = pin!(work);
        let (mut highest, mut rises) = (0.0, 0);
        loop {
            tokio::select! {
                done = &mut work => return (done, rises),
                () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            }
            // The coordinator may be away just now.
            let Ok(worker) = self.worker().await else { continue };
            let percent = worker["working_on"][0]["progress"]["percent"].as_f64();
            if let Some(percent) = percent.filter(|percent| *percent > highest) {
                (highest, rises) = (percent, rises + 1);
            }
        }
    }

    /// Waits until the worker has nothing in hand.
    pub(super) async fn wait_until_idle(&self, bound: Duration) -> Result<()> {
        try_wait_until("an idle worker", bound, async || {
            let worker = self.worker().await.map_err(|error| error.to_string())?;
            if worker["working_on"].as_array().is_some_and(Vec::is_empty) {
                Ok(())
            } else {
                Err(worker.to_string())
            }
        })
        .await?;
        Ok(())
    }

    /// The process ids of prover-sp1 that prove for the worker.
    pub(super) fn proving_processes(&mut self) -> Vec<i32> {
        let worker = self.cluster.worker(0).process().pid();
        children_of(worker, "prover-sp1")
    }

    pub(super) async fn finish(self) {
        self.cluster.finish(Duration::from_mins(1)).await;
    }
}
