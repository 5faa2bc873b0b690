//! Puts the coordinator together from its settings, runs it until a signal, and takes it apart in order.
//!
//! Order of the end: no new calls and streams, background duties, checks, store. Whatever is cut is safe: nothing was
//! acknowledged that is not on disk.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{Path as UrlPath, Query, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hierophant_artifacts::{BlobSettings, BlobStore, http::HttpLimits};
use hierophant_config::settings::hierophant::{LightProver, Settings};
use hierophant_core::{
    Core, CoreSettings,
    ports::{Clients, Operators, Workers},
};
use hierophant_domain::{Name, RequestId, RetryPolicy, time::Millis, worker::StrikePolicy};
use hierophant_prover_protocol::{
    host::ProverSpec,
    pool::{LightPool, PoolConfig},
    proto::Role,
};
use hierophant_store::{
    Store, SystemClock,
    sqlite::{SqliteOptions, SqliteStore},
};
use hierophant_telemetry::Traces;
use hierophant_worker_link::server::{LinkSettings, WorkerLinkService};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{checker::Checks, cli::VERSION, doors, miden, recorder, remote_provers, servers};

/// How long background duties may take to end.
const DUTIES_GRACE: Duration = Duration::from_secs(5);
/// The file in the data directory that names where the ports really are, for tools on the same machine.
const ADDRESSES_FILE: &str = "addresses.json";

/// Runs the coordinator until SIGINT or SIGTERM; a second one ends it at once.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(end_on_signal(stop.clone()));
        coordinate(settings, stop, |_| ()).await
    })
}

async fn end_on_signal(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be listened to; end the process with SIGKILL");
        return;
    };
    for round in 0..2 {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        if round == 0 {
            tracing::info!("stopping; a second signal ends it at once");
            stop.cancel();
        }
    }
    std::process::exit(1);
}

/// Coordinates until `stop` is cancelled. `ready` is called once, when both ports listen and the file with their addresses
/// is written; it gets the core for whoever submits in this process.
pub async fn coordinate(settings: &Settings, stop: CancellationToken, ready: impl FnOnce(&Core)) -> anyhow::Result<()> {
    let data = &settings.data_directory;
    std::fs::create_dir_all(data).with_context(|| format!("cannot make the data directory {}", data.display()))?;
    let grpc = servers::bind(settings.grpc_address(), "gRPC").await?;
    let http = servers::bind(settings.http_address(), "HTTP").await?;
    let (grpc_address, http_address) = (grpc.local_addr()?, http.local_addr()?);
    let tls = match (&settings.tls.certificate, &settings.tls.key) {
        (Some(certificate), Some(key)) => Some(servers::tls(certificate, key)?),
        (None | Some(_), _) => None,
    };
    let metrics = recorder::install()?;
    let traces = Traces::start("hierophant", VERSION)?;

    let store: Arc<dyn Store> = Arc::new(open_store(settings).await?);
    let blobs = BlobStore::open(BlobSettings {
        root: settings.artifact_directory(),
        min_free_bytes: settings.artifacts.min_free_space.bytes(),
    })
    .await
    .with_context(|| {
        format!(
            "cannot use the artifact directory {}",
            settings.artifact_directory().display()
        )
    })?;
    let checks = Arc::new(checks(settings, data)?);
    let public_url = settings.public_http_url(http_address);
    let core = Core::new(
        store.clone(),
        blobs.clone(),
        checks.clone(),
        core_settings(settings, &public_url),
    )
    .await?;
    let duties = core.start(&stop);
    let (provers, provers_ended) = remote_provers::start(settings, &core, store, stop.clone()).await?;

    let miden = miden::open(settings, &core, provers.clone(), &stop).await?;
    let grpc_router = grpc_router(settings, &core, stop.clone()).await?;
    let http_router = http_router(settings, &core, &blobs, metrics).merge(hierophant_remote_provers::router(provers));
    write_addresses(data, grpc_address, http_address, &miden::addresses(&miden)?)?;
    if settings.mock_mode {
        tracing::warn!("MOCK MODE: proofs made now prove nothing");
    }
    tracing::info!(
        version = VERSION,
        "hierophant is ready: gRPC on {grpc_address}, HTTP on {http_address}"
    );
    ready(&core);
    let servers = async {
        tokio::join!(
            servers::serve(grpc, grpc_router, tls.clone(), stop.clone()),
            servers::serve(http, http_router, tls.clone(), stop.clone()),
            miden::serve(miden, tls.clone(), stop.clone()),
        )
    };
    servers.await;
    let ended = async { tokio::join!(duties.wait(), provers_ended) };
    if tokio::time::timeout(DUTIES_GRACE, ended).await.is_err() {
        tracing::warn!("background duties did not end in time and are cut");
    }
    checks.shutdown().await;
    traces.stop().await;
    tracing::info!("hierophant has stopped");
    Ok(())
}

async fn open_store(settings: &Settings) -> anyhow::Result<SqliteStore> {
    let options = SqliteOptions {
        max_live_requests: settings.limits.max_live_requests,
        max_live_requests_per_requester: settings.limits.max_requests_per_principal,
        retry: RetryPolicy {
            max_attempts: settings.retry.max_attempts,
            max_prover_failures: settings.retry.max_prover_failures,
            ..RetryPolicy::default()
        },
        strikes: StrikePolicy {
            max_strikes: settings.workers.max_strikes,
            quarantine: settings.workers.quarantine.into(),
        },
        ..SqliteOptions::new(settings.database_file())
    };
    tokio::task::spawn_blocking(move || SqliteStore::open(options, Arc::new(SystemClock)))
        .await?
        .with_context(|| format!("cannot use the database {}", settings.database_file().display()))
}

