//! The mock passes the conformance checks, and the checks notice what the mock does wrong on demand.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;

use hierophant_prover_protocol::conformance::{Case, Check, Outcome, Subject, failures, run};
use tempfile::TempDir;

fn subject(script: &str) -> (Subject, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("case.txt"), "system = mock\nkind = core\n").unwrap();
    fs::create_dir(directory.path().join("inputs")).unwrap();
    fs::write(directory.path().join("inputs/program"), "a program").unwrap();
    fs::write(directory.path().join("inputs/stdin"), format!("mock:{script}")).unwrap();
    let mut subject = Subject::new(env!("CARGO_BIN_EXE_prover-mock"));
    subject.case = Some(Case::load(directory.path()).unwrap());
    (subject, directory)
}

fn names(checks: &[Check]) -> Vec<&str> {
    failures(checks).map(|check| check.name).collect()
}

#[tokio::test]
async fn the_mock_passes_every_check() {
    let (subject, _directory) = subject("prove_ms=1500");
    let checks = run(&subject, |check| println!("{check}")).await;
    assert!(checks.len() >= 26, "{}", checks.len());
    let odd: Vec<_> = checks.iter().filter(|check| check.outcome != Outcome::Pass).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}

#[tokio::test]
async fn a_prover_that_lies_about_its_proof_is_noticed() {
    let (subject, _directory) = subject("lie=forged");
    let checks = run(&subject, |_| {}).await;
    assert_eq!(names(&checks), ["prove-and-verify"]);
}

#[tokio::test]
async fn an_executable_that_is_no_prover_fails_and_does_not_hang() {
    let checks = run(&Subject::new("true"), |_| {}).await;
    assert!(names(&checks).contains(&"hello-light"));
    let hello = checks.iter().find(|check| check.name == "hello-light").unwrap();
    assert!(hello.to_string().starts_with("FAIL   hello-light: "), "{hello}");
}
