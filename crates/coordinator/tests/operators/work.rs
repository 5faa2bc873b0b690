//! A network in which everything happens that Miden's metrics count: calls that are proved, joined, refused and too many, a worker
//! that dialled in, an attached one that proves falsely and one that is not there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use hierophant_miden_api::{
    Generation, Kind, Line, ProveCall, Proving, Refusal, ServerSettings, WorkerStatus,
    client::{CallContext, RemoteError, RemoteWorker},
    server,
};
use hierophant_testkit::{Cluster, Setup};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use toml::{Table, Value};

/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";
/// The longest that one call may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// When a caller gives up who expects nothing.
const SOON: Duration = Duration::from_secs(2);
/// Calls that wait at a time; one more is refused.
const QUEUE: i64 = 2;
/// Calls a second that one address may make.
const CALLS_PER_SECOND: i64 = 20;

pub(crate) struct Network {
    pub(crate) cluster: Cluster,
    door: RemoteWorker,
    rounds: u32,
}

impl Network {
    pub(crate) async fn start() -> Self {
        let listener = table(&[("port", Value::Integer(0))]);
        let attached = [NOBODY.to_owned(), false_worker().await.to_string()];
        let attached = attached.map(|address| table(&[("address", address.into())]));
        let setup = Setup::default()
            .mock_prover(&["--system", "miden-0.15=0.15:transaction,batch,block"])
            .coordinator("miden.listeners", vec![listener])
            .coordinator("miden.queue", QUEUE)
            .coordinator("miden.calls_per_second", CALLS_PER_SECOND)
            // Nobody is sent away for what is proved falsely here.
            .coordinator("workers.max_strikes", 1_000_000)
            .coordinator("remote_provers", attached.to_vec());
        let mut cluster = Cluster::start(setup).await;
        cluster.add_worker(&[]).await;
        let door = RemoteWorker::connect_lazy(&cluster.miden_address(), Generation::B).unwrap();
        Self {
            cluster,
            door,
            rounds: 0,
        }
    }

    /// Another round of calls, each with witnesses of its own.
    pub(crate) async fn work(&mut self) {
        self.rounds += 1;
        let round = self.rounds;
        let witness = |n| format!("mock:prove_ms=100; {round} {n}");
        // More than may wait, and more than one address may ask for in a second.
        let calls = (0..2 * CALLS_PER_SECOND).map(|n| self.call(witness(n), PATIENCE));
        let answers = join_all(calls).await;
        assert!(
            answers.iter().any(|answer| matches!(answer, Err(RemoteError::Busy(_)))),
            "{answers:?}"
        );
        // One that has just been proved.
        if let Some(n) = answers.iter().position(Result::is_ok) {
            let n = i64::try_from(n).unwrap();
            let _ = self.call(witness(n), PATIENCE).await;
        }
        // One whose proof is wrong wherever it is made: its caller leaves while it is tried again.
        let _ = self.call(format!("mock:lie=forged; {round}"), SOON).await;
    }

    async fn call(&self, witness: String, patience: Duration) -> Result<Bytes, RemoteError> {
        let context = CallContext {
            request_id: "operators",
            trace: None,
        };
        self.door
            .prove(Kind::Transaction, witness.into(), context, patience)
            .await
    }
}

fn table(entries: &[(&str, Value)]) -> Value {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    Value::Table(entries.collect::<Table>())
}

/// A worker of others that proves falsely.
#[derive(Debug)]
struct False;

#[async_trait]
impl Proving for False {
    async fn prove(&self, _: ProveCall) -> Result<Bytes, Refusal> {
        Ok(Bytes::from_static(b"no proof"))
    }

    async fn workers(&self, _: Line) -> Vec<WorkerStatus> {
        Vec::new()
    }
}

async fn false_worker() -> SocketAddr {
    let settings = ServerSettings {
        generation_b: Some(Line::V0_15),
        kinds: [Kind::Transaction].into(),
        ..ServerSettings::new("0.1.0")
    };
    let server = server(Arc::new(False), settings).unwrap();
    server.health().serving(true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = tonic::service::Routes::from(server.into_router());
    let serving = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}
