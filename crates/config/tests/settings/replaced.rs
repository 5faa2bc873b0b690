//! Every name of the earlier generation, and of the Miden remote prover, is refused with what to do instead, and none stands in the way of a new one.

use std::collections::HashSet;

use crate::common::{Place, load_text, problems_of};
use hierophant_config::{Settings, replaced::Old, settings::contemplant, settings::hierophant};

/// Keys of the earlier coordinator that have no meaning under their old name.
const HIEROPHANT_KEYS: &str = "this_hierophant_ip worker_response_timeout_secs pub_key artifact_store_directory \
    max_stdin_artifacts_stored max_proof_artifacts_stored worker_registry.max_worker_strikes \
    worker_registry.max_worker_heartbeat_interval_secs worker_registry.proof_timeout_mins \
    worker_registry.worker_required_progress_interval_mins worker_registry.worker_max_execution_report_mins";
const HIEROPHANT_VARIABLES: &str = "THIS_HIEROPHANT_IP GRPC_PORT HTTP_PORT WORKER_RESPONSE_TIMEOUT_SECS PUB_KEY \
    MOCK_MODE ARTIFACT_STORE_DIRECTORY MAX_STDIN_ARTIFACTS_STORED MAX_PROOF_ARTIFACTS_STORED MAX_WORKER_STRIKES \
    MAX_WORKER_HEARTBEAT_INTERVAL_SECS PROOF_TIMEOUT_MINS WORKER_REQUIRED_PROGRESS_INTERVAL_MINS \
    WORKER_MAX_EXECUTION_REPORT_MINS";
const CONTEMPLANT_KEYS: &str = "hierophant_ws_address contemplant_name heartbeat_interval_seconds max_proofs_stored \
    magister_drop_endpoint assessor.moongate_log_path assessor.watcher_polling_interval_ms prover_type provers.vm \
    provers.backend provers.moongate_endpoint provers.groth16_enabled";
const CONTEMPLANT_VARIABLES: &str = "HIEROPHANT_WS_ADDRESS HTTP_PORT HEARTBEAT_INTERVAL_SECONDS MAX_PROOFS_STORED \
    MAGISTER_DROP_ENDPOINT MOONGATE_LOG_PATH WATCHER_POLLING_INTERVAL_MS PROVER_TYPE CONTEMPLANT_VMS \
    CONTEMPLANT_SP1_BACKEND CONTEMPLANT_RISC0_BACKEND CONTEMPLANT_RISC0_GROTH16 MOONGATE_ENDPOINT";

/// Variables of the Miden remote prover's proxy, of all its releases.
const MIDEN_PROXY_VARIABLES: &str = "MRP_PROXY_WORKERS_LIST MRP_PORT MRP_CONTROL_PORT MRP_METRICS_PORT MRP_STATUS_PORT \
    MRP_STATUS_UPDATE_INTERVAL MRP_PROOF_TYPE MRP_TIMEOUT MRP_CONNECTION_TIMEOUT MRP_MAX_QUEUE_ITEMS \
    MRP_MAX_RETRIES_PER_REQUEST MRP_MAX_REQ_PER_SEC MRP_AVAILABLE_WORKERS_POLLING_INTERVAL MRP_HEALTH_CHECK_INTERVAL \
    MRP_GRACE_PERIOD MRP_GRACEFUL_SHUTDOWN_TIMEOUT MRP_ENABLE_METRICS MPS_PROXY_WORKERS_LIST MPS_HOST MPS_PORT \
    MPS_CONTROL_PORT MPS_WORKERS_UPDATE_PORT MPS_METRICS_PORT MPS_PROMETHEUS_HOST MPS_PROMETHEUS_PORT MPS_STATUS_PORT \
    MPS_PROVER_TYPE MPS_TIMEOUT_SECS MPS_CONNECTION_TIMEOUT_SECS MPS_MAX_QUEUE_ITEMS MPS_MAX_RETRIES_PER_REQUEST \
    MPS_MAX_REQ_PER_SEC MPS_AVAILABLE_WORKERS_POLLING_INTERVAL_MS MPS_AVAILABLE_WORKERS_POLLING_TIME_MS \
    MPS_HEALTH_CHECK_INTERVAL_SECS";
/// Variables of its worker.
const MIDEN_WORKER_VARIABLES: &str = "MIDEN_PROVER_PORT MIDEN_PROVER_KIND MIDEN_PROVER_TIMEOUT MIDEN_PROVER_CAPACITY \
    MIDEN_STDOUT_FILTER MRP_WORKER_LOCALHOST MRP_WORKER_PORT MRP_WORKER_PROOF_TYPE MRP_TIMEOUT MPS_WORKER_LOCALHOST \
    MPS_WORKER_PORT MPS_WORKER_PROVER_TYPE";
