//! Child processes of the benchmarks that are no [`Node`](hierophant_testkit::Node): killed when dropped, and what a process
//! has used.

use std::{
    fs,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Longest wait for a child to end after it was told.
const END_WITHIN: Duration = Duration::from_secs(20);

/// One child of this very program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct OwnChild {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl OwnChild {
    /// Starts this program with other arguments.
    pub(crate) fn start(arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).spawn()?;
        Ok(Self {
            stdin: child.stdin.take(),
            child,
        })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input, which tells it to end, and waits until it has.
    pub(crate) async fn finish(mut self) -> Result<()> {
        drop(self.stdin.take());
        self.ended(END_WITHIN).await
    }

    /// Waits until it ends well.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "a child ended with {status}");
                return Ok(());
            }
            if Instant::now() > end {
                bail!("a child did not end within {within:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A release program that was built beside this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a program is in a folder")?.join(name);
    ensure!(
        path.is_file(),
        "{} is not there: `cargo xtask bench` builds it, or `cargo build --release -p hierophant -p contemplant -p prover-mock`",
        path.display()
    );
    Ok(path)
}

/// Processor time that a process has used.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15, in ticks of 10 ms.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Ids of the running children of a process whose program has this name.
pub(crate) fn children(parent: u32, name: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let own = text
            .split_once('(')
            .is_some_and(|(_, rest)| rest.starts_with(&format!("{name})")));
        let field = text.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        own && field.and_then(|field| field.parse::<u32>().ok()) == Some(parent)
    })
    .collect()
}

/// A line of `/proc/PID/status` in mebibytes: `VmRSS`, `VmHWM`.
pub(crate) fn memory_mib(pid: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Makes the highest memory use be counted from now on.
pub(crate) fn reset_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("the peak of memory cannot be reset on this system")
}