fn core_settings(settings: &Settings, public_http_url: &str) -> CoreSettings {
    let checks = settings
        .provers
        .iter()
        .map(|prover| processes(settings) * prover.calls as usize)
        .max()
        .unwrap_or(1);
    CoreSettings {
        public_http_url: public_http_url.trim_end_matches('/').to_owned(),
        url_lifetime: settings.artifacts.url_lifetime.into(),
        min_lifetime: settings.min_lifetime.into(),
        max_upload: settings.artifacts.max_upload.bytes(),
        heartbeat: settings.workers.heartbeat_interval.into(),
        link_grace: settings.workers.link_grace.into(),
        gone_after: settings
            .workers
            .heartbeat_timeout
            .max(settings.workers.link_grace)
            .into(),
        proof_timeout: settings.workers.proof_timeout.into(),
        progress_interval: settings.workers.required_progress_interval.into(),
        execute_max_cycles: settings.verify.max_cycles,
        checks,
        check_hold: Millis::from(settings.verify.timeout).plus_secs(60),
        collect_after: settings.artifacts.collect_after.into(),
        mock: settings.mock_mode,
        inline_bytes: settings.limits.inline_artifact.bytes(),
        guest_log_bytes: settings.limits.guest_log.bytes(),
        version: VERSION.to_owned(),
        ..CoreSettings::default()
    }
}

fn processes(settings: &Settings) -> usize {
    settings.verify.processes as usize
}

fn checks(settings: &Settings, data: &Path) -> anyhow::Result<Checks> {
    let scratch = data.join("scratch");
    std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let scratch = scratch.canonicalize()?;
    let _ = hierophant_prover_protocol::host::remove_stale_scratch(&scratch);
    let mut pools = BTreeMap::new();
    for prover in &settings.provers {
        let system = Name::new(&prover.system)?;
        let spec = light_spec(settings, prover, &scratch);
        let config = PoolConfig {
            processes: processes(settings),
            calls_per_process: prover.calls as usize,
            ..PoolConfig::default()
        };
        let pool = LightPool::new(spec.clone(), config);
        anyhow::ensure!(
            pools.insert(system, (pool, spec)).is_none(),
            "two [[provers]] tables name the system {}",
            prover.system
        );
    }
    Ok(Checks {
        pools,
        timeout: settings.verify.timeout,
        scratch,
    })
}

fn light_spec(settings: &Settings, prover: &LightProver, scratch: &Path) -> ProverSpec {
    ProverSpec {
        args: prover.args.clone(),
        options: prover.options.clone(),
        role: Role::Light,
        memory_limit_bytes: Some(settings.verify.memory.bytes()),
        ..ProverSpec::new(&prover.executable, scratch)
    }
}

async fn grpc_router(settings: &Settings, core: &Core, stop: CancellationToken) -> anyhow::Result<Router> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    let workers: Arc<dyn Workers> = Arc::new(core.clone());
    let link = WorkerLinkService::new(
        workers,
        LinkSettings::new(settings.worker_token.clone(), VERSION),
        stop.clone(),
    );
    let mut routes = tonic::service::Routes::new(health).add_service(link.into_server());
    let mut reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    if settings.sp1.enabled {
        let clients: Arc<dyn Clients> = Arc::new(core.clone());
        routes = hierophant_door_sp1::services(clients, doors::sp1(settings)?)
            .await?
            .mount(routes);
        reflection = reflection.register_encoded_file_descriptor_set(hierophant_door_sp1::FILE_DESCRIPTOR_SET);
    }
    let reflection = reflection.build_v1().context("the reflection service cannot be made")?;
    tokio::spawn(async move {
        stop.cancelled().await;
        reporter
            .set_service_status("", tonic_health::ServingStatus::NotServing)
            .await;
    });
    Ok(routes.add_service(reflection).into_axum_router())
}

fn http_router(
    settings: &Settings,
    core: &Core,
    blobs: &BlobStore,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) -> Router {
    let operators: Arc<dyn Operators> = Arc::new(core.clone());
    let info = hierophant_dashboard::BuildInfo {
        release: env!("CARGO_PKG_VERSION").to_owned(),
        commit: Some(env!("HIEROPHANT_COMMIT"))
            .filter(|commit| *commit != "unknown")
            .map(str::to_owned),
        mock_mode: settings.mock_mode,
    };
    let outputs = Router::new()
        .route("/outputs/{request}/{name}", get(output))
        .with_state(core.clone());
    hierophant_dashboard::router(operators, info, move || metrics.render())
        .merge(hierophant_artifacts::http::router(
            Arc::new(core.clone()),
            blobs.clone(),
            HttpLimits::default(),
        ))
        .merge(outputs)
}

/// An output that is kept in the database.
async fn output(
    State(core): State<Core>,
    UrlPath((request, name)): UrlPath<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let token = query.get("token").map_or("", String::as_str);
    let Ok(request) = request.parse::<RequestId>() else {
        return (axum::http::StatusCode::NOT_FOUND, "no such output\n").into_response();
    };
    match core.inline_output(request, &name, token).await {
        Ok(bytes) => bytes.into_response(),
        Err(denied) => denied.into_response(),
    }
}

/// Tells tools on this machine where the ports are. Written aside and renamed, so that it is read whole or not at all.
fn write_addresses(data: &Path, grpc: SocketAddr, http: SocketAddr, miden: &[SocketAddr]) -> anyhow::Result<()> {
    let text = serde_json::json!({
        "grpc": grpc.to_string(),
        "http": http.to_string(),
        "miden": miden.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pid": std::process::id(),
    });
    let (aside, file) = (data.join("addresses.json.new"), data.join(ADDRESSES_FILE));
    std::fs::write(&aside, format!("{text}\n")).and_then(|()| std::fs::rename(&aside, &file))?;
    Ok(())
}
