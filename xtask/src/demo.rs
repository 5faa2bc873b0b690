//! `cargo xtask demo`: a network of one coordinator and one worker, a request by the stock SDK, a real proof, verified.
//!
//! Must stay true: what it shows is what happened, and nothing it started is left when it ends, however it ends.

use std::{
    fs,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    build_prover,
    env::{Env, Workspace},
    process::{self, Background},
};

/// How long the programs may take to be ready: the prover prepares its keys first.
const READY_WITHIN: Duration = Duration::from_mins(15);
/// How often the state of things is looked at, for people.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Width of the bar of progress, in characters.
const BAR: usize = 30;

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which Fibonacci number the guest computes.
    #[arg(long, default_value_t = 20)]
    n: u32,
    /// The kind of proof.
    #[arg(long, default_value = "core", value_parser = ["core", "compressed"])]
    mode: String,
}

pub(crate) fn run(env: &Env, args: &Args) -> Result<()> {
    step("Building the coordinator and the worker");
    process::run(env.cargo(&Workspace::Main)?.args([
        "build",
        "--locked",
        "--package",
        "hierophant",
        "--package",
        "contemplant",
    ]))?;
    step("Building the SP1 prover and a client on the stock SDK (10 to 20 minutes the first time)");
    build_prover::build(env, "sp1")?;
    let folder = tempfile::Builder::new().prefix("hierophant-demo-").tempdir()?;
    let network = Network::start(env, folder.path())?;
    network.wait_for_prover(&args.mode)?;
    request(env, args, &network)?;
    network.stop()?;
    println!("\nverified\n");
    println!("What to do next:");
    println!("  - point your own program at a network of yours: NETWORK_RPC_URL=http://127.0.0.1:9000");
    println!("  - set one up for good: docs/getting-started.md");
    println!("  - see what is served of the SP1 network's contract: docs/door-sp1.md");
    Ok(())
}

fn step(words: &str) {
    println!("\n== {words}");
}

/// One coordinator and one worker on free ports of this machine.
struct Network {
    coordinator: Background,
    worker: Background,
    grpc: String,
    http: String,
}

impl Network {
    fn start(env: &Env, folder: &Path) -> Result<Self> {
        let binaries = env.target(&Workspace::Main).join("debug");
        let prover = env.prover_executable("sp1");
        let (data, worker_data) = (folder.join("coordinator"), folder.join("worker"));
        step("Starting the coordinator");
        let config = settings(
            folder,
            "hierophant.toml",
            &json!({
                "grpc_port": 0, "http_port": 0, "data_directory": data,
                "provers": [{ "system": "sp1", "executable": prover }],
            }),
        )?;
        let log = folder.join("hierophant.log");
        let coordinator = Background::start(
            Command::new(binaries.join("hierophant")).arg("--config").arg(config),
            &log,
        )?;
        let addresses = wait_for("the coordinator's addresses", &[&coordinator], || {
            let text = fs::read_to_string(data.join("addresses.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })?;
        let address = |name: &str| addresses[name].as_str().map(|address| format!("http://{address}"));
        let grpc = address("grpc").context("the coordinator named no gRPC address")?;
        let http = address("http").context("the coordinator named no HTTP address")?;
        println!("   clients: NETWORK_RPC_URL={grpc}\n   operators: {http}/");
        step("Starting a worker with the SP1 prover");
        let config = settings(
            folder,
            "contemplant.toml",
            &json!({
                "coordinator": grpc, "http_port": 0, "data_directory": worker_data,
                "provers": [{ "executable": prover }],
            }),
        )?;
        let log = folder.join("contemplant.log");
        let worker = Background::start(
            Command::new(binaries.join("contemplant")).arg("--config").arg(config),
            &log,
        )?;
        Ok(Self {
            coordinator,
            worker,
            grpc,
            http,
        })
    }

    /// The prover prepares its keys for a minute or two; the worker offers the kind when it is ready.
    fn wait_for_prover(&self, kind: &str) -> Result<()> {
        let started = Instant::now();
        let mut bar = Bar::new();
        wait_for("the prover", &[&self.coordinator, &self.worker], || {
            bar.show(
                &format!("the prover prepares its keys: {} s", started.elapsed().as_secs()),
                0,
            );
            let page = get(&format!("{}/contemplants", self.http)).ok()?;
            page.to_string().contains(&format!("\"{kind}\"")).then_some(())
        })?;
        bar.end(&format!("the prover is ready after {} s", started.elapsed().as_secs()));
        Ok(())
    }

    fn stop(self) -> Result<()> {
        self.worker.stop()?;
        self.coordinator.stop()?;
        Ok(())
    }
}

/// Sends the request with the stock SDK and shows how it goes.
fn request(env: &Env, args: &Args, network: &Network) -> Result<()> {
    step(&format!("Asking for a {} proof with the stock sp1-sdk", args.mode));
    let client = env
        .target(&Workspace::Prover("sp1".to_owned()))
        .join("release/sp1-client");
    let elf = env.root().join("guests/sp1/elf/fibonacci.elf");
    let mut command = Command::new(client);
    command.args(["--rpc", &network.grpc, "--mode", &args.mode, "--network", "auction"]);
    command.arg("--elf").arg(elf).args(["--stdin-u32", &args.n.to_string()]);
    let (done, ended) = mpsc::sync_channel::<()>(1);
    let http = network.http.clone();
    let watcher = thread::spawn(move || watch(&http, &ended));
    let mut verified = false;
    let status = process::status_with_lines(&mut command, |line| {
        verified |= serde_json::from_str::<Value>(line).is_ok_and(|event| event["event"] == "verified");
    });
    drop(done);
    let _ = watcher.join();
    ensure!(status?.success(), "the client failed; what it said stands above");
    ensure!(verified, "the client ended without a verified proof");
    Ok(())
}

/// Shows the progress of the worker's lease until the other side of `ended` is dropped.
fn watch(http: &str, ended: &mpsc::Receiver<()>) {
    let mut bar = Bar::new();
    while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
        let Ok(page) = get(&format!("{http}/contemplants")) else {
            continue;
        };
        let progress = &page["workers"][0]["working_on"][0]["progress"];
        if let (Some(phase), Some(percent)) = (progress["phase"].as_str(), progress["percent"].as_f64()) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            bar.show(&format!("proving: {phase}"), percent as usize);
        }
    }
    bar.end("");
}

/// A line that is drawn over on a terminal; elsewhere a line for each new state.
struct Bar {
    terminal: bool,
    last: String,
}

impl Bar {
    fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            last: String::new(),
        }
    }

    fn show(&mut self, words: &str, percent: usize) {
        let filled = (percent * BAR / 100).min(BAR);
        let line = match percent {
            0 => format!("   {words}"),
            _ => format!(
                "   [{}{}] {percent:3} % {words}",
                "#".repeat(filled),
                ".".repeat(BAR - filled)
            ),
        };
        if self.terminal {
            print!("\r\x1b[K{line}");
            let _ = std::io::stdout().flush();
        } else if line != self.last && percent > 0 {
            println!("{line}");
        }
        self.last = line;
    }

    fn end(&self, words: &str) {
        if self.terminal {
            print!("\r\x1b[K");
        }
        if !words.is_empty() {
            println!("   {words}");
        }
    }
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

fn get(url: &str) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = reqwest::get(url).await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&body)?)
    })
}
