//! A conversation with the prover under test, frame by frame, without the manners of a real host.

use std::{process::ExitStatus, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, ChildStdout},
    task::JoinHandle,
    time::Instant,
};

use super::Subject;
use crate::{
    PROTOCOL_VERSION,
    host::{
        ProverSpec,
        log::{RecentLog, forward},
        process::command,
    },
    proto::{
        Call, Event, Frame, Hello, HelloReply, Role, call::Call as Kind, failure::Class, frame::Body,
        reply::Reply as Answer,
    },
    wire::{self, FrameReader},
};

/// How soon answers that need no work must come, and how soon an exit.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

/// The heartbeat that the prover is asked for.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(200);

/// A check that did not pass.
#[derive(Debug)]
pub(super) enum Not {
    /// Failed, because.
    Passed(String),
    /// Could not be asked, because.
    Asked(String),
}

impl From<String> for Not {
    fn from(why: String) -> Self {
        Self::Passed(why)
    }
}

impl From<&str> for Not {
    fn from(why: &str) -> Self {
        Self::Passed(why.into())
    }
}

/// A running prover.
pub(super) struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    frames: FrameReader<ChildStdout>,
    scratch: TempDir,
    last_call: u64,
    log: Arc<RecentLog>,
    logging: JoinHandle<()>,
    /// When each event came, and what it was.
    pub(super) events: Vec<(Instant, u64, Event)>,
    /// Replies that came before they were waited for.
    early: Vec<(u64, Answer)>,
}

