//! The data is lost, and a backup that was made under load takes its place.

use std::{cell::Cell, path::Path, process::Output};

use hierophant_testkit::{Binaries, Cluster};

use crate::support::{PATIENCE, client::Client, operator, setup};

/// Runs a command of the coordinator's program on the data of `cluster`'s coordinator.
async fn run(cluster: &mut Cluster, command: &str, arguments: &[&Path]) -> Output {
    let data = cluster.coordinator().data();
    let mut program = tokio::process::Command::new(Binaries::built().find("hierophant"));
    program
        .env_clear()
        .arg("--data-directory")
        .arg(data)
        .arg(command)
        .args(arguments)
        .current_dir(cluster.folder());
    tokio::time::timeout(PATIENCE, program.output()).await.unwrap().unwrap()
}

fn succeeded(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

fn refused(output: &Output, says: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains(says), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_is_lost_and_a_backup_made_under_load_is_restored() {
    let mut cluster = Cluster::start(setup()).await;
    cluster.add_worker(&[]).await;
    let client = Client::new(&cluster, 1);
    let (proven, proven_id) = client.ask_scripted("").await;
    client.proven(&proven, &proven_id).await;
    let (running, running_id) = client.ask_scripted("prove_ms=1000").await;
    // Requests come and go while the backup is made.
    let folder = cluster.folder().join("backup");
    let made = Cell::new(false);
    let load = async {
        while !made.get() {
            let (wish, id) = client.ask_scripted("").await;
            client.proven(&wish, &id).await;
        }
    };
    let backup = async {
        let output = run(&mut cluster, "backup", &[&folder]).await;
        made.set(true);
        output
    };
    let ((), output) = tokio::join!(load, backup);
    succeeded(&output);
    refused(&run(&mut cluster, "backup", &[&folder]).await, "is not empty");
    refused(&run(&mut cluster, "restore", &[&folder]).await, "exists");
    succeeded(&run(&mut cluster, "check", &[]).await);
    succeeded(&run(&mut cluster, "check", &[&folder]).await);

    cluster.kill9_coordinator();
    std::fs::remove_dir_all(cluster.coordinator().data()).unwrap();
    succeeded(&run(&mut cluster, "restore", &[&folder]).await);
    succeeded(&run(&mut cluster, "check", &[Path::new("--deep")]).await);
    cluster.start_coordinator().await;
    // What was proved is there, what was open is proved, and the same call finds the same request.
    client.proven(&proven, &proven_id).await;
    assert_eq!(client.ask(&running).await, running_id);
    client.proven(&running, &running_id).await;
    operator::assert_fulfilled_once(&cluster, &running_id).await;
    cluster.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_cut_off_or_damaged() {
    let mut cluster = Cluster::start(setup()).await;
    let client = Client::new(&cluster, 1);
    let _ = client.ask_scripted("").await;
    let folder = cluster.folder().join("backup");
    succeeded(&run(&mut cluster, "backup", &[&folder]).await);
    cluster.kill9_coordinator();
    std::fs::remove_dir_all(cluster.coordinator().data()).unwrap();

    // A blob that says something else, of the same size.
    let shards = std::fs::read_dir(folder.join("artifacts/blobs")).unwrap();
    let blobs = shards.flat_map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap());
    let blob = blobs.map(|blob| blob.unwrap().path()).next().unwrap();
    let content = std::fs::read(&blob).unwrap();
    std::fs::write(&blob, vec![b'x'; content.len()]).unwrap();
    succeeded(&run(&mut cluster, "check", &[&folder]).await);
    refused(
        &run(&mut cluster, "check", &[Path::new("--deep"), &folder]).await,
        "is damaged",
    );
    refused(&run(&mut cluster, "restore", &[&folder]).await, "is damaged");
    std::fs::remove_file(&blob).unwrap();
    refused(&run(&mut cluster, "check", &[&folder]).await, "is missing");
    std::fs::write(&blob, content).unwrap();

    // A database of which a page is something else.
    let database = folder.join("hierophant.db");
    let sound = std::fs::read(&database).unwrap();
    let mut torn = sound.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 512].fill(0xA5);
    std::fs::write(&database, torn).unwrap();
    let output = run(&mut cluster, "restore", &[&folder]).await;
    assert!(!output.status.success(), "a torn database is not restored");
    std::fs::write(&database, sound).unwrap();

    // The last file was not written.
    let manifest = folder.join("backup.json");
    std::fs::rename(&manifest, folder.join("aside")).unwrap();
    refused(&run(&mut cluster, "restore", &[&folder]).await, "no complete backup");
    std::fs::rename(folder.join("aside"), &manifest).unwrap();
    succeeded(&run(&mut cluster, "restore", &[&folder]).await);
    cluster.start_coordinator().await;
    cluster.finish(PATIENCE).await;
}
