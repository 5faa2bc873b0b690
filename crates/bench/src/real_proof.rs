//! What the network adds to a real proof: from acceptance to fulfilment without the prover's own time, of one core proof by the
//! stock SDK on a network of the real programs. Needs the SP1 prover's release folder and memory for it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use hierophant_testkit::Node;
use serde_json::Value as Json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};
use toml::{Table, Value, toml};

use crate::{
    Options,
    figure::{Target, figure, heading, say},
    host, process,
};

/// Memory that has to be free: what a small core proof takes at its highest, with the worker's and the light prover beside it.
const MEMORY_MIB: f64 = 12.0 * 1024.0;
/// The prover prepares its keys first.
const READY_WITHIN: Duration = Duration::from_mins(10);
/// One proof, by the client.
const PROOF_WITHIN: Duration = Duration::from_mins(15);
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn run(options: &Options) -> Result<()> {
    heading("Real proof: what the network adds to one core proof");
    let Some((prover, client, elf)) = programs(options) else {
        say(
            "   skipped: the SP1 prover is not built (`cargo xtask build-prover sp1`) or --sp1 and --elf are not given",
        );
        return Ok(());
    };
    let free = available_mib()?;
    if free < MEMORY_MIB {
        say(&format!(
            "   skipped: {MEMORY_MIB:.0} MiB of memory have to be free, {free:.0} are"
        ));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (mut coordinator, grpc, http) = coordinator(folder.path(), &prover, options).await?;
    let mut worker = worker(folder.path(), &prover, &grpc)?;
    worker.start();
    ready(&http).await?;
    // The first registers the program; the second is measured.
    for number in [20_u32, 21] {
        let arguments = ["--rpc", &grpc, "--mode", "core", "--network", "auction"];
        ask(&client, &elf, &arguments, number, "verified").await?;
    }
    measured(&http).await?;
    worker.terminate(PATIENCE).await;
    coordinator.terminate(PATIENCE).await;
    let local = ask(&client, &elf, &["local", "--mode", "core"], 21, "fulfilled").await?;
    let milliseconds = local["milliseconds"].as_f64().context("the client named no time")?;
    figure(
        "the SDK's own local proving of the same",
        milliseconds / 1000.0,
        "s",
        Target::None,
    );
    Ok(())
}

fn programs(options: &Options) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let folder = options.sp1.as_ref()?;
    let (prover, client) = (folder.join("prover-sp1"), folder.join("sp1-client"));
    let elf = options.elf.clone()?;
    (prover.is_file() && client.is_file() && elf.is_file()).then_some((prover, client, elf))
}

fn available_mib() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: f64 = line
        .and_then(|rest| rest.split_whitespace().next())
        .context("no MemAvailable")?
        .parse()?;
    Ok(kib / 1024.0)
}

async fn coordinator(folder: &Path, prover: &Path, options: &Options) -> Result<(Node, String, String)> {
    let mut node = Node::new("hierophant", process::beside("hierophant")?, folder.join("coordinator"));
    let mut light = Table::new();
    light.insert("system".to_owned(), "sp1".into());
    light.insert("executable".to_owned(), host::text(prover)?.into());
    node.set("grpc_port", 0)
        .set("http_port", 0)
        .set("log.filter", options.log.as_str());
    // One process: on a small machine two would take the prover's memory.
    node.set("verify.processes", 1)
        .set("provers", Value::Array(vec![Value::Table(light)]));
    let addresses = node.start_until_written("addresses.json", PATIENCE).await;
    let url = |name: &str| format!("http://{}", addresses[name].as_str().unwrap_or_default());
    Ok((node, url("grpc"), url("http")))
}

fn worker(folder: &Path, prover: &Path, grpc: &str) -> Result<Node> {
    let mut node = Node::new("worker", process::beside("contemplant")?, folder.join("worker"));
    let mut table = toml! { kinds = ["core"] };
    table.insert("executable".to_owned(), host::text(prover)?.into());
    node.set("coordinator", grpc)
        .set("http_port", 0)
        .set("provers", Value::Array(vec![Value::Table(table)]));
    Ok(node)
}

async fn page(url: &str) -> Result<Json> {
    let answer = hierophant_testkit::http_client().get(url).send().await?;
    let body = answer.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&body)?)
}

/// Until the worker offers core proofs.
async fn ready(http: &str) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < READY_WITHIN {
        if page(&format!("{http}/contemplants"))
            .await?
            .to_string()
            .contains("\"core\"")
        {
            say(&format!(
                "   the prover is ready after {:.0} s",
                begun.elapsed().as_secs_f64()
            ));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("the prover was not ready within {READY_WITHIN:?}")
}

/// Runs the client on the stock SDK; gives the event that was waited for.
async fn ask(client: &Path, elf: &Path, arguments: &[&str], number: u32, wanted: &str) -> Result<Json> {
    let mut command = Command::new(client);
    command
        .args(arguments)
        .arg("--elf")
        .arg(elf)
        .args(["--stdin-u32", &number.to_string()]);
    let mut child = command
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("standard output is piped")?;
    let talking = async {
        let (mut lines, mut found) = (BufReader::new(stdout).lines(), None);
        while let Some(line) = lines.next_line().await? {
            let event: Json = serde_json::from_str(&line)?;
            if event["event"] == wanted {
                found = Some(event);
            }
        }
        ensure!(child.wait().await?.success(), "the client failed");
        found.with_context(|| format!("the client never said {wanted:?}"))
    };
    tokio::time::timeout(PROOF_WITHIN, talking)
        .await
        .context("the proof did not come in time")?
}

/// Reads the times of the latest proof from the operators' pages.
async fn measured(http: &str) -> Result<()> {
    let history = page(&format!("{http}/proof-history?limit=1")).await?;
    let proof = &history["proofs"][0];
    let id = proof["request_id"].as_str().context("the history has no proof")?;
    let request = page(&format!("{http}/requests/{id}")).await?;
    let total = proof["total_seconds"].as_f64().context("no total time")?;
    let leased = proof["proof_seconds"].as_f64().context("no time of the lease")?;
    let outcome = &find(&request, "outcome").context("the request has no outcome")?;
    let proving = outcome["prover_seconds"].as_f64().context("no time of the prover")?;
    ensure!(proving > 0.0, "the prover reported no time of its own");
    figure("accepted to fulfilled", total, "s", Target::None);
    figure("leased to delivered", leased, "s", Target::None);
    figure("the prover's own time", proving, "s", Target::None);
    figure(
        "accepted to fulfilled, without the prover's own time",
        total - proving,
        "s",
        Target::AtMost(1.0),
    );
    Ok(())
}

/// A field of a page, however deep.
fn find<'a>(page: &'a Json, name: &str) -> Option<&'a Json> {
    match page {
        Json::Object(fields) => {
            let own = fields.get(name).filter(|value| !value.is_null());
            own.or_else(|| fields.values().find_map(|value| find(value, name)))
        }
        Json::Array(items) => items.iter().find_map(|item| find(item, name)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}
