//! Transactions through the protocol: real proofs, every forgery that can be thought of, and every witness that is none.

mod support;

use std::time::Instant;

use hierophant_prover_protocol::proto::{NamedBlob, Prove, Role, Verify, failure::Class, program_fault::Cause};
use miden_objects::proto::transaction::{ProvenTransaction, TransactionInputs, transaction_inputs::Version};
use miden_witnesses::{Recipe, Wallet};
use prost::Message as _;
use support::{Host, SYSTEM, TOOLCHAIN, assert_no_witness, assert_valid, cause, failure, recipe, spoiled, transaction};

const KIND: &str = "transaction";

/// Places at which a bit of a result is flipped, over all of its length.
const FLIPS: usize = 40;

#[tokio::test]
async fn hello_says_what_is_served() {
    for (role, proves) in [(Role::Light, false), (Role::Prove, true)] {
        let host = Host::start(role, &[("kinds", "transaction,block")]).await;
        let hello = host.process.hello();
        assert_eq!(hello.max_jobs, 1);
        assert_eq!(hello.calls.iter().any(|call| call == "prove"), proves);
        let system = &hello.systems[0];
        assert_eq!((system.name.as_str(), system.toolchain.as_str()), (SYSTEM, TOOLCHAIN));
        assert!(system.mock_kinds.is_empty());
        let kinds: Vec<_> = system.kinds.iter().map(|kind| kind.name.as_str()).collect();
        let light: &[&str] = &["transaction", "batch", "block"];
        assert_eq!(kinds, if proves { &["transaction", "block"] } else { light });
    }
}

#[tokio::test]
async fn what_is_proved_verifies_and_no_forgery_does() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = transaction(recipe(0)).await;
    let other = transaction(recipe(1)).await;
    assert_ne!(witness, other);

    let proved = prover.prove(KIND, &witness).await.expect("proves");
    let record = proved.reply.record.clone().expect("a record");
    println!(
        "{} bytes of witness, {} of proof, proved in {} ms, {} cycles, peak {} bytes",
        witness.len(),
        proved.proof.len(),
        record.proving_ms,
        record.cycles.expect("cycles"),
        record.peak_memory_bytes,
    );
    assert_valid(&light, KIND, &witness, &proved).await;
    let statement = proved.statement();

    // Another's true proof, and one's own for another witness.
    let others = prover.prove(KIND, &other).await.expect("proves");
    light
        .refuses(KIND, &witness, &others.proof, &statement, "account")
        .await;
    light
        .refuses(KIND, &other, &proved.proof, &others.statement(), "account")
        .await;

    // Bits flipped all over it.
    for at in (0..FLIPS).map(|place| place * proved.proof.len() / FLIPS) {
        let mut flipped = proved.proof.clone();
        flipped[at] ^= 1;
        light.refuses(KIND, &witness, &flipped, &statement, "").await;
    }

    // A result that states something else, with a true proof of another transaction of the same witness or none.
    let message = ProvenTransaction::decode(proved.proof.as_slice()).expect("decodes");
    let others = ProvenTransaction::decode(others.proof.as_slice()).expect("decodes");
    let forgeries = [
        ProvenTransaction {
            proof: others.proof.clone(),
            ..message.clone()
        },
        ProvenTransaction {
            proof: message.proof.clone(),
            ..others.clone()
        },
        ProvenTransaction {
            expiration_block_num: message.reference_block_num,
            ..message.clone()
        },
        ProvenTransaction {
            output_notes: Vec::new(),
            input_notes: Vec::new(),
            ..message.clone()
        },
        ProvenTransaction {
            account_update: others.account_update,
            ..message.clone()
        },
        ProvenTransaction {
            proof: None,
            ..message.clone()
        },
    ];
    for forgery in forgeries {
        light
            .refuses(KIND, &witness, &forgery.encode_to_vec(), &statement, "")
            .await;
    }
    for (spoiled, _) in spoiled(&proved.proof) {
        light
            .refuses(KIND, &witness, &spoiled, &statement, "no proven transaction")
            .await;
    }
}

#[tokio::test]
async fn a_falcon_wallet_executes_in_more_cycles() {
    let host = Host::start(Role::Light, &[]).await;
    let plan = Recipe {
        wallet: Wallet::Falcon,
        notes: 2,
        ..recipe(0)
    };
    let falcon = host.states(KIND, &transaction(plan).await).await;
    let ecdsa = host.states(KIND, &transaction(recipe(0)).await).await;
    assert!(falcon.1 > ecdsa.1, "{:?} cycles, {:?} cycles", falcon.1, ecdsa.1);
    assert_ne!(falcon.0, ecdsa.0);
}

#[tokio::test]
async fn a_warm_execution_takes_milliseconds_and_stays_within_its_limit() {
    let host = Host::start(Role::Light, &[]).await;
    let witness = transaction(recipe(0)).await;
    let (_, cycles) = host.states(KIND, &witness).await;
    let mut took = Vec::new();
    for _ in 0..11 {
        let began = Instant::now();
        host.states(KIND, &witness).await;
        took.push(began.elapsed());
    }
    took.sort();
    println!("executed in {:?} (median), {:?} at most", took[5], took[10]);

    let cycles = cycles.expect("cycles are counted");
    let low = host.execute(KIND, &witness, Some(cycles / 2)).await.expect("an answer");
    assert_eq!(cause(&low), Cause::CycleLimit);
    let tiny = host.execute(KIND, &witness, Some(1)).await.expect("an answer");
    assert_eq!(cause(&tiny), Cause::CycleLimit);
    let operators = Host::start(Role::Light, &[("max_cycles", "1000")]).await;
    let low = operators.execute(KIND, &witness, None).await.expect("an answer");
    assert_eq!(cause(&low), Cause::CycleLimit);
}

