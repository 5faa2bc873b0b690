//! The host's side against a real process: every way to end well, and every way to end badly.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{PATIENCE, execute, prove, setup, spec, verify};
use hierophant_prover_protocol::{
    host::{CallError, CallOptions, ExitHow, ProgressSink, ProverProcess, ProverSpec, SpawnError},
    proto::{Failure, NamedBlob, Progress, ProveReply, Role, failure::Class, program_fault::Cause},
    read_output,
};

async fn start(role: Role) -> (ProverProcess, tempfile::TempDir) {
    let (spec, parent) = spec(role);
    (ProverProcess::spawn(&spec).await.unwrap(), parent)
}

/// Proves `script` as a new job.
async fn proved(process: &ProverProcess, script: &str) -> Result<ProveReply, CallError> {
    proved_within(process, script, CallOptions::within(PATIENCE)).await
}

async fn proved_within(process: &ProverProcess, script: &str, options: CallOptions) -> Result<ProveReply, CallError> {
    let directory = process.output_dir().unwrap();
    let program_id = match process.call(process.new_job(), setup(), CallOptions::default()).await {
        Ok(reply) => reply.program_id,
        Err(error) => return Err(error),
    };
    let mut call = prove(script, directory.path());
    call.program_id = program_id;
    process.call(process.new_job(), call, options).await
}

fn output(reply: &ProveReply, name: &str) -> Vec<u8> {
    let blob = NamedBlob::find(&reply.outputs, name).unwrap();
    read_output(blob, Path::new("/"), 1 << 20).unwrap()
}

fn failed(error: CallError) -> Failure {
    match error {
        CallError::Failed(failure) => failure,
        other => panic!("expected a failure, got {other}"),
    }
}

#[tokio::test]
async fn hello_tells_what_the_prover_serves_and_a_shutdown_leaves_nothing() {
    let (process, parent) = start(Role::Light).await;
    let hello = process.hello();
    assert!(hello.name.starts_with("prover-mock "), "{}", hello.name);
    assert_eq!(hello.systems[0].kinds.len(), 2);
    assert!(process.scratch_dir().starts_with(parent.path()));
    assert!(process.scratch_dir().exists());
    let end = process.shutdown().await;
    let expected = CallError::Died {
        how: ExitHow::Code(0),
        memory_kill_suspected: false,
    };
    assert_eq!(end, expected);
    assert!(!process.is_alive());
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    assert!(!Path::new(&format!("/proc/{}", process.pid())).exists());
}

