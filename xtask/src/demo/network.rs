//! One coordinator and one worker on free ports of this machine, for as long as a demonstration takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{bar::Bar, step};
use crate::{
    env::{Env, Workspace},
    process::{self, Background},
};

/// How long the programs may take to be ready: some provers prepare their keys first.
const READY_WITHIN: Duration = Duration::from_mins(15);
/// How often the state of things is looked at, for people.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a network is for.
pub(super) struct Purpose {
    /// The proof system.
    pub(super) system: &'static str,
    /// The folder of its prover in `provers/`.
    pub(super) prover: &'static str,
    /// Settings of the coordinator besides the usual ones.
    pub(super) coordinator: Value,
}

/// See the module.
pub(super) struct Network {
    coordinator: Background,
    worker: Background,
    /// What the coordinator wrote of its addresses.
    addresses: Value,
}

impl Network {
    pub(super) fn start(env: &Env, folder: &Path, purpose: &Purpose) -> Result<Self> {
        let binaries = env.target(&Workspace::Main).join("debug");
        let prover = env.prover_executable(purpose.prover);
        let (data, worker_data) = (folder.join("coordinator"), folder.join("worker"));
        step("Starting the coordinator");
        let mut config = json!({
            "grpc_port": 0, "http_port": 0, "data_directory": data,
            "provers": [{ "system": purpose.system, "executable": prover }],
        });
        if let (Some(config), Some(more)) = (config.as_object_mut(), purpose.coordinator.as_object()) {
            config.extend(more.clone());
        }
        let config = settings(folder, "hierophant.toml", &config)?;
        let coordinator = Background::start(
            Command::new(binaries.join("hierophant")).arg("--config").arg(config),
            &folder.join("hierophant.log"),
        )?;
        let addresses = wait_for("the coordinator's addresses", &[&coordinator], || {
            let text = fs::read_to_string(data.join("addresses.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })?;
        step("Starting a worker with the prover");
        let config = settings(
            folder,
            "contemplant.toml",
            &json!({
                "coordinator": url(&addresses["grpc"])?, "http_port": 0, "data_directory": worker_data,
                "provers": [{ "executable": prover }],
            }),
        )?;
        let worker = Background::start(
            Command::new(binaries.join("contemplant")).arg("--config").arg(config),
            &folder.join("contemplant.log"),
        )?;
        Ok(Self {
            coordinator,
            worker,
            addresses,
        })
    }

    /// Where clients of the SP1 network go.
    pub(super) fn grpc(&self) -> Result<String> {
        url(&self.addresses["grpc"])
    }

    /// Where operators go.
    pub(super) fn http(&self) -> Result<String> {
        url(&self.addresses["http"])
    }

    /// Where clients of the Miden remote prover go.
    pub(super) fn miden(&self) -> Result<String> {
        url(&self.addresses["miden"][0])
    }

    /// Waits until the worker offers the kind: its prover is ready then.
    pub(super) fn wait_for_prover(&self, kind: &str) -> Result<()> {
        let (started, http) = (Instant::now(), self.http()?);
        let mut bar = Bar::new();
        wait_for("the prover", &[&self.coordinator, &self.worker], || {
            bar.show(&format!("the prover gets ready: {} s", started.elapsed().as_secs()), 0);
            let page = get(&format!("{http}/contemplants")).ok()?;
            page.to_string().contains(&format!("\"{kind}\"")).then_some(())
        })?;
        bar.end(&format!("the prover is ready after {} s", started.elapsed().as_secs()));
        Ok(())
    }

    pub(super) fn stop(self) -> Result<()> {
        self.worker.stop()?;
        self.coordinator.stop()?;
        Ok(())
    }
}

fn url(address: &Value) -> Result<String> {
    let address = address
        .as_str()
        .context("the coordinator named no address of a port that it should have")?;
    Ok(format!("http://{address}"))
}

fn settings(folder: &Path, name: &str, settings: &Value) -> Result<PathBuf> {
    let file = folder.join(name);
    fs::write(&file, toml::to_string(settings)?).with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

/// Waits until `look` finds something, as long as the commands that it depends on run.
fn wait_for<T>(what: &str, commands: &[&Background], mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + READY_WITHIN;
    while Instant::now() < end {
        if process::interrupted() {
            bail!("interrupted while waiting for {what}");
        }
        if let Some(found) = look() {
            return Ok(found);
        }
        commands.iter().try_for_each(|command| command.check())?;
        thread::sleep(LOOK_EVERY);
    }
    bail!("{what} did not come within {} minutes", READY_WITHIN.as_secs() / 60)
}

pub(super) fn get(url: &str) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = reqwest::get(url).await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&body)?)
    })
}
