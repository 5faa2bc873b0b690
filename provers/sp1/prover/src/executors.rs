//! The child processes in which SP1 runs guests: finding them, measuring them, ending them.
//!
//! SP1 starts one per execution and looks only now and then whether it has ended; a guest that loops without touching
//! memory is never interrupted by SP1 at all. What must stay true: only children of this very process are touched.

use std::fs;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// First characters of the executor's file name as the kernel keeps it (15 characters).
const COMMAND: &str = "sp1-native-runn";

/// A running executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Executor {
    pid: Pid,
    ticks: u64,
}

impl Executor {
    /// Processor time that it used, in whole seconds.
    pub(crate) fn cpu_seconds(self) -> u64 {
        self.ticks / rustix::param::clock_ticks_per_second().max(1)
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        // It may have ended by itself meanwhile, which is as well.
        let _ = kill_process(self.pid, Signal::KILL);
    }
}

/// Returns the executors that this process started and that still run.
pub(crate) fn running() -> Vec<Executor> {
    let parent = getpid().as_raw_nonzero().get();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| executor_in(&stat, parent))
        .collect()
}

/// Ends all of them.
pub(crate) fn kill_all() {
    for executor in running() {
        executor.kill();
    }
}

/// Reads a line of `/proc/<pid>/stat`; `None` unless it is a live executor of `parent`.
fn executor_in(stat: &str, parent: i32) -> Option<Executor> {
    // "pid (command) state parent ...": the command may hold anything, so the last parenthesis counts.
    let (head, tail) = stat.split_at(stat.rfind(')')?);
    let (pid, command) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.get(2..)?.split_ascii_whitespace().collect();
    let (state, of_parent) = (*fields.first()?, fields.get(1)?.parse::<i32>().ok()?);
    if !command.starts_with(COMMAND) || of_parent != parent || matches!(state, "Z" | "X") {
        return None;
    }
    // Fields 14 and 15 of the line, counted from 1: time in user and in kernel mode.
    let user: u64 = fields.get(11)?.parse().ok()?;
    let kernel: u64 = fields.get(12)?.parse().ok()?;
    Some(Executor {
        pid: Pid::from_raw(pid.parse().ok()?)?,
        ticks: user + kernel,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "77 (sp1-native-runn) R 12 77 77 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 1 0 99";

    #[test]
    fn reads_pid_and_processor_time() {
        let executor = executor_in(LINE, 12).expect("an executor of 12");
        assert_eq!(executor.pid.as_raw_nonzero().get(), 77);
        assert_eq!(executor.ticks, 300);
    }

    #[test]
    fn others_are_left_alone() {
        assert_eq!(executor_in(LINE, 13), None, "of another parent");
        assert_eq!(executor_in(&LINE.replace(" R ", " Z "), 12), None, "has ended");
        assert_eq!(executor_in(&LINE.replace("sp1-native-runn", "bash"), 12), None);
        assert_eq!(executor_in("77 (x", 12), None);
        assert_eq!(executor_in("", 12), None);
    }
}
