//! What a host has to say to start a prover, and to make a call.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::proto::{Progress, Role};

/// Environment variables that a prover gets from its host; everything else it gets from [`ProverSpec::env`]. The
/// host's own variables may hold credentials, and a prover runs other people's programs.
pub const INHERITED_ENVIRONMENT: &[&str] = &[
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "RAYON_NUM_THREADS",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "TZ",
];

/// How to start a prover process. [`ProverSpec::new`] fills in everything but the executable and a place for files.
#[derive(Debug, Clone)]
pub struct ProverSpec {
    /// What logs and errors call this prover until it says its own name.
    pub name: String,
    /// A path, or a name that is looked up in `PATH`.
    pub executable: PathBuf,
    /// Arguments after the executable.
    pub args: Vec<String>,
    /// Environment variables beside [`INHERITED_ENVIRONMENT`]; these win.
    pub env: BTreeMap<String, String>,
    /// What the process is for.
    pub role: Role,
    /// The operator's settings for this prover, by name.
    pub options: BTreeMap<String, String>,
    /// Resident memory of the process and its children at which it is killed. Measured twice a second; for hard
    /// isolation put the host into a cgroup as well.
    pub memory_limit_bytes: Option<u64>,
    /// Where the process's private directory is made.
    pub scratch_parent: PathBuf,
    /// How long the process may take to answer hello.
    pub hello_timeout: Duration,
    /// Longest silence while a call is open is three times this. 10 ms to 600 s.
    pub heartbeat: Duration,
    /// How long a cancelled or timed-out call may take to end before the process is killed.
    pub cancel_grace: Duration,
    /// How long the process may take to exit after its stdin was closed before it is killed.
    pub exit_grace: Duration,
}

impl ProverSpec {
    /// A light process of `executable` with the defaults: hello within a minute, heartbeat 1 s, 5 s to react to a cancel
    /// and to exit, no memory limit.
    pub fn new(executable: impl Into<PathBuf>, scratch_parent: impl Into<PathBuf>) -> Self {
        let executable = executable.into();
        let name = executable
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self {
            name,
            executable,
            args: Vec::new(),
            env: BTreeMap::new(),
            role: Role::Light,
            options: BTreeMap::new(),
            memory_limit_bytes: None,
            scratch_parent: scratch_parent.into(),
            hello_timeout: Duration::from_mins(1),
            heartbeat: Duration::from_secs(1),
            cancel_grace: Duration::from_secs(5),
            exit_grace: Duration::from_secs(5),
        }
    }
}

/// Hears the progress of one call, on the runtime: must not block. Every event arrives, in order.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(Progress) + Send + Sync>);

impl ProgressSink {
    /// Calls `hear` for every progress event.
    pub fn new(hear: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(super) fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProgressSink")
    }
}

/// How a call is made.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// Wall-clock limit, counted from the moment the process has room for the call. Then the call is cancelled, and
    /// after [`ProverSpec::cancel_grace`] the process killed. `None`: no limit.
    pub timeout: Option<Duration>,
    /// Who hears of progress.
    pub progress: Option<ProgressSink>,
}

impl CallOptions {
    /// Only a limit of time.
    pub fn within(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            progress: None,
        }
    }
}
