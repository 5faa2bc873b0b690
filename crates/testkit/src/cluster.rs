//! A coordinator with its workers, on loopback.
//!
//! Clients and workers reach the coordinator through proxies whose addresses hold over its restarts, while it takes
//! free ports at each start. Each worker has a proxy of its own, so that one can be cut off alone.

use std::{net::SocketAddr, path::Path, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::{
    Binaries, CutableProxy, Leftover, Node, leftovers,
    settings::set,
    wait::{try_wait_until, wait_until},
};

/// How long a program may take from its start until it listens, and from a signal to its end. Generous: a machine that
/// runs all tests at once is slow, and a program that hangs is found all the same.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the coordinator writes into its data folder once both ports are bound: `{"grpc": ADDRESS, "http": ADDRESS}`.
const ADDRESSES: &str = "addresses.json";
/// Set to keep the folder of a test, with settings, data and logs.
const KEEP_VARIABLE: &str = "HIEROPHANT_TESTKIT_KEEP";

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    binaries: Binaries,
    coordinator: Table,
    variables: Vec<(String, String)>,
    worker_variables: Vec<(String, String)>,
    mock_arguments: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            binaries: Binaries::built(),
            coordinator: Table::new(),
            variables: Vec::new(),
            worker_variables: Vec::new(),
            mock_arguments: Vec::new(),
        }
    }
}

impl Setup {
    /// Takes the programs from there.
    #[must_use]
    pub fn binaries(mut self, binaries: Binaries) -> Self {
        self.binaries = binaries;
        self
    }

    /// Sets a setting of the coordinator (a dotted key).
    #[must_use]
    pub fn coordinator(mut self, key: &str, value: impl Into<Value>) -> Self {
        set(&mut self.coordinator, key, value);
        self
    }

