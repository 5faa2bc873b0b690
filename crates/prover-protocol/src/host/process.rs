//! A running prover, as its host holds it.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::{Semaphore, mpsc, watch},
};

use super::{
    calls::{HostCall, accept},
    error::{CallError, SpawnError},
    link::{self, Link, QUEUED_FRAMES, Waiting, call_frame},
    log::{self, RecentLog},
    scratch::Scratch,
    spec::{CallOptions, INHERITED_ENVIRONMENT, ProverSpec},
    supervise::Supervisor,
};
use crate::{
    PROTOCOL_VERSION,
    blob::is_plain_name,
    proto::{Frame, Hello, HelloReply},
    wire::MAX_FRAME_BYTES,
};

/// Most systems of one prover, and most kinds of one system.
const MAX_SYSTEMS: usize = 64;

/// Longest name or other text in the answer to hello, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Most calls that a process may announce to run at once. Contract: `proto/prover.proto`.
const MAX_JOBS: u32 = 1024;

/// How willingly the kernel kills the prover instead of its host when memory runs out (proc(5): -1000 to 1000).
const OOM_SCORE_ADJ: &str = "500";

/// A running prover that has answered hello. Cheap to clone; when the last handle is dropped the process is asked to
/// exit, and killed if it does not.
#[derive(Clone)]
pub struct ProverProcess {
    inner: Arc<Inner>,
}

struct Inner {
    name: OnceLock<String>,
    pid: u32,
    hello: OnceLock<HelloReply>,
    link: Arc<Link>,
    frames: mpsc::Sender<Frame>,
    room: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    gone: watch::Receiver<bool>,
    log: Arc<RecentLog>,
    scratch: PathBuf,
    last_job: AtomicU64,
}

impl std::fmt::Debug for ProverProcess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProverProcess")
            .field("name", &self.name())
            .field("pid", &self.inner.pid)
            .field("open_calls", &self.inner.link.open_calls())
            .finish_non_exhaustive()
    }
}

