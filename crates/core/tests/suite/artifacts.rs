//! Who may move which blob, and how long blobs stay.

use hierophant_artifacts::{
    Grant, Holder, Operation, Signer,
    http::{Credential, Denied, Gate as _},
};
use hierophant_core::{
    CoreError,
    ports::{Clients as _, InputSource},
};
use hierophant_domain::{ArtifactId, BlobRef, Name, time::Millis};
use uuid::Uuid;

use crate::support::{Adapter, Network, Worker, alice, good_proof, network::token_in, over_both_adapters};

over_both_adapters!(
    a_private_input_is_read_by_its_owner_and_by_leases_that_live,
    a_private_input_goes_with_its_request,
    blobs_stay_as_long_as_a_request_needs_them,
    a_lease_uploads_only_what_is_its_own_while_its_result_counts,
);

const DAY: Millis = Millis::from_secs(24 * 3600);

async fn granted(network: &Network, operation: Operation, holder: Holder) -> Credential {
    let signer = Signer::new(network.core().secret("artifact-urls").await.unwrap());
    Credential::Url(signer.grant(&Grant {
        operation,
        holder,
        expires: network.now().plus(DAY),
    }))
}

fn url(task: &hierophant_core::ports::AssignedTask, name: &str) -> Credential {
    let input = task
        .inputs
        .iter()
        .find(|input| input.name.as_str() == name)
        .expect("an input of this name");
    let InputSource::Artifact { url, .. } = &input.source else {
        panic!("it travels as an artifact: {input:?}")
    };
    token_in(url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_opens_its_own_artifact_for_its_own_purpose_in_its_time() {
    let network = Network::start().await;
    let created = network
        .core()
        .create_artifact(alice(), Name::literal("input"), false)
        .await
        .unwrap();
    let other = network
        .core()
        .create_artifact(alice(), Name::literal("input"), false)
        .await
        .unwrap();
    let put = token_in(&created.put_url);
    let early = network
        .core()
        .may_get(
            created.id,
            &granted(&network, Operation::Get(created.id), Holder::Anyone).await,
        )
        .await;
    assert!(matches!(early, Err(Denied::NotFound(_))), "not complete yet: {early:?}");
    assert!(matches!(
        network.core().may_put(other.id, &put).await,
        Err(Denied::Forbidden(_))
    ));
    assert!(matches!(
        network.core().may_put(created.id, &Credential::None).await,
        Err(Denied::Unauthorized(_))
    ));
    let permit = network.core().may_put(created.id, &put).await.unwrap();
    assert_eq!(
        (permit.limit_bytes, permit.already),
        (network.settings.max_upload, None)
    );
    network.put(created.id, &put, b"bytes").await;
    assert_eq!(
        network
            .core()
            .may_put(created.id, &put)
            .await
            .unwrap()
            .already
            .unwrap()
            .size,
        5
    );
    assert!(matches!(
        network.core().may_get(created.id, &put).await,
        Err(Denied::Forbidden(_))
    ));
    let get = granted(&network, Operation::Get(created.id), Holder::Anyone).await;
    assert_eq!(network.core().may_get(created.id, &get).await.unwrap().size, 5);
    network.advance(Millis(DAY.0 + 1));
    assert!(matches!(
        network.core().may_get(created.id, &get).await,
        Err(Denied::Unauthorized(_))
    ));
    assert!(matches!(
        network.core().may_put(created.id, &put).await,
        Err(Denied::Unauthorized(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_refused_while_an_input_is_not_there() {
    let network = Network::start().await;
    let announced = network
        .core()
        .create_artifact(alice(), Name::literal("input"), false)
        .await
        .unwrap();
    let refused = network
        .core()
        .submit(network.ask().input(announced.id).submission)
        .await;
    assert!(
        matches!(&refused, Err(CoreError::NotFound(why)) if why.contains("upload it first")),
        "{refused:?}"
    );
}

async fn a_private_input_is_read_by_its_owner_and_by_leases_that_live<A: Adapter>() {
    let network = Network::start().await;
    let secret = network.upload("input", true, b"a secret").await;
    let get = Operation::Get(secret);
    let anyone = granted(&network, get, Holder::Anyone).await;
    let owner = granted(&network, get, Holder::Owner).await;
    let request = network.ask().input(secret).private().submit().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    let lease = url(&task, "stdin");
    assert!(matches!(
        network.core().may_get(secret, &anyone).await,
        Err(Denied::Forbidden(_))
    ));
    assert_eq!(network.core().may_get(secret, &owner).await.unwrap().size, 8);
    assert_eq!(network.core().may_get(secret, &lease).await.unwrap().size, 8);
    let other = network.upload("input", true, b"another secret").await;
    assert!(matches!(
        network.core().may_get(other, &lease).await,
        Err(Denied::Forbidden(_))
    ));
    network.core().cancel(request, alice()).await.unwrap();
    assert!(
        matches!(network.core().may_get(secret, &lease).await, Err(Denied::Forbidden(_))),
        "its lease has ended"
    );
}

async fn a_private_input_goes_with_its_request<A: Adapter>() {
    let network = Network::start().await;
    let secret = network.upload("input", true, b"a secret").await;
    let open_one = network.upload("input", false, b"no secret").await;
    let (first, second) = (
        network.ask().input(secret).private().submit().await,
        network.ask().input(open_one).submit().await,
    );
    let mut worker = Worker::<A>::join(&network, 1).await;
    for request in [first, second] {
        let task = worker.lease().await;
        worker.deliver(&network, task.token, good_proof()).await;
        network.fulfilled(request).await;
    }
    // Its end calls the collector, which otherwise looks every minute.
    network.collected(secret).await;
    assert!(
        network.blobs().size(open_one).await.is_ok(),
        "what is not private stays for its time"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_input_goes_with_each_end_of_its_request_and_after_a_crash() {
    let mut network = Network::start().await;
    let cancelled = network.upload("input", true, b"one secret").await;
    let request = network.ask().input(cancelled).private().submit().await;
    network.core().cancel(request, alice()).await.unwrap();
    network.collected(cancelled).await;
    let expired = network.upload("input", true, b"another secret").await;
    let mut ask = network.ask().input(expired).private();
    ask.submission.deadline = network.now().plus(Millis(10));
    ask.submit().await;
    network.advance(Millis(10));
    network.collected(expired).await;
    // Ended by a coordinator that dies before it collects.
    let left = network.upload("input", true, b"a third secret").await;
    network.die().await;
    network.open_idle().await;
    let request = network.ask().input(left).private().submit().await;
    network.core().cancel(request, alice()).await.unwrap();
    assert!(network.blobs().size(left).await.is_ok());
    network.restart().await;
    network.collected(left).await;
}

async fn blobs_stay_as_long_as_a_request_needs_them<A: Adapter>() {
    let mut network = Network::start().await;
    let needed = network.upload("input", false, b"needed").await;
    let loose = network.upload("input", false, b"loose").await;
    let registration = network.registration(b"an elf").await;
    let program = registration.artifact;
    let id = registration.id.clone();
    network.core().register_program(registration).await.unwrap();
    let mut ask = network.ask().program(id, program).input(needed);
    ask.submission.deadline = network.now().plus(Millis(90 * DAY.0));
    let request = ask.submit().await;
    network.advance(Millis(2 * DAY.0));
    network.restart().await;
    network.collected(loose).await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    assert_eq!(
        network.core().may_get(needed, &url(&task, "stdin")).await.unwrap().size,
        6
    );
    let output = ArtifactId(Uuid::now_v7());
    network
        .put(
            output,
            &Credential::Bearer(task.upload_token.clone()),
            b"proof:forty-two",
        )
        .await;
    worker
        .deliver_blob(&network, task.token, BlobRef::Artifact(output))
        .await;
    network.fulfilled(request).await;
    // Within the time for which ended requests are kept, all of it stays.
    network.advance(Millis(5 * DAY.0));
    let canary = network.upload("input", false, b"canary").await;
    network.advance(Millis(DAY.0 + 1));
    network.restart().await;
    network.collected(canary).await;
    for blob in [needed, program, output] {
        assert!(network.blobs().size(blob).await.is_ok());
    }
    network.advance(Millis(2 * DAY.0));
    network.restart().await;
    network.collected(needed).await;
    network.collected(output).await;
    assert!(
        network.blobs().size(program).await.is_ok(),
        "a registered program stays"
    );
}

async fn a_lease_uploads_only_what_is_its_own_while_its_result_counts<A: Adapter>() {
    let network = Network::start().await;
    let input = network.upload("input", false, b"an input").await;
    let request = network.submit().await;
    let mut worker = Worker::<A>::join(&network, 1).await;
    let task = worker.lease().await;
    let bearer = Credential::Bearer(task.upload_token.clone());
    let output = ArtifactId(Uuid::now_v7());
    assert_eq!(network.core().may_put(output, &bearer).await.unwrap().already, None);
    assert_eq!(
        network.core().may_put(output, &bearer).await.unwrap().already,
        None,
        "an upload may be begun again"
    );
    assert!(
        matches!(network.core().may_put(input, &bearer).await, Err(Denied::Forbidden(_))),
        "somebody else's"
    );
    assert!(
        matches!(network.core().may_get(output, &bearer).await, Err(Denied::Forbidden(_))),
        "a right to write only"
    );
    let unfinished = hierophant_domain::attempt::Delivery {
        outputs: vec![(Name::literal("proof"), BlobRef::Artifact(output))],
        record: hierophant_domain::Record::default(),
    };
    let refused = hierophant_core::ports::Workers::deliver(network.core(), worker.id(), task.token, unfinished).await;
    assert!(matches!(refused, Err(CoreError::NotFound(_))), "{refused:?}");
    network.core().cancel(request, alice()).await.unwrap();
    let refused = network.core().may_put(ArtifactId(Uuid::now_v7()), &bearer).await;
    assert!(matches!(refused, Err(Denied::Forbidden(_))), "{refused:?}");
}
