//! A network for the stock SDK: programs are set up, executed and proofs checked for real, and the proofs are replayed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use hierophant_testkit::{Binaries, Cluster, Setup, try_wait_until};
use serde_json::Value;
use toml::Table;

use super::{
    raw::{Ledger, Raw},
    replay,
};
use crate::{
    e2e::client::Client,
    env::{Env, Workspace},
};

/// One slot is for the proof that is held over the whole run, one for all else.
const SLOTS: u32 = 2;
/// How long the light prover may take to get ready and do what was asked, on a machine that does other things too.
pub(super) const SOON: Duration = Duration::from_mins(4);
/// The key of `sp1-client`.
const CLIENT_KEY: u8 = 1;

/// A copy of this program in a folder. A build that runs meanwhile, one of this very program's too, replaces the file that it was
/// started from.
fn own_program(folder: &Path) -> Result<PathBuf> {
    let copy = folder.join("xtask");
    std::fs::copy("/proc/self/exe", &copy).context("this program cannot be copied")?;
    Ok(copy)
}

#[derive(Debug)]
pub(super) struct Stock {
    pub(super) cluster: Cluster,
    pub(super) ledger: Ledger,
    /// Recorded proofs, and what is released.
    pub(super) folder: PathBuf,
    program: PathBuf,
    guests: PathBuf,
}

impl Stock {
    /// Starts it over the proofs in `folder`.
    pub(super) async fn start(env: &Env, folder: &Path, ledger: &Ledger) -> Result<Self> {
        let mut cluster = Cluster::start(with_light(env, Setup::default())).await;
        let mut replay = Table::new();
        let own = own_program(cluster.folder())?;
        replay.insert("executable".to_owned(), own.to_string_lossy().into_owned().into());
        let arguments = ["e2e", "sp1", "--replay-prover", &folder.to_string_lossy()]
            .map(toml::Value::from)
            .to_vec();
        replay.insert("args".to_owned(), arguments.into());
        cluster
            .add_worker(&[
                ("provers", vec![toml::Value::Table(replay)].into()),
                ("slots", SLOTS.into()),
            ])
            .await;
        try_wait_until("the prover that gives the recorded proofs", SOON, async || {
            let page = cluster.json("/contemplants").await?;
            let offers = page["workers"][0]["capabilities"].as_array().map_or(0, Vec::len);
            if offers > 0 { Ok(()) } else { Err(page.to_string()) }
        })
        .await?;
        Ok(Self {
            cluster,
            ledger: ledger.clone(),
            folder: folder.to_owned(),
            program: client_program(env),
            guests: env.root().join("guests/sp1/elf"),
        })
    }

    /// The stock client with a guest of this repository.
    pub(super) fn client(&self, guest: &str) -> Client {
        self.client_at(guest, &self.cluster.grpc_url())
    }

    /// The same with another URL.
    pub(super) fn client_at(&self, guest: &str, url: &str) -> Client {
        Client::of_sp1(&self.program, url, &self.guests.join(format!("{guest}.elf")))
    }

    /// The stock client with the program and input of the recorded proofs, its proof held until `hold` is released.
    pub(super) fn recorded(&self, url: &str, hold: Option<&str>) -> Client {
        let number = replay::NUMBER.to_string();
        let client = self.client_at("fibonacci", url).with(&["--stdin-u32", &number]);
        match hold {
            Some(name) => client.with(&["--stdin-hex", &hex::encode(format!("hold:{name}"))]),
            None => client,
        }
    }

    /// Lets the proofs that are held for a name go.
    pub(super) fn release(&self, name: &str) -> Result<()> {
        replay::release(&self.folder, name)
    }

    /// A raw client of the account that the stock client asks with.
    pub(super) fn raw(&self) -> Result<Raw> {
        Raw::new(&self.cluster.grpc_url(), CLIENT_KEY, &self.ledger)
    }

    /// What the SDK decodes of a request's details.
    pub(super) async fn details(&self, id: &str, network: &str) -> Result<Details> {
        let events = self
            .client("fibonacci")
            .with(&["--network", network, "--details", id])
            .run()
            .await?;
        let event = event(&events, "details")?;
        Ok(Details(event["details"].clone()))
    }

