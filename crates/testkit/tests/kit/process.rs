//! Children: ended by signals, their output kept, nothing of theirs left behind.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt as _, path::Path, time::Duration};

use hierophant_testkit::{Launch, Process, leftovers, wait_until};
use tempfile::TempDir;

const BOUND: Duration = Duration::from_mins(1);

/// Runs a shell script in `folder`.
fn script(folder: &Path, script: &str) -> Process {
    Process::start(&Launch {
        name: "script".to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: BTreeMap::from([("GREETING".to_owned(), "good morning".to_owned())]),
        folder: folder.to_owned(),
        log: folder.join("log"),
    })
}

async fn wait_for_log(process: &Process, text: &str) {
    wait_until(text, BOUND, async || {
        if process.log().contains(text) {
            Ok(())
        } else {
            Err(process.log())
        }
    })
    .await;
}

async fn wait_for_leftovers(folder: &TempDir, count: usize) {
    wait_until(&format!("{count} leftovers"), BOUND, async || {
        let left = leftovers(folder.path());
        if left.len() == count {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn its_output_is_kept_and_its_end_is_known() {
    let folder = TempDir::new().expect("a folder");
    let mut process = script(folder.path(), "echo $GREETING; echo $CARGO_MANIFEST_DIR. >&2; exit 3");
    assert_eq!(process.wait_for_end(BOUND).await.code(), Some(3));
    assert_eq!(process.log(), "good morning\n.\n");
    assert_eq!(process.kill9().code(), Some(3));
}

#[tokio::test]
async fn sigterm_may_be_answered_and_sigkill_may_not() {
    let folder = TempDir::new().expect("a folder");
    let polite = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = script(folder.path(), polite);
    wait_for_log(&process, "ready").await;
    assert_eq!(process.terminate(BOUND).await.code(), Some(0));
    assert!(process.log().ends_with("bye\n"));

    let mut process = script(folder.path(), "trap '' TERM; echo deaf; while :; do sleep 0.01; done");
    wait_for_log(&process, "deaf").await;
    assert_eq!(process.kill9().signal(), Some(9));
}

/// Killing a process leaves what it had started, so that a test sees whether that notices; dropping leaves nothing.
#[tokio::test]
async fn kill9_kills_one_and_drop_kills_the_group() {
    let folder = TempDir::new().expect("a folder");
    let mut process = script(folder.path(), "sleep 1000 & echo started; wait");
    wait_for_log(&process, "started").await;
    // Between the two, the shell's child is still a shell.
    wait_until("the shell's child sleeps", BOUND, async || {
        let left = leftovers(folder.path());
        let sleeps = left.iter().any(|left| left.command == "sleep 1000");
        if sleeps { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    process.kill9();
    let left = leftovers(folder.path());
    assert_eq!(
        left.iter().map(|left| left.command.as_str()).collect::<Vec<_>>(),
        ["sleep 1000"]
    );
    let orphan = rustix::process::Pid::from_raw(left[0].pid).expect("a process id");
    rustix::process::kill_process(orphan, rustix::process::Signal::KILL).expect("it is ours");
    wait_for_leftovers(&folder, 0).await;

    let process = script(folder.path(), "sleep 1000 & echo started; wait");
    wait_for_leftovers(&folder, 2).await;
    drop(process);
    wait_for_leftovers(&folder, 0).await;
}

#[tokio::test]
#[should_panic(expected = "the end of script")]
async fn an_end_that_does_not_come_fails_the_test() {
    let folder = TempDir::new().expect("a folder");
    script(folder.path(), "sleep 1000")
        .wait_for_end(Duration::from_millis(50))
        .await;
}
