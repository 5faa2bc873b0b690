//! A cluster of scripts that stand for the programs: how they are started, killed and restarted, and under which
//! addresses they are found.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use hierophant_testkit::{Binaries, Cluster, Setup, leftovers, wait_until};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const BOUND: Duration = Duration::from_mins(1);

/// Writes where it "listens" as the real one does, and then waits.
const COORDINATOR: &str = "#!/bin/sh\nmkdir -p data; echo \"start with $*\"; \
    echo \"{\\\"grpc\\\":\\\"$FAKE\\\",\\\"http\\\":\\\"$FAKE\\\"}\" >data/new; mv data/new data/addresses.json\n\
    exec sleep 1000\n";
const WORKER: &str = "#!/bin/sh\necho \"start with $*\"; exec sleep 1000\n";

/// A folder with the programs.
fn programs(coordinator: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, script) in [
        ("hierophant", coordinator),
        ("contemplant", WORKER),
        ("prover-mock", WORKER),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    folder
}

fn setup(programs: &TempDir, fake: SocketAddr) -> Setup {
    Setup::default()
        .binaries(Binaries::in_folder(programs.path()))
        .variable("FAKE", &fake.to_string())
}

/// Answers every HTTP request with `body`.
async fn http(body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                continue;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let mut request = [0; 4096];
            // A client that is gone does not matter.
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all((head + body).as_bytes()).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn addresses_hold_over_restarts_and_settings_reach_the_programs() {
    let programs = programs(COORDINATOR);
    let setup = setup(&programs, http("{\"ready\":true}").await)
        .coordinator("workers.max_strikes", 5)
        .mock_prover(&["--system", "demo=v1:core"]);
    let mut cluster = Cluster::start(setup).await;
    let url = cluster.http_url();
    cluster.wait_until_ready(BOUND).await;

    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&cluster.kill9_coordinator()),
        Some(9)
    );
    cluster.json("/readyz").await.expect_err("nobody is there");
    let other = http(
        "{\"workers\":[{\"liveness\":\"alive\",\"connected_at\":\"2999-01-01T00:00:00Z\"},\
        {\"liveness\":\"stale\",\"connected_at\":\"2999-01-01T00:00:00Z\"},\
        {\"liveness\":\"alive\",\"connected_at\":\"2020-01-01T00:00:00Z\"}]}",
    )
    .await;
    cluster
        .coordinator()
        .variable("FAKE", Some(&other.to_string()))
        .set("workers.max_strikes", 6);
    cluster.start_coordinator().await;
    assert_eq!(cluster.http_url(), url);
    cluster.wait_for_workers(1, BOUND).await;

    let worker = cluster
        .add_worker(&[("slots", 3.into()), ("reconnect.min", "20ms".into())])
        .await;
    let config = |name: &str, file: &str| fs::read_to_string(cluster.folder().join(name).join(file)).expect("a config");
    let coordinator: toml::Table = config("coordinator", "hierophant.toml").parse().expect("TOML");
    assert_eq!(coordinator["workers"]["max_strikes"].as_integer(), Some(6));
    assert_eq!(coordinator["public_http_url"].as_str(), Some(url.as_str()));
    assert_eq!(coordinator["provers"][0]["system"].as_str(), Some("demo"));
    assert_eq!(coordinator["provers"][0]["args"][1].as_str(), Some("demo=v1:core"));
    let contemplant: toml::Table = config("worker-0", "worker-0.toml").parse().expect("TOML");
    assert_eq!(contemplant["slots"].as_integer(), Some(3));
    assert_eq!(contemplant["reconnect"]["min"].as_str(), Some("20ms"));
    assert_eq!(
        contemplant["coordinator"].as_str(),
        Some(cluster.link(worker).url().as_str())
    );
    wait_until("the worker's start", BOUND, async || {
        let log = cluster.worker(worker).log();
        if log.contains("start with --config") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let folder = cluster.folder().to_owned();
    cluster.finish(BOUND).await;
    assert!(leftovers(&folder).is_empty() && !folder.exists());
}

#[tokio::test]
#[should_panic(expected = "before it wrote")]
async fn a_coordinator_that_ends_at_once_fails_the_test() {
    let programs = programs("#!/bin/sh\necho 'no disk' >&2; exit 1\n");
    Cluster::start(setup(&programs, http("{}").await)).await;
}

#[tokio::test]
#[should_panic(expected = "build the programs first")]
async fn a_missing_program_says_how_to_build_it() {
    let empty = TempDir::new().expect("a folder");
    Cluster::start(setup(&empty, http("{}").await)).await;
}

/// A process that left its group, as provers do, is found by `finish`, and is gone after all.
#[tokio::test]
async fn what_is_left_is_found_and_killed() {
    let leaving = COORDINATOR.replace("exec sleep", "setsid sleep 1000 & exec sleep");
    let programs = programs(&leaving);
    let cluster = Cluster::start(setup(&programs, http("{}").await)).await;
    let folder: PathBuf = cluster.folder().to_owned();
    wait_until("a process on its own", BOUND, async || {
        let left = leftovers(&folder);
        if left.len() == 2 {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
    let local = tokio::task::LocalSet::new();
    let finished = local.run_until(async { tokio::task::spawn_local(cluster.finish(Duration::from_millis(50))).await });
    let found = finished.await.expect_err("it panics");
    let message = *found.into_panic().downcast::<String>().expect("a message");
    assert!(message.contains("sleep 1000"), "{message}");
    wait_until("the end of all", BOUND, async || {
        let left = leftovers(&folder);
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
}