impl ProverProcess {
    /// Starts a process and waits until it has answered hello.
    pub async fn spawn(spec: &ProverSpec) -> Result<Self, SpawnError> {
        let parent = spec.scratch_parent.clone();
        let scratch = tokio::task::spawn_blocking(move || Scratch::new(&parent))
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|source| SpawnError::Scratch {
                parent: spec.scratch_parent.clone(),
                source,
            })?;
        let process = Self::start(spec, scratch).map_err(|source| SpawnError::Start {
            executable: spec.executable.clone(),
            source,
        })?;
        process.greet(spec).await?;
        Ok(process)
    }

    fn start(spec: &ProverSpec, scratch: Scratch) -> io::Result<Self> {
        let mut child = command(spec, scratch.path())?.spawn()?;
        let pid = child.id().unwrap_or_default();
        let group = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the process ended at once"))?;
        // Advice to the kernel; a system that refuses it only chooses less well.
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE_ADJ);
        let (stdin, stdout, stderr) = pipes(&mut child)?;
        let link = Arc::new(Link::new(spec.cancel_grace));
        let (frames, queued) = mpsc::channel(QUEUED_FRAMES);
        let (closing, closed) = watch::channel(false);
        let (gone_sender, gone) = watch::channel(false);
        let room = Arc::new(Semaphore::new(0));
        let recent = Arc::new(RecentLog::default());
        let (name, kept) = (spec.name.clone(), Arc::clone(&recent));
        let directory = scratch.path().to_owned();
        let supervisor = Supervisor {
            child,
            pid: group,
            link: Arc::clone(&link),
            reader: tokio::spawn(link::read(Arc::clone(&link), stdout)),
            writer: tokio::spawn(link::write(stdin, queued, closed)),
            log: tokio::spawn(async move { log::forward(stderr, &name, pid, &kept).await }),
            heartbeat: spec.heartbeat,
            exit_grace: spec.exit_grace,
            memory_limit: spec.memory_limit_bytes,
            scratch,
            room: Arc::clone(&room),
            gone: gone_sender,
        };
        tokio::spawn(supervisor.run());
        Ok(Self {
            inner: Arc::new(Inner {
                name: OnceLock::new(),
                pid,
                hello: OnceLock::new(),
                link,
                frames,
                room,
                closing,
                gone,
                log: recent,
                scratch: directory,
                last_job: AtomicU64::new(0),
            }),
        })
    }

    async fn greet(&self, spec: &ProverSpec) -> Result<(), SpawnError> {
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            role: spec.role.into(),
            heartbeat_ms: u32::try_from(spec.heartbeat.as_millis()).unwrap_or(u32::MAX),
            scratch_dir: self.inner.scratch.to_string_lossy().into_owned(),
            options: spec.options.clone(),
            memory_limit_bytes: spec.memory_limit_bytes.unwrap_or(0),
        };
        let answered = match self.inner.link.open(0, None, None) {
            Ok((call_id, waiting)) => {
                let options = CallOptions::default();
                let greeting = self.converse(0, call_id, waiting, hello, &options);
                let limit = spec.hello_timeout;
                tokio::time::timeout(limit, greeting)
                    .await
                    .unwrap_or(Err(CallError::Timeout { limit }))
            }
            Err(error) => Err(error),
        };
        let reply = match answered {
            Ok(reply) => reply,
            Err(source) => {
                self.kill("hello went wrong").await;
                return Err(SpawnError::Hello {
                    name: spec.name.clone(),
                    log: self.recent_log(),
                    source,
                });
            }
        };
        if let Err(reason) = check_hello(&reply) {
            self.kill("hello went wrong").await;
            return Err(SpawnError::HelloReply {
                name: spec.name.clone(),
                reason,
            });
        }
        self.inner.room.add_permits(reply.max_jobs as usize);
        let _ = self.inner.name.set(reply.name.clone());
        let _ = self.inner.hello.set(reply);
        Ok(())
    }

    /// What the prover answered to hello.
    ///
    /// # Panics
    ///
    /// Never: no handle is given out before hello was answered.
    pub fn hello(&self) -> &HelloReply {
        self.inner
            .hello
            .get()
            .expect("spawn returns only after hello was answered")
    }

    /// The prover's name and version in its own words.
    pub fn name(&self) -> &str {
        self.inner.name.get().map_or("", String::as_str)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// The process's private directory; removed when the process is gone.
    pub fn scratch_dir(&self) -> &Path {
        &self.inner.scratch
    }

    /// Makes an empty directory for the outputs of one call, removed when it is dropped. Blocking, briefly.
    pub fn output_dir(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("out-").tempdir_in(&self.inner.scratch)
    }

    /// Returns a number for a job that this process has not seen.
    pub fn new_job(&self) -> u64 {
        self.inner.last_job.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes a call for a job and waits for its reply. Waits before that while the process runs as many calls as it
    /// announced. Dropping the future cancels the call in the process.
    pub async fn call<C: HostCall>(&self, job_id: u64, call: C, options: CallOptions) -> Result<C::Reply, CallError> {
        let room = Arc::clone(&self.inner.room).acquire_owned().await;
        // The room is closed when the process is gone.
        let Ok(room) = room else {
            return Err(self.death().unwrap_or_else(closed_down));
        };
        let progress = options.progress.clone();
        let (call_id, waiting) = self.inner.link.open(job_id, progress, Some(room))?;
        self.converse(job_id, call_id, waiting, call, &options).await
    }

    async fn converse<C: HostCall>(
        &self,
        job_id: u64,
        call_id: u64,
        mut waiting: Waiting,
        call: C,
        options: &CallOptions,
    ) -> Result<C::Reply, CallError> {
        let mut guard = OpenCall {
            process: self,
            call_id,
            answered: false,
        };
        let output_dir = call.output_dir();
        let frame = call_frame(job_id, call_id, call.into_call());
        if frame.encoded_len() > MAX_FRAME_BYTES {
            // Nothing was sent: there is nothing to cancel, and the entry is not waited for.
            guard.answered = true;
            self.inner.link.forget(call_id);
            return Err(CallError::Failed(crate::proto::Failure::input(
                "the call does not fit a frame of 1 MiB; pass its inputs as files",
            )));
        }
        let exchange = async {
            // A closed queue means that the process is on its way out; its death arrives as the answer.
            let _ = self.inner.frames.send(frame).await;
            (&mut waiting).await
        };
        let answer = match options.timeout {
            None => exchange.await,
            Some(limit) => match tokio::time::timeout(limit, exchange).await {
                Ok(answer) => answer,
                Err(_elapsed) => {
                    self.end_call(call_id, Some(limit));
                    waiting.await
                }
            },
        };
        guard.answered = true;
        let answer = answer.unwrap_or_else(|_| Err(closed_down()))?;
        accept::<C>(answer, &output_dir).map_err(|reason| {
            let error = CallError::Protocol(reason);
            self.inner.link.doom(error.clone());
            error
        })
    }

    /// Asks the process to stop a job; kills the process if the job's calls are open after
    /// [`ProverSpec::cancel_grace`]. The calls themselves return [`CallError::Failed`] with class `CANCELLED`.
    /// `false` when the job has no open call.
    pub fn cancel(&self, job_id: u64) -> bool {
        let any = self.inner.link.end_job(job_id);
        if any {
            self.send_cancel(job_id);
        }
        any
    }

    /// Kills the process and its children and waits until nothing is left of them.
    pub async fn kill(&self, why: &str) {
        self.inner.link.doom(CallError::Killed(why.to_owned()));
        self.gone().await;
    }

    /// Asks the process to exit by closing its stdin, kills it after [`ProverSpec::exit_grace`], and waits until it is
    /// gone. Returns how it went.
    pub async fn shutdown(&self) -> CallError {
        self.inner.closing.send_replace(true);
        self.gone().await
    }

    /// Waits until the process is gone and returns why.
    pub async fn gone(&self) -> CallError {
        let mut gone = self.inner.gone.clone();
        // The sender is dropped without a word only when the runtime shuts down.
        let _ = gone.wait_for(|gone| *gone).await;
        self.death().unwrap_or_else(closed_down)
    }

    /// Whether the process is neither gone nor about to be killed.
    pub fn is_alive(&self) -> bool {
        self.inner.link.is_alive() && !*self.inner.closing.borrow()
    }

    /// Why the process is gone; `None` while it is there.
    pub fn death(&self) -> Option<CallError> {
        self.inner.link.death()
    }

    /// The last lines of the prover's log, oldest first, for reports.
    pub fn recent_log(&self) -> Vec<String> {
        self.inner.log.lines()
    }

    fn end_call(&self, call_id: u64, limit: Option<Duration>) {
        if let Some(job_id) = self.inner.link.end_call(call_id, limit) {
            self.send_cancel(job_id);
        }
    }

    fn send_cancel(&self, job_id: u64) {
        // Lost when the queue is full, which it is only if the process does not read: then the grace period ends it.
        let frame = self.inner.link.cancel_frame(job_id);
        let _ = self.inner.frames.try_send(frame);
    }
}

/// Cancels the call if its caller goes away before the answer.
struct OpenCall<'a> {
    process: &'a ProverProcess,
    call_id: u64,
    answered: bool,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.process.end_call(self.call_id, None);
        }
    }
}

