//! Remote provers in the coordinator: from its settings, and the operators' commands, which speak to a running coordinator over
//! HTTP.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use hierophant_config::settings::hierophant::Settings;
use hierophant_core::{Core, ports::Workers};
use hierophant_miden_api::Line;
use hierophant_remote_provers::{Address, OPERATOR_HEADER, Options, PATH, RemoteProverSettings, RemoteProvers};
use hierophant_store::Store;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::doors;

/// Where the commands find the coordinator, unless HIEROPHANT_URL says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:9010";
/// How long the coordinator may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Attaches what is remembered and what the settings file names.
pub(crate) async fn start(
    settings: &Settings,
    core: &Core,
    store: Arc<dyn Store>,
    stop: CancellationToken,
) -> anyhow::Result<(RemoteProvers, JoinHandle<()>)> {
    hierophant_remote_provers::metric::describe();
    let workers: Arc<dyn Workers> = Arc::new(core.clone());
    let pace = RemoteProverSettings {
        health_interval: settings.remote_prover.health_interval,
        connect_timeout: settings.remote_prover.connect_timeout,
        proof_timeout: settings.remote_prover.proof_timeout,
        ..RemoteProverSettings::default()
    };
    let started = RemoteProvers::start(workers, store, pace, configured(settings)?, stop).await;
    started.context("the remote provers cannot be attached")
}

/// Those that the settings file names.
fn configured(settings: &Settings) -> anyhow::Result<Vec<(Address, Options)>> {
    let mut found: Vec<(Address, Options)> = Vec::new();
    for table in &settings.remote_provers {
        let address: Address = table.address.parse().context("remote_provers")?;
        anyhow::ensure!(
            found.iter().all(|(known, _)| *known != address),
            "two [[remote_provers]] tables name {address}: remove one"
        );
        let options = Options {
            line: doors::miden_line(table.line),
            slots: table.slots,
        };
        found.push((address, options));
    }
    Ok(found)
}

/// Listening Miden workers of others that work for a running coordinator.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attaches a worker; it stays attached over restarts.
    Add {
        /// Where it listens.
        #[arg(value_name = "HOST:PORT")]
        address: Address,
        /// The line of the protocol that it serves: 0.15 or 0.18.
        #[arg(long, default_value = "0.15")]
        line: Line,
        /// Tasks that it is given at once.
        #[arg(long, default_value_t = 1)]
        slots: u32,
    },
    /// Removes a worker: it gets nothing more and finishes what it has.
    Remove {
        /// Where it listens.
        #[arg(value_name = "HOST:PORT")]
        address: Address,
    },
    /// Lists the attached workers with their health.
    List,
}

impl Command {
    /// Asks the coordinator, and says in words what it did.
    pub(crate) fn run(&self, url: Option<&str>) -> anyhow::Result<String> {
        let url = url.unwrap_or(DEFAULT_URL).trim_end_matches('/');
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(self.ask(url))?;
        Ok(match self {
            Self::Add { address, .. } => match answer["result"].as_str() {
                Some("known") => format!("{address} is attached already; nothing has changed\n"),
                _ => format!("{address} is attached; `hierophant remote-prover list` shows its health\n"),
            },
            Self::Remove { address } => match (answer["result"].as_str(), answer["busy"].as_u64()) {
                (Some("unknown"), _) => format!("{address} is not attached; nothing has changed\n"),
                (_, Some(busy @ 1..)) => {
                    format!("{address} gets nothing more and is gone when it has finished {busy}\n")
                }
                (_, Some(0) | None) => format!("{address} is removed\n"),
            },
            Self::List => table(&answer),
        })
    }

    async fn ask(&self, url: &str) -> anyhow::Result<Value> {
        let client = hierophant_artifacts::client::http_builder().timeout(PATIENCE).build()?;
        let at = format!("{url}{PATH}");
        let request = match self {
            Self::Add { address, line, slots } => {
                let wanted = json!({ "address": address.as_str(), "line": line.as_str(), "slots": slots });
                client
                    .post(at)
                    .header("content-type", "application/json")
                    .body(wanted.to_string())
            }
            Self::Remove { address } => client.delete(format!("{at}?address={}", escaped(address))),
            Self::List => client.get(at),
        };
        let sent = request.header(OPERATOR_HEADER, "1").send().await;
        let answer =
            sent.with_context(|| format!("no coordinator answers at {url}; set HIEROPHANT_URL to its HTTP address"))?;
        let (status, body) = (answer.status(), answer.text().await?);
        let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        if !status.is_success() {
            match body["message"].as_str() {
                Some(why) => bail!("the coordinator refused: {why}"),
                None => bail!("{url} answered {status}: is it the HTTP address of a coordinator of this release?"),
            }
        }
        Ok(body)
    }
}

/// An address inside a query: only the brackets of IPv6 need it.
fn escaped(address: &Address) -> String {
    address.as_str().replace('[', "%5B").replace(']', "%5D")
}

/// The list for people.
fn table(answer: &Value) -> String {
    let none = Vec::new();
    let provers = answer["remote_provers"].as_array().unwrap_or(&none);
    if provers.is_empty() {
        return "no remote prover is attached\n".to_owned();
    }
    let mut rows = vec![["ADDRESS", "LINE", "KIND", "VERSION", "HEALTH", "BUSY", "PROOFS", ""].map(str::to_owned)];
    rows.extend(provers.iter().map(|prover| {
        let text = |key: &str| prover[key].as_str().unwrap_or("-").to_owned();
        let health = if prover["leaving"] == true {
            "leaving".to_owned()
        } else {
            text("health")
        };
        let mut notes: Vec<String> = prover["reason"].as_str().map(str::to_owned).into_iter().collect();
        if prover["configured"] == true {
            notes.push("named in the settings file".to_owned());
        }
        let version = text("version");
        [
            text("address"),
            text("line"),
            text("kind"),
            if version.is_empty() { "-".to_owned() } else { version },
            health,
            format!("{}/{}", prover["busy"], prover["slots"]),
            prover["proofs"].to_string(),
            notes.join("; "),
        ]
    }));
    let widths: Vec<usize> = (0..8)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_a_table() {
        let answer = json!({ "remote_provers": [
            { "address": "10.0.0.7:50051", "line": "0.15", "kind": "transaction", "version": "0.15.2", "health": "healthy",
              "busy": 1, "slots": 2, "proofs": 12, "reason": null, "leaving": false, "configured": true },
            { "address": "[::1]:1", "line": "0.18", "kind": null, "version": "", "health": "unhealthy",
              "busy": 0, "slots": 1, "proofs": 0, "reason": "gone", "leaving": false, "configured": false },
        ] });
        let expected = "\
ADDRESS         LINE  KIND         VERSION  HEALTH     BUSY  PROOFS
10.0.0.7:50051  0.15  transaction  0.15.2   healthy    1/2   12      named in the settings file
[::1]:1         0.18  -            -        unhealthy  0/1   0       gone
";
        assert_eq!(table(&answer), expected);
        assert_eq!(
            table(&json!({ "remote_provers": [] })),
            "no remote prover is attached\n"
        );
    }
}
