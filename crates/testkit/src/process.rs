//! One child process: started in a process group of its own with its output in a file, ended by signals, and never left
//! behind.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};

use crate::wait::wait_until;

/// Last lines of a log that are printed when a test fails.
const LOG_TAIL_LINES: usize = 200;
/// Variables of the test's own environment that its children get: what programs need to be found, and what coverage
/// and panics need to be seen.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "LLVM_PROFILE_FILE", "RUST_BACKTRACE", "LD_LIBRARY_PATH"];

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// For messages, and the name of the log.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its variables, besides `PATH` and a few others of the test's own.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub folder: PathBuf,
    /// The file that its output is added to.
    pub log: PathBuf,
}

impl Launch {
    /// A program without arguments and variables that runs beside its log.
    ///
    /// # Panics
    /// When either path has no name.
    pub fn new(program: &Path, log: &Path) -> Self {
        let name = program.file_name().expect("a program's path ends with its name");
        Self {
            name: name.to_string_lossy().into_owned(),
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            folder: log.parent().expect("a log lies in a folder").to_owned(),
            log: log.to_owned(),
        }
    }
}

/// A running or ended child. Dropping it kills its process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a process.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(launch: &Launch) -> Self {
        let log = File::options().create(true).append(true).open(&launch.log);
        let log = log.unwrap_or_else(|error| panic!("no log {}: {error}", launch.log.display()));
        let kept = KEPT_VARIABLES
            .iter()
            .filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let child = Command::new(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .envs(kept)
            .envs(&launch.environment)
            .current_dir(&launch.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("an open file can be shared"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", launch.program.display()));
        Self {
            name: launch.name.clone(),
            child,
            log: launch.log.clone(),
            ended: None,
        }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system does not know its own child.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended
    }

    /// Waits until it ends of itself.
    ///
    /// # Panics
    /// When it does not within `bound`.
    pub async fn wait_for_end(&mut self, bound: Duration) -> ExitStatus {
        let what = format!("the end of {} (process {})", self.name, self.pid());
        wait_until(&what, bound, async || self.ended().ok_or_else(|| "it runs".to_owned())).await
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Panics
    /// When it does not end within `bound`.
    pub async fn terminate(&mut self, bound: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_for_end(bound).await
    }

    /// Sends SIGKILL to the process alone, as the system does when memory runs out, and waits for its end. What it had
    /// started has to notice by itself.
    ///
    /// # Panics
    /// When the system does not know its own child.
    pub fn kill9(&mut self) -> ExitStatus {
        if let Some(status) = self.ended() {
            return status;
        }
        self.signal(Signal::KILL);
        let status = self.child.wait().expect("a child can be waited for");
        *self.ended.insert(status)
    }

    /// Sends a signal, unless it has ended: its number may be another's by then.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // It cannot be gone before it was waited for, and that is done above only.
            let _ = rustix::process::kill_process(self.group(), signal);
        }
    }

    /// Everything that it wrote so far, of earlier starts with the same log too.
    pub fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| error.to_string(),
            |log| String::from_utf8_lossy(&log).into_owned(),
        )
    }

    fn group(&self) -> Pid {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a child's id is a process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group is there as long as its leader was not waited for or any member lives; with neither, ESRCH.
        if self.ended.is_none() {
            let _ = rustix::process::kill_process_group(self.group(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Prints the end of a log, for a test that fails.
#[expect(clippy::print_stderr, reason = "a failing test's output is read there")]
pub(crate) fn print_log(log: &Path) {
    let text = fs::read(log).map_or_else(
        |error| error.to_string(),
        |log| String::from_utf8_lossy(&log).into_owned(),
    );
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("---- {} ({} lines)", log.display(), lines.len());
    for line in &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..] {
        eprintln!("{line}");
    }
}