    /// Waits until the worker has so many tasks in hand.
    pub(super) async fn wait_for_work(&self, count: usize) -> Result<()> {
        try_wait_until(&format!("{count} tasks at the worker"), SOON, async || {
            let page = self.cluster.json("/contemplants").await?;
            let work = page["workers"][0]["working_on"].as_array().map_or(usize::MAX, Vec::len);
            if work == count { Ok(()) } else { Err(page.to_string()) }
        })
        .await?;
        Ok(())
    }

    /// Waits until clients have asked for a status so many times more. Right after, an SDK that polls every two seconds has
    /// no call open.
    pub(super) async fn wait_for_polls(&self, count: f64) -> Result<()> {
        let polls = || {
            self.cluster
                .metric("hierophant_sp1_rpcs_total{rpc=\"GetProofRequestStatus\"")
        };
        let before = polls().await.map_err(anyhow::Error::msg)?;
        try_wait_until(&format!("{count} polls"), SOON, async || {
            let seen = polls().await? - before;
            if seen >= count {
                Ok(())
            } else {
                Err(format!("{seen} polls"))
            }
        })
        .await?;
        Ok(())
    }
}

/// A coordinator that checks with prover-sp1.
pub(super) fn with_light(env: &Env, setup: Setup) -> Setup {
    let mut light = Table::new();
    light.insert("system".to_owned(), "sp1".into());
    light.insert(
        "executable".to_owned(),
        env.prover_executable("sp1").to_string_lossy().into_owned().into(),
    );
    setup
        .binaries(Binaries::in_folder(env.target(&Workspace::Main).join("debug")))
        .coordinator("provers", vec![toml::Value::Table(light)])
        .coordinator("verify.processes", 1)
}

/// The client on the SDK that the provers are built with.
pub(super) fn client_program(env: &Env) -> PathBuf {
    env.target(&Workspace::Prover("sp1".to_owned()))
        .join("release/sp1-client")
}

/// The first event of a name.
pub(super) fn event<'a>(events: &'a [Value], name: &str) -> Result<&'a Value> {
    events
        .iter()
        .find(|event| event["event"] == name)
        .with_context(|| format!("the client said no {name:?}"))
}

/// The id of the request that a client made.
pub(super) fn request_id(requested: &Value) -> Result<String> {
    Ok(requested["request_id"].as_str().context("an id")?.to_owned())
}

/// The bytes of an id as the client prints it.
pub(super) fn id_bytes(id: &str) -> Result<Vec<u8>> {
    Ok(hex::decode(id.trim_start_matches("0x"))?)
}

/// The client's own verify must have accepted the proof.
pub(super) fn verified(events: &[Value]) -> Result<()> {
    let event = event(events, "verified")?;
    ensure!(
        event["public_values_bytes"] == 12,
        "public values of another program: {event}"
    );
    Ok(())
}

/// A request's details as the client prints them: JSON, or the SDK's debug text, which names every field.
#[derive(Debug)]
pub(super) struct Details(pub(super) Value);

impl Details {
    /// The field must be this: a number, or the SDK's name of it.
    pub(super) fn expect(&self, field: &str, number: u64, name: &str) -> Result<()> {
        let found = self.field(field).with_context(|| format!("no {field} in {}", self.0))?;
        ensure!(
            found == number.to_string() || found == name,
            "{field} was to be {number}, not {found}: {}",
            self.0
        );
        Ok(())
    }

    fn field(&self, field: &str) -> Option<String> {
        if let Some(value) = self.0.get(field) {
            return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let text = self.0.as_str()?;
        let mark = format!("{field}: ");
        let start = text.find(&mark)? + mark.len();
        let rest = &text[start..];
        let end = rest.find([',', ' ', '}']).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_from_both_forms() {
        let text = Details(
            "ProofRequest { cycle_limit: 18446744073709551615, execution_status: Unexecutable, error: 1 }".into(),
        );
        text.expect("cycle_limit", u64::MAX, "").unwrap();
        text.expect("execution_status", 3, "Unexecutable").unwrap();
        assert!(text.expect("execution_status", 2, "Executed").is_err());
        Details(serde_json::json!({"execution_status": 3}))
            .expect("execution_status", 3, "Unexecutable")
            .unwrap();
    }
}
