//! What the settings of the earlier coordinator became. `grpc_port`, `http_port` and `mock_mode` kept their names in
//! the file; every variable got the prefix `HIEROPHANT_`.

use super::{Replaced, old_key, old_variable};

/// Every old name.
pub const REPLACED: &[Replaced] = &[
    old_key("this_hierophant_ip", ADDRESS),
    old_key("worker_response_timeout_secs", RESPONSE),
    old_key("pub_key", OWNER),
    old_key("artifact_store_directory", DIRECTORY),
    old_key("max_stdin_artifacts_stored", RETENTION),
    old_key("max_proof_artifacts_stored", RETENTION),
    old_key("worker_registry.max_worker_strikes", STRIKES),
    old_key("worker_registry.max_worker_heartbeat_interval_secs", HEARTBEAT),
    old_key("worker_registry.proof_timeout_mins", PROOF),
    old_key("worker_registry.worker_required_progress_interval_mins", PROGRESS),
    old_key("worker_registry.worker_max_execution_report_mins", EXECUTION),
    old_variable("THIS_HIEROPHANT_IP", ADDRESS),
    old_variable("GRPC_PORT", "set HIEROPHANT_GRPC_PORT"),
    old_variable("HTTP_PORT", "set HIEROPHANT_HTTP_PORT"),
    old_variable("WORKER_RESPONSE_TIMEOUT_SECS", RESPONSE),
    old_variable("PUB_KEY", OWNER),
    old_variable("MOCK_MODE", "set HIEROPHANT_MOCK_MODE"),
    old_variable("ARTIFACT_STORE_DIRECTORY", DIRECTORY),
    old_variable("MAX_STDIN_ARTIFACTS_STORED", RETENTION),
    old_variable("MAX_PROOF_ARTIFACTS_STORED", RETENTION),
    old_variable("MAX_WORKER_STRIKES", STRIKES),
    old_variable("MAX_WORKER_HEARTBEAT_INTERVAL_SECS", HEARTBEAT),
    old_variable("PROOF_TIMEOUT_MINS", PROOF),
    old_variable("WORKER_REQUIRED_PROGRESS_INTERVAL_MINS", PROGRESS),
    old_variable("WORKER_MAX_EXECUTION_REPORT_MINS", EXECUTION),
];

const ADDRESS: &str = "set `public_http_url` (HIEROPHANT_PUBLIC_HTTP_URL) to the whole base URL that clients use, such \
    as \"http://203.0.113.7:9010\", and `listen` (HIEROPHANT_LISTEN) to the address to bind, such as \"0.0.0.0\"";
const RESPONSE: &str = "workers report by themselves and are never asked; remove it, and set \
    `workers.heartbeat_timeout` (HIEROPHANT_WORKERS_HEARTBEAT_TIMEOUT) if silence should be noticed sooner";
const OWNER: &str = "programs belong to the client that signed for them; remove it";
const DIRECTORY: &str =
    "set `artifacts.directory` (HIEROPHANT_ARTIFACTS_DIRECTORY); it is no longer emptied at the start";
const RETENTION: &str = "artifacts live as long as a request needs them, not by count; remove it, and set \
    `artifacts.collect_after` (HIEROPHANT_ARTIFACTS_COLLECT_AFTER) for how long they stay afterwards";
const STRIKES: &str = "set `workers.max_strikes` (HIEROPHANT_WORKERS_MAX_STRIKES)";
const HEARTBEAT: &str =
    "set `workers.heartbeat_timeout` (HIEROPHANT_WORKERS_HEARTBEAT_TIMEOUT) with a unit, such as \"60s\"";
const PROOF: &str = "set `workers.proof_timeout` (HIEROPHANT_WORKERS_PROOF_TIMEOUT) with a unit, such as \"300m\"";
const PROGRESS: &str = "set `workers.required_progress_interval` (HIEROPHANT_WORKERS_REQUIRED_PROGRESS_INTERVAL) with a \
    unit, such as \"10m\"";
const EXECUTION: &str = "execution counts as progress; remove it, and set `workers.required_progress_interval` \
    (HIEROPHANT_WORKERS_REQUIRED_PROGRESS_INTERVAL) and `verify.timeout` (HIEROPHANT_VERIFY_TIMEOUT)";
