//! An interrupt of `cargo xtask` stops what it has started: the real binary runs a program that never ends, is told to
//! stop, and must end with nothing left behind.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// What the program prints to xtask's standard output once it runs.
const STARTED: &str = "started\n";

/// xtask, running a shell script that stands in for a program.
struct Run {
    child: Child,
    stdout: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Run {
    /// Runs the script in place of the guests' compiler, which has xtask's standard output.
    fn compiler(script: &str) -> Self {
        Self::start(script, |xtask, _| {
            xtask.args(["guests", "--check"]);
        })
    }

    /// Runs the script in place of a prover, which has a pipe to xtask instead: `$PPID` is xtask.
    fn prover(script: &str) -> Self {
        Self::start(script, |xtask, executable| {
            xtask.args(["prover-conformance", "--"]).arg(executable);
        })
    }

    /// Starts xtask and waits until the script has started.
    fn start(script: &str, arguments: impl FnOnce(&mut Command, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let executable = folder.path().join("riscv64-unknown-elf-gcc");
        fs::write(&executable, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        arguments(&mut xtask, &executable);
        let mut child = xtask.env("PATH", path).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, STARTED);
        Self {
            child,
            stdout,
            _folder: folder,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end. Every process of the script holds standard output open, so its end says that all are gone.
    fn assert_stopped(mut self) {
        self.stdout.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn an_interrupt_stops_the_command_and_its_children() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let run = Run::compiler("sleep 600 & echo started; sleep 600");
        run.signal(signal);
        run.assert_stopped();
    }
}

/// The compiler ignores SIGTERM, so the first interrupt alone would take until the end of the grace period.
#[test]
fn a_second_interrupt_stops_a_command_that_ignores_the_first() {
    let run = Run::compiler("trap '' TERM; echo started; while :; do sleep 600; done");
    run.signal(Signal::TERM);
    run.signal(Signal::INT);
    run.assert_stopped();
}

/// A prover that heeds neither the end of its input nor SIGTERM.
#[test]
fn an_interrupt_stops_a_prover_and_its_children() {
    let run = Run::prover("trap '' TERM; exec 3>/proc/$PPID/fd/1; sleep 600 & echo started >&3; sleep 600");
    run.signal(Signal::INT);
    run.assert_stopped();
}
