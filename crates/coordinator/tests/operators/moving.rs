//! `docs/moving-from-miden-remote-prover.md`: every name of upstream's has a row, and what the page says to use instead exists.

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};
use hierophant_config::{
    Layers, Presence, Program, Replaced, Schema, Section, Settings, load,
    replaced::{Old, miden},
    settings::{contemplant, hierophant},
};

use crate::{
    metrics,
    page::{blocks, quoted, rows},
    repository,
};

const PAGE: &str = "docs/moving-from-miden-remote-prover.md";
/// Columns with upstream's names.
const THEIRS: &[&str] = &["Command", "Flag", "Variable", "Metric"];
/// The column with ours.
const OURS: &str = "Here";

const COMMANDS: &str = "miden-remote-prover start-worker start-proxy add-workers remove-workers";
/// Flags with their variables, worker's and proxy's.
const FLAGS: &[(&str, &str)] = &[
    ("--port", "MIDEN_PROVER_PORT"),
    ("--kind", "MIDEN_PROVER_KIND"),
    ("--timeout", "MIDEN_PROVER_TIMEOUT"),
    ("--capacity", "MIDEN_PROVER_CAPACITY"),
    ("--localhost", "MRP_WORKER_LOCALHOST"),
    ("--port", "MRP_WORKER_PORT"),
    ("--proof-type", "MRP_WORKER_PROOF_TYPE"),
    ("--prover-type", "MRP_WORKER_PROOF_TYPE"),
    ("--timeout", "MRP_TIMEOUT"),
    ("--workers", "MRP_PROXY_WORKERS_LIST"),
    ("--port", "MRP_PORT"),
    ("--control-port", "MRP_CONTROL_PORT"),
    ("--metrics-port", "MRP_METRICS_PORT"),
    ("--status-port", "MRP_STATUS_PORT"),
    ("--status-update-interval", "MRP_STATUS_UPDATE_INTERVAL"),
    ("--proof-type", "MRP_PROOF_TYPE"),
    ("--connection-timeout", "MRP_CONNECTION_TIMEOUT"),
    ("--max-queue-items", "MRP_MAX_QUEUE_ITEMS"),
    ("--max-retries-per-request", "MRP_MAX_RETRIES_PER_REQUEST"),
    ("--max-req-per-sec", "MRP_MAX_REQ_PER_SEC"),
    (
        "--available-workers-polling-interval",
        "MRP_AVAILABLE_WORKERS_POLLING_INTERVAL",
    ),
    ("--health-check-interval", "MRP_HEALTH_CHECK_INTERVAL"),
    ("--grace-period", "MRP_GRACE_PERIOD"),
    ("--graceful-shutdown-timeout", "MRP_GRACEFUL_SHUTDOWN_TIMEOUT"),
];
const OTHER_NAMES: &str = "--grpc.max-decoding-message-size MRP_ENABLE_METRICS MIDEN_STDOUT_FILTER RUST_LOG MIDEN_OTEL_FILTER \
    OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES MPS_TIMEOUT_SECS \
    MPS_CONNECTION_TIMEOUT_SECS MPS_HEALTH_CHECK_INTERVAL_SECS MPS_AVAILABLE_WORKERS_POLLING_INTERVAL_MS MPS_PROVER_TYPE \
    MPS_WORKER_PROVER_TYPE";
const METRICS: &str = "queue_size queue_latency queue_drop_count worker_count worker_unhealthy worker_busy worker_request_count \
    request_count request_failure_count request_retries request_latency rate_limited_requests rate_limit_violations";

#[test]
fn every_name_of_upstream_has_a_row_that_says_what_it_is_here() {
    let page = repository(PAGE);
    let rows = rows(&page);
    let rows: Vec<(BTreeSet<&str>, bool)> = rows
        .iter()
        .map(|row| (row.quoted(THEIRS).collect(), row.says(OURS)))
        .collect();
    let has_row = |names: &[&str]| {
        rows.iter()
            .any(|(theirs, is_answered)| *is_answered && names.iter().all(|name| theirs.contains(name)))
    };
    for (flag, variable) in FLAGS {
        assert!(has_row(&[flag, variable]), "{flag} {variable}");
    }
    let refused = [miden::PROXY, miden::WORKER].into_iter().flatten().map(old_name);
    let words = [COMMANDS, OTHER_NAMES, METRICS]
        .into_iter()
        .flat_map(str::split_whitespace);
    for name in words.chain(refused) {
        assert!(has_row(&[name]), "{name}");
    }
}

fn old_name(replaced: &Replaced) -> &'static str {
    match replaced.old {
        Old::Key(name) | Old::Variable(name) => name,
    }
}

#[test]
fn what_takes_their_place_exists() {
    let page = repository(PAGE);
    let here = Here::new();
    for row in rows(&page) {
        for word in row.quoted(&[OURS, "Difference"]) {
            assert!(here.knows(word) || is_label(word), "{word} in {row:?}");
        }
    }
    // Outside of tables, what can only be a name of ours.
    for word in quoted(&page.replace("```", "")) {
        let is_ours = [
            "miden.",
            "remote_prover.",
            "HIEROPHANT_",
            "CONTEMPLANT_",
            "hierophant_",
            "contemplant_",
        ];
        if is_ours.iter().any(|start| word.starts_with(start)) {
            assert!(here.knows(word), "{word}");
        }
    }
}

