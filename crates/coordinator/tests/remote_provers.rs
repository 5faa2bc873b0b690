//! The operators' commands for remote provers, as programs: their words, their exit codes, and that what they did holds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Output, time::Duration};

use hierophant_testkit::{Binaries, Cluster, Setup};

/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";
const PATIENCE: Duration = Duration::from_secs(30);

async fn run(url: &str, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(Binaries::built().find("hierophant"));
    command.arg("remote-prover").args(arguments).env("HIEROPHANT_URL", url);
    tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

/// What a command says when it exits with 0.
async fn says(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = run(&cluster.http_url(), arguments).await;
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(
        (output.status.code(), err.as_str()),
        (Some(0), ""),
        "{arguments:?}: {out}"
    );
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_attach_list_and_remove() {
    let table = toml::Value::Table("address = '127.0.0.1:2'\nline = '0.18'\n".parse().unwrap());
    let setup = Setup::default().coordinator("remote_provers", vec![table]);
    let mut cluster = Cluster::start(setup).await;
    let listed = says(&cluster, &["list"]).await;
    assert!(
        listed.contains("127.0.0.1:2") && listed.contains("named in the settings file"),
        "{listed}"
    );

    assert!(
        says(&cluster, &["add", NOBODY, "--slots", "3"])
            .await
            .contains("is attached;")
    );
    assert!(says(&cluster, &["add", NOBODY]).await.contains("is attached already"));
    cluster.kill9_coordinator();
    cluster.start_coordinator().await;
    let listed = says(&cluster, &["list"]).await;
    let row = listed.lines().find(|line| line.starts_with(NOBODY)).unwrap_or_default();
    assert!(row.contains("0/3"), "{listed}");

    assert!(says(&cluster, &["remove", NOBODY]).await.contains("is removed"));
    assert!(says(&cluster, &["remove", NOBODY]).await.contains("is not attached"));
    let configured = run(&cluster.http_url(), &["remove", "127.0.0.1:2"]).await;
    assert_eq!(configured.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&configured.stderr).contains("settings file"));
    cluster.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_has_its_exit_code() {
    for wrong in [
        &["add", "nowhere"][..],
        &["add", NOBODY, "--line", "0.16"],
        &["remove"],
        &[],
    ] {
        assert_eq!(
            run("http://127.0.0.1:1", wrong).await.status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
    let nobody = run("http://127.0.0.1:1", &["list"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("HIEROPHANT_URL"));
}