#[tokio::test]
async fn bytes_that_are_no_transaction_are_the_inputs_fault() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let witness = transaction(recipe(0)).await;
    for (bytes, part) in spoiled(&witness) {
        assert_no_witness(&light, &prover, KIND, &bytes, part).await;
    }
    // Another kind's bytes.
    let batch = batch_header_alone();
    assert_no_witness(&light, &prover, KIND, &batch, "").await;
    // Native bytes inside with a hostile length.
    for hostile in hostile_inside(&witness) {
        assert_no_witness(&light, &prover, KIND, &hostile, "").await;
    }
    // Bits flipped all over it: never a crash; what decodes and executes states something else.
    let (statement, _) = light.states(KIND, &witness).await;
    for at in (0..FLIPS).map(|place| place * witness.len() / FLIPS) {
        let mut flipped = witness.clone();
        flipped[at] ^= 1;
        match light.execute(KIND, &flipped, None).await {
            Ok(reply) if reply.fault.is_some() => assert_eq!(cause(&reply), Cause::AbnormalExit),
            // Advice that the kernel never looks at may change and leave the statement as it is.
            Ok(reply) => assert_eq!(reply.record.expect("a record").public_values_sha256.len(), 32),
            Err(error) => assert_eq!(failure::<()>(Err(error)).class(), Class::Input),
        }
    }
    assert_eq!(light.states(KIND, &witness).await.0, statement, "the process lives on");
}

fn batch_header_alone() -> Vec<u8> {
    let header = miden_objects::proto::blockchain::BlockHeader::default();
    miden_objects::proto::transaction::ProposedBatch {
        reference_block_header: Some(header),
        ..Default::default()
    }
    .encode_to_vec()
}

/// The witness with its account's code replaced by bytes that announce more than there is.
fn hostile_inside(witness: &[u8]) -> Vec<Vec<u8>> {
    // A vint64 of nine bytes, and one of eight, that announce about 2^60 and 2^55 elements.
    let lengths: [&[u8]; 3] = [
        &[0, 0, 0, 0, 0, 0, 0, 0, 0x10],
        &[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    let spoil = |length: &[u8], keep: usize| {
        let mut message = TransactionInputs::decode(witness).expect("decodes");
        let Some(Version::V1(inputs)) = &mut message.version else {
            panic!("version 1");
        };
        let code = inputs.account.as_mut().and_then(|account| account.code.as_mut());
        let mast = code.and_then(|code| code.mast.as_mut()).expect("has code");
        mast.encoded.truncate(keep);
        mast.encoded.extend_from_slice(length);
        mast.encoded.extend_from_slice(&[0x55; 64]);
        message.encode_to_vec()
    };
    let places = [0, 4, 8, 9, 10, 16];
    places
        .iter()
        .flat_map(|keep| lengths.map(|length| spoil(length, *keep)))
        .collect()
}

#[tokio::test]
async fn a_witness_that_does_not_execute_is_the_programs_fault() {
    let (light, prover) = (Host::start(Role::Light, &[]).await, Host::start(Role::Prove, &[]).await);
    let unsigned = miden_witnesses::unsigned_transaction(recipe(0)).expect("a chain");
    let witness = TransactionInputs::from(unsigned).encode_to_vec();
    let executed = light.execute(KIND, &witness, None).await.expect("an answer");
    assert_eq!(cause(&executed), Cause::AbnormalExit);
    let began = Instant::now();
    let proved = failure(prover.prove(KIND, &witness).await);
    println!("refused after {:?}: {}", began.elapsed(), proved.message);
    assert_eq!(proved.class(), Class::Program);
    assert_eq!(proved.fault.expect("a fault").cause(), Cause::AbnormalExit);
}

#[tokio::test]
async fn calls_for_something_else_are_unsupported() {
    let host = Host::start(Role::Prove, &[("kinds", "batch")]).await;
    let calls = [
        ("sp1", KIND, false),
        (SYSTEM, "core", false),
        (SYSTEM, KIND, true),
        (SYSTEM, KIND, false),
    ];
    for (system, kind, mock) in calls {
        let prove = Prove {
            system: system.into(),
            kind: kind.into(),
            mock,
            ..Prove::default()
        };
        assert_eq!(
            failure(host.call(prove).await).class(),
            Class::Unsupported,
            "{system} {kind} {mock}"
        );
    }
    let verify = Verify {
        system: SYSTEM.into(),
        kind: KIND.into(),
        toolchain: "0.15".into(),
        ..Verify::default()
    };
    assert_eq!(failure(host.call(verify).await).class(), Class::Unsupported);
    let light = Host::start(Role::Light, &[]).await;
    let prove = Prove {
        system: SYSTEM.into(),
        kind: KIND.into(),
        inputs: vec![NamedBlob::inline("witness", Vec::new())],
        ..Prove::default()
    };
    assert_eq!(failure(light.call(prove).await).class(), Class::Unsupported);
}