fn closed_down() -> CallError {
    CallError::Killed("the host is shutting down".into())
}

/// Makes the command that starts a prover as every host does.
pub(crate) fn command(spec: &ProverSpec, scratch: &Path) -> io::Result<Command> {
    // A path with a directory is meant from here, not from the scratch directory.
    let executable = if spec.executable.components().count() > 1 {
        std::path::absolute(&spec.executable)?
    } else {
        spec.executable.clone()
    };
    let mut command = Command::new(executable);
    command
        .args(&spec.args)
        .env_clear()
        .envs(
            INHERITED_ENVIRONMENT
                .iter()
                .filter_map(|name| std::env::var_os(name).map(|value| (*name, value))),
        )
        .envs(&spec.env)
        .env("TMPDIR", scratch)
        .current_dir(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

fn pipes(
    child: &mut Child,
) -> io::Result<(
    tokio::process::ChildStdin,
    tokio::process::ChildStdout,
    tokio::process::ChildStderr,
)> {
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((stdin, stdout, stderr)),
        _ => Err(io::Error::other("the process has no pipes")),
    }
}

/// Checks the answer to hello against the limits of the contract; the error says what is wrong with it.
pub(crate) fn check_hello(reply: &HelloReply) -> Result<(), String> {
    let too_long = |text: &str| text.len() > MAX_TEXT_BYTES;
    if reply.protocol != PROTOCOL_VERSION {
        return Err(format!("protocol {}", reply.protocol));
    }
    if !(1..=MAX_JOBS).contains(&reply.max_jobs) {
        return Err(format!("max_jobs = {}", reply.max_jobs));
    }
    if reply.name.is_empty() || too_long(&reply.name) || reply.name.contains(char::is_control) {
        return Err("no usable name".into());
    }
    if reply.systems.len() > MAX_SYSTEMS || reply.calls.len() > MAX_SYSTEMS {
        return Err(format!("more than {MAX_SYSTEMS} systems or calls"));
    }
    for system in &reply.systems {
        if !is_plain_name(&system.name) || too_long(&system.toolchain) {
            return Err(format!("the system name {:?}", system.name));
        }
        if system.kinds.len() > MAX_SYSTEMS {
            return Err(format!("more than {MAX_SYSTEMS} kinds of {}", system.name));
        }
        if let Some(kind) = system
            .kinds
            .iter()
            .find(|kind| !is_plain_name(&kind.name) || too_long(&kind.unavailable))
        {
            return Err(format!("the kind name {:?}", kind.name));
        }
    }
    Ok(())
}
