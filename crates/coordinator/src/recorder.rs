//! The recorder of the coordinator's metrics: what each is, and the buckets of its histograms.
//!
//! Not here: what is counted, which is with whoever counts it.

use anyhow::Context as _;
use hierophant_dashboard::metrics::{CHECK_SECONDS, PROOF_SECONDS};
use hierophant_door_miden::metric as miden;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of a check's time, in seconds: a transaction is verified in milliseconds, a program executed in minutes.
const CHECK_BUCKETS: [f64; 13] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0,
];
/// Upper bounds of the time to a proof, in seconds: some take seconds, others the five hours that a worker is given by default.
const PROOF_BUCKETS: [f64; 14] = [
    0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 18_000.0,
];

/// Installs the recorder of this process, and describes to it all that this process counts.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let general = [(CHECK_SECONDS, &CHECK_BUCKETS[..]), (PROOF_SECONDS, &PROOF_BUCKETS)];
    let door = miden::HISTOGRAMS.map(|(name, _, bounds)| (name, bounds));
    let handle = general
        .into_iter()
        .chain(door)
        .try_fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder cannot be installed")?;
    hierophant_dashboard::metrics::describe();
    miden::describe();
    Ok(handle)
}
