//! Every call is counted, timed and logged in one place. Bodies never are; messages of refusals are for the client and
//! name nothing but ids, versions and limits.

use std::{future::Future, time::Instant};

use tonic::{Code, Response, Status};

use crate::metric_names::{RPC_DURATION_SECONDS, RPCS_TOTAL};

/// Answers a call and says how it went.
pub(crate) async fn observed<T>(
    rpc: &'static str,
    work: impl Future<Output = Result<T, Status>> + Send,
) -> Result<Response<T>, Status> {
    let begun = Instant::now();
    let answer = work.await;
    let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
    metrics::counter!(RPCS_TOTAL, "rpc" => rpc, "code" => code_name(code)).increment(1);
    metrics::histogram!(RPC_DURATION_SECONDS, "rpc" => rpc).record(begun.elapsed());
    if let Err(refusal) = &answer {
        log(rpc, refusal);
    }
    answer.map(Response::new)
}

fn log(rpc: &'static str, refusal: &Status) {
    let (code, reason) = (code_name(refusal.code()), refusal.message());
    match refusal.code() {
        Code::Internal => tracing::error!(rpc, code, reason, "call failed"),
        Code::Unavailable => tracing::warn!(rpc, code, reason, "call put off"),
        // An unknown program is how every client finds out that it has to register it.
        Code::NotFound => tracing::debug!(rpc, code, reason, "nothing found for a call"),
        _ => tracing::info!(rpc, code, reason, "call refused"),
    }
}

/// The code as metrics and logs name it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn calls_are_counted_by_name_and_code() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        metrics::with_local_recorder(&recorder, || {
            crate::metric_names::describe();
            for answer in [Ok(()), Err(Status::not_found("why")), Ok(())] {
                let code = answer.as_ref().err().map(Status::code);
                let observed = runtime.block_on(observed("GetProgram", async { answer }));
                assert_eq!(
                    observed.err().map(|status| status.code()),
                    code,
                    "the answer is passed on"
                );
            }
        });
        let shown = shown.render();
        assert!(
            shown.contains(r#"hierophant_sp1_rpcs_total{rpc="GetProgram",code="ok"} 2"#),
            "{shown}"
        );
        assert!(
            shown.contains(r#"hierophant_sp1_rpcs_total{rpc="GetProgram",code="not_found"} 1"#),
            "{shown}"
        );
        assert!(
            shown.contains(r#"hierophant_sp1_rpc_duration_seconds_count{rpc="GetProgram"} 3"#),
            "{shown}"
        );
    }
}
