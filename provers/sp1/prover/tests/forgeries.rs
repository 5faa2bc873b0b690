//! The light role against forged proofs. Needs the proofs that `proving.rs` makes and keeps (minutes each), so it runs
//! when asked for: `cargo test --release --test forgeries -- --ignored`.

mod support;

use hierophant_prover_protocol::proto::{NamedBlob, Role, SetupReply, Verify, VerifyReply};
use sha2::{Digest as _, Sha256};
use support::{
    Host, assert_input, fibonacci_values, forget_peak_memory, guest, kept_proof, peak_memory_bytes, program,
    verify_call,
};

/// The end of an encoded proof: public values (12 bytes behind their length) and the version behind its length.
const TAIL_BYTES: usize = 8 + 12 + 8 + 6;

fn kept(kind: &str) -> Vec<u8> {
    let path = kept_proof(kind);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run the test {kind} of proving.rs first", path.display()))
}

async fn verdict(host: &Host, kind: &str, proof: &[u8], key: &SetupReply) -> VerifyReply {
    host.verify(verify_call(host, kind, proof, key))
        .await
        .expect("a verdict")
}

async fn refuses_forgeries(kind: &str, other_kind: &str) {
    let host = Host::start(Role::Light, &[]).await;
    let key = host.setup(&program(&guest("fibonacci"))).await.expect("sets up");
    let real = kept(kind);
    forget_peak_memory(&host);
    let good = verdict(&host, kind, &real, &key).await;
    println!("peak memory while verifying {kind}: {} bytes", peak_memory_bytes(&host));
    assert!(good.valid, "{}", good.reason);
    assert_eq!(
        good.public_values_sha256,
        Sha256::digest(fibonacci_values(100)).to_vec()
    );

    let mut saved = real.clone();
    saved.push(0);
    assert!(verdict(&host, kind, &saved, &key).await.valid, "as the SDK saves it");

    let tail = real.len() - TAIL_BYTES;
    let mut values = real.clone();
    values[tail + 8] ^= 1;
    let mut version = real.clone();
    *version.last_mut().expect("not empty") = b'1';
    let mut trailing = real.clone();
    trailing.extend(b"more");
    let mut lying_length = real.clone();
    lying_length[4..12].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let forgeries = [
        ("public values", values),
        ("version", version),
        ("trailing bytes", trailing),
        ("lying length", lying_length),
        ("half of it", real[..real.len() / 2].to_vec()),
        ("all but the last byte", real[..real.len() - 1].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, forged) in forgeries {
        let reply = verdict(&host, kind, &forged, &key).await;
        assert!(!reply.valid, "{what} is accepted");
        assert!(!reply.reason.is_empty(), "{what} is refused without a reason");
    }
    // Flips all over the proof; each is either refused by the decoder or by the verifier.
    let step = real.len() / 60;
    for position in (4..tail).step_by(step) {
        let mut flipped = real.clone();
        flipped[position] ^= 1;
        let reply = verdict(&host, kind, &flipped, &key).await;
        assert!(!reply.valid, "byte {position} flipped is accepted");
        assert!(host.process.is_alive());
    }

    let as_other = verdict(&host, other_kind, &real, &key).await;
    assert!(
        !as_other.valid && as_other.reason.contains("kind"),
        "{}",
        as_other.reason
    );
    let call = Verify {
        public_values_sha256: vec![9; 32],
        ..verify_call(&host, kind, &real, &key)
    };
    let unexpected = host.verify(call).await.expect("a verdict");
    assert!(!unexpected.valid && unexpected.reason.contains("public values"));
    let call = Verify {
        public_values_sha256: Sha256::digest(fibonacci_values(100)).to_vec(),
        ..verify_call(&host, kind, &real, &key)
    };
    assert!(host.verify(call).await.expect("a verdict").valid);
}

#[tokio::test]
#[ignore = "needs the core proof that proving.rs keeps"]
async fn core_forgeries_are_refused() {
    refuses_forgeries("core", "compressed").await;
}

#[tokio::test]
#[ignore = "needs the compressed proof that proving.rs keeps"]
async fn compressed_forgeries_are_refused() {
    refuses_forgeries("compressed", "core").await;
}

#[tokio::test]
#[ignore = "needs the core proof that proving.rs keeps"]
async fn a_proof_of_another_program_is_refused() {
    let host = Host::start(Role::Light, &[]).await;
    let real = kept("core");
    let other = host.setup(&program(&guest("exit-one"))).await.expect("sets up");
    let reply = verdict(&host, "core", &real, &other).await;
    assert!(!reply.valid, "another program's key accepts it");

    // The program instead of its key does as well, and must be the one that is named.
    let key = host.setup(&program(&guest("fibonacci"))).await.expect("sets up");
    let by_program = |name: &str, program_id: &[u8]| Verify {
        inputs: vec![
            host.input("proof", &real),
            host.input("program", &program(&guest(name))),
        ],
        program_id: program_id.to_vec(),
        ..verify_call(&host, "core", &real, &key)
    };
    let reply = host
        .verify(by_program("fibonacci", &key.program_id))
        .await
        .expect("a verdict");
    assert!(reply.valid, "{}", reply.reason);
    assert_input(host.verify(by_program("exit-one", &key.program_id)).await, "vk hash");

    // A key that is not the one of the id, cut, or not in canonical form.
    let with_vk = |vk: Vec<u8>| Verify {
        inputs: vec![host.input("proof", &real), NamedBlob::inline("vk", vk)],
        ..verify_call(&host, "core", &real, &key)
    };
    assert_input(host.verify(with_vk(other.vk.clone())).await, "vk hash");
    assert_input(host.verify(with_vk(key.vk[..103].to_vec())).await, "bytes");
    let mut beyond_the_field = key.vk.clone();
    beyond_the_field[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_input(host.verify(with_vk(beyond_the_field)).await, "vk");
}
