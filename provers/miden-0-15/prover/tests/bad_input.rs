//! Bytes that are no witness: answered at once, by a process that goes on.

mod support;

use std::time::{Duration, Instant};

use hierophant_prover_protocol::proto::{Execute, NamedBlob, Role, failure::Class};
use miden_protocol::utils::serde::Serializable as _;
use support::{Host, SYSTEM, assert_failure, ecdsa, failure, transaction};

const KINDS: [&str; 3] = ["transaction", "batch", "block"];

/// Refusing takes no longer, even on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What the light role may take while it refuses; a gigabyte would be an allocation by a hostile length.
const MEMORY_MAX: u64 = 256 << 20;

async fn assert_no_witness(host: &Host, kind: &str, bytes: &[u8], what: &str) {
    let began = Instant::now();
    let failure = failure(host.execute(kind, bytes).await);
    assert_eq!(failure.class(), Class::Input, "{what} as {kind}: {}", failure.message);
    for part in [kind, "0.15"] {
        assert!(failure.message.contains(part), "{what}: {}", failure.message);
    }
    assert!(began.elapsed() < AT_ONCE, "{what} as {kind} took {:?}", began.elapsed());
}

#[tokio::test]
async fn bytes_that_are_no_witness_are_the_inputs_fault() {
    let light = Host::start(Role::Light, &[]).await;
    let block = miden_witnesses::block(ecdsa(1), 1).await.expect("executes");
    let witnesses = [
        ("transaction", transaction(1).await),
        (
            "batch",
            miden_witnesses::unproven_batch(ecdsa(1), 1)
                .await
                .expect("executes")
                .to_bytes(),
        ),
        ("block", block.client_layout()),
        ("block", block.worker_layout()),
    ];
    for kind in KINDS {
        for (what, bytes) in [
            ("nothing", &[][..]),
            ("a byte", &[0]),
            ("words", b"this is no witness of anything, however long it is made"),
            ("zeros", &[0; 4096]),
            ("ones", &[0xff; 4096]),
        ] {
            assert_no_witness(&light, kind, bytes, what).await;
        }
        for (other, witness) in witnesses.iter().filter(|(other, _)| *other != kind) {
            assert_no_witness(&light, kind, witness, &format!("a {other}")).await;
        }
    }
    for (kind, witness) in &witnesses {
        for length in [1, witness.len() / 2, witness.len() - 1] {
            assert_no_witness(&light, kind, &witness[..length], "a part").await;
        }
        for more in [&[0][..], b"trailing"] {
            assert_no_witness(&light, kind, &[&witness[..], more].concat(), "more").await;
        }
    }
    assert!(light.peak_memory_bytes() < MEMORY_MAX, "{}", light.peak_memory_bytes());
}

/// Wherever it stands, a length of 2^60 neither allocates nor takes time.
#[tokio::test]
async fn hostile_lengths_cost_nothing() {
    const PLACES: usize = 200;
    let light = Host::start(Role::Light, &[]).await;
    // An integer of nine bytes: a zero, then the number.
    let hostile = [&[0_u8][..], &(1_u64 << 60).to_le_bytes()].concat();
    let padded = [&hostile[..], &[0; 1024]].concat();
    for kind in ["batch", "block"] {
        assert_no_witness(&light, kind, &padded, "2^60 elements").await;
    }
    let block = miden_witnesses::block(ecdsa(2), 1).await.expect("executes");
    for (kind, witness) in [
        ("transaction", transaction(2).await),
        (
            "batch",
            miden_witnesses::unproven_batch(ecdsa(2), 1)
                .await
                .expect("executes")
                .to_bytes(),
        ),
        ("block", block.client_layout()),
        ("block", block.worker_layout()),
    ] {
        // Every place near the front, where the counts stand close together, then some all over it.
        let step = witness.len() / PLACES;
        for place in (0..PLACES).chain((PLACES..witness.len() - hostile.len()).step_by(step)) {
            let mut changed = witness.clone();
            changed[place..place + hostile.len()].copy_from_slice(&hostile);
            let began = Instant::now();
            match light.execute(kind, &changed).await {
                // The place was no length; whether what it says now executes is no matter here.
                Ok(_) => {}
                result @ Err(_) => assert_failure(result, Class::Input, &[kind]),
            }
            assert!(
                began.elapsed() < AT_ONCE,
                "{kind} at {place} took {:?}",
                began.elapsed()
            );
        }
    }
    assert!(light.peak_memory_bytes() < MEMORY_MAX, "{}", light.peak_memory_bytes());
    let reply = light
        .execute("transaction", &transaction(2).await)
        .await
        .expect("executes");
    assert_eq!(reply.fault, None, "the process is sound afterwards");
}

#[tokio::test]
async fn what_is_not_served_is_refused() {
    let light = Host::start(Role::Light, &[("max_input_bytes", "1024")]).await;
    assert_failure(
        light.execute("chain", &[]).await,
        Class::Unsupported,
        &["chain", "batch"],
    );
    assert_failure(light.execute("batch", &[0; 1025]).await, Class::Input, &["witness"]);
    let mut verify = light.verify_call("transaction", &[], &[], &[]);
    verify.mock = true;
    assert_failure(light.call(verify).await, Class::Unsupported, &["mock"]);
    let mut verify = light.verify_call("transaction", &[], &[], &[]);
    verify.toolchain = "0.18".into();
    assert_failure(light.call(verify).await, Class::Unsupported, &["0.15", "0.18"]);
    let execute = |system: &str, inputs| Execute {
        system: system.into(),
        kind: "block".into(),
        inputs,
        ..Execute::default()
    };
    let other = execute("miden-0.18", vec![NamedBlob::inline("witness", vec![0])]);
    assert_failure(light.call(other).await, Class::Unsupported, &["miden-0.15"]);
    assert_failure(
        light.call(execute(SYSTEM, Vec::new())).await,
        Class::Input,
        &["witness"],
    );
}
