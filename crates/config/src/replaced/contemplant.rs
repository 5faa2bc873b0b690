//! What the settings of the earlier worker became. `http_port` kept its name in the file, CONTEMPLANT_NAME in the
//! environment; every other variable got the prefix `CONTEMPLANT_`.

use super::{Replaced, old_key, old_variable};

/// Every old name.
pub const REPLACED: &[Replaced] = &[
    old_key("hierophant_ws_address", COORDINATOR),
    old_key("contemplant_name", "set `name` (CONTEMPLANT_NAME)"),
    old_key("heartbeat_interval_seconds", HEARTBEAT),
    old_key("max_proofs_stored", RESULTS),
    old_key("magister_drop_endpoint", ALLOCATOR),
    old_key("assessor.moongate_log_path", ASSESSOR),
    old_key("assessor.watcher_polling_interval_ms", ASSESSOR),
    old_key("prover_type", PROVERS),
    old_key("provers.vm", PROVER_SYSTEM),
    old_key("provers.backend", PROVER_BACKEND),
    old_key("provers.moongate_endpoint", PROVER_BACKEND),
    old_key("provers.groth16_enabled", PROVER_KINDS),
    old_variable("HIEROPHANT_WS_ADDRESS", COORDINATOR),
    old_variable("HTTP_PORT", "set CONTEMPLANT_HTTP_PORT"),
    old_variable("HEARTBEAT_INTERVAL_SECONDS", HEARTBEAT),
    old_variable("MAX_PROOFS_STORED", RESULTS),
    old_variable("MAGISTER_DROP_ENDPOINT", ALLOCATOR),
    old_variable("MOONGATE_LOG_PATH", ASSESSOR),
    old_variable("WATCHER_POLLING_INTERVAL_MS", ASSESSOR),
    old_variable("PROVER_TYPE", PROVERS),
    old_variable("CONTEMPLANT_VMS", PROVERS),
    old_variable("CONTEMPLANT_SP1_BACKEND", PROVERS),
    old_variable("CONTEMPLANT_RISC0_BACKEND", PROVERS),
    old_variable("CONTEMPLANT_RISC0_GROTH16", PROVER_KINDS),
    old_variable("MOONGATE_ENDPOINT", PROVER_BACKEND),
];

const COORDINATOR: &str = "set `coordinator` (CONTEMPLANT_COORDINATOR) to the gRPC address of the coordinator, such as \
    \"http://203.0.113.7:9000\"";
const HEARTBEAT: &str = "the coordinator says how often to beat; remove it, and set `workers.heartbeat_interval` there";
const RESULTS: &str = "results are kept on disk in `data_directory` until the coordinator has them; remove it";
const ALLOCATOR: &str = "the coordinator calls nobody when a worker goes; remove it, and let the allocator watch the \
    worker list of the coordinator";
const ASSESSOR: &str = "provers report their progress themselves; remove it";
const PROVERS: &str = "name the executable of each prover in a [[provers]] table with `executable`, in the file or as \
    CONTEMPLANT_PROVERS='[{ executable = \"…\" }]'";
const PROVER_SYSTEM: &str = "the prover itself says what it proves; set `executable` to the prover's program";
const PROVER_BACKEND: &str = "how a prover computes is its own option; set `options` of its [[provers]] table";
const PROVER_KINDS: &str = "set `kinds` of a [[provers]] table to the kinds of proof that it may be given";