/// Labels of metrics and their values, which the texts explain.
fn is_label(word: &str) -> bool {
    [
        "line", "kind", "state", "address", "outcome", "cause", "refused", "kinds", "/metrics",
    ]
    .contains(&word)
}

#[test]
fn the_advice_of_refused_variables_names_arguments_that_exist() {
    let here = Here::new();
    let mut named = 0;
    for replaced in miden::WORKER {
        let words = replaced.instead.split(|c: char| c.is_whitespace() || "(),".contains(c));
        for word in words.filter(|word| word.starts_with("--") || word.starts_with("CONTEMPLANT_")) {
            assert!(here.knows(word), "{word} in {replaced:?}");
            named += 1;
        }
    }
    assert!(named >= miden::WORKER.len());
}

#[test]
fn every_command_line_is_right() {
    let page = repository(PAGE);
    let mut checked = 0;
    for line in blocks(&page, "sh").iter().flat_map(|block| block.lines()) {
        if line.starts_with("export ") {
            let variable = line.trim_start_matches("export ").split('=').next().unwrap();
            assert!(Here::new().knows(variable), "{line}");
            continue;
        }
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // What was exported in the line before.
        if line == "contemplant miden serve" {
            words.extend(["--kind", "transaction"]);
        }
        parses(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
        checked += 1;
    }
    assert!(checked >= 10, "{checked}");
}

fn parses(words: &[&str]) -> Result<(), clap::Error> {
    let command = match words.first() {
        Some(&"hierophant") => hierophant_coordinator::cli::Cli::command(),
        Some(&"contemplant") => ::contemplant::cli::Cli::command(),
        other => panic!("{other:?} is no program of ours"),
    };
    command.try_get_matches_from(words).map(|_| ())
}

#[test]
fn every_settings_file_is_right() {
    let page = repository(PAGE);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef").unwrap();
    let files = blocks(&page, "toml");
    assert!(files.len() >= 3);
    for file in files {
        // Tokens lie where the operator has them.
        let lines = file.lines().map(|line| match line.split_once(" = \"file:") {
            Some((key, _)) => format!("{key} = \"file:{}\"\n", token.display()),
            None => format!("{line}\n"),
        });
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        let layers = Layers::new().file(Some(path));
        let loaded = match file.lines().next() {
            Some("# hierophant.toml") => load::<hierophant::Settings>(&layers).map(|_| ()),
            Some("# contemplant.toml") => load::<contemplant::Settings>(&layers).map(|_| ()),
            other => panic!("{other:?} names no settings file"),
        };
        loaded.unwrap_or_else(|problems| panic!("{file}\n{problems}"));
    }
}

/// The names that exist here.
struct Here {
    keys: BTreeSet<String>,
    variables: BTreeSet<String>,
    flags: BTreeSet<String>,
}

impl Here {
    fn new() -> Self {
        let mut here = Self {
            keys: BTreeSet::new(),
            variables: BTreeSet::new(),
            flags: BTreeSet::new(),
        };
        here.add_settings(&hierophant::Settings::PROGRAM, &hierophant::Settings::schema());
        here.add_settings(&contemplant::Settings::PROGRAM, &contemplant::Settings::schema());
        here.add_command(&hierophant_coordinator::cli::Cli::command());
        here.add_command(&::contemplant::cli::Cli::command());
        here
    }

    fn add_settings(&mut self, program: &Program, schema: &Schema) {
        for key in &schema.keys {
            self.keys.insert(key.path.clone());
            self.variables.insert(program.variable(&key.path));
            if let Presence::Tables { entry } = &key.presence {
                self.keys.insert(format!("[[{}]]", key.path));
                let inner = entry.keys.iter().map(|inner| format!("{}.{}", key.path, inner.path));
                self.keys.extend(inner);
            }
        }
        self.variables
            .extend(program.other_variables.iter().map(|other| other.name.to_owned()));
    }

    fn add_command(&mut self, command: &Command) {
        for argument in command.get_arguments() {
            self.flags.extend(argument.get_long().map(|long| format!("--{long}")));
            let variable = argument.get_env().and_then(|variable| variable.to_str());
            self.variables.extend(variable.map(str::to_owned));
        }
        for inner in command.get_subcommands() {
            self.add_command(inner);
        }
    }

    fn knows(&self, word: &str) -> bool {
        let program = word.split(' ').next().unwrap_or_default();
        if program == "hierophant" || program == "contemplant" {
            let line = word.replace("HOST:PORT", "10.0.0.7:50051");
            return parses(&line.split(' ').collect::<Vec<_>>()).is_ok();
        }
        let metric = word.split('{').next().unwrap_or_default();
        self.keys.contains(word)
            || self.variables.contains(word)
            || self.flags.contains(word)
            || metrics::exists(metric)
    }
}