/// Variables of `contemplant miden serve`, which has a command line instead of settings; they are held against it elsewhere.
const ARGUMENT_PREFIX: &str = "CONTEMPLANT_MIDEN_";

fn name_of(old: Old) -> &'static str {
    match old {
        Old::Key(name) | Old::Variable(name) => name,
    }
}

/// Each old name alone makes the start fail with its own sentence, which names no key that does not exist.
fn all_are_refused<S: Settings>(keys: &str, variables: &str) {
    for key in keys.split_whitespace() {
        let text = match key.split_once('.') {
            Some(("provers", field)) => format!("[[provers]]\n{field} = 'x'\n"),
            _ => format!("{key} = 'x'\n"),
        };
        let problems = load_text::<S>(&text).expect_err(key);
        let shown = key.replace("provers.", "provers[0].");
        let refused = problems
            .iter()
            .filter(|problem| problem.contains(&format!("`{shown}` is no longer a setting: ")));
        assert_eq!(refused.count(), 1, "{key}: {problems:?}");
        assert!(
            problems.iter().all(|problem| !problem.contains("unknown")),
            "{key}: {problems:?}"
        );
    }
    let place = Place::empty();
    for variable in variables.split_whitespace() {
        let layers = place.layers().environment([(variable, "1")]);
        let problems = problems_of::<S>(&place, &layers).expect_err(variable);
        let start = format!("environment {variable}: `{variable}` is no longer a setting: ");
        assert_eq!(
            problems.iter().filter(|problem| problem.starts_with(&start)).count(),
            1,
            "{variable}: {problems:?}"
        );
    }
    let listed: HashSet<_> = keys.split_whitespace().chain(variables.split_whitespace()).collect();
    let known: HashSet<_> = S::PROGRAM
        .replaced
        .iter()
        .copied()
        .flatten()
        .map(|replaced| name_of(replaced.old))
        .collect();
    assert_eq!(listed, known);
}

/// Every word in backticks, and every variable, that a sentence of the table tells people to use is a setting.
fn advice_holds<S: Settings>(others: &[&str]) {
    let schema = S::schema();
    let is_known = |name: &str| schema.key(name).is_some() || others.contains(&name);
    let variables: HashSet<_> = schema.keys.iter().map(|key| S::PROGRAM.variable(&key.path)).collect();
    for replaced in S::PROGRAM.replaced.iter().copied().flatten() {
        let quoted = replaced.instead.split('`').skip(1).step_by(2);
        quoted.for_each(|name| assert!(is_known(name), "{replaced:?}"));
        let words = replaced
            .instead
            .split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
        let own = words.filter(|word| word.starts_with(S::PROGRAM.prefix));
        let named = own.filter(|word| !word.starts_with(ARGUMENT_PREFIX));
        named.for_each(|name| assert!(variables.contains(name), "{replaced:?}"));
        let is_own = matches!(replaced.old, Old::Variable(name) if variables.contains(name));
        assert!(!is_own, "{replaced:?} is a variable of today");
        assert!(
            !matches!(replaced.old, Old::Key(name) if schema.key(name).is_some()),
            "{replaced:?}"
        );
    }
}

#[test]
fn old_names_of_the_coordinator() {
    all_are_refused::<hierophant::Settings>(
        HIEROPHANT_KEYS,
        &format!("{HIEROPHANT_VARIABLES} {MIDEN_PROXY_VARIABLES}"),
    );
    advice_holds::<hierophant::Settings>(&[]);
}

#[test]
fn old_names_of_the_worker() {
    all_are_refused::<contemplant::Settings>(
        CONTEMPLANT_KEYS,
        &format!("{CONTEMPLANT_VARIABLES} {MIDEN_WORKER_VARIABLES}"),
    );
    advice_holds::<contemplant::Settings>(&["executable", "options", "kinds", "workers.heartbeat_interval"]);
}

#[test]
fn names_that_kept_their_meaning_are_taken() {
    let loaded = load_text::<hierophant::Settings>("grpc_port = 1\nhttp_port = 2\nmock_mode = true").unwrap();
    assert_eq!(
        (
            loaded.settings.grpc_port,
            loaded.settings.http_port,
            loaded.settings.mock_mode
        ),
        (1, 2, true)
    );
    let place = Place::with_file(
        "contemplant.toml",
        "coordinator = 'http://h:1'\n[[provers]]\nexecutable = 'x'",
    );
    let layers = place
        .layers()
        .environment([("CONTEMPLANT_NAME", "ezra"), ("HIEROPHANT_ELSE", "x")]);
    let loaded = problems_of::<contemplant::Settings>(&place, &layers).unwrap();
    assert_eq!(loaded.settings.name.as_deref(), Some("ezra"));
}
