//! `contemplant miden serve` as operators and clients meet it: the real program, with mock processes for provers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use hierophant_miden_api::{
    Generation, Kind,
    client::{CallContext, RemoteError, RemoteWorker},
};
use hierophant_testkit::{Binaries, Launch, Process, leftovers, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

/// Longer than anything takes that is not hung.
const PATIENCE: Duration = Duration::from_mins(1);
/// A proof that outlasts every test.
const ENDLESS: &str = "prove_ms=600000";
/// In every witness; never in a log.
const PRIVATE: &str = "a-private-note";

/// A worker that listens, in a folder of its own.
struct Listening {
    launch: Launch,
    process: Process,
    folder: TempDir,
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_contemplant").into()
}

/// Arguments that every worker of these tests has, and more.
fn arguments(folder: &Path, more: &[&str]) -> Vec<String> {
    let prover = Binaries::built().find("prover-mock");
    let usual = [
        "miden",
        "serve",
        "--kind=transaction",
        "--kind=batch",
        "--localhost",
        "--port=0",
        "--http-port=0",
        "--prover-arg=--system",
        "--prover-arg=miden-0.15=0.15:transaction,batch,block:1000",
        "--prover-arg=--system",
        "--prover-arg=miden-0.18=0.18:transaction,batch,block:1000",
    ];
    let paths = [
        format!("--prover={}", prover.display()),
        format!("--address-file={}", folder.join("addresses.json").display()),
        format!("--scratch-directory={}", folder.join("scratch").display()),
    ];
    usual
        .iter()
        .chain(more)
        .map(|&argument| argument.to_owned())
        .chain(paths)
        .collect()
}

impl Listening {
    /// A worker that serves.
    async fn start(more: &[&str]) -> Self {
        let worker = Self::launch(more);
        worker.health_is(true).await;
        worker
    }

    fn launch(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch {
            name: "contemplant miden serve".into(),
            program: program(),
            arguments: arguments(folder.path(), more).into_iter().map(Into::into).collect(),
            environment: [("HOME", folder.path().to_str().unwrap())]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            folder: folder.path().to_owned(),
            log: folder.path().join("log"),
        };
        let process = Process::start(&launch);
        Self {
            launch,
            process,
            folder,
        }
    }

    /// Starts it again after its end.
    fn restart(&mut self) {
        std::fs::remove_file(self.folder.path().join("addresses.json")).unwrap();
        self.process = Process::start(&self.launch);
    }

    /// One of the addresses that it wrote down.
    fn address(&self, of: &str) -> Result<String, String> {
        let text = std::fs::read(self.folder.path().join("addresses.json")).map_err(|error| error.to_string())?;
        let addresses: serde_json::Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        Ok(addresses[of].as_str().unwrap().to_owned())
    }

    fn client(&self, generation: Generation) -> Result<RemoteWorker, String> {
        Ok(RemoteWorker::connect_lazy(&self.address("grpc")?, generation).unwrap())
    }

    async fn health_is(&self, healthy: bool) {
        wait_until("health", PATIENCE, async || {
            let seen = self.client(Generation::B)?.healthy(PATIENCE).await;
            if seen == healthy {
                Ok(())
            } else {
                Err(format!("{seen}\n{}", self.process.log()))
            }
        })
        .await;
    }

    /// Asks for a proof in a task of its own.
    fn prove(&self, script: &str) -> tokio::task::JoinHandle<Result<bytes::Bytes, RemoteError>> {
        let client = self.client(Generation::B).unwrap();
        let witness = format!("mock:{script};{PRIVATE}");
        tokio::spawn(async move {
            client
                .prove(Kind::Transaction, witness.into(), CallContext::default(), PATIENCE)
                .await
        })
    }

    async fn page(&self, path: &str) -> Result<(u16, String), String> {
        let url = format!("http://{}{path}", self.address("http")?);
        let asked = hierophant_testkit::http_client().get(url).send().await;
        let answer = asked.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| error.to_string())?))
    }

    async fn page_is(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) {
        wait_until(path, PATIENCE, async || {
            let (status, text) = self.page(path).await?;
            if wanted(status, &text) {
                Ok(())
            } else {
                Err(format!("{status} {text}"))
            }
        })
        .await;
    }

    async fn running(&self, count: u32) {
        let line = format!("\"running\":{count}");
        self.page_is("/readyz", |_, text| text.contains(&line)).await;
    }

    /// Waits until nothing that it started is there any more.
    async fn no_processes(&self) {
        wait_until("no process of the worker", PATIENCE, async || {
            match &leftovers(self.folder.path())[..] {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .await;
    }

    fn scratch_is_empty(&self) -> bool {
        let mut entries = std::fs::read_dir(self.folder.path().join("scratch")).unwrap();
        entries.next().is_none()
    }
}

#[tokio::test]
async fn it_serves_its_line_and_tells_the_truth_about_itself() {
    for (line, generation, other) in [
        ("0.15", Generation::B, Generation::C),
        ("0.18", Generation::C, Generation::B),
    ] {
        let mut worker = Listening::launch(&["--line", line]);
        worker.page_is("/readyz", |status, _| status == 200).await;
        let client = worker.client(generation).unwrap();
        assert!(client.healthy(PATIENCE).await);
        let status = client.status(PATIENCE).await.unwrap();
        assert_eq!(status.kind, Kind::Transaction);
        assert!(
            status.version.starts_with(&format!("{line}.0+hierophant.")),
            "{}",
            status.version
        );
        for kind in [Kind::Transaction, Kind::Batch] {
            let witness = format!("mock:;{PRIVATE}").into();
            let proof = client
                .prove(kind, witness, CallContext::default(), PATIENCE)
                .await
                .unwrap();
            let text = String::from_utf8(proof.to_vec()).unwrap();
            assert!(text.contains(&format!("system=miden-{line}\nkind={kind}\n")), "{text}");
        }
        let witness = || "mock:".into();
        let unserved = client
            .prove(Kind::Block, witness(), CallContext::default(), PATIENCE)
            .await;
        assert!(matches!(unserved, Err(RemoteError::Refused(_))), "{unserved:?}");
        let elsewhere = worker.client(other).unwrap();
        let unmounted = elsewhere
            .prove(Kind::Batch, witness(), CallContext::default(), PATIENCE)
            .await;
        assert!(matches!(unmounted, Err(RemoteError::Unreachable(_))), "{unmounted:?}");
        worker.page_is("/health", |_, text| text == "true").await;
        worker.page_is("/livez", |status, _| status == 200).await;
        let (_, metrics) = worker.page("/metrics").await.unwrap();
        for line in [
            "contemplant_miden_queue_depth 0",
            "contemplant_miden_proofs_total{kind=\"batch\",result=\"proved\"} 1",
            "contemplant_miden_proof_seconds_bucket{kind=\"batch\",result=\"proved\",le=\"1200\"} 1",
            "contemplant_miden_queue_seconds_count{kind=\"transaction\"} 1",
        ] {
            assert!(metrics.contains(line), "{line} in\n{metrics}");
        }
        assert_eq!(worker.process.terminate(PATIENCE).await.code(), Some(0));
        let log = worker.process.log();
        assert!(!log.contains(PRIVATE), "{log}");
    }
}

#[tokio::test]
async fn it_is_not_serving_before_its_prover_is_ready_and_keeps_early_calls() {
    let worker = Listening::launch(&["--prover-option=hello_ms=2000"]);
    worker.health_is(false).await;
    worker
        .page_is("/readyz", |status, text| {
            status == 503 && text.contains("getting ready")
        })
        .await;
    let early = worker.prove("");
    worker.health_is(true).await;
    early.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_and_is_counted() {
    let worker = Listening::start(&["--capacity=1", "--timeout=2s"]).await;
    let running = worker.prove(ENDLESS);
    worker.running(1).await;
    let refused = worker.prove("").await.unwrap();
    assert!(matches!(refused, Err(RemoteError::Busy(_))), "{refused:?}");
    let late = running.await.unwrap();
    assert!(late.is_err(), "{late:?}");
    worker.running(0).await;
    let (_, metrics) = worker.page("/metrics").await.unwrap();
    for cause in ["queue_full", "timed_out"] {
        let line = format!("contemplant_miden_refused_total{{cause=\"{cause}\"}} 1");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_its_proof() {
    let worker = Listening::start(&["--abandon-grace=100ms"]).await;
    let call = worker.prove("hang=busy");
    worker.running(1).await;
    call.abort();
    worker.running(0).await;
    let stopped = "contemplant_miden_proofs_total{kind=\"transaction\",result=\"stopped\"} 1";
    worker.page_is("/metrics", |_, text| text.contains(stopped)).await;
    worker.prove("").await.unwrap().unwrap();
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_has_and_takes_no_more() {
    let mut worker = Listening::start(&[]).await;
    // One after the other: which of two calls at once is first is nobody's promise.
    let long = worker.prove("prove_ms=5000");
    worker.running(1).await;
    let calls = [long, worker.prove("prove_ms=10")];
    worker
        .page_is("/readyz", |_, text| {
            text.contains("\"running\":1") && text.contains("\"waiting\":1")
        })
        .await;
    worker.process.signal(Signal::TERM);
    worker.health_is(false).await;
    worker
        .page_is("/readyz", |status, text| status == 503 && text.contains("draining"))
        .await;
    let late = worker.prove("").await.unwrap();
    assert!(matches!(late, Err(RemoteError::Unreachable(_))), "{late:?}");
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(worker.process.wait_for_end(PATIENCE).await.code(), Some(0));
    worker.no_processes().await;
    assert!(worker.scratch_is_empty());
}

#[tokio::test]
async fn work_that_outlasts_the_drain_is_answered_without_a_proof() {
    let mut worker = Listening::start(&["--drain-timeout=300ms"]).await;
    let call = worker.prove("hang=busy");
    worker.running(1).await;
    assert_eq!(worker.process.terminate(PATIENCE).await.code(), Some(0));
    let answer = call.await.unwrap();
    assert!(matches!(answer, Err(RemoteError::Unreachable(_))), "{answer:?}");
    worker.no_processes().await;
    assert!(worker.scratch_is_empty());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut worker = Listening::start(&["--drain-timeout=1h"]).await;
    let call = worker.prove("hang=busy");
    worker.running(1).await;
    worker.process.signal(Signal::INT);
    worker.health_is(false).await;
    worker.process.signal(Signal::TERM);
    assert_eq!(
        worker.process.wait_for_end(Duration::from_secs(20)).await.code(),
        Some(0)
    );
    assert!(call.await.unwrap().is_err());
    worker.no_processes().await;
}

#[tokio::test]
async fn told_to_stop_before_its_prover_is_ready_it_stops() {
    let mut worker = Listening::launch(&["--prover-option=hello_ms=600000"]);
    worker.health_is(false).await;
    let call = worker.prove("");
    worker
        .page_is("/readyz", |_, text| text.contains("\"waiting\":1"))
        .await;
    assert_eq!(worker.process.terminate(PATIENCE).await.code(), Some(0));
    assert!(call.await.unwrap().is_err());
    worker.no_processes().await;
}

#[tokio::test]
async fn killed_it_leaves_no_prover_and_its_next_start_removes_the_witnesses() {
    let mut worker = Listening::start(&[]).await;
    let witness = format!("{ENDLESS};{}", "w".repeat(100_000));
    let call = worker.prove(&witness);
    worker.running(1).await;
    worker.process.kill9();
    assert!(call.await.unwrap().is_err());
    worker.no_processes().await;
    assert!(!worker.scratch_is_empty(), "a killed worker cannot clean up");
    worker.restart();
    worker.health_is(true).await;
    let scratch = worker.folder.path().join("scratch");
    let left = std::fs::read_dir(&scratch).unwrap().count();
    assert_eq!(left, 1, "its own folder alone");
    worker.prove("").await.unwrap().unwrap();
}

/// What the program says to these arguments; it is to end at once.
fn ends(arguments: &[String]) -> (Option<i32>, String) {
    ends_with(arguments, &[])
}

/// The same with these variables.
fn ends_with(arguments: &[String], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    let output: Output = command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn what_it_cannot_serve_by_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let after = |more: &[&str], last: &str| {
        let mut arguments = arguments(folder.path(), more);
        arguments.retain(|argument| !argument.starts_with(last.split_once('=').map_or(last, |(name, _)| name)));
        arguments.push(last.to_owned());
        ends(&arguments)
    };
    let cases = [
        (
            after(&[], &format!("--port={port}")),
            1,
            "is another process using the port",
        ),
        (after(&[], &format!("--http-port={port}")), 1, "--http-port"),
        (after(&[], "--prover=/nonexistent/prover"), 1, "/nonexistent/prover"),
        (after(&[], "--line=0.16"), 2, "0.15 or 0.18"),
        (after(&[], "--timeout=soon"), 2, "duration"),
        (after(&[], "--timeout=0"), 2, "every call would be refused"),
        (after(&[], "--capacity=0"), 2, "--capacity"),
        (after(&[], "--max-message-size=0"), 2, "--max-message-size"),
        (after(&[], "--trusted-proxy=nowhere"), 2, "no address and no network"),
        (after(&["--prover-option=x=1"], "--set=slots=1"), 2, "no settings file"),
        (after(&[], "--prover-option=unknown=1"), 1, "unknown"),
    ];
    for ((code, said), expected, words) in &cases {
        assert_eq!(code.unwrap_or(-1), *expected, "{said}");
        assert!(said.contains(words), "{words:?} in {said}");
    }
    let (code, said) = ends(&["miden".into(), "serve".into()]);
    assert!(code == Some(2) && said.contains("--kind"), "{said}");
}

#[test]
fn variables_of_upstreams_worker_are_refused_with_their_replacements() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = ends_with(
        &arguments(folder.path(), &[]),
        &[("MIDEN_PROVER_CAPACITY", "1"), ("MRP_WORKER_PORT", "50051")],
    );
    assert_eq!(code, Some(2), "{said}");
    for words in [
        "`MIDEN_PROVER_CAPACITY` is no longer a setting: ",
        "CONTEMPLANT_MIDEN_CAPACITY",
        "`MRP_WORKER_PORT` is no longer a setting: ",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
}
