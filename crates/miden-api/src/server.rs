//! The router of one listener: both generations, statuses, health, reflection, gRPC-Web and CORS.
//!
//! Layers, from the socket inwards: CORS, gRPC-Web, who calls (`caller`), and on `Prove` alone whether the call is let in
//! and how long it may take (`gate`). Statuses and health pass no gate, so that they answer while every prover works.

mod caller;
mod desk;
mod gate;
mod generation_b;
mod generation_c;
mod health;
mod rate;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use http::{HeaderName, Method, header};
use tonic::service::RoutesBuilder;
use tonic_health::pb::health_server::HealthServer;
use tonic_web::GrpcWebLayer;
use tower::Layer as _;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    BadSettings, FILE_DESCRIPTOR_SET, Line, Proving, ServerSettings,
    proto::{b, c},
};
use desk::Desk;
use gate::Gate;
use generation_b::GenerationB;
use generation_c::GenerationC;

pub use health::HealthHandle;

/// How long a browser may keep what a preflight told it: upstream's value.
const CORS_MAX_AGE: Duration = Duration::from_hours(24);
/// What a page of another origin may read of an answer's headers.
const CORS_EXPOSED: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];
/// What a page of another origin may send.
const CORS_ALLOWED: [HeaderName; 4] = [
    HeaderName::from_static("x-grpc-web"),
    header::CONTENT_TYPE,
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];
/// Largest message of any call but `Prove`, in bytes: statuses have none, health and reflection have a name.
const STATUS_MESSAGE_BYTES: usize = 4 << 10;
/// How the reflection service calls itself.
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";

/// One listener's services. The caller owns the socket, and tells of a connection's peer by the request extension
/// [`tonic::transport::server::TcpConnectInfo`].
#[derive(Clone, Debug)]
pub struct Server {
    router: Router,
    health: HealthHandle,
}

/// Makes the services over `proving`. Their health is NOT_SERVING until [`HealthHandle::serving`] says otherwise.
///
/// # Errors
/// Settings by which nothing can be served.
pub fn server(proving: Arc<dyn Proving>, settings: ServerSettings) -> Result<Server, BadSettings> {
    settings.check()?;
    let gate = Arc::new(Gate::new(settings.rate, Arc::clone(&proving)));
    let desk = move |line: Line, settings| Arc::new(Desk::new(Arc::clone(&proving), line, settings));
    let mut mounted = Mounted::default();
    if let Some(line) = settings.generation_b {
        mounted.generation_b(&desk(line, &settings), &settings);
    }
    if let Some(line) = settings.generation_c {
        mounted.generation_c(&desk(line, &settings), &settings);
    }
    let health = mounted.health();
    mounted.reflection();

    let gate = middleware::from_fn_with_state(gate, gate::admit);
    let trust = Arc::new(caller::Trust::new(settings.trusted_proxies));
    let identify = middleware::from_fn_with_state(trust, caller::identify);
    let provers = mounted.provers.routes().into_axum_router();
    let services = mounted.others.routes().into_axum_router();
    // One fallback for both: UNIMPLEMENTED.
    let services = services
        .merge(provers.reset_fallback().route_layer(gate))
        .layer(identify);
    let web = GrpcWebLayer::new().layer(services);
    Ok(Server {
        router: Router::new().fallback_service(web).layer(cors()),
        health,
    })
}

impl Server {
    /// The handle by which health is set.
    pub fn health(&self) -> HealthHandle {
        self.health.clone()
    }

    /// The routes, for HTTP/1.1 and HTTP/2.
    pub fn into_router(self) -> Router {
        self.router
    }
}

/// What was mounted so far.
#[derive(Default)]
struct Mounted {
    /// The services that prove: they pass the gate.
    provers: RoutesBuilder,
    /// Their full names, for health.
    prover_names: Vec<&'static str>,
    /// The other services.
    others: RoutesBuilder,
    /// Full names of all, for reflection.
    names: Vec<&'static str>,
}

impl Mounted {
    fn generation_b(&mut self, desk: &Arc<Desk>, settings: &ServerSettings) {
        let services = GenerationB(Arc::clone(desk));
        let prover = b::api_server::ApiServer::new(services.clone());
        self.provers
            .add_service(prover.max_decoding_message_size(settings.max_message_bytes));
        self.prover_names.push(b::api_server::SERVICE_NAME);
        let worker = b::worker_status_api_server::WorkerStatusApiServer::new(services.clone());
        self.others
            .add_service(worker.max_decoding_message_size(STATUS_MESSAGE_BYTES));
        self.names
            .extend([b::api_server::SERVICE_NAME, b::worker_status_api_server::SERVICE_NAME]);
        if settings.proxy_status {
            let proxy = b::proxy_status_api_server::ProxyStatusApiServer::new(services);
            self.others
                .add_service(proxy.max_decoding_message_size(STATUS_MESSAGE_BYTES));
            self.names.push(b::proxy_status_api_server::SERVICE_NAME);
        }
    }

    fn generation_c(&mut self, desk: &Arc<Desk>, settings: &ServerSettings) {
        let services = GenerationC(Arc::clone(desk));
        let prover = c::prover_service_server::ProverServiceServer::new(services.clone());
        self.provers
            .add_service(prover.max_decoding_message_size(settings.max_message_bytes));
        self.prover_names.push(c::prover_service_server::SERVICE_NAME);
        let worker = c::worker_status_service_server::WorkerStatusServiceServer::new(services.clone());
        self.others
            .add_service(worker.max_decoding_message_size(STATUS_MESSAGE_BYTES));
        self.names.extend([
            c::prover_service_server::SERVICE_NAME,
            c::worker_status_service_server::SERVICE_NAME,
        ]);
        if settings.proxy_status {
            let proxy = c::proxy_status_service_server::ProxyStatusServiceServer::new(services);
            self.others
                .add_service(proxy.max_decoding_message_size(STATUS_MESSAGE_BYTES));
            self.names.push(c::proxy_status_service_server::SERVICE_NAME);
        }
    }

    fn health(&mut self) -> HealthHandle {
        let handle = HealthHandle::new(self.prover_names.clone());
        let health = HealthServer::new(health::Service::new(&handle));
        self.others
            .add_service(health.max_decoding_message_size(STATUS_MESSAGE_BYTES));
        self.names.push(tonic_health::pb::health_server::SERVICE_NAME);
        handle
    }

    /// Reflection names what is mounted, itself included, and describes no more than the descriptors of this crate.
    fn reflection(&mut self) {
        let mut reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        self.names.push(REFLECTION);
        for name in &self.names {
            reflection = reflection.with_service_name(*name);
        }
        let reflection = reflection.build_v1().expect("descriptors made at build time decode");
        self.others
            .add_service(reflection.max_decoding_message_size(STATUS_MESSAGE_BYTES));
    }
}

/// Upstream's answers, on which wallets in browsers depend.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_credentials(true)
        .allow_methods([Method::POST, Method::OPTIONS])
        .allow_headers(CORS_ALLOWED)
        .expose_headers(CORS_EXPOSED)
        .max_age(CORS_MAX_AGE)
}
