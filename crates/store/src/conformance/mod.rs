//! What every store must do, as test cases over [`Store`] alone.
//!
//! A backend implements [`Backend`], which opens its database (again), and writes
//! `hierophant_store::store_conformance_suite!(MyBackend::fresh())` in a test: one test per case. A new promise of the trait
//! begins as a case here.

pub mod accepting;
pub mod artifacts;
pub mod checking;
pub mod disputes;
pub mod ending;
pub mod failing;
pub mod fencing;
pub mod invariants;
pub mod leasing;
pub mod listing;
pub mod programs;
pub mod remote_provers;
pub mod survival;
pub mod workers;
mod world;

use std::sync::Arc;

use hierophant_domain::{RetryPolicy, worker::StrikePolicy};

use crate::{Clock, Store};

pub use world::{World, class, key, worker_id};

/// What the cases want of a store.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Most open requests at once.
    pub max_live_requests: u64,
    /// Most open requests of one requester at once.
    pub max_live_requests_per_requester: u64,
    /// How often a task is tried.
    pub retry: RetryPolicy,
    /// When strikes quarantine a worker.
    pub strikes: StrikePolicy,
}

/// One database that can be opened, closed and opened again.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// Opens it. The store that was open before is closed.
    async fn open(&self, settings: Settings, clock: Arc<dyn Clock>) -> Arc<dyn Store>;
}

/// Makes one `#[tokio::test]` of every case. The expression makes a fresh [`Backend`](crate::conformance::Backend), and is
/// evaluated once per test.
#[macro_export]
macro_rules! store_conformance_suite {
    (@group $backend:expr, $group:ident, [$($case:ident,)*]) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let world = $crate::conformance::World::new(Box::new($backend)).await;
                    $crate::conformance::$group::$case(world).await;
                }
            )*
        }
    };
    ($backend:expr) => {
        $crate::store_conformance_suite!(@group $backend, accepting, [
            a_request_reads_back_whole,
            a_request_reads_back_after_reopening,
            the_largest_limits_survive,
            an_unknown_request_is_none,
            the_same_key_finds_the_first_request,
            a_key_belongs_to_its_requester,
            a_key_outlives_its_request,
            concurrent_submissions_of_one_key_are_one,
            the_limit_on_open_requests_holds,
            the_limit_on_one_requester_holds,
            the_limits_hold_under_concurrency,
            incomplete_artifacts_are_refused,
            an_id_is_used_once,
            only_open_requests_are_accepted,
            acceptance_wakes,
            status_of_an_open_request,
            ping_answers,
        ]);
        $crate::store_conformance_suite!(@group $backend, artifacts, [
            an_artifact_reads_back,
            the_first_complete_writer_wins,
            unreferenced_artifacts_go_when_they_are_old,
            a_going_artifact_is_lost,
            a_wanted_artifact_is_not_forgotten,
            a_collection_keeps_its_limit,
            a_request_keeps_its_artifacts,
            a_shared_artifact_stays_for_the_other,
            an_input_named_twice_is_one_reference,
            private_inputs_go_at_the_end,
            private_inputs_go_when_fulfilled,
            a_private_input_stays_for_another_request,
            outputs_are_uploaded_first,
            only_a_result_that_counts_keeps_its_outputs,
            a_cancelled_request_lets_its_result_go,
        ]);
        $crate::store_conformance_suite!(@group $backend, checking, [
            a_verified_result_fulfils,
            a_refused_result_is_tried_elsewhere,
            an_impossible_check_strikes_nobody,
            refusals_are_bounded,
            a_check_is_claimed_by_one,
            no_check_is_claimed_twice,
            checks_are_claimed_by_system,
            a_check_is_given_back,
            not_now_is_no_try,
            a_result_waits_for_the_execution,
            a_fault_ends_the_request_with_its_result,
        ]);
        $crate::store_conformance_suite!(@group $backend, disputes, [
            a_fault_is_final,
            a_false_word_is_struck,
            a_word_against_the_verdict_is_struck_at_once,
            a_dispute_that_cannot_be_settled_ends,
            a_dispute_restarts_the_execution,
            a_late_result_waits_for_the_verdict,
            an_execution_is_claimed_by_one,
            a_fault_beside_proving_revokes_the_lease,
            an_ended_request_is_not_executed,
        ]);
        $crate::store_conformance_suite!(@group $backend, ending, [
            cancel_while_ready,
            cancel_while_leased,
            cancel_while_reserved,
            cancel_while_lapsed,
            cancel_while_delivered,
            cancel_while_disputed,
            an_end_is_final,
            an_unknown_request_cannot_end,
            a_deadline_passes,
            a_sweep_keeps_its_limit,
            counts_follow_the_states,
        ]);
        $crate::store_conformance_suite!(@group $backend, failing, [
            a_failure_is_tried_elsewhere,
            a_worker_may_try_again_later,
            the_only_worker_tries_again_sooner,
            passing_over_finds_the_next_task,
            attempts_are_bounded,
            crashes_on_different_workers_are_poison,
            lapses_are_bounded,
        ]);
        $crate::store_conformance_suite!(@group $backend, fencing, [
            an_unknown_token_may_do_nothing,
            a_lapsed_token_may_only_deliver,
            a_late_result_wins_an_open_task,
            a_result_after_another_is_gone,
            a_repeated_delivery_is_acknowledged,
            a_repeated_failure_counts_once,
            a_repeated_release_is_acknowledged,
            a_revoked_token_may_do_nothing,
            a_reservation_may_deliver,
        ]);
        $crate::store_conformance_suite!(@group $backend, leasing, [
            a_claim_leases_the_task,
            the_lowest_rank_goes_first,
            a_claim_keeps_its_limit,
            a_claim_keeps_to_its_classes,
            no_task_is_leased_twice,
            an_unknown_worker_is_refused,
            a_reservation_counts_once_it_runs,
            a_beat_renews_the_lease,
            a_beat_needs_its_own_lease,
            a_lease_lapses_at_its_end,
            a_sweep_keeps_its_limit,
            a_gone_worker_loses_its_leases,
            a_returning_worker_has_its_leases_back,
            a_release_is_not_counted,
            reservations_are_withdrawn,
            withdrawn_attempts_are_bounded,
            ready_sums_up_by_class,
        ]);
        $crate::store_conformance_suite!(@group $backend, listing, [
            newest_first_in_pages,
            by_door_and_requester,
            by_state,
            by_program_kind_and_toolchain,
            by_times,
        ]);
        $crate::store_conformance_suite!(@group $backend, programs, [
            the_first_registration_wins,
            a_program_belongs_to_its_door,
            a_program_needs_and_keeps_its_executable,
            identities_are_remembered,
            a_secret_stays,
        ]);
        $crate::store_conformance_suite!(@group $backend, remote_provers, [
            an_attached_prover_reads_back,
            an_address_is_attached_once,
            a_detached_prover_is_gone,
            attached_provers_are_bounded,
        ]);
        $crate::store_conformance_suite!(@group $backend, survival, [
            every_step_to_fulfilment,
            every_step_to_failure,
            what_was_acknowledged_is_there,
        ]);
        $crate::store_conformance_suite!(@group $backend, workers, [
            a_worker_reads_back,
            a_worker_is_the_same_after_reconnecting,
            presence_is_kept,
            a_worker_shows_its_leases,
            a_quarantined_worker_gets_nothing,
            an_update_keeps_the_connection,
            strikes_keep_the_last_reasons,
            good_work_is_counted,
            history_names_the_worker_as_it_was,
            workers_are_listed_in_pages,
        ]);
    };
}
