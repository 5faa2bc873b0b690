//! What operators see, and why requests wait.

use hierophant_core::ports::Operators as _;
use hierophant_domain::{RequestState, TaskState, time::Millis, worker::Liveness};
use hierophant_store::RequestFilter;

use crate::support::{Adapter, Execute, Network, Worker, good_proof, over_both_adapters};

over_both_adapters!(
    operators_see_who_works_on_what_and_who_proved_it,
    every_wait_has_its_reason
);

async fn operators_see_who_works_on_what_and_who_proved_it<A: Adapter>() {
    let network = Network::start().await;
    assert_eq!(network.core().readiness().await, [""; 0]);
    let mut worker = Worker::<A>::join(&network, 1).await;
    let request = network.submit().await;
    let task = worker.lease().await;
    let counts = network.core().counts().await.unwrap();
    assert_eq!(counts.requests[usize::from(RequestState::Open.code())], 1);
    assert_eq!(counts.tasks[usize::from(TaskState::Leased.code())], 1);
    worker.report(&network, task.token, 2500);
    worker.report(&network, task.token, 1200);
    let view = network.view(worker.id()).await;
    assert_eq!(
        (view.row.liveness, view.row.profile.name.as_str()),
        (Liveness::Alive, "worker-1")
    );
    let (attempt, asked, progress) = &view.working_on[0];
    assert_eq!((attempt.token, asked.id), (task.token, request));
    assert_eq!(progress.as_ref().unwrap().overall_bp, 2500, "progress does not go back");
    let leased_at = network.now();
    network.advance(Millis::from_secs(30));
    worker.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(request).await;
    let history = network.core().history(None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].request.id, history[0].worker_name.as_str()),
        (request, "worker-1")
    );
    assert_eq!(
        history[0].delivered_at.since(history[0].leased_at),
        Millis::from_secs(30)
    );
    assert_eq!(history[0].leased_at, leased_at);
    assert!(network.core().history(Some(leased_at), 10).await.unwrap().is_empty());
    let view = network.view(worker.id()).await;
    assert_eq!(
        (view.row.proofs, view.row.proving_ms_total, view.working_on.len()),
        (1, 30_000, 0)
    );
    let filter = RequestFilter {
        states: vec![RequestState::Fulfilled],
        limit: 10,
        ..RequestFilter::default()
    };
    let listed = hierophant_core::ports::Operators::list(network.core(), filter)
        .await
        .unwrap();
    assert_eq!(listed.iter().map(|request| request.id).collect::<Vec<_>>(), [request]);
    let counts = network.core().counts().await.unwrap();
    assert_eq!(counts.requests[usize::from(RequestState::Fulfilled.code())], 1);
    assert_eq!(counts.tasks.iter().sum::<u64>(), 0);
}

async fn every_wait_has_its_reason<A: Adapter>() {
    let network = Network::start_with(|settings, _| settings.execute_max_cycles = 0).await;
    let reason = |request| network.reason(request);
    let request = network.ask().executed().submit().await;
    let core = "vm/core";
    assert_eq!(
        reason(request).await,
        Some(format!("no worker is connected; start one that proves {core}"))
    );
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    assert_eq!(reason(request).await, None, "it is being proved");
    let other = network.ask().kind("plonk").submit().await;
    assert_eq!(
        reason(other).await,
        Some("none of the 1 connected workers proves vm/plonk".to_owned())
    );
    let queued = network.submit().await;
    let busy = format!("no worker proves {core} with 8.6 GB free: 1 is busy");
    assert_eq!(reason(queued).await, Some(busy));
    network.checker.next_executions([Execute::Hang]);
    let blame = hierophant_domain::Failure::program(hierophant_domain::ProgramFault::NonZeroExit, "exit code 1");
    worker.fail(&network, task.token, blame).await;
    assert_eq!(
        reason(request).await,
        Some("a worker says that the program fails; it is being run here to find out".to_owned())
    );
    let task = worker.lease().await;
    assert_eq!(task.request, queued);
    worker.disconnect(&network, false).await;
    let third = network.submit().await;
    assert_eq!(
        reason(third).await,
        Some(format!("no worker proves {core} with 8.6 GB free: 1 is cut off"))
    );
    worker.deliver(&network, task.token, good_proof()).await;
    network.fulfilled(queued).await;
    assert_eq!(reason(queued).await, None, "it has ended");
}
