//! The command line as people and scripts use it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn contemplant(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_contemplant"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_version_has_release_and_commit() {
    let output = contemplant(&["--version"]);
    let version = text(&output.stdout);
    assert!(
        version.starts_with(concat!("contemplant ", env!("CARGO_PKG_VERSION"), " (")),
        "{version}"
    );
    assert!(output.status.success());
}

#[test]
fn wrong_settings_are_told_with_exit_code_2() {
    for (arguments, expected) in [
        (&["config", "check"][..], "provers"),
        (&["run", "--set", "slotz=1"], "slotz"),
        (&["run", "--set", "slots=0"], "slots"),
        (&["config", "chek"], "check"),
    ] {
        let output = contemplant(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_example_file_is_a_sound_start() {
    let example = text(&contemplant(&["config", "init"]).stdout);
    assert!(
        example.contains("[[provers]]") && example.contains("coordinator"),
        "{example}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contemplant.toml");
    let with_prover = example
        .replace("#[[provers]]", "[[provers]]")
        .replace("#executable", "executable");
    std::fs::write(&file, with_prover).unwrap();
    let file = file.to_str().unwrap();
    let output = contemplant(&["--config", file, "config", "check"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for config in ["--config", "-c"] {
        let shown = text(&contemplant(&["config", "show", config, file, "--set", "slots=7"]).stdout);
        assert!(shown.contains("slots = 7"), "{config}: {shown}");
    }
}

#[test]
fn circuits_are_the_provers_own_business() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contemplant.toml");
    std::fs::write(
        &file,
        "coordinator = \"http://127.0.0.1:1\"\n[[provers]]\nexecutable = \"/bin/echo\"\nargs = [\"configured\"]\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let output = contemplant(&["--config", file, "circuits", "verify", "a", "--", "--all"]);
    assert_eq!(
        text(&output.stdout),
        "configured circuits verify a --all\n",
        "{}",
        text(&output.stderr)
    );
    let output = contemplant(&["--config", file, "circuits", "record", "--prover", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no prover 2"));
}

#[test]
fn circuits_are_looked_for_where_the_worker_has_them_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contemplant.toml");
    std::fs::write(
        &file,
        "coordinator = \"http://127.0.0.1:1\"\n[[provers]]\nexecutable = \"/bin/sh\"\n\
         args = [\"-c\", \"echo $CONFIGURED,$OF_THE_SHELL,$LANG\"]\nenv = { CONFIGURED = \"there\" }\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_contemplant"))
        .args(["--config", file.to_str().unwrap(), "circuits", "verify"])
        .env_clear()
        .env("OF_THE_SHELL", "here")
        .env("LANG", "C")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "there,,C\n", "{}", text(&output.stderr));
}

#[test]
fn two_workers_do_not_share_a_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let data = format!("data_directory={}", folder.path().display());
    let file = folder.path().join("contemplant.toml");
    std::fs::write(
        &file,
        "coordinator = \"http://127.0.0.1:1\"\n[[provers]]\nexecutable = \"/bin/false\"\n",
    )
    .unwrap();
    let output = contemplant(&[
        "--config",
        file.to_str().unwrap(),
        "--set",
        &data,
        "--set",
        "http_port=0",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("another worker uses"),
        "{}",
        text(&output.stderr)
    );
}
