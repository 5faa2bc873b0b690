//! The metrics that exist.

use std::collections::BTreeSet;

use hierophant_dashboard::metrics::{ALL, Sort};
use hierophant_door_miden::metric as door;
use hierophant_remote_provers::metric as remote;

/// Where the worker's are named.
const WORKER: &[&str] = &[include_str!("../../../worker/src/job.rs")];

/// Names as they are scraped: a histogram has three.
pub(crate) fn scraped() -> BTreeSet<String> {
    let general = ALL
        .iter()
        .filter(|metric| metric.sort != Sort::Histogram)
        .map(|metric| metric.name);
    let plain = door::GAUGES.into_iter().chain(door::COUNTERS).map(|(name, _)| name);
    let remote = [remote::UP, remote::BUSY, remote::CHECKS_FAILED, remote::CALLS];
    let mut names: BTreeSet<String> = general.chain(plain).chain(remote).map(str::to_owned).collect();
    for name in histograms() {
        names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
    }
    names
}

fn histograms() -> impl Iterator<Item = &'static str> {
    let general = ALL
        .iter()
        .filter(|metric| metric.sort == Sort::Histogram)
        .map(|metric| metric.name);
    general.chain(door::HISTOGRAMS.map(|(name, ..)| name))
}

/// Whether either program counts something by this name.
pub(crate) fn exists(name: &str) -> bool {
    scraped().contains(name)
        || histograms().any(|histogram| histogram == name)
        || WORKER.iter().any(|source| source.contains(&format!("{name:?}")))
}

/// The words of a query that can only be metrics.
pub(crate) fn named_in(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("hierophant_") || word.starts_with("contemplant_"))
        .collect()
}

#[test]
fn the_manual_of_the_miden_door_names_what_it_counts() {
    let manual = crate::repository("docs/door-miden.md");
    let plain = door::GAUGES.into_iter().chain(door::COUNTERS);
    for (name, help) in plain.chain(door::HISTOGRAMS.map(|(name, help, _)| (name, help))) {
        let row = format!("| `{name}` | {help} |");
        assert!(manual.lines().any(|line| line == row), "{row}");
    }
}

#[test]
fn words_of_a_query_are_told_apart() {
    let query = "sum by (le) (rate(hierophant_a_bucket{b=\"c\"}[5m])) / hierophant_d";
    assert_eq!(named_in(query), ["hierophant_a_bucket", "hierophant_d"]);
    assert!(exists("hierophant_miden_queue") && exists("contemplant_tasks_total"));
    assert!(!exists("hierophant_miden") && !exists("contemplant_tasks"));
}
