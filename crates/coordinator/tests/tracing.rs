//! Spans, over real programs and a collector of our own: one trace from the client's span through the door, the queue, the checks,
//! the worker and its prover.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hierophant_domain::TraceContext;
use hierophant_miden_api::{
    Generation, Kind,
    client::{CallContext, RemoteWorker},
};
use hierophant_testkit::{Cluster, Setup, wait_until};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// The longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Every span of a request that is proved once, with its parent and its service.
const EXPECTED: [(&str, &str, &str); 9] = [
    ("deliver", "prove", "contemplant"),
    ("execute", "miden.prove", "hierophant"),
    ("fetch inputs", "prove", "contemplant"),
    ("miden.prove", "the client's", "hierophant"),
    ("prove", "miden.prove", "contemplant"),
    ("prover", "prove", "contemplant"),
    ("queue", "miden.prove", "hierophant"),
    ("verify", "miden.prove", "hierophant"),
    ("wait for a prover", "prove", "contemplant"),
];

/// Keeps the spans that it is sent, with the names of their services.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.into_iter().find(|pair| pair.key == "service.name").unwrap();
            let Some(Value::StringValue(name)) = name.value.unwrap().value else {
                panic!("a service's name is a text");
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.extend(spans.map(|span| (name.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts to collect; gives the endpoint.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = tonic::transport::Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        endpoint
    }

    /// Each span as its name, its parent's name and its service, in order.
    fn tree(&self) -> Vec<(String, String, String)> {
        let kept = self.0.lock().unwrap();
        let mut names: BTreeMap<Vec<u8>, &str> = kept
            .iter()
            .map(|(_, span)| (span.span_id.clone(), span.name.as_str()))
            .collect();
        let context = TraceContext::parse(TRACE).unwrap();
        names.insert(hex::decode(context.span_id()).unwrap(), "the client's");
        let named = |span: &Span| names.get(&span.parent_span_id).copied().unwrap_or("unknown").to_owned();
        let mut tree: Vec<_> = kept
            .iter()
            .map(|(service, span)| (span.name.clone(), named(span), service.clone()))
            .collect();
        tree.sort();
        tree
    }
}

/// A coordinator with a Miden door and a worker, which export their spans to `endpoint`; and a client of the door.
async fn network(endpoint: &str) -> (Cluster, RemoteWorker) {
    let listener = toml::Value::Table("port = 0".parse().unwrap());
    let mut setup = Setup::default()
        .mock_prover(&["--system", "miden-0.15=0.15:transaction"])
        .coordinator("miden.listeners", vec![listener]);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ] {
        setup = setup.variable(name, value).worker_variable(name, value);
    }
    let mut cluster = Cluster::start(setup).await;
    cluster.add_worker(&[]).await;
    let door = RemoteWorker::connect_lazy(&cluster.miden_address(), Generation::B).unwrap();
    (cluster, door)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_from_the_client_to_the_prover() {
    let collector = Collector::default();
    let endpoint = collector.start().await;
    let (cluster, door) = network(&endpoint).await;
    let trace = TraceContext::parse(TRACE).unwrap();
    let context = CallContext {
        request_id: "wallet-7",
        trace: Some(&trace),
    };
    door.prove(Kind::Transaction, "mock:prove_ms=50; secret".into(), context, PATIENCE)
        .await
        .unwrap();

    let expected: Vec<_> = EXPECTED
        .iter()
        .map(|&(name, parent, service)| (name.to_owned(), parent.to_owned(), service.to_owned()))
        .collect();
    wait_until("the spans are exported", PATIENCE, async || {
        let tree = collector.tree();
        if tree == expected {
            Ok(())
        } else {
            Err(format!("{tree:#?}"))
        }
    })
    .await;
    for (_, span) in collector.0.lock().unwrap().iter() {
        assert_eq!(hex::encode(&span.trace_id), trace.trace_id(), "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        assert!(
            !format!("{span:?}").contains("secret"),
            "a witness is in no span: {span:?}"
        );
    }
    cluster.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_no_proof() {
    let (cluster, door) = network("http://127.0.0.1:1").await;
    let proved = door
        .prove(Kind::Transaction, "mock:".into(), CallContext::default(), PATIENCE)
        .await;
    proved.unwrap();
    cluster.finish(PATIENCE).await;
}
