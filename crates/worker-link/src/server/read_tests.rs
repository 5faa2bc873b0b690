//! Limits of what a worker may say, at their edges.

use proto::output::At;

use super::*;

fn kind() -> proto::Capability {
    proto::Capability {
        role: "prove".into(),
        system: "vm".into(),
        kind: "core".into(),
        ..Default::default()
    }
}

fn registration() -> proto::Register {
    proto::Register {
        protocol: PROTOCOL_VERSION,
        worker_id: vec![1; 16],
        name: "attic".into(),
        version: "contemplant 1".into(),
        capabilities: Some(proto::Capabilities {
            kinds: vec![kind()],
            slots: 1,
            ..Default::default()
        }),
        leases: vec![vec![2; 16]],
        draining: false,
    }
}

fn refused(change: impl FnOnce(&mut proto::Register)) -> Refusal {
    let mut changed = registration();
    change(&mut changed);
    register(changed, String::new()).expect_err("must be refused")
}

fn offer(register: &mut proto::Register) -> &mut proto::Capabilities {
    register.capabilities.as_mut().unwrap()
}

#[test]
fn a_sound_registration_is_read() {
    let (profile, leases) = register(registration(), "127.0.0.1:1".into()).unwrap();
    assert_eq!((profile.name.as_str(), profile.slots, leases.len()), ("attic", 1, 1));
    assert_eq!(profile.capabilities[0].kind.as_str(), "core");
}

#[test]
fn registrations_are_bounded() {
    assert!(refused(|r| r.protocol = 2).contains("version 2"));
    assert!(refused(|r| r.worker_id = vec![1; 15]).contains("16 bytes"));
    assert!(refused(|r| r.name = String::new()).contains("name"));
    assert!(refused(|r| r.name = "a\nb".into()).contains("name"));
    assert!(refused(|r| r.name = "a".repeat(WORKER_NAME_MAX_BYTES + 1)).contains("name"));
    assert!(refused(|r| r.version = "v".repeat(VERSION_MAX_BYTES + 1)).contains("release"));
    assert!(refused(|r| r.leases = vec![vec![0; 17]]).contains("token"));
    assert!(refused(|r| r.leases = vec![vec![0; 16]; LEASES_MAX + 1]).contains("leases"));
    assert!(refused(|r| offer(r).kinds = vec![kind(); CAPABILITIES_MAX + 1]).contains("257"));
    assert!(refused(|r| offer(r).slots = SLOTS_MAX + 1).contains("slots"));
    assert!(refused(|r| offer(r).kinds[0].system = "A/B".into()).contains("A/B"));
    let labels = |n: usize| (0..n).map(|i| (format!("l{i}"), "v".to_owned())).collect();
    assert!(refused(|r| offer(r).kinds[0].labels = labels(LABELS_MAX + 1)).contains("labels"));
    let mut edge = registration();
    offer(&mut edge).kinds = vec![kind(); CAPABILITIES_MAX];
    offer(&mut edge).kinds[0].labels = labels(LABELS_MAX);
    offer(&mut edge).slots = SLOTS_MAX;
    edge.leases = vec![vec![0; 16]; LEASES_MAX];
    edge.name = "a".repeat(WORKER_NAME_MAX_BYTES);
    register(edge, String::new()).unwrap();
}

fn output(name: &str, at: At) -> proto::Output {
    proto::Output {
        name: name.into(),
        at: Some(at),
    }
}

fn result(outputs: Vec<proto::Output>) -> proto::Result {
    proto::Result {
        outputs,
        ..Default::default()
    }
}

#[test]
fn results_are_bounded() {
    let inline = |bytes: usize| At::Inline(vec![0; bytes]);
    let edge = result(vec![
        output("proof", inline(INLINE_MAX_BYTES)),
        output("log", At::ArtifactId(vec![3; 16])),
    ]);
    assert_eq!(delivery(edge).unwrap().outputs.len(), 2);
    let refused = |outputs| delivery(result(outputs)).expect_err("must be refused");
    assert!(refused(vec![output("proof", inline(INLINE_MAX_BYTES + 1))]).contains("uploaded"));
    assert!(refused(vec![output("a", inline(1)), output("a", inline(1))]).contains("twice"));
    assert!(refused(vec![output("a", At::ArtifactId(vec![3; 15]))]).contains("16 bytes"));
    assert!(refused(vec![output("A", inline(1))]).contains("\"A\""));
    assert!(
        refused(vec![proto::Output {
            name: "a".into(),
            at: None
        }])
        .contains("no content")
    );
    let many = |n: usize| (0..n).map(|i| output(&format!("o{i}"), inline(0))).collect::<Vec<_>>();
    assert!(refused(many(OUTPUTS_MAX + 1)).contains("33"));
    assert!(delivery(result(many(OUTPUTS_MAX))).is_ok());
    let odd = proto::Result {
        public_values_sha256: vec![0; 31],
        ..Default::default()
    };
    assert!(delivery(odd).unwrap_err().contains("32 bytes"));
}

#[test]
fn failures_of_unknown_class_are_the_provers() {
    let read = failure(&proto::Failure {
        class: 99,
        message: "x\ny".into(),
        ..Default::default()
    });
    assert_eq!((read.class, read.message.as_str()), (FailureClass::Prover, "x y"));
}

#[test]
fn progress_is_cut_to_what_people_read() {
    let wild = proto::Progress {
        phase: "ä".repeat(100),
        overall_bp: u32::MAX,
        ..Default::default()
    };
    let read = progress(&wild);
    assert_eq!((read.phase.len(), read.overall_bp), (64, 10_000));
}
