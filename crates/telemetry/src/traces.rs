//! The exporter of spans: OTLP by gRPC, set up by OpenTelemetry's own variables and by nothing else.
//!
//! Variables: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>. Nothing is exported without an
//! endpoint.

use std::{env, ffi::OsStr, sync::OnceLock, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};

/// Either names the collector and switches the export on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// Either names the protocol; gRPC is the only one here, and the default.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// How long the last spans may take to leave when a program ends.
const LAST_SPANS: Duration = Duration::from_secs(3);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why no spans can be exported.
#[derive(Debug, thiserror::Error)]
pub enum BadTraces {
    /// A protocol that is not spoken here.
    #[error(
        "{variable} is {value:?}: spans are exported by gRPC alone; remove it or set it to grpc, and name the collector's gRPC port"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// The endpoint or another variable is not understood.
    #[error(
        "spans cannot be exported: {0}; correct OpenTelemetry's variables (OTEL_*), or remove the endpoint to export none"
    )]
    Exporter(#[from] ExporterBuildError),
}

/// The export of spans, if there is one. Lives as long as the program works.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins to export if the environment names a collector. Once per process, on its runtime. `service` is the name unless the
    /// environment has another.
    ///
    /// # Errors
    /// [`BadTraces`], when the environment names a collector that cannot be used.
    pub fn start(service: &'static str, version: &'static str) -> Result<Self, BadTraces> {
        if !ENDPOINTS.iter().any(|name| is_set(name)) {
            return Ok(Self(None));
        }
        for variable in PROTOCOLS {
            let value = env::var(variable).unwrap_or_default();
            if !value.is_empty() && value != "grpc" {
                return Err(BadTraces::Protocol { variable, value });
            }
        }
        let exporter = SpanExporter::builder().with_tonic().build()?;
        let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", version));
        if !names_a_service() {
            resource = resource.with_service_name(service);
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        // A second start in one process, as tests of whole programs have it, keeps the first tracer.
        let _ = TRACER.set(provider.tracer("hierophant"));
        tracing::info!("spans are exported by OpenTelemetry");
        Ok(Self(Some(provider)))
    }

    /// Sends what is left and ends the export.
    pub async fn stop(self) {
        let Some(provider) = self.0 else { return };
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// The tracer, where spans are exported.
pub(crate) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value != OsStr::new(""))
}

fn names_a_service() -> bool {
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    is_set("OTEL_SERVICE_NAME")
        || attributes
            .split(',')
            .any(|pair| pair.trim_start().starts_with("service.name="))
}
