//! Variables of the Miden remote prover of others (`MIDEN_PROVER_*` since 0.14, `MRP_*` before, `MPS_*` to 0.9) and what they are
//! here. Its proxy's are refused by the coordinator, its worker's by the worker, `contemplant miden serve` included.
//!
//! docs/moving-from-miden-remote-prover.md explains them all; a test holds it against these tables.

use super::{Replaced, old_variable};

/// Variables of the proxy.
pub const PROXY: &[Replaced] = &[
    old_variable("MRP_PROXY_WORKERS_LIST", WORKERS),
    old_variable("MRP_PORT", PORT),
    old_variable("MRP_CONTROL_PORT", CONTROL),
    old_variable("MRP_METRICS_PORT", METRICS),
    old_variable("MRP_STATUS_PORT", STATUS),
    old_variable("MRP_STATUS_UPDATE_INTERVAL", STATUS),
    old_variable("MRP_PROOF_TYPE", KINDS),
    old_variable("MRP_TIMEOUT", TIMEOUT),
    old_variable("MRP_CONNECTION_TIMEOUT", CONNECTING),
    old_variable("MRP_MAX_QUEUE_ITEMS", QUEUE),
    old_variable("MRP_MAX_RETRIES_PER_REQUEST", RETRIES),
    old_variable("MRP_MAX_REQ_PER_SEC", RATE),
    old_variable("MRP_AVAILABLE_WORKERS_POLLING_INTERVAL", POLLING),
    old_variable("MRP_HEALTH_CHECK_INTERVAL", HEALTH),
    old_variable("MRP_GRACE_PERIOD", STOPPING),
    old_variable("MRP_GRACEFUL_SHUTDOWN_TIMEOUT", STOPPING),
    old_variable("MRP_ENABLE_METRICS", METRICS),
    old_variable("MPS_PROXY_WORKERS_LIST", WORKERS),
    old_variable("MPS_HOST", HOST),
    old_variable("MPS_PORT", PORT),
    old_variable("MPS_CONTROL_PORT", CONTROL),
    old_variable("MPS_WORKERS_UPDATE_PORT", CONTROL),
    old_variable("MPS_METRICS_PORT", METRICS),
    old_variable("MPS_PROMETHEUS_HOST", METRICS),
    old_variable("MPS_PROMETHEUS_PORT", METRICS),
    old_variable("MPS_STATUS_PORT", STATUS),
    old_variable("MPS_PROVER_TYPE", KINDS),
    old_variable("MPS_TIMEOUT_SECS", TIMEOUT),
    old_variable("MPS_CONNECTION_TIMEOUT_SECS", CONNECTING),
    old_variable("MPS_MAX_QUEUE_ITEMS", QUEUE),
    old_variable("MPS_MAX_RETRIES_PER_REQUEST", RETRIES),
    old_variable("MPS_MAX_REQ_PER_SEC", RATE),
    old_variable("MPS_AVAILABLE_WORKERS_POLLING_INTERVAL_MS", POLLING),
    old_variable("MPS_AVAILABLE_WORKERS_POLLING_TIME_MS", POLLING),
    old_variable("MPS_HEALTH_CHECK_INTERVAL_SECS", HEALTH),
];

/// Variables of the worker.
pub const WORKER: &[Replaced] = &[
    old_variable("MIDEN_PROVER_PORT", WORKER_PORT),
    old_variable("MIDEN_PROVER_KIND", WORKER_KIND),
    old_variable("MIDEN_PROVER_TIMEOUT", WORKER_TIMEOUT),
    old_variable("MIDEN_PROVER_CAPACITY", WORKER_CAPACITY),
    old_variable("MIDEN_STDOUT_FILTER", WORKER_LOG),
    old_variable("MRP_WORKER_LOCALHOST", WORKER_LOCALHOST),
    old_variable("MRP_WORKER_PORT", WORKER_PORT),
    old_variable("MRP_WORKER_PROOF_TYPE", WORKER_KIND),
    old_variable("MRP_TIMEOUT", WORKER_TIMEOUT),
    old_variable("MPS_WORKER_LOCALHOST", WORKER_LOCALHOST),
    old_variable("MPS_WORKER_PORT", WORKER_PORT),
    old_variable("MPS_WORKER_PROVER_TYPE", WORKER_KIND),
];

const WORKERS: &str = "attach each worker with hierophant remote-prover add HOST:PORT, which holds over restarts, or name it in a \
    [[remote_provers]] table; remove it";
const HOST: &str = "set listen in a [[miden.listeners]] table; remove it";
const PORT: &str = "set port in a [[miden.listeners]] table; remove it";
const CONTROL: &str = "workers are attached and removed by the HTTP port, from the coordinator's own machine only: hierophant \
    remote-prover add, remove and list; remove it";
const METRICS: &str = "metrics are always at /metrics of the HTTP port, `http_port` (HIEROPHANT_HTTP_PORT); remove it";
const STATUS: &str = "the proxy's status is answered at once, on each port of a [[miden.listeners]] table; remove it";
const KINDS: &str = "set kinds in a [[miden.listeners]] table; remove it";
const TIMEOUT: &str = "it bounded connecting and statuses, not proofs: set `remote_prover.connect_timeout` \
    (HIEROPHANT_REMOTE_PROVER_CONNECT_TIMEOUT), and for proofs `miden.proof_timeout` (HIEROPHANT_MIDEN_PROOF_TIMEOUT)";
const CONNECTING: &str =
    "set `remote_prover.connect_timeout` (HIEROPHANT_REMOTE_PROVER_CONNECT_TIMEOUT) with a unit, such as \"10s\"";
const QUEUE: &str = "set `miden.queue` (HIEROPHANT_MIDEN_QUEUE)";
const RETRIES: &str = "set `retry.max_attempts` (HIEROPHANT_RETRY_MAX_ATTEMPTS), which counts the first attempt too";
const RATE: &str = "set `miden.calls_per_second` (HIEROPHANT_MIDEN_CALLS_PER_SECOND)";
const POLLING: &str = "nothing is polled: a worker that gets free gets work at once; remove it";
const HEALTH: &str =
    "set `remote_prover.health_interval` (HIEROPHANT_REMOTE_PROVER_HEALTH_INTERVAL) with a unit, such as \"10s\"";
const STOPPING: &str = "open requests are on disk, and a restart goes on with them; remove it";

const WORKER_PORT: &str = "a listening worker has CONTEMPLANT_MIDEN_PORT (contemplant miden serve --port), and one that dials in \
    has no port";
const WORKER_KIND: &str = "a listening worker has CONTEMPLANT_MIDEN_KIND (contemplant miden serve --kind), and one that dials in \
    `kinds` of its [[provers]] table";
const WORKER_TIMEOUT: &str = "a listening worker has CONTEMPLANT_MIDEN_TIMEOUT (contemplant miden serve --timeout) with a unit, such \
    as 60s, and one that dials in is told by the coordinator, its miden.proof_timeout";
const WORKER_CAPACITY: &str = "a listening worker has CONTEMPLANT_MIDEN_CAPACITY (contemplant miden serve --capacity), and for one \
    that dials in the coordinator keeps the queue, its miden.queue";
const WORKER_LOG: &str = "a listening worker has CONTEMPLANT_MIDEN_LOG_FILTER (contemplant miden serve --log-filter), and one that \
    dials in `log.filter` (CONTEMPLANT_LOG_FILTER)";
const WORKER_LOCALHOST: &str = "a listening worker has CONTEMPLANT_MIDEN_LOCALHOST (contemplant miden serve --localhost), and one \
    that dials in has no port";
