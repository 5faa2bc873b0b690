//! Metrics: every name is described, and a scrape shows what the store says.

use std::sync::Arc;

use hierophant_dashboard::{BuildInfo, metrics};
use hierophant_domain::{Timestamp, worker::Standing};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::{
    ask,
    fake::{Fake, dropped, small_network, unavailable, worker},
    pages,
};
use hierophant_core::ports::WorkerView;

/// Scrapes pages whose metrics are recorded by a recorder of this test's own.
async fn scrape(fake: Fake) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The runtime of a test has one thread, so that a recorder of this thread sees everything.
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    metrics::describe();
    let info = BuildInfo {
        release: "0.1.0".to_owned(),
        commit: None,
        mock_mode: false,
    };
    let router = hierophant_dashboard::router(Arc::new(fake), info, move || handle.render());
    ask(&router, "GET", "/metrics").await.2
}

#[tokio::test]
async fn a_scrape_shows_what_the_store_says() {
    let quarantined = hierophant_store::WorkerRow {
        standing: Standing {
            strikes: 2,
            quarantined_until: Some(Timestamp(i64::MAX)),
        },
        liveness: hierophant_domain::worker::Liveness::Stale,
        ..worker(1)
    };
    let mut fake = small_network();
    fake.here.extend([
        WorkerView {
            row: quarantined,
            working_on: Vec::new(),
        },
        dropped(2),
    ]);
    let text = scrape(fake).await;
    for line in [
        "hierophant_requests{state=\"open\"} 1",
        "hierophant_requests{state=\"fulfilled\"} 2",
        "hierophant_tasks{state=\"leased\"} 1",
        "hierophant_workers{liveness=\"alive\"} 1",
        "hierophant_workers{liveness=\"stale\"} 1",
        "hierophant_workers_quarantined 1",
        "hierophant_system_workers{system=\"mock\",state=\"busy\"} 1",
        "hierophant_system_workers{system=\"mock\",state=\"unhealthy\"} 1",
        "hierophant_system_workers{system=\"mock\",state=\"idle\"} 0",
        "hierophant_worker_slots 2",
        "hierophant_worker_leases 1",
        "hierophant_strikes_total{reason=\"invalid_proof\"} 2",
        "hierophant_strikes_total{reason=\"false_blame\"} 0",
        "hierophant_strikes_total{reason=\"too_slow\"} 1",
        "hierophant_store_up 1",
        "# TYPE hierophant_requests gauge",
        "# TYPE hierophant_strikes_total counter",
    ] {
        assert!(text.lines().any(|shown| shown == line), "no line {line:?} in:\n{text}");
    }
}

#[tokio::test]
async fn a_scrape_goes_on_without_the_store() {
    let text = scrape(Fake {
        broken: Some(unavailable()),
        ..small_network()
    })
    .await;
    assert!(text.lines().any(|line| line == "hierophant_store_up 0"), "{text}");
}

#[tokio::test]
async fn metrics_are_in_prometheus_text() {
    let (status, kind, body) = ask(&pages(Fake::default(), true), "GET", "/metrics").await;
    assert_eq!(
        (status.as_u16(), kind.as_str(), body.as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8", "# metrics\n")
    );
}

#[test]
fn names_are_distinct_and_of_one_pattern() {
    for (index, metric) in metrics::ALL.iter().enumerate() {
        assert!(
            metrics::ALL[..index].iter().all(|other| other.name != metric.name),
            "{}",
            metric.name
        );
        assert!(
            metric.name.starts_with("hierophant_") && metric.help.ends_with('.'),
            "{metric:?}"
        );
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.sort == metrics::Sort::Counter,
            "{}",
            metric.name
        );
        assert_eq!(
            metric.name.ends_with("_seconds"),
            metric.sort == metrics::Sort::Histogram,
            "{}",
            metric.name
        );
    }
}