    /// Sets a variable of the coordinator's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of every worker's environment.
    #[must_use]
    pub fn worker_variable(mut self, name: &str, value: &str) -> Self {
        self.worker_variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Arguments of the mock prover, the coordinator's and the workers': `--system`, `NAME=TOOLCHAIN:KIND,KIND`.
    /// Without any it serves the system "mock".
    #[must_use]
    pub fn mock_prover(mut self, arguments: &[&str]) -> Self {
        self.mock_arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// The systems that the mock prover serves.
    fn systems(&self) -> Vec<String> {
        let named: Vec<String> = self
            .mock_arguments
            .iter()
            .filter_map(|argument| Some(argument.split_once('=')?.0.trim_start_matches("--system=").to_owned()))
            .collect();
        if named.is_empty() {
            vec!["mock".to_owned()]
        } else {
            named
        }
    }

    fn prover(&self, system: Option<&str>) -> Value {
        let mut prover = Table::new();
        if let Some(system) = system {
            set(&mut prover, "system", system);
        }
        set(
            &mut prover,
            "executable",
            self.binaries.find("prover-mock").to_string_lossy().into_owned(),
        );
        set(&mut prover, "args", self.mock_arguments.clone());
        Value::Table(prover)
    }
}

/// The cluster. Dropping it kills everything; [`finish`](Cluster::finish) checks that nothing had to be.
#[derive(Debug)]
pub struct Cluster {
    setup: Setup,
    coordinator: Node,
    workers: Vec<Worker>,
    grpc: CutableProxy,
    http: CutableProxy,
    /// Where the coordinator listens now; none while it is known to be down.
    bound: Option<Bound>,
    /// When the coordinator was started last.
    started: jiff::Timestamp,
    client: reqwest::Client,
    /// Last, so that the folder goes after everything that uses it.
    folder: TempDir,
}

#[derive(Debug)]
struct Worker {
    node: Node,
    link: CutableProxy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    grpc: SocketAddr,
    http: SocketAddr,
}

impl Cluster {
    /// Starts a coordinator without workers and waits until it listens.
    ///
    /// # Panics
    /// When a program is missing or does not start.
    pub async fn start(setup: Setup) -> Self {
        let mut folder = tempfile::Builder::new()
            .prefix("hierophant-")
            .tempdir()
            .expect("a temporary folder");
        folder.disable_cleanup(std::env::var_os(KEEP_VARIABLE).is_some());
        let (grpc, http) = (CutableProxy::start(None).await, CutableProxy::start(None).await);
        let home = folder.path().join("coordinator");
        let mut coordinator = Node::new("hierophant", setup.binaries.find("hierophant"), home);
        coordinator
            .set("listen", "127.0.0.1")
            .set("grpc_port", 0)
            .set("http_port", 0);
        coordinator.set("public_http_url", http.url());
        let provers: Vec<Value> = setup
            .systems()
            .iter()
            .map(|system| setup.prover(Some(system)))
            .collect();
        coordinator.set("provers", provers);
        merge(&mut coordinator, "", &setup.coordinator);
        for (name, value) in &setup.variables {
            coordinator.variable(name, Some(value));
        }
        let client = crate::http_client();
        let mut cluster = Self {
            setup,
            coordinator,
            workers: Vec::new(),
            grpc,
            http,
            bound: None,
            started: jiff::Timestamp::MIN,
            client,
            folder,
        };
        cluster.start_coordinator().await;
        cluster
    }

    /// Starts the coordinator again, on the same data and under the same addresses, and waits until it listens.
    ///
    /// # Panics
    /// When it runs, ends, or does not listen in time.
    pub async fn start_coordinator(&mut self) {
        self.lead_to(None);
        self.started = jiff::Timestamp::now();
        let written = self.coordinator.start_until_written(ADDRESSES, PATIENCE).await;
        let address = |name: &str| {
            let text = written[name].as_str().unwrap_or_default();
            text.parse()
                .unwrap_or_else(|_| panic!("{ADDRESSES} names no address {name:?}: {written}"))
        };
        self.lead_to(Some(Bound {
            grpc: address("grpc"),
            http: address("http"),
        }));
    }

    /// Kills the coordinator with SIGKILL.
    ///
    /// # Panics
    /// When it was never started.
    pub fn kill9_coordinator(&mut self) -> ExitStatus {
        let status = self.coordinator.kill9();
        self.lead_to(None);
        status
    }

    /// Sends the coordinator SIGTERM and waits for its end.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub async fn terminate_coordinator(&mut self) -> ExitStatus {
        let status = self.coordinator.terminate(PATIENCE).await;
        self.lead_to(None);
        status
    }

    /// Waits until the coordinator ends of itself, at a fail point, say.
    ///
    /// # Panics
    /// When it does not within `bound`.
    pub async fn wait_for_coordinator_end(&mut self, bound: Duration) -> ExitStatus {
        let status = self.coordinator.wait_for_end(bound).await;
        self.lead_to(None);
        status
    }

    /// The ports of a coordinator that is down may be anybody's: nothing leads there.
    fn lead_to(&mut self, bound: Option<Bound>) {
        self.bound = bound;
        self.grpc.retarget(bound.map(|bound| bound.grpc));
        self.http.retarget(bound.map(|bound| bound.http));
        for worker in &self.workers {
            worker.link.retarget(bound.map(|bound| bound.grpc));
        }
    }

    /// Starts one worker more, with these settings, and returns its number. It need not have registered yet.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn add_worker(&mut self, settings: &[(&str, Value)]) -> usize {
        let number = self.workers.len();
        let name = format!("worker-{number}");
        let link = CutableProxy::start(self.bound.map(|bound| bound.grpc)).await;
        let mut node = Node::new(
            &name,
            self.setup.binaries.find("contemplant"),
            self.folder.path().join(&name),
        );
        node.set("coordinator", link.url())
            .set("name", name)
            .set("http_port", 0)
            .set("listen", "127.0.0.1");
        node.set("reconnect.min", "50ms").set("reconnect.max", "500ms");
        node.set("provers", vec![self.setup.prover(None)]);
        for (name, value) in &self.setup.worker_variables {
            node.variable(name, Some(value));
        }
        for (key, value) in settings {
            node.set(key, value.clone());
        }
        node.start();
        self.workers.push(Worker { node, link });
        number
    }

    /// A worker's program: to be killed, changed, started.
    ///
    /// # Panics
    /// When there is no such worker, here and in [`link`](Self::link).
    pub fn worker(&mut self, number: usize) -> &mut Node {
        &mut self.workers[number].node
    }

    /// The proxy between one worker and the coordinator's gRPC.
    pub fn link(&self, number: usize) -> &CutableProxy {
        &self.workers[number].link
    }

    /// The coordinator's program: its log, its data, and settings for its next start.
    pub fn coordinator(&mut self) -> &mut Node {
        &mut self.coordinator
    }

    /// The proxy between clients and the coordinator's gRPC.
    pub fn grpc_proxy(&self) -> &CutableProxy {
        &self.grpc
    }

    /// The proxy to the coordinator's HTTP, for clients and workers.
    pub fn http_proxy(&self) -> &CutableProxy {
        &self.http
    }

    /// Where clients reach gRPC. Holds over restarts.
    pub fn grpc_url(&self) -> String {
        self.grpc.url()
    }

    /// Where clients reach HTTP. Holds over restarts.
    pub fn http_url(&self) -> String {
        self.http.url()
    }