impl Session {
    pub(super) fn start(subject: &Subject) -> Result<Self, Not> {
        let failed = |what: &str, error: std::io::Error| Not::Passed(format!("{what}: {error}"));
        let scratch = tempfile::Builder::new()
            .prefix("conformance-")
            .tempdir()
            .map_err(|error| failed("cannot make a scratch directory", error))?;
        let mut spec = ProverSpec::new(&subject.executable, scratch.path());
        spec.args.clone_from(&subject.args);
        let mut child = command(&spec, scratch.path())
            .and_then(|mut command| command.spawn())
            .map_err(|error| failed("cannot start the prover", error))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the prover has no pipes".into());
        };
        let log = Arc::new(RecentLog::default());
        let (kept, pid) = (Arc::clone(&log), child.id().unwrap_or_default());
        let name = spec.name;
        Ok(Self {
            child,
            stdin: Some(stdin),
            frames: FrameReader::new(stdout),
            scratch,
            last_call: 0,
            log,
            logging: tokio::spawn(async move { forward(stderr, &name, pid, &kept).await }),
            events: Vec::new(),
            early: Vec::new(),
        })
    }

    /// Starts a prover and says hello.
    pub(super) async fn greeted(subject: &Subject, role: Role) -> Result<(Self, HelloReply), Not> {
        let mut session = Self::start(subject)?;
        let hello = session.hello_message(subject, role);
        match session.ask(0, Kind::Hello(hello), subject.hello_timeout).await? {
            Answer::Hello(reply) => Ok((session, reply)),
            Answer::Failure(failure) if failure.class() == Class::Unsupported => Err(Not::Asked(format!(
                "the prover does not serve the role {}: {}",
                role.as_str_name(),
                failure.message
            ))),
            other => Err(format!("hello was answered with {}", describe(&other)).into()),
        }
    }

    pub(super) fn hello_message(&self, subject: &Subject, role: Role) -> Hello {
        Hello {
            protocol: PROTOCOL_VERSION,
            role: role.into(),
            heartbeat_ms: u32::try_from(HEARTBEAT.as_millis()).unwrap_or(u32::MAX),
            scratch_dir: self.scratch.path().to_string_lossy().into_owned(),
            options: subject.options.clone(),
            memory_limit_bytes: 0,
        }
    }

    /// Makes an empty directory for outputs; removed with the session.
    pub(super) fn output_dir(&self) -> Result<String, Not> {
        let directory = tempfile::Builder::new()
            .prefix("out-")
            .tempdir_in(self.scratch.path())
            .map_err(|error| Not::Passed(format!("cannot make an output directory: {error}")))?;
        Ok(directory.keep().to_string_lossy().into_owned())
    }

    /// Sends a call and waits for its reply.
    pub(super) async fn ask(&mut self, job_id: u64, call: Kind, timeout: Duration) -> Result<Answer, Not> {
        let call_id = self.send(job_id, call).await?;
        self.reply(call_id, timeout).await
    }

    /// Sends a call and returns its number.
    pub(super) async fn send(&mut self, job_id: u64, call: Kind) -> Result<u64, Not> {
        let (call_id, bytes) = self.encode(job_id, Some(call));
        self.write(&bytes).await?;
        Ok(call_id)
    }

    /// Makes the bytes of a call with a new number.
    pub(super) fn encode(&mut self, job_id: u64, call: Option<Kind>) -> (u64, Vec<u8>) {
        self.last_call += 1;
        let frame = Frame {
            job_id,
            call_id: self.last_call,
            body: Some(Body::Call(Call { call })),
        };
        let mut bytes = Vec::new();
        wire::encode(&frame, &mut bytes).expect("the calls of these checks fit a frame");
        (self.last_call, bytes)
    }

    /// Writes raw bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Not> {
        let stdin = self.stdin.as_mut().ok_or("stdin is closed already")?;
        let written = tokio::time::timeout(PROMPT, stdin.write_all(bytes)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.with_log(format!("it closed its stdin ({error})"))),
            Err(_) => Err(self.with_log("it does not read its stdin".into())),
        }
    }

    /// Waits for the reply to a call; events on the way are kept.
    pub(super) async fn reply(&mut self, call_id: u64, timeout: Duration) -> Result<Answer, Not> {
        if let Some(index) = self.early.iter().position(|(id, _)| *id == call_id) {
            return Ok(self.early.swap_remove(index).1);
        }
        let end = Instant::now() + timeout;
        loop {
            let frame = self.next_frame(end, &format!("reply to call {call_id}")).await?;
            match frame.body {
                Some(Body::Reply(reply)) => {
                    let Some(answer) = reply.reply else {
                        return Err(format!("the reply to call {} is empty", frame.call_id).into());
                    };
                    if frame.call_id == call_id {
                        return Ok(answer);
                    }
                    self.early.push((frame.call_id, answer));
                }
                Some(Body::Event(event)) => {
                    self.events.push((Instant::now(), frame.job_id, event));
                }
                Some(Body::Call(_)) => return Err("it calls its host".into()),
                None => {}
            }
        }
    }

    /// Waits for the next event of a job or of the process.
    pub(super) async fn event(&mut self, timeout: Duration) -> Result<(), Not> {
        let end = Instant::now() + timeout;
        let frame = self.next_frame(end, "event").await?;
        match frame.body {
            Some(Body::Event(event)) => {
                self.events.push((Instant::now(), frame.job_id, event));
                Ok(())
            }
            Some(Body::Reply(reply)) => {
                self.early.extend(reply.reply.map(|answer| (frame.call_id, answer)));
                Err(Not::Asked("a case whose job takes longer".into()))
            }
            _ => Err("it sent neither an event nor a reply".into()),
        }
    }

    async fn next_frame(&mut self, end: Instant, what: &str) -> Result<Frame, Not> {
        match tokio::time::timeout_at(end, self.frames.read_async()).await {
            Err(_) => Err(self.with_log(format!("no {what} came in time"))),
            Ok(Ok(Some(frame))) => Ok(frame),
            Ok(Ok(None)) => Err(self.with_log(format!("it closed its stdout instead of the {what}"))),
            Ok(Err(error)) => Err(self.with_log(format!("its stdout is broken: {error}"))),
        }
    }

    /// Closes stdin.
    pub(super) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for the exit; frames that still come are thrown away.
    pub(super) async fn exit(&mut self) -> Result<ExitStatus, Not> {
        let end = Instant::now() + PROMPT;
        while let Ok(Ok(Some(_))) = tokio::time::timeout_at(end, self.frames.read_async()).await {}
        match tokio::time::timeout_at(end, self.child.wait()).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(format!("its exit cannot be seen: {error}").into()),
            Err(_) => Err(self.with_log(format!("it did not exit within {PROMPT:?}"))),
        }
    }

    fn with_log(&self, mut message: String) -> Not {
        if let Some(line) = self.log.lines().last() {
            message.push_str(" (last log line: ");
            message.push_str(line);
            message.push(')');
        }
        Not::Passed(message)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // With its children; the child itself is reaped by the runtime, which kills it on drop.
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        self.logging.abort();
    }
}

/// Names an answer for a report.
pub(super) fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Failure(failure) => format!("Failure.{}: {}", failure.class().as_str_name(), failure.message),
        Answer::Hello(_) => "HelloReply".into(),
        Answer::Prove(_) => "ProveReply".into(),
        Answer::Execute(_) => "ExecuteReply".into(),
        Answer::Setup(_) => "SetupReply".into(),
        Answer::Verify(_) => "VerifyReply".into(),
        Answer::Cancel(_) => "CancelReply".into(),
    }
}

/// Passes if the answer is a failure of this class.
pub(super) fn expect_failure(answer: &Answer, class: Class, to: &str) -> Result<(), Not> {
    match answer {
        Answer::Failure(failure) if failure.class() == class => Ok(()),
        other => Err(format!(
            "{to} was answered with {}, not with Failure.{}",
            describe(other),
            class.as_str_name()
        )
        .into()),
    }
}