#[tokio::test]
async fn a_dropped_handle_ends_the_process() {
    let (process, parent) = start(Role::Light).await;
    drop(process);
    let end = Instant::now() + PATIENCE;
    while std::fs::read_dir(parent.path()).unwrap().count() > 0 {
        assert!(Instant::now() < end, "the scratch directory is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn proofs_are_deterministic_verified_and_every_forgery_is_refused() {
    let (process, _parent) = start(Role::Prove).await;
    let first = proved(&process, "cycles=5").await.unwrap();
    let second = proved(&process, "cycles=5").await.unwrap();
    assert_eq!(output(&first, "proof"), output(&second, "proof"));
    assert_eq!(first.record.as_ref().unwrap().cycles, Some(5));
    let id = process
        .call(process.new_job(), setup(), CallOptions::default())
        .await
        .unwrap()
        .program_id;
    let judge = async |proof: Vec<u8>, kind: &str, id: &[u8], hash: Vec<u8>| {
        let mut call = verify(&proof, id);
        call.kind = kind.into();
        call.public_values_sha256 = hash;
        let reply = process.call(process.new_job(), call, CallOptions::default()).await;
        reply.unwrap().valid
    };
    let good = output(&first, "proof");
    let hash = first.record.unwrap().public_values_sha256;
    assert!(judge(good.clone(), "core", &id, hash.clone()).await);
    assert!(!judge(good.clone(), "compressed", &id, Vec::new()).await);
    assert!(!judge(good.clone(), "core", &[1; 32], Vec::new()).await);
    assert!(!judge(good, "core", &id, vec![0; 32]).await);
    for lie in ["forged", "truncated", "other_program", "other_values", "other_kind"] {
        let reply = proved(&process, &format!("lie={lie}")).await.unwrap();
        let accepted = judge(output(&reply, "proof"), "core", &id, hash.clone()).await;
        assert!(!accepted, "{lie}");
    }
}

#[tokio::test]
async fn large_outputs_are_files_in_the_output_directory() {
    let (process, _parent) = start(Role::Prove).await;
    let directory = process.output_dir().unwrap();
    let mut call = prove("output_bytes=70000", directory.path());
    call.program_id = process
        .call(process.new_job(), setup(), CallOptions::default())
        .await
        .unwrap()
        .program_id;
    let reply = process
        .call(process.new_job(), call, CallOptions::default())
        .await
        .unwrap();
    let padding = NamedBlob::find(&reply.outputs, "padding").unwrap();
    assert_eq!(read_output(padding, directory.path(), 70_000).unwrap().len(), 70_000);
    assert!(directory.path().join("padding").exists());
}

#[tokio::test]
async fn execution_reports_faults_and_limits() {
    let (process, _parent) = start(Role::Light).await;
    let directory = process.output_dir().unwrap();
    let run = async |script: &str, cycles: Option<u64>| {
        let mut call = execute(script, directory.path());
        call.limits = Some(hierophant_prover_protocol::proto::Limits {
            cycles,
            gas: None,
            guest_log_bytes: 4,
        });
        process
            .call(process.new_job(), call, CallOptions::default())
            .await
            .unwrap()
    };
    let well = run("cycles=7,log=long line", Some(7)).await;
    assert_eq!(well.fault, None);
    let log = NamedBlob::find(&well.outputs, "guest_log").unwrap();
    assert_eq!(read_output(log, directory.path(), 100).unwrap(), b"long");
    let cause = async |script: &str| run(script, Some(6)).await.fault.unwrap().cause();
    assert_eq!(cause("cycles=7").await, Cause::CycleLimit);
    assert_eq!(cause("cycles=6,exit_code=3").await, Cause::NonZeroExit);
    assert_eq!(cause("cycles=6,fault=abnormal_exit").await, Cause::AbnormalExit);
}

#[tokio::test]
async fn progress_arrives_in_order_and_heartbeats_keep_a_long_job_alive() {
    let (process, _parent) = start(Role::Prove).await;
    let heard: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let sink = Arc::clone(&heard);
    let options = CallOptions {
        timeout: Some(PATIENCE),
        progress: Some(ProgressSink::new(move |progress| sink.lock().unwrap().push(progress))),
    };
    // Ten heartbeats long, and silence is only borne for three.
    proved_within(&process, "prove_ms=1000,phases=execute+prove", options)
        .await
        .unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard.is_sorted_by_key(|progress| progress.overall_bp), "{heard:?}");
    let mut phases: Vec<&str> = heard.iter().map(|progress| progress.phase.as_str()).collect();
    phases.dedup();
    assert_eq!(phases, ["execute", "prove"]);
    assert_eq!(heard.last().unwrap().overall_bp, 10_000);
    assert!(process.is_alive());
}

#[tokio::test]
async fn failures_cost_the_call_only() {
    let (process, _parent) = start(Role::Prove).await;
    let class = async |script: &str| failed(proved(&process, script).await.unwrap_err()).class();
    assert_eq!(class("crash=panic").await, Class::Prover);
    assert_eq!(class("fail=transient").await, Class::Transient);
    assert_eq!(class("fail=program").await, Class::Program);
    assert_eq!(class("no_such_key=1").await, Class::Input);
    let mut call = prove("", Path::new("/"));
    call.kind = "no-such-kind".into();
    let error = process
        .call(process.new_job(), call, CallOptions::default())
        .await
        .unwrap_err();
    assert_eq!(failed(error).class(), Class::Unsupported);
    proved(&process, "noise=1").await.unwrap();
    assert!(
        process
            .recent_log()
            .iter()
            .any(|line| line.contains("a library prints"))
    );
}

#[tokio::test]
async fn every_death_is_told_apart() {
    let death = async |script: &str| {
        let (process, parent) = start(Role::Prove).await;
        let error = proved(&process, script).await.unwrap_err();
        process.gone().await;
        assert!(!process.is_alive());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "{script}");
        let late = process.call(process.new_job(), setup(), CallOptions::default()).await;
        assert_eq!(late.unwrap_err(), error, "later calls hear of the same death");
        error
    };
    let died = |how, memory_kill_suspected| CallError::Died {
        how,
        memory_kill_suspected,
    };
    assert_eq!(death("crash=exit:3").await, died(ExitHow::Code(3), false));
    assert_eq!(death("crash=kill").await, died(ExitHow::Signal(9), true));
    assert_eq!(death("crash=abort").await, died(ExitHow::Signal(6), false));
    assert!(matches!(
        death("garbage=1,prove_ms=20000").await,
        CallError::Protocol(_)
    ));
    let CallError::Hung { silent } = death("hang=silent").await else {
        panic!("a stopped process is not reported as hung");
    };
    assert!(silent >= Duration::from_millis(300), "{silent:?}");
}

