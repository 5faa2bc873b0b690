//! The metrics of this door. Labels are bounded: calls by name, gRPC codes by name.

/// Counter of calls answered, by `rpc` and `code`.
pub const RPCS_TOTAL: &str = "hierophant_sp1_rpcs_total";
/// Histogram of the time that answering a call took, in seconds, by `rpc`.
pub const RPC_DURATION_SECONDS: &str = "hierophant_sp1_rpc_duration_seconds";

/// Describes them to the recorder that is installed.
pub fn describe() {
    metrics::describe_counter!(
        RPCS_TOTAL,
        "Calls of SP1 network clients answered, by call and gRPC code"
    );
    metrics::describe_histogram!(
        RPC_DURATION_SECONDS,
        metrics::Unit::Seconds,
        "Time to answer a call of an SP1 network client"
    );
}
