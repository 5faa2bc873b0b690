//! The queries of the dashboard and of the alerts, read from the files that are handed out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{metrics, repository};

/// The dashboard.
pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&repository("deploy/grafana/hierophant.json")).unwrap()
}

/// Every query of the dashboard with the title of its panel.
pub(crate) fn queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            found.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    found
}

/// Every expression of the alerts: one a line.
pub(crate) fn alerts() -> Vec<String> {
    let rules = repository("deploy/prometheus/rules.yml");
    let lines = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let queries: Vec<_> = queries().into_iter().map(|(_, query)| query).chain(alerts()).collect();
    assert!(queries.len() > 30, "{}", queries.len());
    let known = metrics::scraped();
    for query in queries {
        let named = metrics::named_in(&query);
        assert!(!named.is_empty() || query.starts_with("up{"), "{query}");
        for name in named {
            assert!(known.contains(name), "{name} in {query}");
        }
    }
}

#[test]
fn every_metric_of_the_miden_door_and_of_remote_provers_is_shown() {
    let all: String = queries().into_iter().map(|(_, query)| query + "\n").collect();
    let shown: BTreeSet<&str> = metrics::named_in(&all).into_iter().collect();
    let of_miden = metrics::scraped().into_iter();
    let of_miden =
        of_miden.filter(|name| name.starts_with("hierophant_miden_") || name.starts_with("hierophant_remote_"));
    // A histogram is shown by its buckets.
    for name in of_miden.filter(|name| !name.ends_with("_sum") && !name.ends_with("_seconds_count")) {
        assert!(shown.contains(name.as_str()), "{name}");
    }
}

#[test]
fn the_dashboard_can_be_provisioned() {
    let dashboard = dashboard();
    assert_eq!(
        (&dashboard["uid"], &dashboard["id"]),
        (&"hierophant".into(), &Value::Null)
    );
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<_> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(
        rows,
        ["Miden: requests", "Miden: workers", "Miden: queue", "Everything"]
    );
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
}
