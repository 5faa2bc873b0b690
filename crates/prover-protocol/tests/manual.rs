//! The manual, docs/prover-protocol.md, is true: its bytes are frames, and its prover is one.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use hierophant_prover_protocol::{
    conformance::{Case, Outcome, Subject, run},
    proto::{Call, Event, Frame, Heartbeat, Hello, Reply, Role, SetupReply, call, event, frame::Body, reply},
    wire::{FrameReader, encode},
};

/// The fenced blocks of the manual in one language.
fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/prover-protocol.md");
    let text = fs::read_to_string(&path).expect("the manual lies in docs/");
    let fence = format!("\n```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .filter_map(|part| part.split("\n```").next().map(str::to_owned))
        .collect()
}

fn bytes(block: &str) -> Vec<u8> {
    let code = block.lines().filter_map(|line| line.split('#').next());
    let digits = code.flat_map(str::split_whitespace);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits"))
        .collect()
}

#[test]
fn the_worked_examples_are_the_frames_that_they_claim_to_be() {
    let expected = [
        Frame {
            job_id: 0,
            call_id: 1,
            body: Some(Body::Call(Call {
                call: Some(call::Call::Hello(Hello {
                    protocol: 1,
                    role: Role::Light.into(),
                    heartbeat_ms: 1000,
                    scratch_dir: "/tmp/p".into(),
                    ..Hello::default()
                })),
            })),
        },
        Frame {
            job_id: 3,
            call_id: 7,
            body: Some(Body::Reply(Reply {
                reply: Some(reply::Reply::Setup(SetupReply {
                    vk: b"vk".to_vec(),
                    program_id: vec![0xab, 0xcd],
                })),
            })),
        },
        Frame {
            job_id: 0,
            call_id: 0,
            body: Some(Body::Event(Event {
                event: Some(event::Event::Heartbeat(Heartbeat {})),
            })),
        },
    ];
    let blocks = blocks("hex");
    assert_eq!(blocks.len(), expected.len());
    for (block, expected) in blocks.iter().zip(expected) {
        let bytes = bytes(block);
        let frame = FrameReader::new(&bytes[..]).read();
        assert_eq!(frame.expect("a frame"), Some(expected.clone()));
        let mut again = Vec::new();
        encode(&expected, &mut again).expect("a small frame");
        assert_eq!(again, bytes);
    }
}

#[tokio::test]
async fn the_prover_in_python_passes_the_conformance_checks() {
    let python = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        eprintln!("left out: there is no python3 here");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let prover = directory.path().join("prover-toy");
    let source = blocks("python");
    assert_eq!(source.len(), 1);
    fs::write(&prover, &source[0]).expect("a new file");
    fs::set_permissions(&prover, fs::Permissions::from_mode(0o755)).expect("our own file");
    fs::create_dir(directory.path().join("inputs")).expect("a new directory");
    for (name, text) in [
        ("case.txt", "system = toy\nkind = hash\n"),
        ("inputs/program", "a program"),
        ("inputs/stdin", "some input"),
    ] {
        fs::write(directory.path().join(name), text).expect("a new file");
    }
    let mut subject = Subject::new("python3");
    subject.args = vec![prover.to_str().expect("a path in UTF-8").into()];
    subject.case = Some(Case::load(directory.path()).expect("the case just written"));
    let checks = run(&subject, |check| println!("{check}")).await;
    let odd: Vec<_> = checks.iter().filter(|check| check.outcome != Outcome::Pass).collect();
    let left_out = |name: &str, outcome: &Outcome| name == "execute" && matches!(outcome, Outcome::Needs(_));
    assert!(odd.iter().all(|check| left_out(check.name, &check.outcome)), "{odd:#?}");
}