    /// The folder of this cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the coordinator itself serves gRPC, beside the proxy; it keeps this port over restarts from now on. A port that nobody
    /// listens on refuses connections, which the proxy, listening on, cannot play.
    ///
    /// # Panics
    /// When the coordinator is down.
    pub fn pin_grpc(&mut self) -> SocketAddr {
        let address = self.bound.expect("the coordinator is up").grpc;
        self.coordinator.set("grpc_port", i64::from(address.port()));
        address
    }

    /// Where the coordinator's Miden door listens: the first listener of its settings.
    ///
    /// # Panics
    /// When it has none, or was never started.
    pub fn miden_address(&self) -> String {
        let file = self.coordinator.data().join(ADDRESSES);
        let written = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let written: serde_json::Value = serde_json::from_slice(&written).expect("the coordinator writes JSON");
        let address = written["miden"][0].as_str();
        address.expect("the settings have a Miden listener").to_owned()
    }

    /// Asks the coordinator for a page of JSON, whatever its status. `Err` says what was in the way, in words.
    pub async fn json(&self, path: &str) -> Result<serde_json::Value, String> {
        let body = self.page(path).await?;
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}: {}", String::from_utf8_lossy(&body)))
    }

    /// The coordinator's metrics whose name and labels begin with `start`, added up; 0 where there are none. `Err` says
    /// what was in the way, in words.
    pub async fn metric(&self, start: &str) -> Result<f64, String> {
        let body = self.page("/metrics").await?;
        let text = String::from_utf8_lossy(&body);
        let values = text.lines().filter(|line| line.starts_with(start));
        let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Asks the coordinator for a page as it is, whatever its status. `Err` says what was in the way, in words.
    pub async fn page(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("{}{path}", self.http_url());
        let response = self
            .client
            .get(&url)
            .send()
            .await
            .map_err(|error| format!("{url}: {error:?}"))?;
        let body = response.bytes().await.map_err(|error| format!("{url}: {error:?}"))?;
        Ok(body.into())
    }

    /// Waits until the coordinator says that it can accept requests.
    ///
    /// # Panics
    /// When it does not within `bound`.
    pub async fn wait_until_ready(&self, bound: Duration) {
        wait_until("a coordinator that is ready", bound, async || {
            let page = self.json("/readyz").await?;
            if page["ready"] == true {
                Ok(())
            } else {
                Err(page.to_string())
            }
        })
        .await;
    }

    /// Waits until exactly `count` workers (up to 100) are alive for the coordinator and connected to it since its last
    /// start.
    ///
    /// # Panics
    /// When they are not within `bound`.
    pub async fn wait_for_workers(&self, count: usize, bound: Duration) {
        wait_until(&format!("{count} workers alive"), bound, async || {
            let page = self.json("/contemplants?limit=100").await?;
            let workers = page["workers"].as_array().map_or(&[][..], Vec::as_slice);
            let alive = workers
                .iter()
                .filter(|worker| worker["liveness"] == "alive" && self.is_new(worker))
                .count();
            if alive == count { Ok(()) } else { Err(page.to_string()) }
        })
        .await;
    }

    /// Pages show milliseconds; so the start is cut to them, too.
    fn is_new(&self, worker: &serde_json::Value) -> bool {
        let connected = worker["connected_at"]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok());
        connected.is_some_and(|at| at.as_millisecond() >= self.started.as_millisecond())
    }

    /// Ends workers and coordinator with SIGTERM and checks that no process is left, provers included. To be called at
    /// the end of every test that got that far.
    ///
    /// # Panics
    /// When something does not end, or is left after `bound`.
    pub async fn finish(mut self, bound: Duration) {
        for worker in &mut self.workers {
            if worker.node.is_running() {
                worker.node.terminate(PATIENCE).await;
            }
        }
        if self.coordinator.is_running() {
            self.terminate_coordinator().await;
        }
        let gone = try_wait_until("the end of all processes", bound, async || {
            let left = leftovers(self.folder.path());
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
        if let Err(timed_out) = gone.await {
            panic!("{timed_out}");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Processes that were started by ours may be in groups of their own, and may start others while they are
        // killed: until there are none. Ours are killed first, so that nobody starts them again.
        self.workers.clear();
        if self.coordinator.is_running() {
            self.coordinator.kill9();
        }
        for _ in 0..100 {
            let left = leftovers(self.folder.path());
            if left.is_empty() {
                return;
            }
            left.iter().for_each(kill);
        }
    }
}

fn kill(leftover: &Leftover) {
    if let Some(pid) = Pid::from_raw(leftover.pid) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Sets every value of a table under its dotted key, so that defaults beside it stay.
fn merge(node: &mut Node, prefix: &str, table: &Table) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => merge(node, &format!("{key}."), inner),
            value => {
                node.set(&key, value.clone());
            }
        }
    }
}
