//! What is counted of remote provers. The label `address` has the addresses that operators attached: at most as many as may be
//! attached at a time, and those that were removed since the start.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::Address;

/// 1 while a prover gets work, else 0; label `address`.
pub const UP: &str = "hierophant_remote_prover_up";
/// Tasks in a prover's hands; label `address`.
pub const BUSY: &str = "hierophant_remote_prover_leases";
/// Looks at a prover that found it unfit; label `address`.
pub const CHECKS_FAILED: &str = "hierophant_remote_prover_checks_failed_total";
/// Calls to a prover that ended; labels `address`, `outcome` (proof, busy, unreachable, timed_out, refused, failed, dropped).
pub const CALLS: &str = "hierophant_remote_prover_calls_total";

/// Describes them to the recorder; call it once, after the recorder was installed.
pub fn describe() {
    describe_gauge!(UP, "1 while the remote prover at the address gets work, else 0.");
    describe_gauge!(BUSY, "Tasks in the hands of the remote prover at the address.");
    describe_counter!(
        CHECKS_FAILED,
        "Looks at the remote prover at the address that found it unfit."
    );
    describe_counter!(
        CALLS,
        "Calls to the remote prover at the address that ended, by outcome: proof, busy, unreachable, timed_out, refused, failed, dropped."
    );
}

pub(crate) fn shown(address: &Address, up: bool, busy: u32) {
    gauge!(UP, "address" => address.to_string()).set(f64::from(u8::from(up)));
    gauge!(BUSY, "address" => address.to_string()).set(f64::from(busy));
}

pub(crate) fn check_failed(address: &Address) {
    counter!(CHECKS_FAILED, "address" => address.to_string()).increment(1);
}

pub(crate) fn called(address: &Address, outcome: &'static str) {
    counter!(CALLS, "address" => address.to_string(), "outcome" => outcome).increment(1);
}