#[tokio::test]
async fn too_much_memory_is_a_kill_that_says_so() {
    let (mut spec, _parent) = spec(Role::Prove);
    let limit = 200 << 20;
    spec.memory_limit_bytes = Some(limit);
    let process = ProverProcess::spawn(&spec).await.unwrap();
    proved(&process, "memory=50000000,prove_ms=700").await.unwrap();
    let error = proved(&process, "memory=300000000,prove_ms=20000").await.unwrap_err();
    let CallError::MemoryLimit {
        used_bytes,
        limit_bytes,
    } = error
    else {
        panic!("expected the memory limit, got {error}");
    };
    assert_eq!(limit_bytes, limit);
    assert!(used_bytes > limit);
}

#[tokio::test]
async fn a_cancel_ends_the_job_and_spares_the_process() {
    let (process, _parent) = start(Role::Prove).await;
    let error = cancelled(&process, "prove_ms=20000").await;
    assert_eq!(failed(error).class(), Class::Cancelled);
    assert!(process.is_alive());
    proved(&process, "").await.unwrap();
}

#[tokio::test]
async fn a_job_that_ignores_its_cancel_costs_the_process() {
    let (process, _parent) = start(Role::Prove).await;
    let error = cancelled(&process, "prove_ms=20000,ignore_cancel=1").await;
    assert_eq!(failed(error).class(), Class::Cancelled);
    process.gone().await;
}

/// Proves `script`, cancels it on its first progress, and returns how it ended.
async fn cancelled(process: &ProverProcess, script: &str) -> CallError {
    let directory = process.output_dir().unwrap();
    let id = process
        .call(process.new_job(), setup(), CallOptions::default())
        .await
        .unwrap();
    let mut call = prove(script, directory.path());
    call.program_id = id.program_id;
    let job = process.new_job();
    let canceller = process.clone();
    let options = CallOptions {
        timeout: Some(PATIENCE),
        progress: Some(ProgressSink::new(move |_| {
            canceller.cancel(job);
        })),
    };
    process.call(job, call, options).await.unwrap_err()
}

