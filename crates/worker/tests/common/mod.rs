//! A real contemplant with the mock prover, a coordinator with a fake core, and a small artifact server.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part"
)]

#[path = "../../../worker-link/tests/common/mod.rs"]
pub mod link;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use hierophant_core::ports::{AssignedInput, AssignedTask, Assignment, InputSource};
use hierophant_domain::{ArtifactId, LeaseToken, Name};
use hierophant_testkit::{Binaries, CutableProxy, Node, leftovers, wait_until};
use link::{Coordinator, Fake, PATIENCE};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use toml::Value;
use uuid::Uuid;

/// Blobs over HTTP.
#[derive(Debug, Default)]
pub struct Blobs {
    stored: Mutex<HashMap<String, Vec<u8>>>,
    fetched: Mutex<Vec<String>>,
    bearers: Mutex<Vec<String>>,
    /// Answers 503 to uploads.
    pub down: AtomicBool,
    pub refused: AtomicBool,
}

impl Blobs {
    pub fn get(&self, id: &str) -> Option<Vec<u8>> {
        self.stored.lock().unwrap().get(id).cloned()
    }

    pub fn put(&self, id: &str, bytes: impl Into<Vec<u8>>) {
        self.stored.lock().unwrap().insert(id.to_owned(), bytes.into());
    }

    pub fn was_fetched(&self, id: &str) -> bool {
        self.fetched.lock().unwrap().iter().any(|fetched| fetched == id)
    }

    pub fn bearers(&self) -> Vec<String> {
        self.bearers.lock().unwrap().clone()
    }
}

async fn download(State(blobs): State<Arc<Blobs>>, Path(id): Path<String>) -> Result<Vec<u8>, StatusCode> {
    blobs.fetched.lock().unwrap().push(id.clone());
    blobs.get(&id).ok_or(StatusCode::NOT_FOUND)
}

async fn upload(
    State(blobs): State<Arc<Blobs>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if blobs.down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let bearer = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    blobs.bearers.lock().unwrap().push(bearer.to_owned());
    blobs.put(&id, body.to_vec());
    (StatusCode::CREATED, String::new())
}

/// Everything that a worker needs around it.
#[derive(Debug)]
pub struct World {
    pub core: Arc<Fake>,
    pub coordinator: Coordinator,
    pub proxy: CutableProxy,
    pub blobs: Arc<Blobs>,
    pub worker: Node,
    blobs_address: SocketAddr,
    blobs_server: JoinHandle<()>,
    folder: TempDir,
}

/// A `[[provers]]` table for the mock.
pub fn mock(arguments: &[&str], options: &[(&str, &str)]) -> toml::Table {
    let mut prover = toml::Table::new();
    let executable = Binaries::built().find("prover-mock").to_str().unwrap().to_owned();
    prover.insert("executable".into(), executable.into());
    let arguments: Vec<Value> = arguments.iter().map(|argument| (*argument).into()).collect();
    prover.insert("args".into(), arguments.into());
    let mut table = toml::Table::new();
    for (key, value) in options.iter().chain(&[("any_program_id", "true")]) {
        table.insert((*key).into(), (*value).into());
    }
    prover.insert("options".into(), table.into());
    prover
}

impl World {
    /// With a started worker that has one mock prover and serves `core`.
    pub async fn start(settings: &[(&str, Value)]) -> Self {
        let mut world = Self::prepare(settings).await;
        world.worker.start();
        world.core.serves("core").await;
        world
    }

    /// Without starting the worker.
    pub async fn prepare(settings: &[(&str, Value)]) -> Self {
        let core = Fake::new();
        let coordinator = Coordinator::start(&core, |_| {}).await;
        let proxy = CutableProxy::start(Some(coordinator.address)).await;
        let blobs = Arc::new(Blobs::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let blobs_address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/artifacts/{id}", get(download).put(upload))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&blobs));
        let blobs_server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::Builder::new().prefix("contemplant-").tempdir().unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_contemplant"));
        let mut worker = Node::new("contemplant", program, folder.path().join("worker"));
        worker.set("coordinator", proxy.url()).set("http_port", 0);
        worker
            .set("reconnect.min", "20ms")
            .set("reconnect.max", "200ms")
            .set("log.filter", "info,contemplant=debug");
        worker.set("provers", vec![Value::from(mock(&[], &[]))]);
        for (key, value) in settings {
            worker.set(key, value.clone());
        }
        Self {
            core,
            coordinator,
            proxy,
            blobs,
            worker,
            blobs_address,
            blobs_server,
            folder,
        }
    }

    /// A task whose program is this script of the mock.
    pub fn task(&self, script: &str, more: Vec<AssignedInput>) -> AssignedTask {
        let mut inputs = vec![link::inline("program", format!("mock:{script};"))];
        inputs.extend(more);
        let mut task = link::task(inputs);
        task.upload_url = format!("http://{}/artifacts", self.blobs_address);
        task
    }

    /// Leases it.
    pub async fn lease(&self, script: &str) -> LeaseToken {
        self.assign(self.task(script, vec![])).await
    }

    pub async fn assign(&self, task: AssignedTask) -> LeaseToken {
        let token = task.token;
        self.core.assign(Assignment::Lease(Box::new(task))).await;
        token
    }

    /// An input at a URL.
    pub fn at_url(&self, name: &'static str, id: &str, size: u64) -> AssignedInput {
        let url = format!("http://{}/artifacts/{id}", self.blobs_address);
        AssignedInput {
            name: Name::literal(name),
            source: InputSource::Artifact {
                id: ArtifactId(Uuid::now_v7()),
                url,
            },
            sha256: None,
            size,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.worker.data()
    }

    /// Names in a folder of the worker's data.
    pub fn listed(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.data().join(folder))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Waits until the coordinator has everything, and the worker has forgotten it.
    pub async fn nothing_held(&self) {
        wait_until("no result held", PATIENCE, async || {
            let held = self.listed("held");
            if held.is_empty() {
                Ok(())
            } else {
                Err(format!("{held:?}"))
            }
        })
        .await;
    }

    /// Waits until a result is written whole.
    pub async fn result_held(&self, token: LeaseToken) {
        let entry = self
            .data()
            .join("held")
            .join(token.0.simple().to_string())
            .join("entry");
        wait_until("a result held on disk", PATIENCE, async || {
            if entry.exists() {
                Ok(())
            } else {
                Err(format!("no {}", entry.display()))
            }
        })
        .await;
    }

    /// Waits until nothing that the worker started is there any more.
    pub async fn no_processes(&self) {
        wait_until("no process of the worker", PATIENCE, async || {
            match &leftovers(self.folder.path())[..] {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .await;
    }

    /// Gets a page of the health server: status and body.
    pub async fn page(&self, path: &str) -> Result<(u16, String), String> {
        let file: &FilePath = &self.data().join("addresses.json");
        let text = std::fs::read(file).map_err(|error| error.to_string())?;
        let addresses: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let url = format!("http://{}{path}", addresses["http"].as_str().unwrap_or_default());
        let asked = hierophant_testkit::http_client().get(url).send().await;
        let answer = asked.map_err(|error| error.to_string())?;
        Ok((
            answer.status().as_u16(),
            answer.text().await.map_err(|error| error.to_string())?,
        ))
    }

    /// Waits until a page is as wanted.
    pub async fn page_is(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) {
        wait_until(path, Duration::from_secs(20), async || {
            let (status, text) = self.page(path).await?;
            if wanted(status, &text) {
                Ok(())
            } else {
                Err(format!("{status} {text}"))
            }
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.blobs_server.abort();
    }
}
