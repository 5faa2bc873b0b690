//! Submissions that are repeated: the answer of before counts, whatever would be said of a new one.

use hierophant_core::{CoreError, ports::Clients as _};
use hierophant_domain::{RequestState, time::Millis};

use crate::support::Network;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_submission_is_found_after_its_deadline() {
    let network = Network::start().await;
    let mut submission = network.ask().submission;
    submission.deadline = network.now().plus(Millis(10));
    let first = network.core().submit(submission.clone()).await.unwrap();
    network.advance(Millis(10));
    network.ends(first.request, RequestState::Expired).await;
    let again = network.core().submit(submission.clone()).await.unwrap();
    assert_eq!((again.existed, again.request), (true, first.request));
    // Under a key that nobody has used it is a new request, and comes too late.
    submission.idempotency_key = b"another".to_vec();
    let refused = network.core().submit(submission).await;
    assert!(
        matches!(&refused, Err(CoreError::Invalid(why)) if why.contains("deadline")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_submission_is_found_when_its_input_is_gone() {
    let network = Network::start().await;
    let secret = network.upload("input", true, b"a secret").await;
    let submission = network.ask().input(secret).private().submission;
    let first = network.core().submit(submission.clone()).await.unwrap();
    network
        .core()
        .cancel(first.request, submission.requester.clone())
        .await
        .unwrap();
    network.collected(secret).await;
    let again = network.core().submit(submission).await.unwrap();
    assert_eq!((again.existed, again.request), (true, first.request));
}