#[tokio::test]
async fn a_call_over_its_time_is_cancelled_first_and_killed_then() {
    let (process, _parent) = start(Role::Prove).await;
    let limit = Duration::from_millis(100);
    let options = CallOptions::within(limit);
    let error = proved_within(&process, "prove_ms=20000", options.clone())
        .await
        .unwrap_err();
    assert_eq!(error, CallError::Timeout { limit });
    assert!(process.is_alive());
    let error = proved_within(&process, "hang=busy", options).await.unwrap_err();
    assert_eq!(error, CallError::Timeout { limit });
    process.gone().await;
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_gives_its_place_back() {
    let (mut spec, _parent) = spec(Role::Prove);
    spec.args = vec!["--max-jobs".into(), "1".into()];
    let process = ProverProcess::spawn(&spec).await.unwrap();
    let dropped = proved(&process, "prove_ms=20000");
    assert!(tokio::time::timeout(Duration::from_millis(100), dropped).await.is_err());
    // Its place is the only one.
    proved(&process, "").await.unwrap();
}

#[tokio::test]
async fn more_calls_than_the_process_runs_wait_their_turn() {
    let (process, _parent) = start(Role::Light).await;
    let calls = (0..200).map(|_| {
        let process = process.clone();
        tokio::spawn(async move {
            process
                .call(process.new_job(), setup(), CallOptions::within(PATIENCE))
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn provers_that_do_not_start_say_why() {
    let (good, _parent) = spec(Role::Light);
    let spawned = async |change: &dyn Fn(&mut ProverSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        let error = ProverProcess::spawn(&spec).await.unwrap_err();
        assert_eq!(std::fs::read_dir(&good.scratch_parent).unwrap().count(), 0);
        error
    };
    let error = spawned(&|spec| spec.executable = "/no/such/prover".into()).await;
    assert!(matches!(error, SpawnError::Start { .. }), "{error}");
    let error = spawned(&|spec| {
        spec.options.insert("no-such-option".into(), "1".into());
    })
    .await;
    let SpawnError::Hello { source, .. } = error else {
        panic!("an unknown option is refused at hello");
    };
    assert!(failed(source).message.contains("any_program_id"));
    let error = spawned(&|spec| spec.args = vec!["--nonsense".into()]).await;
    let SpawnError::Hello {
        source: CallError::Died { how, .. },
        log,
        ..
    } = error
    else {
        panic!("a wrong argument ends the process: {error}");
    };
    assert_eq!(how, ExitHow::Code(2));
    assert!(log.iter().any(|line| line.contains("--nonsense")), "{log:?}");
    let error = spawned(&|spec| {
        spec.hello_timeout = Duration::from_millis(50);
        spec.options.insert("hello_ms".into(), "20000".into());
    })
    .await;
    let SpawnError::Hello { source, .. } = error else {
        panic!("a slow hello times out: {error}");
    };
    assert!(matches!(source, CallError::Timeout { .. }), "{source}");
}

#[tokio::test]
async fn the_hosts_secrets_do_not_reach_the_prover() {
    let (mut spec, _parent) = spec(Role::Light);
    // Cargo sets this one in every test; it stands for a variable that holds a password.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    spec.env.insert("GIVEN".into(), "yes".into());
    let process = ProverProcess::spawn(&spec).await.unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", process.pid())).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("GIVEN=yes"));
    assert!(environment.contains(&format!("TMPDIR={}", process.scratch_dir().display())));
    assert!(!environment.contains("CARGO_MANIFEST_DIR"));
}

#[tokio::test]
async fn what_a_prover_started_goes_with_it() {
    let (mut spec, _parent) = spec(Role::Light);
    let prover = spec.executable.to_str().unwrap().to_owned();
    spec.executable = "sh".into();
    // The child holds the prover's pipes open, which must not keep the host waiting either.
    let line = "sleep 1000 & echo child $! >&2; exec \"$0\"";
    spec.args = vec!["-c".into(), line.into(), prover];
    let process = ProverProcess::spawn(&spec).await.unwrap();
    let end = Instant::now() + PATIENCE;
    let child = loop {
        let log = process.recent_log();
        if let Some(pid) = log.iter().find_map(|line| line.strip_prefix("child ")) {
            break pid.to_owned();
        }
        assert!(Instant::now() < end, "no child: {log:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    process.shutdown().await;
    // Gone, or dead and not yet collected by whoever inherited it.
    let stat = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        assert!(Instant::now() < end, "the child lives: {}", stat());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
