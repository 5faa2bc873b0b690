//! Runs the commands of the routines and leaves none behind.
//!
//! Must stay true: every command has a process group of its own, its group is killed when its leader has ended, and
//! an interrupt (SIGINT, SIGTERM or SIGHUP) stops every group before this program ends: politely first, for good
//! after [`GRACE`] or at the second interrupt.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::Notify;

/// How long a group may take to end after SIGTERM. cargo-nextest gives its tests up to ten seconds.
const GRACE: Duration = Duration::from_secs(15);

/// The groups that are alive. A group is in the list from its start until its leader is about to be reaped, so that
/// its number cannot have passed to somebody else.
struct Running {
    interrupts: u32,
    groups: Vec<Pid>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running {
    interrupts: 0,
    groups: Vec::new(),
});
static GROUP_ENDED: Condvar = Condvar::new();
static INTERRUPTED: Notify = Notify::const_new();

fn running() -> MutexGuard<'static, Running> {
    // The list is valid after every statement, so a panic elsewhere has not broken it.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes interrupts stop the commands that run; to be called once, before the first command.
pub(crate) fn stop_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(on_interrupt).context("could not install the handler for interrupts")
}

/// Whether an interrupt has come: commands that end then have not failed by themselves.
pub(crate) fn interrupted() -> bool {
    running().interrupts > 0
}

/// Waits for an interrupt; for one waiter, which need not wait yet when it comes.
pub(crate) async fn until_interrupted() {
    INTERRUPTED.notified().await;
}

fn on_interrupt() {
    let mut state = running();
    state.interrupts += 1;
    INTERRUPTED.notify_one();
    if state.interrupts > 1 {
        signal_all(&state.groups, Signal::KILL);
        return;
    }
    signal_all(&state.groups, Signal::TERM);
    drop(state);
    thread::spawn(|| {
        let (state, _) = GROUP_ENDED
            .wait_timeout_while(running(), GRACE, |state| !state.groups.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        signal_all(&state.groups, Signal::KILL);
    });
}

fn signal_all(groups: &[Pid], signal: Signal) {
    for group in groups {
        // A group that has just ended is what we want.
        let _ = kill_process_group(*group, signal);
    }
}

/// Runs a command with its output going where ours goes; fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command with its output going where ours goes and returns how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    eprintln!("$ {}", line(command));
    let child = start(command)?;
    wait(child)
}

/// Runs a command, prints its standard output as it comes, and hands each line of it to `on_line`.
pub(crate) fn status_with_lines(command: &mut Command, mut on_line: impl FnMut(&str) + Send) -> Result<ExitStatus> {
    eprintln!("$ {}", line(command));
    let mut child = start(command.stdout(Stdio::piped()))?;
    let stdout = child.stdout.take().context("the command's standard output is piped")?;
    thread::scope(|scope| {
        // Read beside the wait: a left-over process could hold the pipe open until its group is killed.
        scope.spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                println!("{text}");
                on_line(&text);
            }
        });
        wait(child)
    })
}

/// A command that goes on beside others, with its output in a file. Dropping it kills its group.
#[derive(Debug)]
pub(crate) struct Background {
    child: Option<Child>,
    log: PathBuf,
}

impl Background {
    /// Starts a command whose output goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let child = start(command.stdout(file.try_clone()?).stderr(file))?;
        Ok(Self {
            child: Some(child),
            log: log.to_owned(),
        })
    }

    /// Fails when the command has ended, with the end of its log.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        if waitid(WaitId::Pid(group_of(child)), options)?.is_none() {
            return Ok(());
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        bail!("a command ended by itself; the end of {}:\n{tail}", self.log.display());
    }

    /// Asks the command to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        let child = self.child.take().context("the command was stopped before")?;
        let _ = kill_process_group(group_of(&child), Signal::TERM);
        wait(child)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = kill_process_group(group_of(&child), Signal::KILL);
            let _ = wait(child);
        }
    }
}

fn start(command: &mut Command) -> Result<Child> {
    command.process_group(0).stdin(Stdio::null());
    // Held over the start: an interrupt sees either no process or one that is in the list.
    let mut state = running();
    if state.interrupts > 0 {
        bail!("interrupted before `{}`", line(command));
    }
    let child = command
        .spawn()
        .with_context(|| format!("could not start `{}`", line(command)))?;
    state.groups.push(group_of(&child));
    Ok(child)
}

fn wait(mut child: Child) -> Result<ExitStatus> {
    let group = group_of(&child);
    // Without reaping: as long as the leader is there, the group's number belongs to it.
    let ended = loop {
        match waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result,
        }
    };
    let mut state = running();
    let _ = kill_process_group(group, Signal::KILL);
    state.groups.retain(|other| *other != group);
    drop(state);
    GROUP_ENDED.notify_all();
    let status = child.wait().context("could not wait for a command")?;
    ended.context("could not wait for a command")?;
    Ok(status)
}

fn group_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// The command as a person would type it (without quoting).
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or_else(|| command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let message = run(&mut shell("exit 3")).unwrap_err().to_string();
        assert!(message.contains("`sh -c exit 3` failed"), "{message}");
        assert!(run(&mut shell("exit 0")).is_ok());
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let message = format!("{:#}", run(&mut Command::new("/nonexistent/program")).unwrap_err());
        assert!(message.contains("could not start `program`"), "{message}");
    }

    #[test]
    fn lines_of_output_are_handed_on() {
        let mut lines = Vec::new();
        let status = status_with_lines(&mut shell("echo one; echo two; exit 1"), |line| {
            lines.push(line.to_owned());
        });
        assert_eq!(status.unwrap().code(), Some(1));
        assert_eq!(lines, ["one", "two"]);
    }

    /// A process left in the background holds the output open until it ends; that the call returns long before it
    /// would have ended by itself shows that it was killed with its group.
    #[test]
    fn a_process_left_behind_is_killed() {
        let started = Instant::now();
        let mut lines = Vec::new();
        let status = status_with_lines(&mut shell("sleep 600 & echo left"), |line| lines.push(line.to_owned()));
        assert!(status.unwrap().success());
        assert_eq!(lines, ["left"]);
        assert!(started.elapsed() < Duration::from_mins(1));
    }
}
